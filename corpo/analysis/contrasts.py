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
        "contrast_blocks",
        "Does the pair in one prompt make the habit of calling exactly one candidate correct?",
        "share of exactly one on pairs of equal labels, change under GRPO",
        "-5 points compared with `baselines`",
        "not reached, because the policy has no such habit",
        "The pair leaks into the verdicts, and C5 partly measures this leak.",
        "A verdict on one candidate does not depend on the other one, so C5 is about verification.",
    ),
    Prediction(
        "contrast_blocks",
        "Do the baselines differ if no verdict can use the other candidate?",
        "out of domain, pass@1, CoRPO minus GRPO",
        "2 points",
        "not reached",
        "The shared prompt of the study hides an effect of the baseline.",
        "The shared prompt is not the reason why the baselines agree.",
    ),
    Prediction(
        "contrast_reward",
        "Does GRPO gain out of domain because its less bad failures are right answers there?",
        "pass@1 on both wrong, GRPO minus CoRPO, compared with `baselines`",
        "-2 points",
        "not reached, because few failures are rewarded",
        "The order of failures by distance helps GRPO on both wrong, so the study favours GRPO there.",
        "The order of failures does not decide the comparison.",
    ),
    Prediction(
        "contrast_traces",
        "Does a reward for right trace lines make rewarded failures useful?",
        "share of right traces on validation, GRPO minus CoRPO at the end",
        "5 points",
        "not reached",
        "Preferring a less bad failure helps if less bad means better work: CoRPO gives up a signal.",
        "Not rewarding failures costs nothing even if their order is informative.",
    ),
    Prediction(
        "contrast_traces",
        "Does a reward for right trace lines teach more than the reward of the study?",
        "share of right traces on validation at the end, mean of the baselines, compared with `baselines`",
        "5 points",
        "reached: the reward is denser",
        "Outcome rewards limit what the study can teach.",
        "Outcome rewards are enough at this size.",
    ),
    Prediction(
        "contrast_epochs",
        "Does a wrong sign matter if updates are not linear in the advantages?",
        "out of domain, pass@1, CoRPO minus GRPO",
        "2 points",
        "not reached with 30 steps",
        "C5 depends on ratio clipping, as theory allows; with one update per batch it cannot show.",
        "Clipping does not bring out the difference at this size.",
    ),
    Prediction(
        "contrast_sgd",
        "Are CoRPO's updates smaller if nothing fixes their size?",
        "update norm over learning rate, GRPO over CoRPO",
        "a ratio of 1.05",
        "open: CoRPO's advantages do not sum to 0, which adds a part to its gradient",
        "C6 holds for the update itself.",
        "Smaller updates do not follow from the baseline, and C6 is a statement about other settings.",
    ),
    Prediction(
        "contrast_sgd",
        "Do the baselines differ without the adaptive optimizer?",
        "out of domain, pass@1, CoRPO minus GRPO",
        "2 points",
        "not reached: the expected gradients are nearly equal",
        "AdamW and clipping hide the difference in the study.",
        "AdamW and clipping are not the reason why the baselines agree.",
    ),
    Prediction(
        "contrast_hard",
        "Does CoRPO gain where most rollouts fail, so that its clip is active?",
        "out of domain, pass@1, CoRPO minus GRPO",
        "2 points",
        "not reached",
        "C5 needs a base that fails most of its rollouts; the base of the study passes too many.",
        "Neither a strong nor a weak base shows the effect.",
    ),
    Prediction(
        "contrast_hard",
        "Does GRPO reward more failures where most rollouts fail?",
        "failures that GRPO rewards, first 5 steps",
        "15% (paper: 18%)",
        "reached, as theory predicts for a pass rate of 25 to 30%",
        "The regime is that of the paper's early batch, so it is the fairest test of C5 here.",
        "Our failures are more alike than those of the paper.",
    ),
)
