"""Curves of metrics by training step, with their differences from GRPO below them.

Baselines that start from one policy and see the same prompts have curves that nearly coincide. Their paired
differences, run by run with the same seed, show more than the curves themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from corpo.analysis.compare import REFERENCE
from corpo.analysis.runs import has_metrics
from corpo.analysis.study import Study
from corpo.report.figures.style import (
    BAND,
    INTEREST,
    LABEL_SIZE,
    MAX_BASELINES_WITH_BANDS,
    WIDTH,
    colour,
    figure_style,
    finish_figure,
    label_end,
    layer,
    line_styles,
    reference_line,
    remove_end_labels,
)
from corpo.report.names import label_of
from corpo.task import Kind

MONITORED_KINDS = (Kind.first_correct, Kind.second_correct, Kind.both_wrong, Kind.both_correct)
MAX_LABELLED_COLUMNS = 3  # with more, only the panels of the last column have room for names
SMALLEST_REACH = 3.0  # percentage points that every panel of differences shows, so that noise stays small


@dataclass(frozen=True)
class CurvePanel:
    """A metric by training step, with its title, and how its differences from GRPO are shown."""

    metric: str
    title: str
    window: int = 1  # steps of the centred moving average
    is_percent: bool = False
    is_ratio: bool = False  # the panel below shows ratios to GRPO instead of differences
    smallest_reach: float = SMALLEST_REACH
    has_band: bool = False  # a grey band marks differences that are too small to be of interest
    y_range: tuple[float, float] | None = None
    chance: float | None = None  # the expected value of a random guess


LEARNING = (
    CurvePanel("reward_mean", "Training batch:\nmean reward", window=5, smallest_reach=0.05),
    CurvePanel("pass_rate", "Training batch:\npass@1 (%)", window=5, is_percent=True),
    CurvePanel("validation/pass@1", "Validation:\npass@1 (%)", is_percent=True, has_band=True),
)
SKILL = (
    CurvePanel("validation/auc_a", "AUC of score A,\nseen", smallest_reach=0.05),
    CurvePanel("validation/auc_b", "AUC of score B,\nseen", smallest_reach=0.05),
    CurvePanel("validation/exactly_one", "Habit: exactly one\ncorrect (%)", is_percent=True),
    CurvePanel("validation/auc_a/unseen", "AUC of score A,\nunseen", smallest_reach=0.05),
    CurvePanel("validation/auc_b/unseen", "AUC of score B,\nunseen", smallest_reach=0.05),
    CurvePanel("validation/traced", "Skill: right traces\n(%)", is_percent=True),
    CurvePanel("validation/auc_a/homogeneous", "AUC of score A,\nequal labels", smallest_reach=0.05),
    CurvePanel("validation/auc_b/homogeneous", "AUC of score B,\nequal labels", smallest_reach=0.05),
)
UPDATES = (
    CurvePanel("grad_norm", "Gradient norm\nbefore clipping", window=5, is_ratio=True),
    CurvePanel("update_norm", "Norm of the\nweight update", window=5, is_ratio=True),
    CurvePanel("validation/kl_from_start", "KL divergence from\nthe base (nats)", is_ratio=True),
    CurvePanel("entropy", "Entropy\n(nats per token)", window=5, is_ratio=True),
)


def draw_curves(axes: Axes, study: Study, metric: str, window: int = 1, percent: bool = False) -> None:
    """Draw the mean over seeds of one metric as a line per baseline.

    A centred moving average over `window` steps smooths the lines.
    """
    for baseline in study.baselines:
        curve = smoothed(study, baseline, metric, window, percent)
        draw_curve(axes, study, baseline, curve, curve.mean(axis=1))


def smoothed(study: Study, baseline: str, metric: str, window: int, percent: bool) -> pd.DataFrame:
    """Return a metric as steps x seeds, as a centred moving average; `percent` multiplies it by 100."""
    curve = study.curve(baseline, metric).rolling(window, min_periods=1, center=True).mean()
    return curve * (100 if percent else 1)


def draw_curve(axes: Axes, study: Study, baseline: str, curve: pd.DataFrame, mean: pd.Series) -> None:
    """Draw the mean of a table of steps x seeds as a line with the baseline's name at its end.

    With few baselines a band spans the seeds.
    """
    mean = mean.dropna()
    if mean.empty:
        return
    shade = colour(study, baseline)
    axes.plot(
        mean.index,
        mean,
        color=shade,
        linestyle=line_styles(study.baselines)[baseline],
        linewidth=1.8,
        label=label_of(baseline),
        zorder=layer(baseline),
    )
    if curve.shape[1] > 1 and len(study.baselines) <= MAX_BASELINES_WITH_BANDS:
        low, high = curve.min(axis=1), curve.max(axis=1)
        axes.fill_between(curve.index, low, high, color=shade, alpha=0.15, linewidth=0)
    label_end(axes, baseline, float(mean.index[-1]), float(mean.iloc[-1]))


def draw_panels(study: Study, contents: Sequence[CurvePanel], max_columns: int) -> Figure:
    """Draw the metrics by step and, with few baselines, their differences from GRPO below them."""
    is_few = len(study.baselines) <= MAX_BASELINES_WITH_BANDS
    has_differences = is_few and REFERENCE in study.baselines and len(study.baselines) > 1
    columns = min(max_columns if is_few else 2, len(contents))  # names of many baselines need wide panels
    blocks = math.ceil(len(contents) / columns)
    heights = [1.7, 1.15] if has_differences else [2.6]
    figure, grid = plt.subplots(
        blocks * len(heights),
        columns,
        figsize=(WIDTH, 0.4 + blocks * (0.5 + sum(heights))),
        sharex=True,
        squeeze=False,
        height_ratios=heights * blocks,
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for index, content in enumerate(contents):
        row, column = divmod(index, columns)
        row *= len(heights)
        _draw_levels(grid[row, column], study, content)
        if content.chance is not None:
            reference_line(grid[row, column], y=content.chance, label="" if index else "random guess")
        lowest = grid[row, column]
        if has_differences:
            lowest = grid[row + 1, column]
            _draw_differences(lowest, study, content)
        if index + columns >= len(contents):
            lowest.set_xlabel("training step")
            lowest.tick_params(labelbottom=True)
    if columns > MAX_LABELLED_COLUMNS:
        for axes in grid[:, :-1].flat:
            remove_end_labels(axes)
    return finish_figure(figure)


def _draw_levels(axes: Axes, study: Study, content: CurvePanel) -> None:
    axes.set_axis_on()
    draw_curves(axes, study, content.metric, content.window, content.is_percent)
    axes.set_title(content.title)
    if content.y_range:
        axes.set_ylim(*content.y_range)


def _draw_differences(axes: Axes, study: Study, content: CurvePanel) -> None:
    """Draw each baseline minus GRPO, or divided by GRPO, seed by seed: mean, and a band over seeds."""
    axes.set_axis_on()
    reference = smoothed(study, REFERENCE, content.metric, content.window, content.is_percent)
    reach = math.log(1.1) if content.is_ratio else content.smallest_reach
    for baseline in study.baselines:
        if baseline == REFERENCE:
            continue
        curve = smoothed(study, baseline, content.metric, content.window, content.is_percent)
        if content.is_ratio:
            ratios = curve / reference.where(reference > 0)
            logs = ratios.where(ratios > 0).apply(np.log)
            reach = max(reach, _largest(logs.to_numpy()))
            draw_curve(axes, study, baseline, ratios, np.exp(logs.mean(axis=1)))
        else:
            gains = curve - reference
            reach = max(reach, _largest(gains.to_numpy()))
            draw_curve(axes, study, baseline, gains, gains.mean(axis=1))
    if content.has_band:
        axes.axhspan(-INTEREST, INTEREST, **BAND)
    if content.is_ratio:
        _set_ratio_scale(axes, math.exp(1.05 * reach))
    else:
        axes.set_ylim(-1.05 * reach, 1.05 * reach)
    reference_line(axes, y=1 if content.is_ratio else 0)
    axes.set_title(
        f"{'divided by' if content.is_ratio else 'minus'} {label_of(REFERENCE)}", fontsize=LABEL_SIZE
    )


def _largest(values: np.ndarray) -> float:
    """Return the largest absolute value; 0 if there are no finite values."""
    values = np.abs(values)
    values = values[np.isfinite(values)]
    return float(values.max()) if values.size else 0.0


def _set_ratio_scale(axes: Axes, reach: float) -> None:
    """Scale the y axis logarithmically from 1 / reach to reach, with plain numbers at few ticks."""
    axes.set(yscale="log", ylim=(1 / reach, reach))
    for step in (1.05, 1.1, 1.2, 1.5, 2.0, 5.0, 10.0):
        if step * step > reach:
            break
    axes.set_yticks([1 / step, 1, step], [f"{1 / step:.2g}", "1", f"{step:g}"])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(plt.NullLocator())


def set_plain_log_scale(axes: Axes) -> None:
    """Scale the y axis logarithmically, with ticks at 1, 2 and 5 times powers of 10, as plain numbers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())


@figure_style()
def learning_curves(study: Study) -> Figure:
    """Draw the reward and pass@1 of training batches and pass@1 on validation problems by step."""
    return draw_panels(study, LEARNING, max_columns=3)


@figure_style()
def validation_skill(study: Study) -> Figure:
    """Draw the measures of validation that tell better judgement from a habit, by step.

    Metrics that were not measured have no panel.
    """
    return draw_panels(study, [panel for panel in SKILL if has_metrics(study, [panel.metric])], max_columns=3)


@figure_style()
def accuracy_by_kind(study: Study) -> Figure:
    """Draw pass@1 on validation pairs by step, one panel per kind of pair."""
    panels = []
    for kind in MONITORED_KINDS:
        title = f"{str(kind).replace('_', ' ').capitalize()}:\npass@1 (%)"
        panels.append(
            CurvePanel(
                f"validation/pass@1/{kind}",
                title,
                is_percent=True,
                has_band=True,
                y_range=(0, 100),
                chance=25,
            )
        )
    return draw_panels(study, panels, max_columns=4)


@figure_style()
def update_size(study: Study) -> Figure:
    """Draw the norms of gradients and updates, the distance from the base, and the entropy by step (C6)."""
    return draw_panels(study, UPDATES, max_columns=4)
