"""The figures of ablations: one per ablation, and an overview of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from corpo.analysis.ablation import GROUPS, K
from corpo.analysis.compare import REFERENCE
from corpo.analysis.runs import EARLY
from corpo.analysis.study import BASE
from corpo.report.figures.style import (
    BAND,
    COLOURS,
    INTEREST,
    LABEL_SIZE,
    WIDTH,
    colours,
    figure_style,
    finish_figure,
    label_end,
    line_styles,
    markers,
    reference_line,
)
from corpo.report.names import label_of

IN_DOMAIN, OUT_OF_DOMAIN = GROUPS
SMALLEST_REACH = 5.0  # percentage points to both sides, so that noise does not look large
LABEL_OFFSET = 0.2  # names begin to the right of the marks of the last variant
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
        label_end(panel, BASE, len(variants) - 1 + LABEL_OFFSET, float(base[group].iloc[-1]))
        low, high = panel.get_ylim()
        middle = (low + high) / 2
        reach = max(SMALLEST_REACH, high - middle)
        panel.set(title=f"{group.capitalize()}, pass@{K} (%)", ylim=(middle - reach, middle + reach))
    gap.axhspan(-INTEREST, INTEREST, **BAND)
    reach = max(SMALLEST_REACH, *(abs(end) for end in gap.get_ylim()))
    gap.set_ylim(-reach, reach)
    reference_line(gap, y=0)
    gap.set(title=f"{OUT_OF_DOMAIN.capitalize()} minus GRPO,\npass@{K} (percentage points)")
    rewarded.set(title=f"Failed rollouts with a positive advantage,\nfirst {EARLY} steps (%)")
    rotation = 20 if max(map(len, variants)) > MAX_LABEL_CHARS else 0
    for panel in panels.ravel():
        panel.set_xticks(range(len(variants)), variants, rotation=rotation)
        panel.set_xlim(-0.5, len(variants) - 0.5)
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
    label_end(panel, baseline, len(values) - 1 + LABEL_OFFSET, float(values.iloc[-1]))


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
    means = rows[f"{OUT_OF_DOMAIN}: difference"]
    panel.plot(positions, means, marker, color=shade, markersize=4, label=label_of(baseline))
    label_end(panel, baseline, len(means) - 1 + LABEL_OFFSET, float(means.iloc[-1]))


def _by_seed(rows: pd.DataFrame, group: str) -> list[list[float]]:
    """Return the differences of single seeds for each row."""
    texts = rows[f"{group}: by seed"].fillna("").astype(str)
    return [list(map(float, text.split())) for text in texts]


@figure_style()
def overview(ablations: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw every variant of every ablation in a row of its own.

    The panels show the failed rollouts to which GRPO gives a positive advantage, and the differences of the
    other baselines from GRPO, out of domain and in domain. The variant that several ablations have in common
    is drawn once, as the first row and as a line through all rows.
    """
    rows, default = _rows_of_overview(ablations)
    places = [row.place for row in rows]
    baselines: dict[str, None] = {}
    for row in rows:
        baselines |= dict.fromkeys(row.table["baseline"])
    others = [name for name in baselines if name not in (BASE, REFERENCE)]
    figure, panels = plt.subplots(
        1, 3, figsize=(WIDTH, 1.6 + 0.25 * (places[-1] + 1)), sharey=True, width_ratios=(1, 1.5, 1.5)
    )
    rewarded, *differences = panels
    for row in rows:
        reference = row.table[row.table["baseline"] == REFERENCE]
        shares = 100 * reference["failures rewarded"]
        rewarded.plot(shares, [row.place] * len(shares), "o", color=COLOURS[REFERENCE], markersize=5)
        if row is default:
            for share in shares:
                rewarded.axvline(share, color=COLOURS[REFERENCE], linewidth=6, alpha=0.15)
        for baseline, shift in zip(others, _shifts(len(others), 0.16), strict=True):
            values = row.table[row.table["baseline"] == baseline]
            for panel, group in zip(differences, (OUT_OF_DOMAIN, IN_DOMAIN), strict=True):
                _draw_overview(panel, others, baseline, row.place + shift, values, group)
    rewarded.set_yticks(places, [row.name for row in rows])
    rewarded.set(
        ylim=(places[-1] + 0.6, -0.8), title="GRPO: failed\nrollouts with A > 0\n(%)", xlim=(-1, None)
    )
    for name, place in _places_of_names(rows).items():
        rewarded.text(
            -0.03,
            place,
            name,
            transform=rewarded.get_yaxis_transform(),
            ha="right",
            va="center",
            fontweight="bold",
            fontsize=LABEL_SIZE,
        )
    ends = np.concatenate([panel.get_xlim() for panel in differences])
    widest = max(SMALLEST_REACH, float(np.abs(ends).max()))
    for panel, group in zip(differences, (OUT_OF_DOMAIN, IN_DOMAIN), strict=True):
        panel.axvspan(-INTEREST, INTEREST, **BAND)
        reference_line(panel, x=0)
        panel.set(title=f"{group.capitalize()}:\npass@{K} minus GRPO\n(points)", xlim=(-widest, widest))
    handles = [_legend_entry(baseline, others) for baseline in others]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return finish_figure(figure)


