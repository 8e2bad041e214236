"""The figures of a study: `FIGURES` lists them with their captions, and `write_figures` writes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from corpo.analysis.compare import REFERENCE
from corpo.analysis.regrade import can_be_regraded
from corpo.analysis.runs import VALIDATION_ACCURACY, failed_columns, has_metrics, rewarded_columns
from corpo.analysis.splits import has_splits
from corpo.analysis.study import Study
from corpo.analysis.theory import pooled
from corpo.analysis.verification import can_be_measured
from corpo.report.figures.curves import accuracy_by_kind, learning_curves, update_size, validation_skill
from corpo.report.figures.evaluation import calibration, differences, regraded_failures, scoreboard, skill
from corpo.report.figures.scores import has_scores, reward_map, score_maps
from corpo.report.figures.style import (
    COLOURS,
    CORRECT,
    FORMATS,
    LABEL_SIZE,
    NEUTRAL_COLOURS,
    WIDTH,
    WRONG,
    colour,
    colours,
    figure_style,
    finish_figure,
    legend,
    line_styles,
    markers,
    reference_line,
    save,
    save_in_all_formats,
)
from corpo.report.figures.training import (
    advantage_ratio,
    distributions,
    failed_positive,
    frontier,
    frontier_panels,
    predicted_failed_positive,
    rewarded_failures,
)
from corpo.report.names import label_of
from corpo.task import Kind
from corpo.utils.forks import map_in_forks
from corpo.utils.progress import progress

__all__ = [
    "COLOURS",
    "CORRECT",
    "FIGURES",
    "FORMATS",
    "LABEL_SIZE",
    "NEUTRAL_COLOURS",
    "WIDTH",
    "WRONG",
    "accuracy_by_kind",
    "advantage_ratio",
    "calibration",
    "colour",
    "colours",
    "differences",
    "distributions",
    "drawable_figures",
    "failed_positive",
    "figure_style",
    "finish_figure",
    "frontier",
    "label_of",
    "learning_curves",
    "legend",
    "line_styles",
    "markers",
    "predicted_failed_positive",
    "reference_line",
    "regraded_failures",
    "reward_map",
    "rewarded_failures",
    "save",
    "save_in_all_formats",
    "score_maps",
    "scoreboard",
    "skill",
    "spec_of",
    "update_size",
    "validation_skill",
    "write_figures",
]


def _has_both_domains(study: Study) -> bool:
    return has_splits(study, study.in_domain) and has_splits(study, study.out_of_domain)


def _has_reference_and_another(study: Study) -> bool:
    return REFERENCE in study.baselines and len(study.baselines) > 1


def _has_validation_by_kind(study: Study) -> bool:
    metrics = [f"validation/pass@1/{kind}" for kind in Kind]
    return any(not run.metrics.columns.intersection(metrics).empty for run in study.runs)


def _has_frontier(study: Study) -> bool:
    required = [f"{VALIDATION_ACCURACY}/{name}" for name in ("unseen", "both_correct", "both_wrong")]
    panels = set(frontier_panels(study))
    return panels >= set(required) if study.has_pairs else bool(panels)


def _has_skill_metrics(study: Study) -> bool:
    return has_metrics(study, ("validation/auc_a", "validation/auc_b", "validation/exactly_one"))


def _has_failures_by_kind(study: Study) -> bool:
    return has_metrics(study, (*failed_columns(study), *rewarded_columns(study)))


def _has_reward_unit(study: Study) -> bool:
    """Return whether all rewards of each run are multiples of one unit, which the predictions require."""
    for run in study.runs:
        rewards_N = np.concatenate([rewards_PG.ravel() for rewards_PG in run.rewards.values()])
        try:
            pooled(rewards_N, study.threshold)
        except ValueError:
            return False
    return True


def _always(study: Study) -> bool:
    return True


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the report: the function that draws it, its texts, and the data that it requires."""

    draw: Callable[[Study], Figure]
    title: str  # a heading for pages; the figure does not show it
    description: str  # one sentence that replaces the figure for readers who cannot see it
    caption: str  # how to read the figure
    is_drawable: Callable[[Study], bool] = _always

    @property
    def name(self) -> str:
        """Return the name of the files without their extension."""
        return self.draw.__name__


