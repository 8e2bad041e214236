"""Figures of what happens during training: advantages, rewards, accuracy by step, and the size of updates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpo.analysis.figure_data import rewards_and_advantages, share_inside
from corpo.analysis.runs import (
    EARLY,
    FAILED_COLUMNS,
    PERIODS,
    REWARDED_COLUMNS,
    has_metrics,
    mean_failures,
    ratio_curve,
)
from corpo.analysis.study import Study
from corpo.analysis.theory import Prediction, predictions
from corpo.report.figures.style import (
    CORRECT,
    MAX_BASELINES_WITH_BANDS,
    REFERENCE_COLOUR,
    WIDTH,
    WRONG,
    colour,
    figure_style,
    finish_figure,
    label_of,
    legend,
    line_styles,
    reference_line,
)
from corpo.task import Kind
from corpo.train.failures import FAILURES

PAPER_FAILED_POSITIVE = 18  # percent of the failed rollouts in the early batch that the CoRPO paper describes
SEEN_ACCURACY = "validation/pass@1"
FRONTIER = {  # accuracy out of domain -> title of its panel
    "validation/pass@1/unseen": "Unseen, one correct",
    "validation/pass@1/both_correct": "Both correct",
    "validation/pass@1/both_wrong": "Both wrong",
    "validation/pass@1/math": "Mathematics",
}
SKILL_METRICS = {  # metric -> title, unit, and whether it is shown in percent
    "validation/auc_a": ("AUC of score A, seen", "AUC", False),
    "validation/auc_b": ("AUC of score B, seen", "AUC", False),
    "validation/exactly_one": ("Habit: exactly one correct", "verdicts (%)", True),
    "validation/auc_a/unseen": ("AUC of score A, unseen", "AUC", False),
    "validation/auc_b/unseen": ("AUC of score B, unseen", "AUC", False),
    "validation/traced": ("Skill: right traces", "traces (%)", True),
    "validation/auc_a/homogeneous": ("AUC of score A, equal labels", "AUC", False),
    "validation/auc_b/homogeneous": ("AUC of score B, equal labels", "AUC", False),
}
# Colours of Okabe and Ito that no baseline of the paper has.
VERDICT_COLOURS = {
    "both_correct": "#e69f00",
    "both_wrong": "#56b4e9",
    "swapped": "#cc79a7",
    "unparseable": "#999999",
}
MONITORED_KINDS = (Kind.first_correct, Kind.second_correct, Kind.both_wrong, Kind.both_correct)


def _draw_curves(axes: Axes, study: Study, metric: str, window: int = 1, percent: bool = False) -> None:
    """Draw the mean over seeds of one metric as a line per baseline.

    A centred moving average over `window` steps smooths the lines.
    """
    for baseline in study.baselines:
        curve = study.curve(baseline, metric)
        curve = curve.rolling(window, min_periods=1, center=True).mean() * (100 if percent else 1)
        _draw_curve(axes, study, baseline, curve, curve.mean(axis=1))


def _draw_curve(axes: Axes, study: Study, baseline: str, curve: pd.DataFrame, mean: pd.Series) -> None:
    """Draw the mean of a table of steps x seeds as a line. With few baselines a band spans the seeds."""
    if curve.empty:
        return
    shade, linestyle = colour(study, baseline), line_styles(study.baselines)[baseline]
    axes.plot(mean.index, mean, color=shade, linestyle=linestyle, linewidth=1.8, label=label_of(baseline))
    if curve.shape[1] > 1 and len(study.baselines) <= MAX_BASELINES_WITH_BANDS:
        low, high = curve.min(axis=1), curve.max(axis=1)
        axes.fill_between(curve.index, low, high, color=shade, alpha=0.15, linewidth=0)


@figure_style()
def advantage_ratio(study: Study) -> Figure:
    """Draw the ratio of positive to negative advantages by step, as the CoRPO paper does."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.7), sharex=True)
    panels = (
        ("count", "By count: N⁺ / N⁻"),
        ("sum", "By sum: ΣA⁺ / Σ|A⁻| (always 1 for GRPO)"),
    )
    for panel, (statistic, title) in zip(axes, panels, strict=True):
        for baseline in study.baselines:
            curve = ratio_curve(study, baseline, statistic, steps=5)
            _draw_curve(panel, study, baseline, curve, np.exp(np.log(curve).mean(axis=1)))
        reference_line(panel, y=1)
        panel.set(title=title, xlabel="training step", yscale="log")
        panel.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        panel.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    axes[0].set_ylabel("positive / negative advantages (log scale)")
    legend(figure, axes[0])
    return finish_figure(figure)


