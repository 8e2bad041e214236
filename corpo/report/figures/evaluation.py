"""Figures of the evaluation: accuracy, differences from GRPO, calibration, and regraded rollouts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpo.analysis import compare
from corpo.analysis import regrade as regrading
from corpo.analysis.figure_data import calibration_curve
from corpo.analysis.runs import EARLY, runs_table
from corpo.analysis.splits import accuracy, rows_of
from corpo.analysis.study import Study
from corpo.analysis.verification import skill_table
from corpo.evaluate.intervals import FEW_SEEDS
from corpo.report.figures.style import (
    BAND,
    COLOURS,
    DIFFERENCE_MAP,
    INTEREST,
    LABEL_SIZE,
    MAX_BASELINES_WITH_BANDS,
    REFERENCE_COLOUR,
    WIDTH,
    colour,
    colours,
    figure_style,
    finish_figure,
    label_end,
    layer,
    legend,
    line_styles,
    markers,
    name_omitted,
    reference_line,
)
from corpo.report.names import label_of

LARGE_DIFFERENCE = 10  # percentage points that get the darkest colour
_REGRADED_TITLES = {
    "levels": "By number of reward levels",
    "group": "By rollouts per group",
    "passed": "By share of the group\nthat is correct",
    "split": "By evaluation split",
    "baseline": "By baseline that computes\nthe advantages",
}


@figure_style()
def scoreboard(study: Study) -> Figure:
    """Draw the main results of every baseline in a row: mean and single seeds.

    The panels show failed rollouts with a positive advantage, accuracy in and out of domain, and the KL
    divergence from the base.
    """
    smallest_k, largest_k = min(study.ks), max(study.ks)
    runs = runs_table(study).set_index("policy")
    policies = ["base", *study.baselines]
    by_seed = {
        f"Failed rollouts with A > 0,\nfirst {EARLY} steps (%)": 100 * runs["failed_positive"],
        f"In domain, pass@{smallest_k} (%)": _accuracies(study, policies, study.in_domain, smallest_k),
        f"Out of domain, pass@{smallest_k} (%)": _accuracies(
            study, policies, study.out_of_domain, smallest_k
        ),
        f"Out of domain, pass@{largest_k} (%)": _accuracies(study, policies, study.out_of_domain, largest_k),
        "KL divergence from the base\n(nats per rollout)": runs["kl"],
    }
    height = 1.6 + 2 * (0.5 + 0.24 * len(study.baselines))
    figure, axes = plt.subplots(2, 3, figsize=(WIDTH, height), sharey=True)
    panels = list(axes.flat)
    # With a single k two panels are the same, so there is one fewer; the unused panel stays empty.
    for panel, (title, values) in zip(panels, by_seed.items(), strict=False):
        for row, baseline in enumerate(study.baselines):
            seeds, shade = values.loc[[baseline]].to_numpy(), colour(study, baseline)
            panel.plot(seeds, [row] * len(seeds), "|", color=shade, markersize=8, alpha=0.7)
            panel.plot(seeds.mean(), row, "o", color=shade, markersize=5.5)
        if title.startswith("Out of domain") and compare.REFERENCE in study.baselines:
            reference = float(values.loc[[compare.REFERENCE]].mean())
            panel.axvspan(reference - INTEREST, reference + INTEREST, **BAND)
        if "pass@" in title:
            base = values.loc[["base"]].to_numpy().mean()
            panel.axvline(base, color=COLOURS["base"], linewidth=1.4, linestyle=":", label="base policy")
        panel.set_title(title)
    panels[0].set_yticks(range(len(study.baselines)), [label_of(name) for name in study.baselines])
    panels[0].set_ylim(len(study.baselines) - 0.5, -0.5)
    for panel in panels[len(by_seed) :]:
        panel.set_axis_off()
    panels[-1].plot([], [], "o", color=REFERENCE_COLOUR, markersize=5.5, label="mean")
    panels[-1].plot([], [], "|", color=REFERENCE_COLOUR, markersize=8, label="single seed")
    panels[-1].plot([], [], color=COLOURS["base"], linewidth=1.4, linestyle=":", label="base policy")
    if compare.REFERENCE in study.baselines:
        label = f"less than {INTEREST:g} points\nfrom {label_of(compare.REFERENCE)}: not of interest"
        panels[-1].axvspan(0, 0, **BAND, label=label)
    panels[-1].legend(loc="center")
    return finish_figure(figure)


def _accuracies(study: Study, policies: Sequence[str], splits: Sequence[str], k: int) -> pd.Series:
    """Return the accuracy by policy and seed in percent, indexed by policy."""
    parts = []
    for policy in policies:
        values = accuracy(study, policy, splits, k)
        parts.append(pd.Series(values, index=[policy] * len(values)))
    return pd.concat(parts)


@figure_style()
def differences(study: Study) -> Figure:
    """Draw the difference in pass@k between every baseline and GRPO on each row of the results table.

    With several seeds the 95% intervals are over seeds and problems, otherwise over problems. Many baselines
    are shown as numbers in a table of colours, because their intervals would overlap.
    """
    table = compare.differences(study)
    if len(study.baselines) > MAX_BASELINES_WITH_BANDS:
        return _difference_table(study, table)
    baselines = [name for name in study.baselines if name != compare.REFERENCE]
    ks = list(dict.fromkeys((min(study.ks), max(study.ks))))
    groups = _groups_of_rows(study)
    heights = _heights(groups)
    size = (WIDTH, 1.4 + 0.33 * (len(heights) + len(groups)))
    figure, axes = plt.subplots(1, len(ks), figsize=size, sharey=True, squeeze=False)
    shifts = np.linspace(0.17, -0.17, len(baselines)) if len(baselines) > 1 else [0.0]
    for panel, k in zip(axes[0], ks, strict=True):
        at_k = table[table["k"] == k]
        for shift, baseline in zip(shifts, baselines, strict=True):
            rows = at_k[at_k["baseline"] == baseline].set_index("split").loc[list(heights)]
            _draw_differences(panel, study, baseline, rows, np.array(list(heights.values())) + shift)
        largest = max(float(np.abs(_seeds(row)).max()) for row in at_k["by_seed"])
        if largest and 1 < len(study.of(compare.REFERENCE)) < FEW_SEEDS:
            # The interval of two seeds is so wide that it would flatten everything else.
            left, right = panel.get_xlim()
            panel.set_xlim(max(left, -1.2 * largest), min(right, 1.2 * largest))
        reach = max(1.3 * INTEREST, *(abs(end) for end in panel.get_xlim()))
        panel.axvspan(
            -INTEREST, INTEREST, **BAND, label=f"less than {INTEREST:g} points: not of interest (C5)"
        )
        reference_line(panel, x=0)
        panel.set(title=f"pass@{k}", xlim=(-reach, reach), ylim=(-0.6, max(heights.values()) + 1.5))
        panel.set_xlabel(f"difference from {label_of(compare.REFERENCE)}\n(percentage points)")
    names = [split.replace("_", " ") for split in heights]
    axes[0][0].set_yticks(list(heights.values()), names)
    for group, rows_of_group in groups.items():
        place = heights[rows_of_group[0]] + 0.85
        axes[0][0].text(
            -0.02,
            place,
            group,
            transform=axes[0][0].get_yaxis_transform(),
            ha="right",
            va="center",
            fontweight="bold",
        )
    legend(figure, axes[0][0])
    return finish_figure(figure)


def _groups_of_rows(study: Study) -> dict[str, list[str]]:
    """Return the rows of the results table in and out of domain, and the other ones."""
    groups: dict[str, list[str]] = {"in domain": [], "out of domain": [], "further splits": []}
    for row, members in rows_of(study.splits).items():
        if set(members) <= set(study.in_domain):
            groups["in domain"].append(row)
        elif set(members) <= set(study.out_of_domain):
            groups["out of domain"].append(row)
        else:
            groups["further splits"].append(row)
    return {name: rows for name, rows in groups.items() if rows}


def _heights(groups: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the height of each row, from top to bottom, with room for the name of each group above it."""
    heights: dict[str, float] = {}
    height = 0.0
    for rows in groups.values():
        height -= 1
        for row in rows:
            heights[row] = height
            height -= 1
    lowest = min(heights.values())
    return {row: value - lowest for row, value in heights.items()}


