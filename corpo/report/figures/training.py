"""Figures of what happens during training: advantages, rewards, and accuracy in and out of domain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from corpo.analysis.figure_data import rewards_and_advantages, share_inside
from corpo.analysis.runs import (
    EARLY,
    PERIODS,
    VALIDATION_ACCURACY,
    failed_columns,
    has_metrics,
    mean_failures,
    ratio_curve,
    rewarded_columns,
    validation_names,
)
from corpo.analysis.study import Study
from corpo.analysis.theory import Prediction, predictions
from corpo.report.figures.curves import draw_curve, draw_curves, set_plain_log_scale
from corpo.report.figures.style import (
    COLOURS,
    CORRECT,
    LABEL_SIZE,
    MAX_BASELINES_WITH_BANDS,
    REFERENCE_COLOUR,
    UNREWARDED,
    WIDTH,
    WRONG,
    colour,
    failure_colours,
    figure_style,
    finish_figure,
    label_end,
    layer,
    legend,
    line_styles,
    name_omitted,
    reference_line,
)
from corpo.report.names import label_of

PAPER_FAILED_POSITIVE = 18  # percent of the failed rollouts in the early batch that the CoRPO paper describes
MAX_ADVANTAGE = 3.0  # histograms collect larger ones in their outer bars
_FRONTIER_OF_PAIRS = {  # accuracy out of domain -> title of its panel
    "validation/pass@1/unseen": "Unseen, one correct",
    "validation/pass@1/both_correct": "Both correct",
    "validation/pass@1/both_wrong": "Both wrong",
    "validation/pass@1/math": "Mathematics",
}


@figure_style()
def advantage_ratio(study: Study) -> Figure:
    """Draw the ratio of positive to negative advantages by step, as the CoRPO paper does."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.7), sharex=True)
    panels = (
        ("count", "By count: N⁺ / N⁻"),
        ("sum", "By sum: ΣA⁺ / Σ|A⁻| (always 1 for GRPO)"),
    )
    for panel, (statistic, title) in zip(axes, panels, strict=True):
        undefined = []
        for baseline in study.baselines:
            curve = ratio_curve(study, baseline, statistic, steps=5)
            draw_curve(panel, study, baseline, curve, np.exp(np.log(curve).mean(axis=1)))
            if curve.isna().all(axis=None):
                undefined.append(baseline)
        name_omitted(panel, "No ratio, all advantages have one sign", undefined)
        reference_line(panel, y=1)
        panel.set(title=title, xlabel="training step")
        set_plain_log_scale(panel)
    axes[0].set_ylabel("positive / negative advantages (log scale)")
    return finish_figure(figure)