FIGURES = (
    FigureSpec(
        scoreboard,
        "Main results",
        "Dot plot with a row per baseline: failed rollouts with a positive advantage, accuracy in and out "
        "of domain, and KL divergence from the base policy.",
        "Main results per baseline. Dots are means over seeds, ticks are single seeds, and the dotted line "
        "is the base policy. Accuracies are means over splits; the KL divergence is measured at the end of "
        "training. The grey band has accuracies whose difference from that of GRPO is too small to be of "
        "interest.",
        _has_both_domains,
    ),
    FigureSpec(
        skill,
        "Skill: how well scores separate correct from wrong candidates",
        "Dot plot of the AUC of each policy with its 95% interval, a panel per part of the evaluation, "
        "compared with chance and with policies that do not verify.",
        "Probability that a correct candidate gets a higher score than a wrong one (AUC, mean of A and B): "
        "mean over seeds, with a 95% interval over problems. The dotted line is chance. Policies with hollow "
        "markers do not verify: a memory of templates, and the base with an empty think block.",
        can_be_measured,
    ),
    FigureSpec(
        score_maps,
        "Both scores at once",
        "Heat maps of the score of A and the score of B, a row per policy and a column per kind of pair, "
        "with the percentage of rollouts in each quadrant.",
        "Scores that each policy gives to A and to B in the evaluation, for each kind of pair; darker is "
        "more frequent, on a square-root scale. Numbers are the share of all rollouts in each quadrant. The "
        "frame marks the correct verdict. Policies that do not verify call exactly one candidate correct "
        "even if both are correct or both are wrong.",
        has_scores,
    ),
    FigureSpec(
        reward_map,
        "The reward of each pair of scores",
        "Heat maps of the reward by the score of A and the score of B, a panel per kind of pair: correct "
        "verdicts earn R_min_correct or more, all others less.",
        "Mean reward of the evaluation rollouts by their scores for A and B; darker is higher. White cells "
        "have no rollouts. The frame marks the correct verdicts, which earn R_min_correct (line in the "
        "colour bar) or more. Failures whose scores are nearer to the labels earn more than other failures, "
        "so they can lie above the mean of their group.",
        has_scores,
    ),
    FigureSpec(
        advantage_ratio,
        "Ratio of positive to negative advantages",
        "Line charts of the ratio of positive to negative advantages by training step and baseline, by "
        "count and by sum, on a logarithmic scale.",
        "Ratio of positive to negative advantages by training step, as in the CoRPO paper. Both are added up "
        "over 5 steps before they are divided. Lines are geometric means over seeds, and bands span the "
        "seeds. The advantages of GRPO are centred on the group mean, so its ratio of sums "
        "is always 1.",
    ),
    FigureSpec(
        failed_positive,
        "Failures with a positive advantage",
        "Line charts by training step and baseline: the percentage of failed rollouts with a positive "
        "advantage, and of groups with a mean reward below R_min_correct.",
        "Left: failed rollouts that get a positive advantage. Right: groups with a mean reward below "
        "R_min_correct, which is when CoRPO clips its baseline; the other methods do not clip. 5-step "
        "means. The dotted line is the share in the paper's early batch.",
    ),
    FigureSpec(
        predicted_failed_positive,
        "Failures above the group mean: prediction and measurement",
        "Left a line with its 95% range and measured points by training step of a run of GRPO, right a "
        "scatter plot of measured against predicted percentages of all batches.",
        "Failed rollouts above the group mean: prediction against measurement. The prediction uses the "
        "frequency of each reward level in the batch and the variation between prompts; it is not fitted to "
        "the groups. See docs/explanation/theory.md.",
        _has_reward_unit,
    ),
    FigureSpec(
        regraded_failures,
        "Failures above the group mean if graded or grouped in other ways",
        "Dot plots of the percentage of failed evaluation rollouts above the mean of their group, by reward "
        "levels, group size, share of correct rollouts and split, and with a positive advantage by "
        "baseline.",
        "Rollouts of the evaluation, graded with other numbers of reward levels, put into other groups, or "
        "given to other baselines. Colours are the policies that sampled the rollouts. The last panel shows "
        "which baselines would give failures a positive advantage. The other panels show which failures lie "
        "above the mean of their group, as GRPO computes it. So rollouts of policies that were trained with "
        "static and CoRPO have such failures, too. Bars span the seeds. No policy is trained for this "
        "figure. Data: `regraded.csv`.",
        can_be_regraded,
    ),
    FigureSpec(
        learning_curves,
        "Reward and accuracy during training",
        "Line charts by training step and baseline: mean reward and pass@1 of the training batch and "
        "validation pass@1, above their differences from GRPO with the same seed.",
        "Above: reward and pass@1 of the training batches (5-step means), and pass@1 on the validation "
        "problems. If there are few baselines, the panels below show the difference between each run and "
        "the run of GRPO with the same seed. Bands span the seeds. Differences in the grey band are too "
        "small to be of interest.",
    ),
    FigureSpec(
        accuracy_by_kind,
        "Accuracy on each kind of pair",
        "Line charts of validation pass@1 by training step and baseline, a panel per kind of pair, above "
        "the differences from GRPO with the same seed.",
        "pass@1 on validation pairs of each kind by training step. By default, training uses the first two "
        "kinds only. The dotted line is a random guess for each candidate. If there are few baselines, the "
        "panels below show the difference between each run and the run of GRPO with the same seed. "
        "Differences in the grey band are too small to be of interest.",
        _has_validation_by_kind,
    ),
    FigureSpec(
        frontier,
        "Accuracy out of domain against accuracy in domain",
        "Line charts that lead from the first to the last validation of each baseline, with accuracy in "
        "domain on the x axis and accuracy out of domain on the y axis.",
        "Accuracy out of domain against accuracy in domain during training, so that baselines can be "
        "compared at equal accuracy in domain. Each line leads from the first validation (hollow marker) to "
        "the last one (full marker). Thick lines are means over seeds, thin lines single seeds. In domain: "
        "pairs with exactly one correct candidate and seen combinations of operations. Out of domain: "
        "unseen combinations, pairs of two correct or two wrong candidates, and mathematics, as far as they "
        "were measured. All values are measured on validation problems, which are not those of the table.",
        _has_frontier,
    ),
    FigureSpec(
        validation_skill,
        "Skill and habit during training",
        "Line charts of validation measures by training step and baseline: AUC of both scores, verdicts "
        "that call exactly one candidate correct, and right traces, above their differences from GRPO.",
        "Measures on validation problems that tell better judgement from a habit. The AUC is the probability "
        "that a correct candidate gets a higher score than a wrong one, for seen and unseen combinations of "
        "operations, and for pairs of equal labels, whose candidates are both correct or both wrong; chance "
        "is 0.5. The habit is to call exactly one candidate correct where both are "
        "correct or both are wrong. A trace is right if it has no mistake from beginning to end. The lower "
        "panels have the difference between each run and the run of GRPO with the same seed. Bands span the "
        "seeds.",
        _has_skill_metrics,
    ),
    FigureSpec(
        rewarded_failures,
        "Failed rollouts by verdict",
        "Stacked bars of the verdicts of all failed rollouts, and of those with a positive advantage, in "
        "the first and the last training steps of each baseline.",
        "Failed rollouts of training by the verdict that they gave, in the first and the last steps. Left: "
        "all failures. Right: failures with a positive advantage, in percent of all failures of the same "
        "steps; the number is their sum. Static and CoRPO never reward a failure, so their sum is 0. Values "
        "are means over seeds. A swapped verdict calls exactly one candidate correct, but not the right one.",
        _has_failures_by_kind,
    ),
    FigureSpec(
        differences,
        "Differences from GRPO by split",
        "Differences in pass@k between each baseline and GRPO on each split of the evaluation, with 95% "
        "intervals, beside the range that is too small to be of interest.",
        "Difference in pass@k between each baseline and GRPO on the same prompts: mean, 95% interval and "
        "single seeds (ticks). With several seeds the interval is over seeds and problems. With few seeds "
        "it may extend beyond the frame. Differences in the grey band are too small to be of interest. Many "
        "baselines are shown as a table of numbers, which are bold if the interval excludes zero.",
        _has_reference_and_another,
    ),
    FigureSpec(
        distributions,
        "Rewards and advantages in the first and the last steps",
        "Histograms of rewards and of each baseline's advantages in the first and the last training steps, "
        "for failed and correct rollouts; failed rollouts with a positive advantage stand out.",
        "Rewards and advantages in the first and the last training steps, separately for failed and correct "
        "rollouts. Dark red: failed rollouts with a positive advantage; the number is their share of the "
        "failed rollouts. The dotted lines are R_min_correct and zero.",
    ),
    FigureSpec(
        calibration,
        "Calibration of the confidence scores",
        "Line charts by stated confidence and policy: the percentage of candidates that are correct, and "
        "the percentage of candidates that received this confidence.",
        "Left: share of candidates that are correct at each stated confidence. The numbers are the smallest "
        "and the largest share below and above 50%. If they are close, only the side of 50% carries "
        "information. Right: how often each confidence is stated. Confidence levels with fewer than 50 "
        "candidates are left out.",
        has_scores,
    ),
    FigureSpec(
        update_size,
        "Size of updates and distance from the base",
        "Line charts by training step and baseline of gradient norm, update norm, KL divergence from the "
        "base policy and entropy, above their ratios to GRPO with the same seed.",
        "Gradient norms, norms of the weight updates, KL divergence from the base policy, and entropy by "
        "training step. If there are few baselines, the panels below show each run divided by the run of "
        "GRPO with the same seed. Bands span the seeds.",
    ),
)


