"""The figures of a study: `FIGURES` lists them with their captions, and `write_figures` writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from corpo.analysis.claims import IN_DOMAIN, OUT_OF_DOMAIN
from corpo.analysis.compare import REFERENCE
from corpo.analysis.regrade import can_be_regraded
from corpo.analysis.runs import FAILED_COLUMNS, REWARDED_COLUMNS, has_metrics
from corpo.analysis.study import Study
from corpo.analysis.theory import pooled
from corpo.analysis.verification import can_be_measured
from corpo.report.figures.evaluation import calibration, differences, regraded_failures, scoreboard, skill
from corpo.report.figures.style import (
    COLOURS,
    CORRECT,
    NAMES,
    WIDTH,
    WRONG,
    colour,
    colours,
    figure_style,
    finish_figure,
    label_of,
    legend,
    line_styles,
    markers,
    reference_line,
    save,
)
from corpo.report.figures.training import (
    FRONTIER,
    SEEN_ACCURACY,
    accuracy_by_kind,
    advantage_ratio,
    distributions,
    failed_positive,
    frontier,
    learning_curves,
    predicted_failed_positive,
    rewarded_failures,
    update_size,
    validation_skill,
)
from corpo.task import Kind

__all__ = [
    "COLOURS",
    "CORRECT",
    "FIGURES",
    "NAMES",
    "WIDTH",
    "WRONG",
    "accuracy_by_kind",
    "advantage_ratio",
    "calibration",
    "caption_of",
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
    "rewarded_failures",
    "save",
    "scoreboard",
    "skill",
    "update_size",
    "validation_skill",
    "write_figures",
]


def _has_table_splits(study: Study) -> bool:
    return {*IN_DOMAIN, *OUT_OF_DOMAIN} <= set(study.splits)


def _has_reference_and_another(study: Study) -> bool:
    return REFERENCE in study.baselines and len(study.baselines) > 1


def _has_validation_by_kind(study: Study) -> bool:
    metrics = [f"validation/pass@1/{kind}" for kind in Kind]
    return any(not run.metrics.columns.intersection(metrics).empty for run in study.runs)


def _has_frontier(study: Study) -> bool:
    return has_metrics(study, [metric for metric in FRONTIER if metric != f"{SEEN_ACCURACY}/math"])


def _has_skill_metrics(study: Study) -> bool:
    return has_metrics(study, ("validation/auc_a", "validation/auc_b", "validation/exactly_one"))


def _has_failures_by_verdict(study: Study) -> bool:
    return has_metrics(study, (*FAILED_COLUMNS, *REWARDED_COLUMNS))


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
    """A figure of the report: the function that draws it, its caption, and the data that it requires."""

    draw: Callable[[Study], Figure]
    caption: str
    is_drawable: Callable[[Study], bool] = _always

    @property
    def name(self) -> str:
        """Return the name of the PNG file without its extension."""
        return self.draw.__name__


FIGURES = (
    FigureSpec(
        scoreboard,
        "Main results per baseline. Dots are means over seeds, ticks are single seeds, and the dotted line "
        "is the base policy. Accuracies are means over splits; the KL divergence is measured at the end of "
        "training.",
        _has_table_splits,
    ),
    FigureSpec(
        skill,
        "Probability that a correct candidate gets a higher score than a wrong one (AUC, mean of A and B): "
        "mean over seeds, with a 95% interval over problems. The dotted line is chance. Policies with hollow "
        "markers do not verify: a memory of templates, and the base with an empty think block.",
        can_be_measured,
    ),
    FigureSpec(
        advantage_ratio,
        "Ratio of positive to negative advantages by training step, as in the CoRPO paper. Both are added up "
        "over 5 steps before they are divided. Lines are geometric means over seeds, and bands span the "
        "seeds. The advantages of GRPO are centred on the group mean, so its ratio of sums "
        "is always 1.",
    ),
    FigureSpec(
        failed_positive,
        "Left: failed rollouts that get a positive advantage. Right: groups with a mean reward below "
        "R_min_correct, which is when CoRPO clips its baseline; the other methods do not clip. 5-step "
        "means. The dotted line is the share in the paper's early batch.",
    ),
    FigureSpec(
        predicted_failed_positive,
        "Failed rollouts above the group mean: prediction against measurement. The prediction uses the "
        "frequency of each reward level in the batch and the variation between prompts; it is not fitted to "
        "the groups. See docs/explanation/theory.md.",
        _has_reward_unit,
    ),
    FigureSpec(
        regraded_failures,
        "Rollouts of the evaluation, graded with other numbers of reward levels, put into other groups, or "
        "given to other baselines: the share of failed rollouts that get a positive advantage, before and "
        "after training. Bars span the seeds. No policy is trained for this figure. Data: `regraded.csv`.",
        can_be_regraded,
    ),
    FigureSpec(
        learning_curves,
        "Reward and pass@1 of the training batches (5-step means), and pass@1 on the validation problems.",
    ),
    FigureSpec(
        accuracy_by_kind,
        "pass@1 on validation pairs of each kind by training step. By default, training uses the first two "
        "kinds only. The dotted line is a random guess for each candidate.",
        _has_validation_by_kind,
    ),
    FigureSpec(
        frontier,
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
        "Measures on validation problems that tell better judgement from a habit. The AUC is the probability "
        "that a correct candidate gets a higher score than a wrong one, for seen and unseen combinations of "
        "operations, and for pairs of equal labels, whose candidates are both correct or both wrong; chance "
        "is 0.5. The habit is to call exactly one candidate correct where both are "
        "correct or both are wrong. A trace is right if it has no mistake from beginning to end. Bands span "
        "the seeds.",
        _has_skill_metrics,
    ),
    FigureSpec(
        rewarded_failures,
        "Failed rollouts of training by the verdict that they gave, in the first and the last steps. Left: "
        "all failures. Right: failures with a positive advantage, in percent of all failures of the same "
        "steps; the number is their sum. Static and CoRPO never reward a failure, so their sum is 0. Values "
        "are means over seeds. A swapped verdict calls exactly one candidate correct, but not the right one.",
        _has_failures_by_verdict,
    ),
    FigureSpec(
        differences,
        "Difference in pass@k between each baseline and GRPO on the same prompts: mean, 95% interval and "
        "single seeds (ticks). With several seeds the interval is over seeds and problems. With few seeds "
        "it may extend beyond the frame.",
        _has_reference_and_another,
    ),
    FigureSpec(
        distributions,
        "Rewards and advantages in the first and the last training steps, separately for failed and correct "
        "rollouts. The dotted lines are R_min_correct and zero.",
    ),
    FigureSpec(
        calibration,
        "Share of candidates that are correct at each stated confidence. Confidence levels with fewer than "
        "50 candidates are left out.",
    ),
    FigureSpec(
        update_size,
        "Gradient norms, norms of the weight updates, KL divergence from the base policy, and entropy by "
        "training step.",
    ),
)


def caption_of(name: str) -> str:
    """Return the caption of a figure."""
    return next(figure.caption for figure in FIGURES if figure.name == name)


def drawable_figures(study: Study) -> list[FigureSpec]:
    """Return the figures that the study has the data for."""
    return [figure for figure in FIGURES if figure.is_drawable(study)]


def write_figures(study: Study, folder: Path) -> list[str]:
    """Write every drawable figure as PNG into a folder and return the names of the figures."""
    figures = drawable_figures(study)
    for figure in figures:
        save(figure.draw(study), folder / f"{figure.name}.png")
    return [figure.name for figure in figures]
