"""One ablation: what every baseline reaches under every variant, as a table and a figure made from `measured.csv` alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from corpo.files import read_json, write_atomically, write_text
from corpo.markdown import table as markdown_table
from corpo.report.claims import IN_DOMAIN, OUT_OF_DOMAIN, window
from corpo.report.compare import REFERENCE, difference
from corpo.report.figures import COLOURS, NAMES, styled
from corpo.report.records import CONFIG, PROVENANCE, Study, reading
from corpo.report.tables import mean_of

MEASURED = "measured.csv"
K = 1  # pass@k of small policies that toss coins says little at larger k
GROUPS = {"in domain": IN_DOMAIN, "out of domain": OUT_OF_DOMAIN}


def measured(study: Study) -> pd.DataFrame:
    """One row a baseline (and the base): pass@1 in and out of domain in percent, difference to GRPO with its interval, failures rewarded, last N⁺/N⁻.

    Intervals are over seeds and problems; nan with a single seed.
    """
    rows = []
    for name in ("base", *study.baselines):
        row: dict[str, object] = {"baseline": name, "seeds": len(study.by_seed(name))}
        for what, splits in GROUPS.items():
            row[what] = float(np.mean([np.mean([100 * mean_of(one, (split,), f"pass@{K}") for split in splits]) for one in study.by_seed(name)]))
            gap = difference(study, name, REFERENCE, splits, K) if name not in ("base", REFERENCE) and REFERENCE in study.baselines else None
            interval = gap.interval() if gap else (math.nan,) * 3
            row |= {f"{what}: {part}": 100 * end for part, end in zip(("difference", "low", "high"), interval, strict=True)}
        if name != "base":
            row["failures rewarded"] = float(window(study, name, "failed_positive_fraction", False).mean())
            row["clip active"] = float(window(study, name, "clip_active_fraction", False).mean())
            row["last N⁺/N⁻"] = float(window(study, name, "count_ratio", True).mean())
        rows.append(row)
    return pd.DataFrame(rows)


@styled()
def ablation(table: pd.DataFrame) -> Figure:
    """By variant: accuracy in and out of domain, differences to GRPO, and failures rewarded early."""
    names = list(dict.fromkeys(table["variant"]))
    baselines = [name for name in dict.fromkeys(table["baseline"]) if name != "base"]
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.4))
    shifts = dict(zip(baselines, np.linspace(-0.15, 0.15, len(baselines)) if len(baselines) > 1 else [0.0], strict=True))
    for baseline in baselines:
        mine = table[table["baseline"] == baseline].set_index("variant").loc[names]
        at, shade, label = np.arange(len(names)) + shifts[baseline], COLOURS.get(baseline), NAMES.get(baseline, baseline)
        for one, what in zip(axes[:2], GROUPS, strict=True):
            one.plot(at, mine[what], "o-", color=shade, label=label, markersize=4, linewidth=1)
        if baseline != REFERENCE:
            gap = "out of domain: {}".format
            axes[2].vlines(at, mine[gap("low")], mine[gap("high")], color=shade, linewidth=2, alpha=0.8)
            axes[2].plot(at, mine[gap("difference")], "o", color=shade, markersize=4, label=f"{label} - GRPO")
        axes[3].plot(at, 100 * mine["failures rewarded"], "o-", color=shade, label=label, markersize=4, linewidth=1)
    base = table[table["baseline"] == "base"].set_index("variant").loc[names]
    for one, what in zip(axes[:2], GROUPS, strict=True):
        one.plot(np.arange(len(names)), base[what], "_", color=COLOURS["base"], markersize=16, label="base")
        one.set(title=f"{what}, pass@{K}, %", ylim=(0, 100))
    axes[2].axhline(0, color="#333333", linewidth=0.8, linestyle=":")
    axes[2].set(title=f"out of domain, pass@{K}, points")
    axes[3].set(title="failures rewarded, first steps, %")
    for one in axes:
        one.set_xticks(range(len(names)), names, rotation=20 if max(map(len, names)) > 6 else 0)
        one.set_xlim(-0.5, len(names) - 0.5)
    axes[0].legend(fontsize=7)
    axes[2].legend(fontsize=7)
    figure.tight_layout()
    plt.close(figure)
    return figure


def write_ablation(folder: Path) -> pd.DataFrame:
    """`figures/ablation.png` and `report.md`, from `measured.csv`, which is returned, and the provenance beside it.

    Raises RecordsError where they are damaged.
    """
    with reading(folder / MEASURED) as path:
        table = pd.read_csv(path)
    with reading(folder / PROVENANCE) as path:
        commits = ", ".join(sorted({str(record["commit"]) for record in read_json(path).values()}))
    figure = ablation(table)
    write_atomically(folder / "figures/ablation.png", lambda beside: figure.savefig(beside, format="png", metadata={"Software": None}))
    rows = [
        (
            row["variant"],
            row["baseline"],
            f"{row['in domain']:.1f}",
            f"{row['out of domain']:.1f}",
            _gap(row, "in domain"),
            _gap(row, "out of domain"),
            "–" if math.isnan(row["failures rewarded"]) else f"{row['failures rewarded']:.1%}",
            "–" if math.isnan(row["clip active"]) else f"{row['clip active']:.0%}",
        )
        for row in table.to_dict("records")
    ]
    columns = ("variant", "baseline", "in domain", "out of domain", "in domain: to GRPO", "out of domain: to GRPO", "failures rewarded", "clip active")
    text = f"""# {folder.name}

![{folder.name}](figures/ablation.png)

pass@{K} in percent, mean over {int(table["seeds"].max())} seeds; differences with 95% intervals over seeds and problems; rewarded failures and groups with
the clip active in the first steps.

{markdown_table(columns, rows)}

Options of each variant: `{CONFIG}` under `study.variants`. Commits: {commits}; machine and wall times: `{PROVENANCE}`.
"""
    write_text(folder / "report.md", text)
    return table


def summary(ablations: Mapping[str, pd.DataFrame]) -> str:
    """Every variant of every ablation in a row: failures that GRPO rewards, and what the other baselines gain on it out of domain."""
    others = list(dict.fromkeys(name for table in ablations.values() for name in table["baseline"] if name not in ("base", REFERENCE)))
    rows = []
    for ablation, table in ablations.items():
        for variant, mine in table.groupby("variant", sort=False):
            by_baseline = {str(row["baseline"]): row for row in mine.to_dict("records")}
            rewarded = by_baseline.get(REFERENCE, {}).get("failures rewarded", math.nan)
            gaps = [_gap(by_baseline[name], "out of domain") if name in by_baseline else "–" for name in others]
            rows.append((f"[{ablation}]({ablation}/report.md)", variant, "–" if math.isnan(rewarded) else f"{rewarded:.1%}", *gaps))
    return markdown_table(("ablation", "variant", "failures that GRPO rewards", *(f"{NAMES.get(name, name)} - GRPO" for name in others)), rows)


def _gap(row: Mapping[Any, Any], what: str) -> str:
    gap, low, high = (row[f"{what}: {part}"] for part in ("difference", "low", "high"))
    return "–" if math.isnan(gap) else f"{gap:+.1f}" if math.isnan(low) else f"{gap:+.1f} [{low:+.1f}, {high:+.1f}]"
