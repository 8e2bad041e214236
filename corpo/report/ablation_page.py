"""The pages of ablations: the table and the report of one, and the summary of all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from corpo.analysis.ablation import GROUPS, SPLITS, K, measured
from corpo.analysis.compare import REFERENCE
from corpo.analysis.study import CONFIG, PROVENANCE, read_variants, reading
from corpo.evaluate.intervals import FEW_SEEDS
from corpo.report.figures import NAMES, save
from corpo.report.figures_ablation import ablation, overview
from corpo.utils.files import read_json, write_text
from corpo.utils.markdown import table as markdown_table

OVERVIEW = "ablations.png"
SHOWN = f"95% intervals over seeds and problems, or, below {FEW_SEEDS} seeds, with each of them"


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
    for name_of_ablation, table in ablations.items():
        for variant, mine in table.groupby("variant", sort=False):
            by_baseline = {str(row["baseline"]): row for row in mine.to_dict("records")}
            rewarded = by_baseline.get(REFERENCE, {}).get("failures rewarded", math.nan)
            gaps = [
                _gap(by_baseline[name], "out of domain") if name in by_baseline else "–" for name in others
            ]
            rows.append(
                (f"[{name_of_ablation}]({name_of_ablation}/report.md)", variant, _share(rewarded, 1), *gaps)
            )
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
