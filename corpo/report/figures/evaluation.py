"""Figures of the evaluation: accuracy, differences from GRPO, calibration, and regraded rollouts."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpo.analysis import compare
from corpo.analysis import regrade as regrading
from corpo.analysis.claims import IN_DOMAIN, OUT_OF_DOMAIN
from corpo.analysis.figure_data import calibration_curve
from corpo.analysis.runs import EARLY, runs_table
from corpo.analysis.splits import accuracy, rows_of
from corpo.analysis.study import Study
from corpo.analysis.verification import skill_table
from corpo.evaluate.intervals import FEW_SEEDS
from corpo.report.figures.style import (
    COLOURS,
    MAX_BASELINES_WITH_BANDS,
    REFERENCE_COLOUR,
    WIDTH,
    colour,
    colours,
    figure_style,
    finish_figure,
    label_of,
    legend,
    line_styles,
    markers,
    reference_line,
)

_REGRADED_TITLES = {
    "levels": "By number of reward levels",
    "group": "By rollouts per group",
    "passed": "By share of correct rollouts in the group",
    "split": "By evaluation split",
    "baseline": "By baseline that computes the advantages",
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
        f"In domain, pass@{smallest_k} (%)": _accuracies(study, policies, IN_DOMAIN, smallest_k),
        f"Out of domain, pass@{smallest_k} (%)": _accuracies(study, policies, OUT_OF_DOMAIN, smallest_k),
        f"Out of domain, pass@{largest_k} (%)": _accuracies(study, policies, OUT_OF_DOMAIN, largest_k),
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

    With several seeds the 95% intervals are over seeds and problems, otherwise over problems.
    """
    table = compare.differences(study)
    baselines = [name for name in study.baselines if name != compare.REFERENCE]
    ks = list(dict.fromkeys((min(study.ks), max(study.ks))))
    splits = list(rows_of(study.splits))
    few = len(baselines) <= MAX_BASELINES_WITH_BANDS
    row_height, spread = (0.36, 0.2) if few else (0.06 * len(baselines), 0.4)
    figure, axes = plt.subplots(
        1, len(ks), figsize=(WIDTH, 1 + row_height * len(splits)), sharey=True, squeeze=False
    )
    shifts = np.linspace(spread, -spread, len(baselines)) if len(baselines) > 1 else [0.0]
    for panel, k in zip(axes[0], ks, strict=True):
        at_k = table[table["k"] == k]
        for shift, baseline in zip(shifts, baselines, strict=True):
            rows = at_k[at_k["baseline"] == baseline].set_index("split").loc[splits]
            _draw_differences(panel, study, baseline, rows, np.arange(len(splits))[::-1] + shift)
        largest = max(float(np.abs(_seeds(row)).max()) for row in at_k["by_seed"])
        if largest and 1 < len(study.of(compare.REFERENCE)) < FEW_SEEDS:
            # The interval of two seeds is so wide that it would flatten everything else.
            left, right = panel.get_xlim()
            panel.set_xlim(max(left, -1.2 * largest), min(right, 1.2 * largest))
        reference_line(panel, x=0)
        panel.set(title=f"pass@{k}", ylim=(-0.6, len(splits) - 0.4))
        panel.set_xlabel(f"difference from {label_of(compare.REFERENCE)}\n(percentage points)")
        panel.set_yticks(range(len(splits)), [split.replace("_", " ") for split in reversed(splits)])
    legend(figure, axes[0][0])
    return finish_figure(figure)


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
    """Draw the share of correct candidates by stated confidence, over all evaluation splits."""
    figure, axes = plt.subplots(figsize=(5.6, 5.0))
    axes.plot(
        [0, 100], [0, 100], color=REFERENCE_COLOUR, linewidth=0.9, linestyle=":", label="perfect calibration"
    )
    for policy in ("base", *study.baselines):
        base = policy == "base"
        rollouts = list(study.bases.values()) if base else [run.rollouts for run in study.of(policy)]
        levels, shares = calibration_curve(rollouts)
        axes.plot(
            [100 * level for level in levels],
            [100 * share for share in shares],
            marker=markers(study.baselines)[policy],
            linestyle=line_styles(study.baselines)[policy],
            markersize=4.5,
            color=colour(study, policy),
            label=label_of(policy),
        )
    axes.set(
        title="Calibration of the confidence scores",
        xlabel="stated confidence (%)",
        ylabel="correct candidates (%)",
        xlim=(-3, 103),
        ylim=(0, 100),
    )
    legend(figure, axes, ncols=3)
    return finish_figure(figure)