@dataclass(frozen=True)
class _Row:
    """A variant in the overview: its ablation, its name, its place from the top, and its numbers."""

    ablation: str  # empty for the variant that several ablations have in common
    name: str
    place: int
    table: pd.DataFrame


def _rows_of_overview(ablations: Mapping[str, pd.DataFrame]) -> tuple[list[_Row], _Row | None]:
    """Return the rows of the overview, and the row of the variant that several ablations have in common.

    A place is left free above the variants of each ablation, for its name.
    """
    parts = []
    counts: Counter[str] = Counter()
    for ablation_name, table in ablations.items():
        for variant, part in table.groupby("variant", sort=False):
            numbers = part.drop(columns="variant").to_csv(index=False)
            counts[numbers] += 1
            parts.append((ablation_name.removeprefix("ablate_"), str(variant), numbers, part))
    common, count = counts.most_common(1)[0]
    rows = []
    default = None
    if count > 1:
        default = _Row("", "default", 0, next(part for _, _, numbers, part in parts if numbers == common))
        rows.append(default)
    place, last_name = 2 * len(rows), ""
    for ablation_name, variant, numbers, part in parts:
        if default is not None and numbers == common:
            continue
        place += ablation_name != last_name
        rows.append(_Row(ablation_name, variant, place, part))
        place, last_name = place + 1, ablation_name
    return rows, default


def _places_of_names(rows: Sequence[_Row]) -> dict[str, int]:
    """Return the place of the name of each ablation, which is above its first variant."""
    places: dict[str, int] = {}
    for row in rows:
        if row.ablation:
            places.setdefault(row.ablation, row.place - 1)
    return places


def _legend_entry(baseline: str, baselines: list[str]) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="",
        marker=markers(baselines)[baseline],
        color=colours(baselines)[baseline],
        label=label_of(baseline),
    )


def _draw_overview(
    panel: Axes, baselines: list[str], baseline: str, place: float, rows: pd.DataFrame, group: str
) -> None:
    """Draw the difference of a variant from GRPO: mean as mark, seeds as ticks, interval as bar."""
    shade = colours(baselines)[baseline]
    panel.hlines(
        [place] * len(rows),
        rows[f"{group}: low"],
        rows[f"{group}: high"],
        color=shade,
        linewidth=2,
        alpha=0.6,
    )
    for seeds in _by_seed(rows, group):
        panel.plot(seeds, [place] * len(seeds), "|", color=shade, markersize=5, alpha=0.7)
    marker = markers(baselines)[baseline]
    means = rows[f"{group}: difference"]
    panel.plot(means, [place] * len(rows), marker, color=shade, markersize=4, label=label_of(baseline))
