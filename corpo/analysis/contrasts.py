"""Predictions for the contrasts of the study, fixed before they are run.

A contrast changes one thing about the study, to tell why its baselines differ or do not. Each is an
experiment `contrast_NAME` with four seeds from the shipped base policy. The experiment `baselines` has the
same seeds and the settings of the study, so it is the reference. A prediction names a quantity, the effect of
interest, and what each outcome would mean. Predictions are not claims of the paper, and they have no
verdicts: a page shows the values of all seeds beside them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """A quantity of a contrast, what we expect of it, and what the outcomes would mean."""

    experiment: str
    question: str
    quantity: str
    effect_of_interest: str
    expected: str  # before any run of the contrast
    if_reached: str  # what it would mean if the effect of interest is reached
    if_not: str


PREDICTIONS = (
    Prediction(
        experiment="contrast_blocks",
        question="Does the pair in one prompt make the habit of calling exactly one candidate correct?",
        quantity="share of exactly one on pairs of equal labels, change under GRPO",
        effect_of_interest="-5 points compared with `baselines`",
        expected="not reached, because the policy has no such habit",
        if_reached="The pair leaks into the verdicts, and C5 partly measures this leak.",
        if_not="A verdict on one candidate does not depend on the other one, so C5 is about verification.",
    ),
    Prediction(
        experiment="contrast_blocks",
        question="Do the baselines differ if no verdict can use the other candidate?",
        quantity="out of domain, pass@1, CoRPO minus GRPO",
        effect_of_interest="2 points",
        expected="not reached",
        if_reached="The shared prompt of the study hides an effect of the baseline.",
        if_not="The shared prompt is not the reason why the baselines agree.",
    ),
    Prediction(
        experiment="contrast_reward",
        question="Does GRPO gain out of domain because its less bad failures are right answers there?",
        quantity="pass@1 on both wrong, GRPO minus CoRPO, compared with `baselines`",
        effect_of_interest="-2 points",
        expected="not reached, because few failures are rewarded",
        if_reached="The order by distance helps GRPO on both wrong, so the study favours it there.",
        if_not="The order of failures does not decide the comparison.",
    ),
    Prediction(
        experiment="contrast_traces",
        question="Does a reward for right trace lines make rewarded failures useful?",
        quantity="share of right traces on validation, GRPO minus CoRPO at the end",
        effect_of_interest="5 points",
        expected="not reached",
        if_reached="A less bad failure is worth preferring if it is better work. CoRPO gives this up.",
        if_not="Not rewarding failures costs nothing even if their order is informative.",
    ),
    Prediction(
        experiment="contrast_traces",
        question="Does a reward for right trace lines teach more than the reward of the study?",
        quantity="share of right traces on validation at the end, compared with `baselines`",
        effect_of_interest="5 points",
        expected="reached: the reward is denser",
        if_reached="Outcome rewards limit what the study can teach.",
        if_not="Outcome rewards are enough at this size.",
    ),
    Prediction(
        experiment="contrast_epochs",
        question="Does a wrong sign matter if updates are not linear in the advantages?",
        quantity="out of domain, pass@1, CoRPO minus GRPO",
        effect_of_interest="2 points",
        expected="not reached with 30 steps",
        if_reached="C5 depends on ratio clipping, as theory allows.",
        if_not="Clipping does not bring out the difference at this size.",
    ),
    Prediction(
        experiment="contrast_sgd",
        question="Are CoRPO's updates smaller if nothing fixes their size?",
        quantity="update norm over learning rate, GRPO over CoRPO",
        effect_of_interest="a ratio of 1.05",
        expected="open: CoRPO's advantages do not sum to 0, which adds a part to its gradient",
        if_reached="C6 holds for the update itself.",
        if_not="Smaller updates do not follow from the baseline.",
    ),
    Prediction(
        experiment="contrast_sgd",
        question="Do the baselines differ without the adaptive optimizer?",
        quantity="out of domain, pass@1, CoRPO minus GRPO",
        effect_of_interest="2 points",
        expected="not reached: the expected gradients are nearly equal",
        if_reached="AdamW and clipping hide the difference in the study.",
        if_not="AdamW and clipping are not the reason why the baselines agree.",
    ),
    Prediction(
        experiment="contrast_hard",
        question="Does CoRPO gain where most rollouts fail, so that its clip is active?",
        quantity="out of domain, pass@1, CoRPO minus GRPO",
        effect_of_interest="2 points",
        expected="not reached",
        if_reached="C5 needs a base that fails most of its rollouts; the base of the study passes too many.",
        if_not="Neither a strong nor a weak base shows the effect.",
    ),
    Prediction(
        experiment="contrast_hard",
        question="Does GRPO reward more failures where most rollouts fail?",
        quantity="failures that GRPO rewards, first 5 steps",
        effect_of_interest="15% (paper: 18%)",
        expected="reached, as theory predicts for a pass rate of 25 to 30%",
        if_reached="The regime is that of the paper's early batch, so it is the fairest test of C5 here.",
        if_not="Our failures are more alike than those of the paper.",
    ),
)