# What figures of pairs say otherwise about questions, by the name of the figure.
_TEXTS_FOR_QUESTIONS: dict[str, dict[str, str]] = {
    "regraded_failures": {
        "title": "Failures above the group mean if grouped in other ways",
        "description": "Dot plots of the percentage of failed evaluation rollouts above the mean of their "
        "group, by group size, share of correct rollouts and split, and with a positive advantage by "
        "baseline.",
        "caption": "Rollouts of the evaluation, put into other groups or given to other baselines. Colours "
        "are the policies that sampled the rollouts. The last panel shows which baselines would give "
        "failures a positive advantage. The other panels show which failures lie above the mean of their "
        "group, as GRPO computes it. So rollouts of policies that were trained with static and CoRPO have "
        "such failures, too. Bars span the seeds. No policy is trained for this figure. Data: "
        "`regraded.csv`.",
    },
    "frontier": {
        "title": "Accuracy on further splits against accuracy in domain",
        "description": "Line charts that lead from the first to the last validation of each baseline, with "
        "accuracy in domain on the x axis and accuracy on another validation split on the y axis.",
        "caption": "Accuracy on further validation splits against accuracy in domain during training, so "
        "that baselines can be compared at equal accuracy in domain. Each line leads from the first "
        "validation (hollow marker) to the last one (full marker). Thick lines are means over seeds, thin "
        "lines single seeds. All values are measured on validation questions, which are not those of the "
        "table.",
    },
    "rewarded_failures": {
        "title": "Failed rollouts by kind",
        "description": "Stacked bars of the kinds of all failed rollouts, and of those with a positive "
        "advantage, in the first and the last training steps of each baseline.",
        "caption": "Failed rollouts of training by the kind of failure, in the first and the last steps. "
        "Left: all failures. Right: failures with a positive advantage, in percent of all failures of the "
        "same steps; the number is their sum. Static and CoRPO never reward a failure, so their sum is 0. "
        "Values are means over seeds.",
    },
}


