"""Numbers of single runs: how each began and how it ended. Seeds often differ by more than baselines do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from corpo.analysis.splits import main_splits, mean_of, rows_of
from corpo.analysis.study import BASE, Study
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
    "kl": ("KL", _ratio),
}
VALIDATION_ACCURACY = "validation/pass@1"  # and, with "/NAME" added, accuracy on further validation items
# Measurements of the first and the last validation: column -> metric, title and format. In tables of runs
# "_first" or "_last" is added to the name of the column. These are those of pairs.
ValidationColumns = Mapping[str, tuple[str, str, Callable[[float], str]]]
_VALIDATION_OF_PAIRS: ValidationColumns = {
    "validation": (VALIDATION_ACCURACY, "pass@1", _percent),
    "validation_unseen": ("validation/pass@1/unseen", "unseen", _percent),
    "validation_math": ("validation/pass@1/math", "math", _percent),
    "validation_both_correct": ("validation/pass@1/both_correct", "both correct", _percent),
    "validation_both_wrong": ("validation/pass@1/both_wrong", "both wrong", _percent),
    "validation_auc_a": ("validation/auc_a", "AUC of A", _ratio),
    "validation_auc_b": ("validation/auc_b", "AUC of B", _ratio),
    "validation_auc_a_homogeneous": ("validation/auc_a/homogeneous", "AUC of A, equal labels", _ratio),
    "validation_auc_b_homogeneous": ("validation/auc_b/homogeneous", "AUC of B, equal labels", _ratio),
    "validation_exactly_one": ("validation/exactly_one", "exactly one", _percent),
    "validation_traced": ("validation/traced", "traced", _percent),
}
PERIODS = {"first": False, "last": True}  # the end of a column's name -> whether it is about the last steps


def failed_columns(study: Study) -> list[str]:
    """Return the names of the metrics that count failed rollouts by kind."""
    return [f"failed_{kind}" for kind in study.failures]


def rewarded_columns(study: Study) -> list[str]:
    """Return the names of the metrics that count failed rollouts with a positive advantage by kind."""
    return [f"rewarded_{kind}" for kind in study.failures]


def validation_columns(study: Study) -> ValidationColumns:
    """Return what tables of runs show of the first and the last validation."""
    if study.has_pairs:
        return _VALIDATION_OF_PAIRS
    columns = {"validation": (VALIDATION_ACCURACY, "pass@1", _percent)}
    for name in validation_names(study):
        columns[f"validation_{name}"] = (f"{VALIDATION_ACCURACY}/{name}", name.replace("_", " "), _percent)
    return columns


def validation_names(study: Study) -> list[str]:
    """Return the names of the validation items beside the main ones, whose accuracy every run has."""
    prefix = f"{VALIDATION_ACCURACY}/"
    metrics = [metric for metric in map(str, study.runs[0].metrics) if metric.startswith(prefix)]
    return [metric.removeprefix(prefix) for metric in metrics if has_metrics(study, [metric])]


def has_metrics(study: Study, columns: Sequence[str]) -> bool:
    """Return whether every baseline has measurements of all these metrics."""
    for baseline in study.baselines:
        if any(study.curve(baseline, column).empty for column in columns):
            return False
    return True


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


def rewarded_failures(study: Study, baseline: str, late: bool) -> np.ndarray:
    """Return the share of failures with a positive advantage in the first or last steps, per seed (K,).

    Rollouts are counted over all these steps before they are divided, as in all shares and ratios of a run.
    """
    curve, passed = study.curve(baseline, "failed_positive_fraction"), study.curve(baseline, "pass_rate")
    failed = 1 - passed.reindex(curve.index)  # the steps have equal numbers of rollouts
    rewarded = curve * failed
    steps = slice(-EARLY, None) if late else slice(EARLY)
    shares = rewarded.iloc[steps].sum(min_count=1) / failed.where(curve.notna()).iloc[steps].sum(min_count=1)
    return _in_seed_order(study, baseline, shares)


def ratio_curve(study: Study, baseline: str, statistic: str, steps: int) -> pd.DataFrame:
    """Return the ratio of all positive to all negative advantages around each step as steps x seeds.

    `statistic` is "count" or "sum". Both are added up over `steps` steps, centred, before they are divided.
    """
    sums = []
    for sign in ("positive", "negative"):
        curve = study.curve(baseline, f"{sign}_{statistic}")
        sums.append(curve.rolling(steps, min_periods=1, center=True).sum())
    return (sums[0] / sums[1]).where((sums[0] > 0) & (sums[1] > 0))


def failures_by_kind(study: Study, baseline: str, late: bool) -> dict[str, np.ndarray]:
    """Return how many rollouts failed in the first or last steps, and their shares by kind, per seed (K,).

    The key "failures" is the number of failed rollouts. The `failed_columns` are the shares of them of each
    kind. The `rewarded_columns` are the shares of them of that kind with a positive advantage. Rollouts
    are counted over all these steps before they are divided. A value is NaN if it was never measured, and a
    share is NaN if no rollout failed.
    """
    counts = {}
    for column in (*failed_columns(study), *rewarded_columns(study)):
        curve = study.curve(baseline, column)
        steps = curve.iloc[-EARLY:] if late else curve.iloc[:EARLY]
        counts[column] = _in_seed_order(study, baseline, steps.sum(min_count=1))
    failures = np.sum([counts[column] for column in failed_columns(study)], axis=0)
    shares = {}
    for column, values in counts.items():
        shares[column] = np.divide(values, failures, out=np.full_like(values, np.nan), where=failures > 0)
    return {"failures": failures, **shares}


def _in_seed_order(study: Study, baseline: str, values: pd.Series) -> np.ndarray:
    return values.reindex([run.seed for run in study.of(baseline)]).to_numpy(dtype=float)


def runs_table(study: Study) -> pd.DataFrame:
    """Return one row per base policy and run, ordered by seed, with shares and not percent.

    Columns: the numbers of training in `RUN_COLUMNS`, then pass@1 of the splits in and out of domain.
    """
    base = _accuracies(study, BASE)
    parts = [base.assign(seed=list(study.bases), policy=BASE)]
    for baseline in study.baselines:
        seeds = [run.seed for run in study.of(baseline)]
        accuracies = _accuracies(study, baseline).assign(seed=seeds, policy=baseline)
        parts.append(accuracies.assign(**_training(study, baseline)))
    table = pd.concat(parts).sort_values("seed", kind="stable", ignore_index=True)
    return table[["seed", "policy", *RUN_COLUMNS, *base.columns]]


def validation_table(study: Study) -> pd.DataFrame:
    """Return one row per run, ordered by seed, with the first and last value of `validation_columns`."""
    parts = []
    for baseline in study.baselines:
        columns = {}
        for name, (metric, _, _) in validation_columns(study).items():
            for end, late in PERIODS.items():
                columns[f"{name}_{end}"] = _measurement(study, baseline, metric, late)
        parts.append(_by_run(study, baseline, columns))
    return pd.concat(parts).sort_values("seed", kind="stable", ignore_index=True)


def failures_table(study: Study) -> pd.DataFrame:
    """Return one row per run, ordered by seed, with `failures_by_kind` of the first and the last steps."""
    parts = []
    for baseline in study.baselines:
        columns = {}
        for end, late in PERIODS.items():
            for name, values_K in failures_by_kind(study, baseline, late).items():
                columns[f"{name}_{end}"] = values_K
        parts.append(_by_run(study, baseline, columns))
    return pd.concat(parts).sort_values("seed", kind="stable", ignore_index=True)


def mean_failures(study: Study) -> pd.DataFrame:
    """Return the means over seeds of `failures_by_kind`, one row per baseline and end of training.

    The column "end" is "first" or "last", and "rewarded" is the sum of the `rewarded_columns`. Baselines
    whose failures were not counted by kind are left out.
    """
    rows = []
    for baseline in study.baselines:
        for end, late in PERIODS.items():
            means = pd.DataFrame(failures_by_kind(study, baseline, late)).mean()
            rewarded = means[rewarded_columns(study)].sum(skipna=False)
            rows.append({"policy": baseline, "end": end, **means, "rewarded": rewarded})
    return pd.DataFrame(rows).dropna(subset="failures")


def _by_run(study: Study, baseline: str, columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return a table with one row per run of a baseline; the columns have one value per seed."""
    seeds = [run.seed for run in study.of(baseline)]
    return pd.DataFrame({"seed": seeds, "policy": baseline, **columns})