def _difference_table(study: Study, table: pd.DataFrame) -> Figure:
    """Draw the differences from GRPO as numbers: a row per baseline, a column per split, a panel per k.

    Numbers are bold if their 95% interval excludes 0.
    """
    baselines = [name for name in study.baselines if name != compare.REFERENCE]
    ks = list(dict.fromkeys((min(study.ks), max(study.ks))))
    groups = _groups_of_rows(study)
    splits = list(itertools.chain.from_iterable(groups.values()))
    size = (WIDTH, 1.9 + len(ks) * (0.5 + 0.27 * len(baselines)))
    figure, axes = plt.subplots(len(ks), 1, figsize=size, sharex=True, squeeze=False)
    for panel, k in zip(axes[:, 0], ks, strict=True):
        cells = table[table["k"] == k].set_index(["baseline", "split"])
        for row, baseline in enumerate(baselines):
            for column, split in enumerate(splits):
                _write_difference(panel, column, row, cells.loc[[(baseline, split)]].iloc[0])
        points = cells["points"].unstack().loc[baselines, splits].to_numpy()
        panel.imshow(
            points,
            cmap=DIFFERENCE_MAP,
            vmin=-LARGE_DIFFERENCE,
            vmax=LARGE_DIFFERENCE,
            aspect="auto",
            interpolation="nearest",
        )
        boundary = -0.5
        for rows in list(groups.values())[:-1]:
            boundary += len(rows)
            panel.axvline(boundary, color=REFERENCE_COLOUR, linewidth=1.2)
        panel.grid(visible=False)
        panel.tick_params(length=0)
        panel.set_yticks(range(len(baselines)), [label_of(name) for name in baselines])
        panel.set_title(f"pass@{k} minus {label_of(compare.REFERENCE)} (percentage points)")
    names = [split.replace("trained_families", "families").replace("_", "\n") for split in splits]
    axes[-1, 0].set_xticks(range(len(splits)), names)
    return finish_figure(figure)