@figure_style()
def skill(study: Study) -> Figure:
    """Draw how well each policy separates correct from wrong candidates, by part: AUC with 95% interval.

    The AUC is the mean of those of A and of B. Markers of the floors, which do not verify, are hollow.
    """
    table = skill_table(study)
    parts = list(dict.fromkeys(table["part"]))
    policies = list(dict.fromkeys(table["policy"]))
    names = [*study.baselines, *study.floors]  # floors come last, so that baselines keep their colours
    few = len(policies) <= MAX_BASELINES_WITH_BANDS
    figure, axes = plt.subplots(figsize=(WIDTH, 4.2 if few else 5.2))
    for policy, shift in zip(policies, np.linspace(-0.32, 0.32, len(policies)), strict=True):
        rows = table[table["policy"] == policy].set_index("part").reindex(parts)
        places, shade = np.arange(len(parts)) + shift, colours(names)[policy]
        axes.vlines(places, rows["auc_low"], rows["auc_high"], color=shade, linewidth=1.8)
        axes.plot(
            places,
            rows["auc"],
            markers(names)[policy],
            color=shade,
            markerfacecolor="white" if policy in study.floors else shade,
            markersize=6.5,
            label=label_of(policy),
        )
    reference_line(axes, y=0.5)
    axes.text(len(parts) - 0.52, 0.505, "chance", ha="right", va="bottom", color=REFERENCE_COLOUR, fontsize=9)
    axes.set(ylabel="AUC of the scores", xlim=(-0.5, len(parts) - 0.5))
    axes.set_xticks(range(len(parts)), parts)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    for boundary in range(1, len(parts)):
        axes.axvline(boundary - 0.5, color="#e6e6e6", linewidth=0.7)
    axes.set_title("How well scores separate correct from wrong candidates")
    legend(figure, axes)
    return finish_figure(figure)


@figure_style()
def regraded_failures(study: Study) -> Figure:
    """Draw how many failed rollouts would get a positive advantage if graded or grouped in other ways.

    The rollouts are those of the evaluation. Advantages are those of the group mean, except in the panel of
    baselines. Bars span the seeds.
    """
    table = regrading.regraded(study)
    figure, axes = plt.subplot_mosaic(
        [["levels", "group"], ["passed", "split"], ["baseline", "baseline"]], figsize=(WIDTH, 9), sharey=True
    )
    for criterion, panel in axes.items():
        rows = table[table["by"] == criterion]
        _draw_regraded(panel, study, rows)
        panel.set_title(_REGRADED_TITLES[criterion])
    for criterion in ("levels", "passed", "baseline"):
        axes[criterion].set_ylabel("failed rollouts\nwith a positive advantage (%)")
    axes["levels"].set_ylim(bottom=-2)
    legend(figure, axes["levels"])
    return finish_figure(figure)


def _is_other_baseline(value: str) -> bool:
    return value not in COLOURS


def _draw_regraded(axes: Axes, study: Study, table: pd.DataFrame) -> None:
    """Draw one panel: a point and the range over seeds per policy at each value of the criterion."""
    values = list(dict.fromkeys(table["value"]))
    values.sort(key=_is_other_baseline)  # stable: the baselines of the paper come first
    policies = ["base", *study.baselines]
    for policy, shift in zip(policies, np.linspace(-0.25, 0.25, len(policies)), strict=True):
        rows = table[table["policy"] == policy].set_index("value").loc[values]
        places, shade = np.arange(len(values)) + shift, colour(study, policy)
        axes.vlines(
            places, 100 * rows["min_share"], 100 * rows["max_share"], color=shade, linewidth=1.6, alpha=0.5
        )
        marker = markers(study.baselines)[policy]
        axes.plot(places, 100 * rows["rewarded"], marker, markersize=4, color=shade, label=label_of(policy))
    names = [label_of(value).replace("_families", "").replace("_", " ") for value in values]
    axes.set_xticks(range(len(values)), names)
    if max(len(name) for name in names) > 8:
        axes.tick_params(axis="x", rotation=35)
        plt.setp(axes.get_xticklabels(), ha="right", rotation_mode="anchor")