def _training(study: Study, baseline: str) -> dict[str, np.ndarray]:
    highest = study.curve(baseline, "failed_positive_fraction").max()
    columns = {
        "passed": window(study, baseline, "pass_rate", late=False),
        "failed_positive": rewarded_failures(study, baseline, late=False),
        "failed_positive_most": _in_seed_order(study, baseline, highest),
        "kl": _measurement(study, baseline, "validation/kl_from_start", late=True),
    }
    for end, late in PERIODS.items():
        columns[f"clip_{end}"] = window(study, baseline, "clip_active_fraction", late)
        columns[f"count_ratio_{end}"] = advantage_ratio(study, baseline, "count", late)
        columns[f"sum_ratio_{end}"] = advantage_ratio(study, baseline, "sum", late)
    return columns


def _measurement(study: Study, baseline: str, column: str, late: bool) -> np.ndarray:
    """Return the first or last measurement of a metric per seed (K,); NaN if it was never measured."""
    curve = study.curve(baseline, column)
    steps = curve.ffill().tail(1) if late else curve.bfill().head(1)
    return _in_seed_order(study, baseline, steps.sum(min_count=1))


def _accuracies(study: Study, policy: str) -> pd.DataFrame:
    """Return pass@1 of the rows of the table, one row per seed.

    Splits that are evaluated in both orders are given as the mean of both orders only.
    """
    rows = rows_of(main_splits(study))
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
        cells += [_cell(row[column], formatted) for column, (_, formatted) in formats.items()]
        rows.append(cells)
    return markdown_table(["seed", "policy", *(title for title, _ in formats.values())], rows)


def validation_markdown(table: pd.DataFrame, columns: ValidationColumns) -> str:
    """Return the validation of single runs as Markdown, without the metrics that no run measured.

    A cell such as "54 → 72" has the first and the last value.
    """
    measured = table.dropna(axis=1, how="all").columns
    measured_columns = {name: column for name, column in columns.items() if f"{name}_last" in measured}
    rows = []
    for row in table.to_dict("records"):
        cells = [row["seed"], row["policy"]]
        for name, (_, _, formatted) in measured_columns.items():
            values = [_cell(row[f"{name}_{end}"], formatted) for end in PERIODS]
            cells.append(" → ".join(values))
        rows.append(cells)
    return markdown_table(["seed", "policy", *(title for _, title, _ in measured_columns.values())], rows)


def _cell(value: float, formatted: Callable[[float], str]) -> str:
    return "–" if np.isnan(value) else formatted(value)


def write_runs(study: Study, folder: Path) -> None:
    """Write `runs.csv`, which has the columns of all tables of this module."""
    table = runs_table(study)
    for columns in (validation_table(study), failures_table(study)):
        table = table.merge(columns, on=["seed", "policy"], how="left")
    write_text(folder / "runs.csv", table.round(4).to_csv(index=False))