def _write_difference(axes: Axes, column: int, row: int, cell: pd.Series) -> None:
    prefix = "" if np.isnan(cell["both_low"]) else "both_"
    is_clear = cell[f"{prefix}low"] > 0 or cell[f"{prefix}high"] < 0
    axes.text(
        column,
        row,
        f"{cell['points']:+.1f}",
        ha="center",
        va="center",
        fontsize=LABEL_SIZE,
        color="#111111",  # readable on all colours of the table
        fontweight="bold" if is_clear else "normal",
    )


def _draw_differences(
    axes: Axes, study: Study, baseline: str, rows: pd.DataFrame, heights: np.ndarray
) -> None:
    """Draw the interval, the mean and the single seeds of one baseline on each row of the table."""
    prefix = "both_" if rows["both_low"].notna().all() else ""
    low, high = rows[f"{prefix}low"].to_numpy(), rows[f"{prefix}high"].to_numpy()
    shade, marker = colour(study, baseline), markers(study.baselines)[baseline]
    axes.hlines(heights, low, high, color=shade, linewidth=2, alpha=0.8)
    axes.plot(rows["points"], heights, marker, color=shade, markersize=4.5, label=label_of(baseline))
    for row, height in zip(rows["by_seed"], heights, strict=True):
        seeds = _seeds(row)
        axes.plot(seeds, [height] * len(seeds), "|", color=REFERENCE_COLOUR, markersize=5, alpha=0.6)


def _seeds(text: str) -> np.ndarray:
    """Return the differences of single seeds from a cell such as "+1.2 -0.3"."""
    return np.array([float(points) for points in text.split()])


