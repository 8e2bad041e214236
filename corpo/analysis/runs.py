"""Numbers of single runs: how each began and how it ended. Seeds often differ by more than baselines do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from corpo.analysis.splits import mean_of, rows_of
from corpo.analysis.study import BASE, Study
from corpo.data.pairing.splits import TABLE_SPLITS
from corpo.utils.files import write_text
from corpo.utils.markdown import table as markdown_table

EARLY = 5  # the number of first steps, and of last steps; less noisy than the paper's single early batch


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


RUN_COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "passed": ("passed", _percent),
    "failed_positive": ("failures rewarded", _percent),
    "failed_positive_most": ("at most", _percent),
    "clip_first": ("clipped, first", _percent),
    "clip_last": ("last", _percent),
    "count_ratio_first": ("N⁺/N⁻, first", _ratio),
    "count_ratio_last": ("last", _ratio),
    "sum_ratio_first": ("S⁺/S⁻, first", _ratio),
    "sum_ratio_last": ("last", _ratio),
    "validation": ("validation", _percent),
    "kl": ("KL", _ratio),
}


def window(study: Study, baseline: str, column: str, late: bool) -> np.ndarray:
    """Return the mean of a metric over its first or last `EARLY` measurements, one value per seed (K,).

    A value is NaN if the metric was never measured.
    """
    curve = study.curve(baseline, column)
    steps = curve.iloc[-EARLY:] if late else curve.iloc[:EARLY]
    return _in_seed_order(study, baseline, steps.mean())


def advantage_ratio(study: Study, baseline: str, statistic: str, late: bool) -> np.ndarray:
    """Return the ratio of all positive to all negative advantages in the first or last steps, per seed (K,).

    `statistic` is "count" or "sum". Both are added up over the steps before they are divided. A value is NaN
    if there are no advantages of one sign.
    """
    positive = window(study, baseline, f"positive_{statistic}", late)
    negative = window(study, baseline, f"negative_{statistic}", late)
    has_both = (positive > 0) & (negative > 0)
    return np.divide(positive, negative, out=np.full_like(positive, np.nan), where=has_both)


def _in_seed_order(study: Study, baseline: str, values: pd.Series) -> np.ndarray:
    return values.reindex([run.seed for run in study.of(baseline)]).to_numpy(dtype=float)


def runs_table(study: Study) -> pd.DataFrame:
    """Return one row per base policy and run, ordered by seed, with shares and not percent.

    Columns: the numbers of training in `RUN_COLUMNS`, then pass@1 of the paper's splits.
    """
    base = _accuracies(study, BASE)
    parts = [base.assign(seed=list(study.bases), policy=BASE)]
    for baseline in study.baselines:
        seeds = [run.seed for run in study.of(baseline)]
        accuracies = _accuracies(study, baseline).assign(seed=seeds, policy=baseline)
        parts.append(accuracies.assign(**_training(study, baseline)))
    table = pd.concat(parts).sort_values("seed", kind="stable", ignore_index=True)
    return table[["seed", "policy", *RUN_COLUMNS, *base.columns]]


def _training(study: Study, baseline: str) -> dict[str, np.ndarray]:
    highest = study.curve(baseline, "failed_positive_fraction").max()
    columns = {
        "passed": window(study, baseline, "pass_rate", late=False),
        "failed_positive": window(study, baseline, "failed_positive_fraction", late=False),
        "failed_positive_most": _in_seed_order(study, baseline, highest),
        "validation": _last(study, baseline, "validation/pass@1"),
        "kl": _last(study, baseline, "validation/kl_from_start"),
    }
    for end, late in (("first", False), ("last", True)):
        columns[f"clip_{end}"] = window(study, baseline, "clip_active_fraction", late)
        columns[f"count_ratio_{end}"] = advantage_ratio(study, baseline, "count", late)
        columns[f"sum_ratio_{end}"] = advantage_ratio(study, baseline, "sum", late)
    return columns


def _last(study: Study, baseline: str, column: str) -> np.ndarray:
    """Return the last measurement of a metric per seed (K,); NaN if it was never measured."""
    last = study.curve(baseline, column).ffill().tail(1).sum(min_count=1)
    return _in_seed_order(study, baseline, last)


def _accuracies(study: Study, policy: str) -> pd.DataFrame:
    """Return pass@1 of the rows of the table, one row per seed.

    Splits that are evaluated in both orders are given as the mean of both orders only.
    """
    rows = rows_of([split for split in study.splits if split in TABLE_SPLITS])
    in_both_orders: set[str] = set()
    for members in rows.values():
        if len(members) > 1:
            in_both_orders.update(members)
    tables = study.by_seed(policy)
    column = f"pass@{min(study.ks)}"
    columns = {}
    for row, members in rows.items():
        if row not in in_both_orders:
            columns[row] = [mean_of(table, members, column) for table in tables]
    return pd.DataFrame(columns)


def runs_markdown(table: pd.DataFrame) -> str:
    """Return the table of single runs as Markdown, in percent."""
    formats = dict(RUN_COLUMNS)
    for column in table.columns:
        if column not in ("seed", "policy", *RUN_COLUMNS):
            formats[column] = (column.replace("_", " "), _percent)
    rows = []
    for row in table.to_dict("records"):
        cells = [row["seed"], row["policy"]]
        for column, (_, formatted) in formats.items():
            cells.append("–" if np.isnan(row[column]) else formatted(row[column]))
        rows.append(cells)
    return markdown_table(["seed", "policy", *(title for title, _ in formats.values())], rows)


def write_runs(study: Study, folder: Path) -> str:
    """Write `runs.csv` and return the same table as Markdown."""
    table = runs_table(study)
    write_text(folder / "runs.csv", table.round(4).to_csv(index=False))
    return runs_markdown(table)