@figure_style()
def failed_positive(study: Study) -> Figure:
    """Draw the shares of failed rollouts with a positive advantage and of groups that CoRPO clips."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.7), sharex=True)
    _draw_curves(left, study, "failed_positive_fraction", window=5, percent=True)
    reference_line(left, y=PAPER_FAILED_POSITIVE, label=f"CoRPO paper: {PAPER_FAILED_POSITIVE}%")
    left.set(
        title="Failed rollouts\nwith a positive advantage",
        xlabel="training step",
        ylabel="failed rollouts (%)",
    )
    left.set_ylim(-1, 1.15 * left.get_ylim()[1])
    _draw_curves(right, study, "clip_active_fraction", window=5, percent=True)
    right.set(
        title="Groups with a mean reward\nbelow R_min_correct", xlabel="training step", ylabel="groups (%)"
    )
    right.set_ylim(0, 100)
    legend(figure, left)
    return finish_figure(figure)


@figure_style()
def predicted_failed_positive(study: Study) -> Figure:
    """Draw predicted against measured shares of failed rollouts above the mean (docs/explanation/theory.md).

    Predictions use the frequencies of the reward levels in each batch only.
    """
    predictions_of = {run.name: predictions(run.rewards, study.threshold) for run in study.runs}
    run = next((run for run in study.runs if run.baseline == "grpo"), study.runs[0])
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.2), width_ratios=(3, 2))
    _draw_predictions(left, predictions_of[run.name], colour(study, run.baseline))
    left.set_title(f"Failed rollouts above the group mean: {label_of(run.baseline)}, seed {run.seed}")
    for baseline in study.baselines:
        points: list[Prediction] = []
        for run in study.of(baseline):
            points += [point for point in predictions_of[run.name] if not math.isnan(point.measured)]
        right.plot(
            [100 * point.if_prompts_vary for point in points],
            [100 * point.measured for point in points],
            ".",
            markersize=3,
            alpha=0.6,
            color=colour(study, baseline),
            label=f"{label_of(baseline)}: {share_inside(points):.0%} in the 95% range",
        )
    limit = 1.05 * max(right.get_xlim()[1], right.get_ylim()[1])
    right.plot([0, limit], [0, limit], color=REFERENCE_COLOUR, linewidth=0.9, linestyle=":")
    right.set(
        title="All batches of all runs",
        xlabel="predicted, prompts differ (%)",
        ylabel="measured (%)",
        xlim=(0, limit),
        ylim=(0, limit),
    )
    columns = 1 if len(study.baselines) <= MAX_BASELINES_WITH_BANDS else 2
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=columns, markerscale=3)
    return finish_figure(figure)


def _draw_predictions(axes: Axes, points: Sequence[Prediction], shade: str) -> None:
    """Draw the predictions and the measurements of one run by step, in percent of the failed rollouts."""
    steps = [point.step for point in points]
    low, high = ([100 * point.low for point in points], [100 * point.high for point in points])
    axes.fill_between(steps, low, high, color=shade, alpha=0.15, linewidth=0, label="predicted range (95%)")
    varied = [100 * point.if_prompts_vary for point in points]
    axes.plot(steps, varied, color=shade, linewidth=1.8, label="predicted, prompts differ")
    alike = [100 * point.if_prompts_equal for point in points]
    axes.plot(steps, alike, color="#7f7f7f", linewidth=1.4, linestyle="--", label="predicted, prompts alike")
    measured = [100 * point.measured for point in points]
    axes.plot(steps, measured, ".", color=REFERENCE_COLOUR, markersize=4, label="measured")
    axes.set(xlabel="training step", ylabel="failed rollouts (%)")
    axes.set_ylim(bottom=0)


@figure_style()
def learning_curves(study: Study) -> Figure:
    """Draw the reward and pass@1 of training batches and pass@1 on validation problems by step."""
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.6))
    _draw_curves(axes[0], study, "reward_mean", window=5)
    axes[0].set(title="Training batch: mean reward", xlabel="training step", ylabel="reward")
    _draw_curves(axes[1], study, "pass_rate", window=5, percent=True)
    axes[1].set(title="Training batch: pass@1", xlabel="training step", ylabel="pass@1 (%)")
    _draw_curves(axes[2], study, "validation/pass@1", percent=True)
    axes[2].set(title="Validation: pass@1", xlabel="training step", ylabel="pass@1 (%)")
    legend(figure, axes[0])
    return finish_figure(figure)


@figure_style()
def validation_skill(study: Study) -> Figure:
    """Draw the measures of validation that tell better judgement from a habit, by step.

    Metrics that were not measured have no panel.
    """
    measured = [metric for metric in SKILL_METRICS if has_metrics(study, [metric])]
    columns = 3
    rows = math.ceil(len(measured) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, 0.9 + 2.4 * rows), squeeze=False, sharex=True)
    panels = list(axes.flat)
    for panel, metric in zip(panels, measured, strict=False):
        title, unit, percent = SKILL_METRICS[metric]
        _draw_curves(panel, study, metric, percent=percent)
        panel.set(title=title, ylabel=unit, xlabel="training step")
        panel.tick_params(labelbottom=True)
    for panel in panels[len(measured) :]:
        panel.set_axis_off()
    aucs = [panel for panel, metric in zip(panels, measured, strict=False) if "auc" in metric]
    lowest = min(panel.get_ylim()[0] for panel in aucs)
    highest = max(panel.get_ylim()[1] for panel in aucs)
    for panel in aucs:
        panel.set_ylim(lowest, highest)
    legend(figure, panels[0])
    return finish_figure(figure)


@figure_style()
def frontier(study: Study) -> Figure:
    """Draw accuracy out of domain against accuracy in domain, at the validations of every run.

    Thick lines are means over seeds. Thin lines are single seeds; with many baselines they are left out.
    Accuracies that were not measured have no panel.
    """
    measured = [metric for metric in FRONTIER if has_metrics(study, [metric])]
    columns = 2 if len(measured) == 4 else len(measured)
    rows = len(measured) // columns
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, 1.0 + 3.0 * rows), sharex=True, squeeze=False)
    panels = list(axes.flat)
    for panel, metric in zip(panels, measured, strict=True):
        for baseline in study.baselines:
            _draw_frontier(panel, study, baseline, metric)
        panel.set_title(FRONTIER[metric])
    for panel in axes[-1]:
        panel.set_xlabel("seen, one correct:\npass@1 (%)")
    for panel in axes[:, 0]:
        panel.set_ylabel("pass@1 (%)")
    look: Any = {"linestyle": "", "color": REFERENCE_COLOUR, "markersize": 6}
    panels[0].plot([], [], "o", markerfacecolor="white", label="first validation", **look)
    panels[0].plot([], [], "o", label="last validation", **look)
    legend(figure, panels[0])
    return finish_figure(figure)


def _draw_frontier(axes: Axes, study: Study, baseline: str, metric: str) -> None:
    """Draw the lines of one baseline from a hollow marker at the first step to a full one at the last."""
    in_domain, out_of_domain = study.curve(baseline, SEEN_ACCURACY), study.curve(baseline, metric)
    in_domain, out_of_domain = (100 * in_domain).align(100 * out_of_domain, join="inner")
    shade, linestyle = colour(study, baseline), line_styles(study.baselines)[baseline]
    lines = [(in_domain.mean(axis=1), out_of_domain.mean(axis=1), 2.0, 6.0, 1.0)]
    if in_domain.shape[1] > 1 and len(study.baselines) <= MAX_BASELINES_WITH_BANDS:
        for seed in in_domain:
            lines.append((in_domain[seed], out_of_domain[seed], 0.7, 3.0, 0.5))
    for x, y, linewidth, markersize, alpha in lines:
        look: Any = {"color": shade, "alpha": alpha}
        axes.plot(x, y, linestyle=linestyle, linewidth=linewidth, **look)
        axes.plot(x.iloc[:1], y.iloc[:1], "o", markerfacecolor="white", markersize=markersize, **look)
        axes.plot(x.iloc[-1:], y.iloc[-1:], "o", markersize=markersize, **look)
    axes.plot(
        [],
        [],
        color=shade,
        linestyle=linestyle,
        linewidth=2.0,
        label=label_of(baseline),
    )


@figure_style()
def rewarded_failures(study: Study) -> Figure:
    """Draw the verdicts of all failures, and of those with a positive advantage, early and late in training.

    Both panels are in percent of all failures.
    """
    means = mean_failures(study)
    height = 1.4 + 0.4 * len(means)
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, height), sharey=True)
    _draw_stack(left, means, FAILED_COLUMNS)
    left.set(title="All failed rollouts", xlabel="share of all failed rollouts (%)", xlim=(0, 100))
    _draw_stack(right, means, REWARDED_COLUMNS)
    places = _places_in_pairs(len(means))
    for place, rewarded in zip(places, 100 * means["rewarded"], strict=True):
        if not math.isnan(rewarded):
            right.text(rewarded, place, f" {rewarded:.1f}", va="center")
    largest = float(100 * means["rewarded"].max())
    right.set(
        title="Failed rollouts with a positive advantage",
        xlabel="share of all failed rollouts (%)",
        xlim=(0, max(5.0, 1.2 * largest)),
    )
    names = [f"{label_of(row['policy'])}, {row['end']} {EARLY} steps" for row in means.to_dict("records")]
    left.set_yticks(places, names)
    left.set_ylim(places[-1] + 0.6, -0.6)
    for panel in (left, right):
        panel.grid(visible=False, axis="y")
    legend(figure, left)
    return finish_figure(figure)


def _draw_stack(axes: Axes, means: pd.DataFrame, columns: Sequence[str]) -> None:
    """Draw a stacked horizontal bar in percent for every row, with a segment per verdict."""
    places, ends = _places_in_pairs(len(means)), np.zeros(len(means))
    for column, verdict in zip(columns, FAILURES, strict=True):
        widths = 100 * means[column].fillna(0).to_numpy()
        shade, label = VERDICT_COLOURS[verdict], verdict.replace("_", " ")
        axes.barh(places, widths, left=ends, height=0.8, color=shade, label=label)
        ends = ends + widths


def _places_in_pairs(num_rows: int) -> np.ndarray:
    """Return the places of rows, with a gap after each pair of rows, which belongs to one baseline."""
    rows = np.arange(num_rows)
    return rows + 0.4 * (rows // len(PERIODS))


@figure_style()
def accuracy_by_kind(study: Study) -> Figure:
    """Draw pass@1 on validation pairs by step, one panel per kind of pair."""
    figure, panels = plt.subplots(2, 2, figsize=(WIDTH, 5.6), sharex=True, sharey=True)
    for panel, kind in zip(panels.flat, MONITORED_KINDS, strict=True):
        _draw_curves(panel, study, f"validation/pass@1/{kind}", percent=True)
        reference_line(panel, y=25, label="random guess")
        panel.set(title=str(kind).replace("_", " "), ylim=(0, 100))
    for panel in panels[:, 0]:
        panel.set_ylabel("validation pass@1 (%)")
    for panel in panels[-1]:
        panel.set_xlabel("training step")
    legend(figure, panels[0, 0])
    return finish_figure(figure)


@figure_style()
def update_size(study: Study) -> Figure:
    """Draw the norms of gradients and updates, the distance from the base, and the entropy by step (C6)."""
    figure, panels = plt.subplots(2, 2, figsize=(WIDTH, 5.6), sharex=True)
    metrics = (
        ("grad_norm", "Gradient norm before clipping", "norm", 5),
        ("update_norm", "Norm of the weight update", "norm", 5),
        ("validation/kl_from_start", "KL divergence from the base policy", "nats per rollout", 1),
        ("entropy", "Entropy of the policy", "nats per token", 5),
    )
    for panel, (metric, title, unit, window) in zip(panels.flat, metrics, strict=True):
        _draw_curves(panel, study, metric, window)
        panel.set(title=title, ylabel=unit)
    for panel in panels[-1]:
        panel.set_xlabel("training step")
    legend(figure, panels[0, 0])
    return finish_figure(figure)


@figure_style()
def distributions(study: Study) -> Figure:
    """Draw histograms of rewards and advantages in the first and last steps, one row per baseline."""
    rows = len(study.baselines)
    figure, panels = plt.subplots(rows, 4, figsize=(WIDTH, 0.8 + 1.9 * rows), sharey="row", squeeze=False)
    for row, baseline in zip(panels, study.baselines, strict=True):
        for index, late in enumerate((False, True)):
            rewards_N, advantages_N = rewards_and_advantages(study, baseline, late)
            failed_N = rewards_N < study.threshold
            reach = max(1.0, float(np.abs(rewards_N).max())) * 1.05
            limit = max(2.0, float(np.abs(advantages_N).max()))
            reward_bins, advantage_bins = np.linspace(-reach, reach, 22), np.linspace(-limit, limit, 41)
            _draw_histogram(row[index], rewards_N, failed_N, reward_bins, study.threshold)
            _draw_histogram(row[2 + index], advantages_N, failed_N, advantage_bins, 0.0)
        row[0].set_ylabel(f"{label_of(baseline)}\nrollouts (%)")
    for offset, quantity in ((0, "reward"), (2, "advantage")):
        for index, period in enumerate(("first", "last")):
            panels[0][offset + index].set_title(f"{quantity}s, {period} {EARLY} steps")
            panels[-1][offset + index].set_xlabel(quantity)
    legend(figure, panels[0][0])
    return finish_figure(figure)


def _draw_histogram(
    axes: Axes, values_N: np.ndarray, failed_N: np.ndarray, bins: np.ndarray, boundary: float
) -> None:
    """Draw a stacked histogram in percent of all rollouts, with a dotted line at `boundary`."""
    weights_N = np.full(len(values_N), 100 / len(values_N))
    axes.hist(
        [values_N[failed_N], values_N[~failed_N]],
        bins=list(bins),
        weights=[weights_N[failed_N], weights_N[~failed_N]],
        stacked=True,
        color=[WRONG, CORRECT],
        label=["failed rollouts", "correct rollouts"],
    )
    reference_line(axes, x=boundary)
