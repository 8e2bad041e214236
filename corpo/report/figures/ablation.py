"""The figures of ablations: one per ablation, and an overview of all of them."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpo.analysis.ablation import GROUPS, K
from corpo.analysis.compare import REFERENCE
from corpo.analysis.runs import EARLY
from corpo.analysis.study import BASE
from corpo.report.figures.style import (
    COLOURS,
    WIDTH,
    colours,
    figure_style,
    finish_figure,
    label_of,
    legend,
    line_styles,
    markers,
    reference_line,
)

IN_DOMAIN, OUT_OF_DOMAIN = GROUPS
MAX_LABEL_CHARS = 6  # longer names of variants are rotated


@figure_style()
def ablation(table: pd.DataFrame) -> Figure:
    """Draw accuracy, difference from GRPO, and failed rollouts with a positive advantage by variant."""
    variants = list(dict.fromkeys(table["variant"]))
    baselines = [name for name in dict.fromkeys(table["baseline"]) if name != BASE]
    figure, panels = plt.subplots(2, 2, figsize=(WIDTH, 6.4))
    in_domain, out_of_domain, gap, rewarded = panels.ravel()
    for baseline, shift in zip(baselines, _shifts(len(baselines), 0.15), strict=True):
        rows = table[table["baseline"] == baseline].set_index("variant").loc[variants]
        positions = np.arange(len(variants)) + shift
        _draw_line(in_domain, baselines, baseline, positions, rows[IN_DOMAIN])
        _draw_line(out_of_domain, baselines, baseline, positions, rows[OUT_OF_DOMAIN])
        _draw_line(rewarded, baselines, baseline, positions, 100 * rows["failures rewarded"])
        if baseline != REFERENCE:
            _draw_differences(gap, baselines, baseline, positions, rows)
    base = table[table["baseline"] == BASE].set_index("variant").loc[variants]
    for panel, group in ((in_domain, IN_DOMAIN), (out_of_domain, OUT_OF_DOMAIN)):
        positions = np.arange(len(variants))
        panel.plot(positions, base[group], "_", color=COLOURS[BASE], markersize=16, label=label_of(BASE))
        panel.set(title=f"{group.capitalize()}, pass@{K} (%)", ylim=(0, 100))
    reference_line(gap, y=0)
    gap.set(title=f"{OUT_OF_DOMAIN.capitalize()} minus GRPO,\npass@{K} (percentage points)")
    rewarded.set(title=f"Failed rollouts with a positive advantage,\nfirst {EARLY} steps (%)")
    rotation = 20 if max(map(len, variants)) > MAX_LABEL_CHARS else 0
    for panel in panels.ravel():
        panel.set_xticks(range(len(variants)), variants, rotation=rotation)
        panel.set_xlim(-0.5, len(variants) - 0.5)
    legend(figure, in_domain)
    return finish_figure(figure)


def _shifts(count: int, reach: float) -> np.ndarray:
    """Return evenly spaced offsets, so that the marks of several baselines do not overlap."""
    return np.linspace(-reach, reach, count) if count > 1 else np.zeros(1)


def _draw_line(
    panel: Axes, baselines: list[str], baseline: str, positions: np.ndarray, values: pd.Series
) -> None:
    panel.plot(
        positions,
        values,
        color=colours(baselines)[baseline],
        marker=markers(baselines)[baseline],
        linestyle=line_styles(baselines)[baseline],
        label=label_of(baseline),
        markersize=4,
        linewidth=1,
    )


def _draw_differences(
    panel: Axes, baselines: list[str], baseline: str, positions: np.ndarray, rows: pd.DataFrame
) -> None:
    """Draw differences from GRPO over variants: means as marks, seeds as ticks, intervals as bars."""
    shade = colours(baselines)[baseline]
    low, high = rows[f"{OUT_OF_DOMAIN}: low"], rows[f"{OUT_OF_DOMAIN}: high"]
    panel.vlines(positions, low, high, color=shade, linewidth=2, alpha=0.8)
    for position, seeds in zip(positions, _by_seed(rows, OUT_OF_DOMAIN), strict=True):
        panel.plot([position] * len(seeds), seeds, "_", color=shade, markersize=6, alpha=0.7)
    marker = markers(baselines)[baseline]
    panel.plot(positions, rows[f"{OUT_OF_DOMAIN}: difference"], marker, color=shade, markersize=4)


def _by_seed(rows: pd.DataFrame, group: str) -> list[list[float]]:
    """Return the differences of single seeds for each row."""
    texts = rows[f"{group}: by seed"].fillna("").astype(str)
    return [list(map(float, text.split())) for text in texts]


@figure_style()
def overview(ablations: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw every variant of every ablation in one row.

    The panels show the failed rollouts to which GRPO gives a positive advantage, and the differences of the
    other baselines from GRPO, out of domain and in domain.
    """
    table = pd.concat([rows.assign(ablation=name) for name, rows in ablations.items()])
    labels = list(dict.fromkeys(zip(table["ablation"], table["variant"], strict=True)))
    position_of = {label: position for position, label in enumerate(labels)}
    others = [name for name in dict.fromkeys(table["baseline"]) if name not in (BASE, REFERENCE)]
    size = (WIDTH, 1.4 + 0.24 * len(labels))
    figure, panels = plt.subplots(1, 3, figsize=size, sharey=True, width_ratios=(1, 1.6, 1.6))
    rewarded, out_of_domain, in_domain = panels
    in_domain.sharex(out_of_domain)
    reference = table[table["baseline"] == REFERENCE]
    positions = _positions(reference, position_of)
    rewarded.plot(
        100 * reference["failures rewarded"], positions, "o", color=COLOURS[REFERENCE], markersize=5
    )
    for baseline, shift in zip(others, _shifts(len(others), 0.16), strict=True):
        rows = table[table["baseline"] == baseline]
        positions = _positions(rows, position_of) + shift
        _draw_overview(out_of_domain, others, baseline, positions, rows, OUT_OF_DOMAIN)
        _draw_overview(in_domain, others, baseline, positions, rows, IN_DOMAIN)
    for name in list(ablations)[1::2]:
        shaded = [position for (ablation_name, _), position in position_of.items() if ablation_name == name]
        for panel in panels:
            panel.axhspan(shaded[0] - 0.5, shaded[-1] + 0.5, color="#f4f4f4", zorder=0)
    names = [f"{name.removeprefix('ablate_')}: {variant}" for name, variant in labels]
    rewarded.set_yticks(range(len(labels)), names)
    rewarded.set(
        ylim=(len(labels) - 0.5, -0.5), title="GRPO: failed\nrollouts with\nA > 0 (%)", xlim=(-1, None)
    )
    for panel, group in ((out_of_domain, OUT_OF_DOMAIN), (in_domain, IN_DOMAIN)):
        reference_line(panel, x=0)
        panel.set(title=f"{group.capitalize()} minus GRPO,\npass@{K} (percentage points)")
    widest = max(4.0, *(abs(end) for end in out_of_domain.get_xlim()))
    out_of_domain.set_xlim(-widest, widest)
    legend(figure, out_of_domain)
    return finish_figure(figure)


def _positions(rows: pd.DataFrame, position_of: Mapping[tuple[str, str], int]) -> np.ndarray:
    return np.array([position_of[label] for label in zip(rows["ablation"], rows["variant"], strict=True)])


def _draw_overview(
    panel: Axes,
    baselines: list[str],
    baseline: str,
    positions: np.ndarray,
    rows: pd.DataFrame,
    group: str,
) -> None:
    """Draw differences from GRPO over rows: means as marks, seeds as ticks, intervals as bars."""
    shade = colours(baselines)[baseline]
    panel.hlines(
        positions, rows[f"{group}: low"], rows[f"{group}: high"], color=shade, linewidth=2, alpha=0.6
    )
    for position, seeds in zip(positions, _by_seed(rows, group), strict=True):
        panel.plot(seeds, [position] * len(seeds), "|", color=shade, markersize=5, alpha=0.7)
    panel.plot(
        rows[f"{group}: difference"],
        positions,
        markers(baselines)[baseline],
        color=shade,
        markersize=4,
        label=label_of(baseline),
    )
