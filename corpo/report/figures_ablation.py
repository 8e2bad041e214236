"""The figures of ablations: one per ablation, and an overview of all of them."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from corpo.analysis.ablation import GROUPS, K
from corpo.analysis.compare import REFERENCE
from corpo.report.figures import COLOURS, NAMES, colours, figure_style, finish_figure


@figure_style()
def ablation(table: pd.DataFrame) -> Figure:
    """By variant: accuracy in and out of domain, differences to GRPO, and failures rewarded early."""
    names = list(dict.fromkeys(table["variant"]))
    baselines = [name for name in dict.fromkeys(table["baseline"]) if name != "base"]
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.4))
    shifts = dict(
        zip(baselines, np.linspace(-0.15, 0.15, len(baselines)) if len(baselines) > 1 else [0.0], strict=True)
    )
    for baseline in baselines:
        mine = table[table["baseline"] == baseline].set_index("variant").loc[names]
        at, shade, label = (
            np.arange(len(names)) + shifts[baseline],
            colours(baselines)[baseline],
            NAMES.get(baseline, baseline),
        )
        for one, what in zip(axes[:2], GROUPS, strict=True):
            one.plot(at, mine[what], "o-", color=shade, label=label, markersize=4, linewidth=1)
        if baseline != REFERENCE:
            gap = "out of domain: {}".format
            axes[2].vlines(at, mine[gap("low")], mine[gap("high")], color=shade, linewidth=2, alpha=0.8)
            for x, seeds in zip(at, mine[gap("by seed")].astype(str), strict=True):
                axes[2].plot(
                    [x] * len(seeds.split()),
                    [float(points) for points in seeds.split()],
                    "_",
                    color=shade,
                    markersize=6,
                    alpha=0.7,
                )
            axes[2].plot(at, mine[gap("difference")], "o", color=shade, markersize=4, label=f"{label} - GRPO")
        axes[3].plot(
            at, 100 * mine["failures rewarded"], "o-", color=shade, label=label, markersize=4, linewidth=1
        )
    base = table[table["baseline"] == "base"].set_index("variant").loc[names]
    for one, what in zip(axes[:2], GROUPS, strict=True):
        one.plot(np.arange(len(names)), base[what], "_", color=COLOURS["base"], markersize=16, label="base")
        one.set(title=f"{what}, pass@{K}, %", ylim=(0, 100))
    axes[2].axhline(0, color="#333333", linewidth=0.8, linestyle=":")
    axes[2].set(title=f"out of domain less GRPO, pass@{K}, points")
    axes[3].set(title="failures rewarded, first steps, %")
    for one in axes:
        one.set_xticks(range(len(names)), names, rotation=20 if max(map(len, names)) > 6 else 0)
        one.set_xlim(-0.5, len(names) - 0.5)
    axes[0].legend(fontsize=7)
    axes[2].legend(fontsize=7)
    return finish_figure(figure)


@figure_style()
def overview(ablations: Mapping[str, pd.DataFrame]) -> Figure:
    """Every variant of every ablation in a row: failures that GRPO rewards, and how far the others are from it, out of domain and in domain."""
    table = pd.concat([one.assign(ablation=name) for name, one in ablations.items()])
    labels = list(dict.fromkeys(zip(table["ablation"], table["variant"], strict=True)))
    others = [name for name in dict.fromkeys(table["baseline"]) if name not in ("base", REFERENCE)]
    figure, axes = plt.subplots(
        1, 3, figsize=(11, 1.2 + 0.22 * len(labels)), sharey=True, width_ratios=(1, 1.6, 1.6)
    )
    axes[2].sharex(axes[1])
    places = {label: place for place, label in enumerate(labels)}
    for baseline, shift in zip(
        (REFERENCE, *others), (0.0, *np.linspace(-0.16, 0.16, len(others))), strict=True
    ):
        mine = table[table["baseline"] == baseline]
        at = (
            np.array([places[label] for label in zip(mine["ablation"], mine["variant"], strict=True)]) + shift
        )
        shade = colours(others)[baseline]
        if baseline == REFERENCE:
            axes[0].plot(100 * mine["failures rewarded"], at, "o", color=shade, markersize=5)
            continue
        for one, what in zip(axes[1:], reversed(GROUPS), strict=True):
            one.hlines(at, mine[f"{what}: low"], mine[f"{what}: high"], color=shade, linewidth=2, alpha=0.6)
            for y, seeds in zip(at, mine[f"{what}: by seed"].fillna("").astype(str), strict=True):
                one.plot(
                    [float(points) for points in seeds.split()],
                    [y] * len(seeds.split()),
                    "|",
                    color=shade,
                    markersize=5,
                    alpha=0.7,
                )
            one.plot(
                mine[f"{what}: difference"],
                at,
                "o",
                color=shade,
                markersize=4,
                label=NAMES.get(baseline, baseline),
            )
    for name in list(ablations)[1::2]:
        rows = [place for (ablation, _), place in places.items() if ablation == name]
        for one in axes:
            one.axhspan(rows[0] - 0.5, rows[-1] + 0.5, color="#f4f4f4", zorder=0)
    axes[0].set_yticks(
        range(len(labels)), [f"{name.removeprefix('ablate_')}: {variant}" for name, variant in labels]
    )
    axes[0].set(ylim=(len(labels) - 0.5, -0.5), title="failures that GRPO rewards, %", xlim=(-1, None))
    for one, what in zip(axes[1:], reversed(GROUPS), strict=True):
        one.axvline(0, color="#333333", linewidth=0.8, linestyle=":")
        one.set(title=f"{what} less GRPO, pass@{K}, points")
    widest = max(4.0, *(abs(end) for end in axes[1].get_xlim()))
    axes[1].set_xlim(-widest, widest)
    axes[1].legend(fontsize=7, loc="lower left")
    return finish_figure(figure)
