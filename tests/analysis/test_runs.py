"""Test the tables of single runs: validation at both ends of training, and failures by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from corpo.analysis.runs import (
    failed_columns,
    failures_by_kind,
    has_metrics,
    mean_failures,
    rewarded_columns,
    validation_columns,
    validation_markdown,
    validation_table,
    write_runs,
)
from corpo.analysis.study import Run, Study
from corpo.tasks.verify import FAILURES
from tests.synthetic_study import synthetic_study

# Twelve steps, of which the sixth and the seventh belong neither to the first nor to the last five.
FIRST, MIDDLE, LAST = range(5), range(5, 7), range(7, 12)


def _counts(failed: Sequence[int], rewarded: Sequence[int]) -> dict[str, int]:
    columns = {}
    for verdict, num_failed, num_rewarded in zip(FAILURES, failed, rewarded, strict=True):
        columns[f"failed_{verdict}"] = num_failed
        columns[f"rewarded_{verdict}"] = num_rewarded
    return columns


def _run(baseline: str, seed: int, periods: Mapping[range, dict[str, int]]) -> Run:
    rows = []
    for steps, counts in periods.items():
        rows += [{"step": step + 1, **counts} for step in steps]
    return Run(baseline, seed, pd.DataFrame(rows), {}, pd.DataFrame(), {})


def _study() -> Study:
    """Return two seeds of GRPO and of static; no rollout of static's second seed fails in the last steps."""
    none = _counts([0, 0, 0, 0], [0, 0, 0, 0])
    middle = _counts([100, 100, 100, 100], [100, 0, 0, 0])
    grpo = {
        FIRST: _counts([2, 3, 4, 1], [1, 1, 0, 0]),
        MIDDLE: middle,
        LAST: _counts([4, 0, 0, 0], [3, 0, 0, 0]),
    }
    other = {
        FIRST: _counts([8, 4, 8, 0], [2, 0, 1, 0]),
        MIDDLE: middle,
        LAST: _counts([1, 1, 0, 0], [0, 1, 0, 0]),
    }
    static = {FIRST: _counts([5, 5, 0, 0], [0, 0, 0, 0]), MIDDLE: middle, LAST: none}
    runs = [
        _run("grpo", 0, grpo),
        _run("grpo", 1, other),
        _run("static", 0, {**static, LAST: _counts([0, 0, 1, 3], [0, 0, 0, 0])}),
        _run("static", 1, static),
    ]
    return Study({0: pd.DataFrame()}, runs, 0.0, [1], pd.DataFrame())


def test_failures_are_counted_over_the_first_and_the_last_steps_only() -> None:
    first = failures_by_kind(_study(), "grpo", late=False)
    assert first["failures"].tolist() == [50, 100]
    assert first["failed_both_correct"].tolist() == [0.2, 0.4]
    assert first["rewarded_both_correct"].tolist() == [0.1, 0.1]
    assert first["rewarded_swapped"].tolist() == [0, 0.05]
    assert failures_by_kind(_study(), "grpo", late=True)["failures"].tolist() == [20, 10]


def test_shares_are_of_sums_over_steps() -> None:
    rows = [{"step": 1, **_counts([1, 0, 0, 0], [1, 0, 0, 0])}, {"step": 2, **_counts([0, 9, 0, 0], [0] * 4)}]
    run = Run("grpo", 0, pd.DataFrame(rows), {}, pd.DataFrame(), {})
    study = Study({0: pd.DataFrame()}, [run], 0.0, [1], pd.DataFrame())
    assert failures_by_kind(study, "grpo", late=False)["rewarded_both_correct"].tolist() == [0.1]