def spec_of(name: str) -> FigureSpec:
    """Return the texts of a figure and the function that draws it."""
    return next(figure for figure in FIGURES if figure.name == name)


def drawable_figures(study: Study) -> list[FigureSpec]:
    """Return the figures that the study has the data for, with texts that fit its task."""
    specs = [figure for figure in FIGURES if figure.is_drawable(study)]
    if study.has_pairs:
        return specs
    return list(map(_with_texts_for_questions, specs))


def _with_texts_for_questions(spec: FigureSpec) -> FigureSpec:
    texts = {"title": spec.title, "description": spec.description, "caption": spec.caption}
    texts |= _TEXTS_FOR_QUESTIONS.get(spec.name, {})
    return replace(spec, title=texts["title"], description=texts["description"], caption=texts["caption"])


def write_figures(study: Study, folder: Path) -> list[FigureSpec]:
    """Write every drawable figure as PNG, SVG and PDF into a folder and return the figures.

    They are drawn side by side, one per core.
    """
    specs = {spec.name: spec for spec in drawable_figures(study)}

    def write(name: str) -> None:
        save_in_all_formats(specs[name].draw(study), folder, name)

    with progress("figures", len(specs)) as advance:
        for _ in map_in_forks(write, list(specs), os.cpu_count() or 1):
            advance()
    return list(specs.values())