@figure_style()
def failed_positive(study: Study) -> Figure:
    """Draw the shares of failed rollouts with a positive advantage and of groups that CoRPO clips."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.7), sharex=True)
    draw_curves(left, study, "failed_positive_fraction", window=5, percent=True)
    reference_line(left, y=PAPER_FAILED_POSITIVE, label=f"CoRPO paper: {PAPER_FAILED_POSITIVE}%")
    left.set(
        title="Failed rollouts\nwith a positive advantage",
        xlabel="training step",
        ylabel="failed rollouts (%)",
    )
    left.set_ylim(-1, 1.15 * left.get_ylim()[1])
    draw_curves(right, study, "clip_active_fraction", window=5, percent=True)
    right.set(
        title="Groups with a mean reward\nbelow R_min_correct", xlabel="training step", ylabel="groups (%)"
    )
    right.set_ylim(0, 100)
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
    points: list[Prediction] = []
    shares = []
    for baseline in study.baselines:
        measured = _measured([predictions_of[run.name] for run in study.of(baseline)])
        points += measured
        shares.append(share_inside(measured))
    right.plot(
        [100 * point.if_prompts_vary for point in points],
        [100 * point.measured for point in points],
        ".",
        markersize=4,
        markeredgewidth=0,
        alpha=0.45,
        color=REFERENCE_COLOUR,
        label="a batch",
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
    right.text(
        0.98,
        0.03,
        f"{min(shares):.0%} to {max(shares):.0%} of the batches\nof a baseline lie in\ntheir 95% range",
        transform=right.transAxes,
        ha="right",
        fontsize=LABEL_SIZE,
    )
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
    return finish_figure(figure)


def _measured(predictions_of_runs: Sequence[Sequence[Prediction]]) -> list[Prediction]:
    """Return the predictions of all batches that had failures, so that a share was measured."""
    measured: list[Prediction] = []
    for points in predictions_of_runs:
        measured += [point for point in points if not math.isnan(point.measured)]
    return measured


def _draw_predictions(axes: Axes, points: Sequence[Prediction], shade: str) -> None:
    """Draw the predictions and the measurements of one run by step, in percent of the failed rollouts."""
    steps = [point.step for point in points]
    low, high = ([100 * point.low for point in points], [100 * point.high for point in points])
    axes.fill_between(steps, low, high, color=shade, alpha=0.15, linewidth=0, label="predicted range (95%)")
    varied = [100 * point.if_prompts_vary for point in points]
    axes.plot(steps, varied, color=shade, linewidth=1.8, label="predicted, prompts differ")
    alike = [100 * point.if_prompts_equal for point in points]
    axes.plot(
        steps, alike, color=COLOURS["base"], linewidth=1.4, linestyle="--", label="predicted, prompts alike"
    )
    measured = [100 * point.measured for point in points]
    axes.plot(steps, measured, ".", color=REFERENCE_COLOUR, markersize=4, label="measured")
    axes.set(xlabel="training step", ylabel="failed rollouts (%)")
    axes.set_ylim(bottom=0)


def frontier_panels(study: Study) -> dict[str, str]:
    """Return the measured metrics of validation beside the main one, and the titles of their panels."""
    if study.has_pairs:
        titles = _FRONTIER_OF_PAIRS
    else:
        titles = {f"{VALIDATION_ACCURACY}/{name}": _capitalised(name) for name in validation_names(study)}
    return {metric: title for metric, title in titles.items() if has_metrics(study, [metric])}


def _capitalised(name: str) -> str:
    return name.replace("_", " ").capitalize()


@figure_style()
def frontier(study: Study) -> Figure:
    """Draw accuracy out of domain against accuracy in domain, at the validations of every run.

    Thick lines are means over seeds. Thin lines are single seeds; with many baselines they are left out.
    Accuracies that were not measured have no panel.
    """
    measured = frontier_panels(study)
    is_few = len(study.baselines) <= MAX_BASELINES_WITH_BANDS
    columns = len(measured) if len(measured) < 4 and is_few else 2
    rows = math.ceil(len(measured) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, 1.0 + 3.0 * rows), sharex=True, squeeze=False)
    panels = list(axes.flat)
    for panel in panels[len(measured) :]:
        panel.set_axis_off()
    for panel, (metric, title) in zip(panels, measured.items(), strict=False):
        for baseline in study.baselines:
            _draw_frontier(panel, study, baseline, metric)
        panel.set_title(title)
    for panel in panels[max(0, len(measured) - columns) : len(measured)]:
        panel.set_xlabel(f"{'seen, one correct' if study.has_pairs else 'in domain'}:\npass@1 (%)")
        panel.tick_params(labelbottom=True)
    for panel in axes[:, 0]:
        panel.set_ylabel("pass@1 (%)")
    figure.legend(*_first_and_last(), loc="outside lower center", ncols=2)
    return finish_figure(figure)


def _first_and_last() -> tuple[list[Line2D], list[str]]:
    """Return the entries of the legend for the markers at the ends of the lines."""
    look: Any = {"linestyle": "", "marker": "o", "color": REFERENCE_COLOUR, "markersize": 6}
    hollow, full = Line2D([], [], markerfacecolor="white", **look), Line2D([], [], **look)
    return [hollow, full], ["first validation", "last validation"]


def _draw_frontier(axes: Axes, study: Study, baseline: str, metric: str) -> None:
    """Draw the lines of one baseline from a hollow marker at the first step to a full one at the last."""
    in_domain, out_of_domain = study.curve(baseline, VALIDATION_ACCURACY), study.curve(baseline, metric)
    in_domain, out_of_domain = (100 * in_domain).align(100 * out_of_domain, join="inner")
    shade, linestyle = colour(study, baseline), line_styles(study.baselines)[baseline]
    lines = [(in_domain.mean(axis=1), out_of_domain.mean(axis=1), 2.0, 6.0, 1.0)]
    if in_domain.shape[1] > 1 and len(study.baselines) <= MAX_BASELINES_WITH_BANDS:
        for seed in in_domain:
            lines.append((in_domain[seed], out_of_domain[seed], 0.7, 3.0, 0.5))
    for x, y, linewidth, markersize, alpha in lines:
        look: Any = {"color": shade, "alpha": alpha, "zorder": layer(baseline)}
        axes.plot(x, y, linestyle=linestyle, linewidth=linewidth, label=label_of(baseline), **look)
        axes.plot(x.iloc[:1], y.iloc[:1], "o", markerfacecolor="white", markersize=markersize, **look)
        axes.plot(x.iloc[-1:], y.iloc[-1:], "o", markersize=markersize, **look)
    mean_x, mean_y = lines[0][:2]
    label_end(axes, baseline, float(mean_x.iloc[-1]), float(mean_y.iloc[-1]))


@figure_style()
def rewarded_failures(study: Study) -> Figure:
    """Draw all failures by kind, and those with a positive advantage, early and late in training.

    Both panels are in percent of all failures.
    """
    means = mean_failures(study)
    height = 1.4 + 0.4 * len(means)
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, height), sharey=True)
    _draw_stack(left, study, means, failed_columns(study))
    left.set(title="All failed rollouts", xlabel="share of all failed rollouts (%)", xlim=(0, 100))
    _draw_stack(right, study, means, rewarded_columns(study))
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


def _draw_stack(axes: Axes, study: Study, means: pd.DataFrame, columns: Sequence[str]) -> None:
    """Draw a stacked horizontal bar in percent for every row, with a segment per kind of failure."""
    places, ends = _places_in_pairs(len(means)), np.zeros(len(means))
    for column, kind in zip(columns, study.failures, strict=True):
        widths = 100 * means[column].fillna(0).to_numpy()
        shade, label = failure_colours(study.failures)[kind], kind.replace("_", " ")
        axes.barh(
            places,
            widths,
            left=ends,
            height=0.8,
            color=shade,
            label=label,
            edgecolor=COLOURS["base"],
            linewidth=0.4,
        )
        ends = ends + widths


def _places_in_pairs(num_rows: int) -> np.ndarray:
    """Return the places of rows, with a gap after each pair of rows, which belongs to one baseline."""
    rows = np.arange(num_rows)
    return rows + 0.4 * (rows // len(PERIODS))


@figure_style()
def distributions(study: Study) -> Figure:
    """Draw histograms of rewards and of each baseline's advantages in the first and last steps.

    Rewards are those of all runs. Failed rollouts with a positive advantage have a colour of their own, and
    each panel has their share as a number.
    """
    is_few = len(study.baselines) <= MAX_BASELINES_WITH_BANDS
    heights = [1.3] + [1.3 if is_few else 0.75] * len(study.baselines)
    figure, panels = plt.subplots(
        len(heights), 2, figsize=(WIDTH, 1.2 + sum(heights)), sharey="row", height_ratios=heights
    )
    for column, period in enumerate(PERIODS):
        samples = []
        for baseline in study.baselines:
            samples.append(rewards_and_advantages(study, baseline, PERIODS[period]))
        _draw_rewards(panels[0, column], np.concatenate([rewards for rewards, _ in samples]), study.threshold)
        panels[0, column].set_title(f"Rewards of all runs, {period} {EARLY} steps")
        for panel, (rewards_N, advantages_N) in zip(panels[1:, column], samples, strict=True):
            _draw_advantages(panel, advantages_N, rewards_N < study.threshold)
            panel.tick_params(labelbottom=panel is panels[-1, column])
        panels[1, column].set_title(f"Advantages, {period} {EARLY} steps")
        panels[-1, column].set_xlabel(f"advantage (outer bars: beyond ±{MAX_ADVANTAGE:g})")
    panels[0, 0].set_ylabel("rollouts (%)")
    for panel, baseline in zip(panels[1:, 0], study.baselines, strict=True):
        name = label_of(baseline).replace(" ", "\n")
        panel.set_ylabel(f"{name}\nrollouts (%)" if is_few else name, rotation=90 if is_few else 0)
        panel.yaxis.label.set(ha="center" if is_few else "right", va="bottom" if is_few else "center")
    legend(figure, panels[1, 0])
    return finish_figure(figure)


def _draw_rewards(axes: Axes, rewards_N: np.ndarray, threshold: float) -> None:
    """Draw the rewards of failed and of correct rollouts, with a dotted line at R_min_correct."""
    reach = 1.05 * max(1.0, float(np.abs(rewards_N).max()))
    bins = np.linspace(-reach, reach, 22)
    failed_N = rewards_N < threshold
    _draw_stacked(axes, [rewards_N[failed_N], rewards_N[~failed_N]], bins, [UNREWARDED, CORRECT], ["", ""])
    reference_line(axes, x=threshold)
    _note(axes, 0.02, f"{failed_N.mean():.0%} of rollouts fail", WRONG, "left")


def _draw_advantages(axes: Axes, advantages_N: np.ndarray, failed_N: np.ndarray) -> None:
    """Draw the advantages of three kinds of rollouts, and write the share of failures that are rewarded."""
    rewarded_N = failed_N & (advantages_N > 0)
    values_N = np.clip(advantages_N, -MAX_ADVANTAGE, MAX_ADVANTAGE)
    parts = [values_N[rewarded_N], values_N[failed_N & ~rewarded_N], values_N[~failed_N]]
    labels = ["failed, advantage above 0 (rewarded)", "failed, advantage of 0 or less", "correct"]
    bins = np.linspace(-MAX_ADVANTAGE, MAX_ADVANTAGE, 61)
    _draw_stacked(axes, parts, bins, [WRONG, UNREWARDED, CORRECT], labels)
    reference_line(axes, x=0)
    share = rewarded_N.sum() / max(1, failed_N.sum())
    _note(axes, 0.98, f"rewarded: {share:.1%}", WRONG if share else REFERENCE_COLOUR, "right")


def _note(axes: Axes, x: float, text: str, shade: str, alignment: Literal["left", "right"]) -> None:
    """Write a note at the top of a panel; `x` is a share of its width."""
    axes.text(
        x,
        0.97,
        text,
        transform=axes.transAxes,
        ha=alignment,
        va="top",
        color=shade,
        fontsize=LABEL_SIZE,
    )


def _draw_stacked(
    axes: Axes, parts: Sequence[np.ndarray], bins: np.ndarray, shades: Sequence[str], labels: Sequence[str]
) -> None:
    """Draw a stacked histogram in percent of all values of all parts."""
    total = sum(len(values) for values in parts)
    axes.hist(
        list(parts),
        bins=list(bins),
        weights=[np.full(len(values), 100 / total) for values in parts],
        stacked=True,
        color=list(shades),
        label=list(labels),
        edgecolor=COLOURS["base"],
        linewidth=0.3,
    )
    axes.margins(y=0.28)  # room for a note