@figure_style()
def calibration(study: Study) -> Figure:
    """Draw the share of correct candidates by stated confidence, and how often each confidence is stated.

    The left panel has the smallest and the largest share of confidences below and above one half.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.2), sharex=True)
    left.plot([0, 100], [0, 100], color=REFERENCE_COLOUR, linewidth=0.9, linestyle=":")
    left.annotate(
        "perfect calibration",
        (78, 78),
        rotation=45,
        transform_rotates_text=True,
        rotation_mode="anchor",
        va="top",
        ha="center",
        fontsize=LABEL_SIZE,
    )
    sides: dict[bool, list[float]] = {False: [], True: []}
    without_scores = []
    for policy in ("base", *study.baselines):
        rollouts = list(study.bases.values())
        if policy != "base":
            rollouts = [run.rollouts for run in study.of(policy)]
        curve = calibration_curve(rollouts)
        if curve.empty:
            without_scores.append(policy)
        for level, share in zip(curve["confidence"], curve["correct"], strict=True):
            sides[level > 0.5].append(100 * share)
        for panel, column in ((left, "correct"), (right, "share")):
            _draw_by_confidence(panel, study, policy, 100 * curve["confidence"], 100 * curve[column])
    name_omitted(right, "No confidence stated", without_scores)
    for is_above, x in ((False, 2), (True, 57)):
        if sides[is_above]:
            text = f"{min(sides[is_above]):.0f} to {max(sides[is_above]):.0f}%"
            left.text(x, min(max(sides[is_above]) + 4, 97), text, fontsize=LABEL_SIZE, va="bottom")
    left.set(title="Calibration of the confidence scores", ylabel="correct candidates (%)", ylim=(0, 105))
    right.set(title="How often each confidence is stated", ylabel="candidates (%)")
    right.set_ylim(bottom=0)
    for panel in (left, right):
        panel.set(xlabel="stated confidence (%)", xlim=(-3, 103))
    return finish_figure(figure)


def _draw_by_confidence(axes: Axes, study: Study, policy: str, x: pd.Series, y: pd.Series) -> None:
    axes.plot(
        x,
        y,
        marker=markers(study.baselines)[policy],
        linestyle=line_styles(study.baselines)[policy],
        markersize=4.5,
        color=colour(study, policy),
        label=label_of(policy),
        zorder=layer(policy),
    )
    if len(x):
        label_end(axes, policy, float(x.iloc[-1]), float(y.iloc[-1]))


@figure_style()
def skill(study: Study) -> Figure:
    """Draw how well each policy separates correct from wrong candidates, by part: AUC with 95% interval.

    The AUC is the mean of those of A and of B. Markers of the floors, which do not verify, are hollow.
    """
    table = skill_table(study)
    parts = list(dict.fromkeys(table["part"]))
    policies = list(dict.fromkeys(table["policy"]))
    names = [*study.baselines, *study.floors]
    size = (WIDTH, 1.2 + 0.26 * len(policies))
    figure, axes = plt.subplots(1, len(parts), figsize=size, sharex=True, sharey=True, squeeze=False)
    for panel, part in zip(axes[0], parts, strict=True):
        rows = table[table["part"] == part].set_index("policy").reindex(policies)
        for height, (policy, row) in enumerate(rows.iterrows()):
            shade = colours(names)[str(policy)]
            panel.hlines(height, row["auc_low"], row["auc_high"], color=shade, linewidth=1.8)
            panel.plot(
                row["auc"],
                height,
                markers(names)[str(policy)],
                color=shade,
                markerfacecolor="white" if policy in study.floors else shade,
                markersize=6.5,
                label=label_of(str(policy)),
            )
        reference_line(panel, x=0.5)
        panel.set_title(part)
        panel.tick_params(axis="y", length=0)
    axes[0][0].set_yticks(range(len(policies)), [label_of(name) for name in policies])
    axes[0][0].set_ylim(len(policies) - 0.5, -0.5)
    figure.supxlabel("AUC of the scores (dotted: chance)", fontsize=10)
    return finish_figure(figure)


@figure_style()
def regraded_failures(study: Study) -> Figure:
    """Draw how many failed rollouts would get a positive advantage if graded or grouped in other ways.

    The rollouts are those of the evaluation. Advantages are those of the group mean, except in the panel of
    baselines. Bars span the seeds.
    """
    table = regrading.regraded(study)
    above = [criterion for criterion in ("levels", "group", "passed") if criterion in set(table["by"])]
    num_splits = table.loc[table["by"] == "split", "value"].nunique()
    num_baselines = table.loc[table["by"] == "baseline", "value"].nunique()
    height = 3.2 + 0.3 * max(num_splits, num_baselines) + 1.2
    figure = plt.figure(figsize=(WIDTH, height))
    rows: Any = figure.subfigures(2, 1, height_ratios=[3.2, height - 3.2])
    top = dict(zip(above, rows[0].subplots(1, len(above), sharey=True), strict=True))
    bottom = dict(zip(("split", "baseline"), rows[1].subplots(1, 2), strict=True))
    for criterion, panel in (*top.items(), *bottom.items()):
        values = _values_in_order(table, criterion)
        places = np.arange(len(values))
        for policy, shift in _shifts_of_policies(study):
            rows_of_policy = table[(table["by"] == criterion) & (table["policy"] == policy)]
            shares = rows_of_policy.set_index("value").loc[values]
            _draw_shares(panel, study, policy, shares, places + shift, is_horizontal=criterion in bottom)
        names = [label_of(value).replace("_families", "").replace("_", " ") for value in values]
        if criterion in bottom:
            panel.set_yticks(places, names)
            panel.set(ylim=(len(values) - 0.5, -0.5), xlim=(-2, None))
        else:
            panel.set_xticks(places, names)
        panel.set_title(_REGRADED_TITLES[criterion])
    first = top[above[0]]
    first.set(ylabel="failures above\nthe group mean (%)")
    first.set_ylim(bottom=-2)
    bottom["split"].set_xlabel("failures above the group mean (%)")
    bottom["baseline"].set_xlabel("failures with a positive advantage (%)")
    handles, labels = first.get_legend_handles_labels()
    rows[1].legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(len(labels), MAX_BASELINES_WITH_BANDS),
        title="rollouts sampled from the policy",
    )
    return finish_figure(figure)


def _is_other_baseline(value: str) -> bool:
    return value not in COLOURS


def _values_in_order(table: pd.DataFrame, criterion: str) -> list[str]:
    """Return the values of a criterion; the baselines of the paper come first."""
    values = [str(value) for value in dict.fromkeys(table.loc[table["by"] == criterion, "value"])]
    return sorted(values, key=_is_other_baseline) if criterion == "baseline" else values


def _shifts_of_policies(study: Study) -> list[tuple[str, float]]:
    """Return the policies whose rollouts are shown, each with its offset from the place of a value.

    Of many baselines only those of the paper are shown; `regraded.csv` has all.
    """
    policies = ["base", *study.baselines]
    if len(study.baselines) > MAX_BASELINES_WITH_BANDS:
        policies = [policy for policy in policies if policy in COLOURS]
    return list(zip(policies, np.linspace(-0.25, 0.25, len(policies)).tolist(), strict=True))


def _draw_shares(
    axes: Axes,
    study: Study,
    policy: str,
    shares: pd.DataFrame,
    places: np.ndarray,
    is_horizontal: bool,
) -> None:
    """Draw the mean share at each place as a marker, and the range over seeds as a bar, in percent."""
    shade, marker = colour(study, policy), markers(study.baselines)[policy]
    low, high, mean = (100 * shares[column].to_numpy() for column in ("min_share", "max_share", "rewarded"))
    if is_horizontal:
        axes.hlines(places, low, high, color=shade, linewidth=1.6, alpha=0.5)
        axes.plot(mean, places, marker, markersize=4.5, color=shade, label=label_of(policy))
    else:
        axes.vlines(places, low, high, color=shade, linewidth=1.6, alpha=0.5)
        axes.plot(places, mean, marker, markersize=4.5, color=shade, label=label_of(policy))
