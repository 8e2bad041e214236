"""The pages of ablations: the table and the report of each, and a summary of all."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from corpo.analysis.ablation import COLUMNS, GROUPS, K, measured
from corpo.analysis.compare import REFERENCE
from corpo.analysis.runs import EARLY
from corpo.analysis.study import BASE, CONFIG, PROVENANCE, read_variants, reading
from corpo.evaluate.intervals import FEW_SEEDS
from corpo.report.figures import save_in_all_formats
from corpo.report.figures.ablation import ablation, overview
from corpo.report.names import label_of
from corpo.utils.files import read_json, write_text
from corpo.utils.markdown import table as markdown_table

OVERVIEW = "ablations"  # the name of the figure of all ablations
DESCRIPTION = (
    "Line charts by variant and baseline: accuracy in and out of domain, its difference from GRPO out of "
    "domain, and the share of failed rollouts with a positive advantage."
)
INTERVALS_NOTE = (
    f"95% intervals over seeds and problems, or the values of all seeds if there are fewer than {FEW_SEEDS}"
)
# Columns that are shares, with the number of decimals to print.
_SHARES = {"failures rewarded": 1, "clip active": 0, "zero advantage at the end": 0}


def write_ablation(folder: Path) -> pd.DataFrame:
    """Write `measured.csv`, `figures/ablation.png` and `report.md` of an ablation and return its table.

    Raises DataError if the records or the provenance are damaged.
    """
    tables = []
    for variant, study in read_variants(folder).items():
        tables.append(measured(study).assign(variant=variant))
    table = pd.concat(tables, ignore_index=True).round(4)
    write_text(folder / "measured.csv", table.to_csv(index=False))
    save_in_all_formats(ablation(table), folder / "figures", "ablation")
    write_text(folder / "report.md", _report(folder, table))
    return table


def _report(folder: Path, table: pd.DataFrame) -> str:
    with reading(folder / PROVENANCE) as path:
        commits = ", ".join(sorted({str(record["commit"]) for record in read_json(path).values()}))
    splits = [column for column in table.columns if column not in (*COLUMNS, "variant")]
    rows, split_rows = [], []
    for row in table.to_dict("records"):
        cells = [row["variant"], row["baseline"]]
        cells += [_percent(row[group]) for group in GROUPS]
        cells += [_difference(row, group) for group in GROUPS]
        cells += [_share(row[name], decimals) for name, decimals in _SHARES.items()]
        rows.append(cells)
        split_rows.append([row["variant"], row["baseline"], *(_percent(row[split]) for split in splits)])
    columns = ("variant", "baseline", *GROUPS, *(f"{group}: minus GRPO" for group in GROUPS), *_SHARES)
    split_columns = ("variant", "baseline", *(split.replace("_", " ") for split in splits))
    return f"""# {folder.name}

![{DESCRIPTION}](figures/ablation.png)

pass@{K} in percent, mean over {int(table["seeds"].max())} seeds. Differences have {INTERVALS_NOTE}.
`failures rewarded`: failed rollouts with a positive advantage in the first {EARLY} steps. `clip active`:
groups with a mean reward below R_min_correct in the first {EARLY} steps. `zero advantage at the end`: groups
whose advantages are all zero in the last {EARLY} steps.

{markdown_table(columns, rows)}

By split:

{markdown_table(split_columns, split_rows)}

The options of each variant are in `{CONFIG}` under `study.variants`. Commits: {commits}. Machine and wall
times are in `{PROVENANCE}`.
"""


def write_overview(ablations: Mapping[str, pd.DataFrame], results: Path) -> None:
    """Write the figure of all ablations."""
    save_in_all_formats(overview(ablations), results, OVERVIEW)


def summary(ablations: Mapping[str, pd.DataFrame]) -> str:
    """Return a Markdown table with one row per variant of each ablation.

    Columns: the failed rollouts to which GRPO gives a positive advantage, and the difference of each other
    baseline from GRPO out of domain.
    """
    baselines: dict[str, None] = {}
    for table in ablations.values():
        baselines |= dict.fromkeys(table["baseline"])
    others = [name for name in baselines if name not in (BASE, REFERENCE)]
    rows = []
    for name, table in ablations.items():
        for variant, variant_rows in table.groupby("variant", sort=False):
            by_baseline = {str(row["baseline"]): row for row in variant_rows.to_dict("records")}
            rewarded = by_baseline.get(REFERENCE, {}).get("failures rewarded", math.nan)
            cells = [f"[{name}]({name}/report.md)", variant, _share(rewarded, 1)]
            for other in others:
                cells.append(
                    _difference(by_baseline[other], "out of domain") if other in by_baseline else "–"
                )
            rows.append(cells)
    differences = [f"{label_of(name)} - GRPO" for name in others]
    rewarded_title = "GRPO: failed rollouts with a positive advantage"
    return markdown_table(("ablation", "variant", rewarded_title, *differences), rows)


def _percent(percent: float) -> str:
    return "–" if math.isnan(percent) else f"{percent:.1f}"


def _share(share: float, decimals: int = 0) -> str:
    return "–" if math.isnan(share) else f"{share:.{decimals}%}"


def _difference(row: Mapping[Hashable, Any], group: str) -> str:
    """Return the mean difference with its interval or, with few seeds, with the value of each seed."""
    mean, low, high = (row[f"{group}: {part}"] for part in ("difference", "low", "high"))
    if math.isnan(mean):
        return "–"
    if not math.isnan(low):
        return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
    by_seed = row[f"{group}: by seed"]
    return f"{mean:+.1f} ({by_seed})" if " " in by_seed else f"{mean:+.1f}"
