"""One ablation: what every baseline reaches under every variant, as tables and figures made from its records alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from corpo.analysis.claims import IN_DOMAIN, OUT_OF_DOMAIN
from corpo.analysis.compare import REFERENCE, difference
from corpo.analysis.runs import signal_ratio, window
from corpo.analysis.study import CONFIG, PROVENANCE, Study, read_variants, reading
from corpo.evaluate.intervals import FEW_SEEDS
from corpo.report.figures import COLOURS, NAMES, colours, figure_style, finish_figure, save
from corpo.report.tables import accuracy
from corpo.utils.files import read_json, write_text
from corpo.utils.markdown import table as markdown_table

OVERVIEW = "ablations.png"
K = 1  # pass@k of small policies that toss coins says little at larger k
SHOWN = f"95% intervals over seeds and problems, or, below {FEW_SEEDS} seeds, with each of them"
GROUPS = {"in domain": IN_DOMAIN, "out of domain": OUT_OF_DOMAIN}
SPLITS = (*IN_DOMAIN, *OUT_OF_DOMAIN)


def measured(study: Study) -> pd.DataFrame:
    """One row a baseline (and the base): pass@1 in and out of domain in percent, its difference to GRPO, failures rewarded, last N⁺/N⁻.

    Differences come with those of single seeds and, from `FEW_SEEDS` seeds on, an interval over seeds and problems.
    """
    rows = []
    for name in ("base", *study.baselines):
        row: dict[str, object] = {"baseline": name, "seeds": len(study.by_seed(name))}
        for what, splits in GROUPS.items():
            row[what] = float(accuracy(study, name, splits, K).mean())
            if name in ("base", REFERENCE) or REFERENCE not in study.baselines:
                continue
            by_seed = accuracy(study, name, splits, K) - accuracy(study, REFERENCE, splits, K)
            row |= {
                f"{what}: difference": float(by_seed.mean()),
                f"{what}: by seed": " ".join(f"{points:+.1f}" for points in by_seed),
            }
            if len(by_seed) >= FEW_SEEDS and (gap := difference(study, name, REFERENCE, splits, K)):
                row |= {
                    f"{what}: {end}": 100 * at
                    for end, at in zip(("low", "high"), gap.interval()[1:], strict=True)
                }
        row |= {
            split: float(accuracy(study, name, (split,), K).mean())
            for split in SPLITS
            if split in study.splits
        }
        if name != "base":
            row["failures rewarded"] = float(window(study, name, "failed_positive_fraction", False).mean())
            row["clip active"] = float(window(study, name, "clip_active_fraction", False).mean())
            row["silent at the end"] = float(window(study, name, "zero_advantage_fraction", True).mean())
            row["last N⁺/N⁻"] = float(signal_ratio(study, name, "count", True).mean())
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=_COLUMNS)


_COLUMNS = [
    *("baseline", "seeds", *GROUPS),
    *(f"{what}: {part}" for what in GROUPS for part in ("difference", "low", "high", "by seed")),
    *("failures rewarded", "clip active", "silent at the end", "last N⁺/N⁻", *SPLITS),
]


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


def write_ablation(folder: Path) -> pd.DataFrame:
    """`measured.csv`, `figures/ablation.png` and `report.md`, from the records and the provenance beside them; returns the table.

    Raises DataError where they are damaged.
    """
    table = pd.concat(
        [measured(study).assign(variant=variant) for variant, study in read_variants(folder).items()],
        ignore_index=True,
    ).round(4)
    write_text(folder / "measured.csv", table.to_csv(index=False))
    with reading(folder / PROVENANCE) as path:
        commits = ", ".join(sorted({str(record["commit"]) for record in read_json(path).values()}))
    save(ablation(table), folder / "figures/ablation.png")
    told = table.to_dict("records")
    shares = {"failures rewarded": 1, "clip active": 0, "silent at the end": 0}  # and their digits
    columns = ("variant", "baseline", *GROUPS, *(f"{what}: to GRPO" for what in GROUPS), *shares)
    rows = [
        [
            *(row["variant"], row["baseline"]),
            *(_shown(row[what]) for what in GROUPS),
            *(_gap(row, what) for what in GROUPS),
            *(_share(row[what], digits) for what, digits in shares.items()),
        ]
        for row in told
    ]
    by_split = [(row["variant"], row["baseline"], *(_shown(row[split]) for split in SPLITS)) for row in told]
    text = f"""# {folder.name}

![{folder.name}](figures/ablation.png)

pass@{K} in percent, mean over {int(table["seeds"].max())} seeds; differences with {SHOWN}; rewarded failures and groups with
the clip active in the first steps, groups without signal in the last ones.

{markdown_table(columns, rows)}

By split:

{markdown_table(("variant", "baseline", *(split.replace("_", " ") for split in SPLITS)), by_split)}

Options of each variant: `{CONFIG}` under `study.variants`. Commits: {commits}; machine and wall times: `{PROVENANCE}`.
"""
    write_text(folder / "report.md", text)
    return table


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


def write_overview(ablations: Mapping[str, pd.DataFrame], results: Path) -> None:
    """`ablations.png`: all of them in one picture."""
    save(overview(ablations), results / OVERVIEW)


def summary(ablations: Mapping[str, pd.DataFrame]) -> str:
    """Every variant of every ablation in a row: failures that GRPO rewards, and what the other baselines gain on it out of domain."""
    others = list(
        dict.fromkeys(
            name
            for table in ablations.values()
            for name in table["baseline"]
            if name not in ("base", REFERENCE)
        )
    )
    rows = []
    for ablation, table in ablations.items():
        for variant, mine in table.groupby("variant", sort=False):
            by_baseline = {str(row["baseline"]): row for row in mine.to_dict("records")}
            rewarded = by_baseline.get(REFERENCE, {}).get("failures rewarded", math.nan)
            gaps = [
                _gap(by_baseline[name], "out of domain") if name in by_baseline else "–" for name in others
            ]
            rows.append((f"[{ablation}]({ablation}/report.md)", variant, _share(rewarded, 1), *gaps))
    return markdown_table(
        (
            "ablation",
            "variant",
            "failures that GRPO rewards",
            *(f"{NAMES.get(name, name)} - GRPO" for name in others),
        ),
        rows,
    )


def _shown(percent: float) -> str:
    return "–" if math.isnan(percent) else f"{percent:.1f}"


def _share(share: float, digits: int = 0) -> str:
    return "–" if math.isnan(share) else f"{share:.{digits}%}"


def _gap(row: Mapping[Any, Any], what: str) -> str:
    """The mean with its interval or, of few seeds, with each of them."""
    gap, low, high, by_seed = (row[f"{what}: {part}"] for part in ("difference", "low", "high", "by seed"))
    if math.isnan(gap):
        return "–"
    if not math.isnan(low):
        return f"{gap:+.1f} [{low:+.1f}, {high:+.1f}]"
    return f"{gap:+.1f} ({by_seed})" if " " in by_seed else f"{gap:+.1f}"