def test_mean_failures_are_means_over_seeds_with_failures() -> None:
    table = mean_failures(_study()).set_index(["policy", "end"])
    first = table.loc[("grpo", "first")]
    assert first[failed_columns(_study())].tolist() == pytest.approx([0.3, 0.25, 0.4, 0.05])
    assert first[rewarded_columns(_study())].tolist() == pytest.approx([0.1, 0.05, 0.025, 0])
    assert first["rewarded"] == pytest.approx(0.175)
    assert first["failures"] == 75
    last = table.loc[("grpo", "last")]
    assert last["rewarded_both_correct"] == pytest.approx((0.75 + 0) / 2)
    assert last["rewarded_both_wrong"] == pytest.approx((0 + 0.5) / 2)
    assert last["rewarded"] == pytest.approx(0.625)
    static = table.loc[("static", "last")]
    assert static["failures"] == 10, "the mean of 20 and 0"
    assert (static["failed_swapped"], static["failed_unparseable"]) == (0.25, 0.75)
    assert static["rewarded"] == 0


def test_mean_failures_leave_out_what_was_not_counted() -> None:
    study = _study()
    runs = [replace(run, metrics=run.metrics[["step"]]) for run in study.runs]
    assert mean_failures(replace(study, runs=runs)).empty


def test_metrics_have_to_be_measured_in_every_baseline() -> None:
    study = _study()
    assert has_metrics(study, ["failed_swapped", "rewarded_swapped"])
    assert not has_metrics(study, ["failed_swapped", "validation/auc_a"])
    runs = []
    for run in study.runs:
        is_static = run.baseline == "static"
        runs.append(replace(run, metrics=run.metrics.assign(failed_swapped=np.nan)) if is_static else run)
    assert not has_metrics(replace(study, runs=runs), ["failed_swapped"])


def test_validation_table_has_the_first_and_the_last_measurement() -> None:
    runs = []
    for run in synthetic_study(2, 0.0).runs:
        is_measured = run.metrics["step"].isin([4, 8, 12])
        metrics = run.metrics.drop(columns="validation/traced")
        validation = [column for column in metrics if column.startswith("validation/")]
        metrics[validation] = metrics[validation].where(is_measured, axis=0)
        runs.append(replace(run, metrics=metrics))
    study = replace(synthetic_study(2, 0.0), runs=runs)
    table = validation_table(study)
    row = table.set_index(["seed", "policy"]).loc[(1, "corpo")]
    assert row["validation_unseen_first"] == pytest.approx(0.4 + 0.1 * 4 / 12 + 0.01)
    assert row["validation_unseen_last"] == pytest.approx(0.51)
    assert row["validation_auc_b_last"] == pytest.approx(0.71)
    assert np.isnan(row["validation_traced_first"])
    header, _, *lines = validation_markdown(table, validation_columns(study)).splitlines()
    assert header.startswith(
        "| seed | policy | pass@1 | unseen | math | both correct | both wrong | AUC of A |"
    )
    assert "traced" not in header
    assert lines[-1].startswith("| 1 | corpo |")
    assert "| 44 → 51 | 54 → 61 | 24 → 11 | 38 → 31 |" in lines[-1]
    assert "| 0.74 → 0.81 | 0.64 → 0.71 | 0.64 → 0.71 | 0.54 → 0.61 | 61 → 81 |" in lines[-1]


def test_file_of_runs_has_validation_and_failures_of_each_run(tmp_path: Path) -> None:
    study = synthetic_study(2, 0.0)
    write_runs(study, tmp_path)
    table = pd.read_csv(tmp_path / "runs.csv").set_index(["seed", "policy"])
    assert len(table) == 1 + len(study.runs)
    run = study.of("grpo")[1]
    failures = run.metrics[failed_columns(study)].iloc[:5].to_numpy().sum()
    assert table.loc[(1, "grpo"), "failures_first"] == failures
    assert table.loc[(1, "grpo"), "validation_traced_last"] == pytest.approx(0.81)
    assert table.loc[(1, "corpo"), "rewarded_both_correct_first"] == 0
    assert np.isnan(table.loc[(0, "base"), "validation_last"])
