"""Measures of verification agree with counts by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from corpo.analysis.study import Run, Study, read_records, write_study
from corpo.analysis.verification import COLUMNS, can_be_measured, skill_table
from corpo.utils.auc import auc

_LABELS = {
    "first_correct": (True, False),
    "second_correct": (False, True),
    "both_wrong": (False, False),
    "both_correct": (True, True),
}
_NAN = math.nan

Scores = list[tuple[float, float]]


def _rollouts(verdicts: dict[str, Scores], family: str = "f", prefix: str = "code") -> pd.DataFrame:
    """Return rollouts of one prompt per kind. Scores that are NaN are those of an unparseable response."""
    rows = []
    for number, (kind, scores) in enumerate(verdicts.items()):
        label_a, label_b = _LABELS[kind]
        for score_a, score_b in scores:
            row = {
                "split": f"{prefix}_{kind}",
                "kind": kind,
                "family": family,
                "prompt_id": f"{prefix}{family}{number}",
                "problem_id": f"{prefix}{family}{number}",
                "pair_id": str(number),
                "score_a": score_a,
                "score_b": score_b,
                "label_a": label_a,
                "label_b": label_b,
                "parsed": not math.isnan(score_a),
                "correct": (score_a > 5) == label_a and (score_b > 5) == label_b,
                "reward": 0.0,
            }
            rows.append(row)
    return pd.DataFrame(rows)


def _study(base: pd.DataFrame, *seeds: pd.DataFrame, **floors: pd.DataFrame) -> Study:
    step = np.zeros((1, 1))
    runs = []
    for seed, rollouts in enumerate(seeds or (base,)):
        runs.append(Run("grpo", seed, pd.DataFrame({"step": [1]}), {1: step}, rollouts, {1: step}))
    return Study({0: base}, runs, 0.0, [1], pd.DataFrame(), floors)


def _row(study: Study, policy: str, part: str = "code") -> pd.Series:
    return skill_table(study).set_index(["policy", "part"]).loc[(policy, part)]


def test_auc_is_the_share_of_ordered_pairs_with_ties_as_half() -> None:
    scores, labels = np.array([1.0, 5.0, 5.0, 9.0]), np.array([False, False, True, True])
    assert auc(scores, labels) == (1 + 0.5 + 1 + 1) / 4
    assert math.isnan(auc(scores, np.ones(4, dtype=bool)))
    assert math.isnan(auc(np.array([]), np.array([])))


@pytest.mark.parametrize("change", [np.exp, np.cbrt, lambda scores: 3 * scores - 7])
def test_auc_depends_on_the_order_of_scores_only(change: np.ufunc) -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.integers(0, 11, 200).astype(float), rng.random(200) < 0.4
    assert auc(change(scores), labels) == auc(scores, labels)
    assert auc(-scores, labels) == pytest.approx(1 - auc(scores, labels))


_HABIT: Scores = [(9.0, 1.0), (9.0, 1.0)]
_ALWAYS_CORRECT: Scores = [(9.0, 9.0)]
_NO_VERDICT: Scores = [(_NAN, _NAN)]
_BASE: dict[str, Scores] = {
    "first_correct": [(9.0, 1.0), (9.0, 9.0)],
    "second_correct": [(1.0, 9.0), (9.0, 1.0)],
    "both_wrong": [(1.0, 1.0), (9.0, 1.0)],
    "both_correct": [(9.0, 9.0), (9.0, 9.0)],
}


def test_a_policy_that_prefers_the_first_candidate_has_a_habit_and_no_skill() -> None:
    row = _row(_study(_rollouts(_BASE), _rollouts(dict.fromkeys(_LABELS, _HABIT))), "grpo")
    for name in ("auc", "auc_a", "auc_b", "auc_mean", "auc_a_mixed", "auc_b_homogeneous"):
        assert row[name] == 0.5
    assert row["exactly_one"] == row["exactly_one_homogeneous"] == 1
    assert row["accuracy_given_one"] == row["pass@1_mixed"] == 0.5
    assert row["pass@1_both_correct"] == row["pass@1_both_wrong"] == 0
    assert row["sensitivity"] == row["specificity"] == 0.5
    assert row["effect_of_b"] == 0


def test_measures_of_single_rollouts_agree_with_counts_by_hand() -> None:
    row = _row(_study(_rollouts(_BASE)), "base")
    assert row["prompts"] == 4
    # A: four correct ones with 9, and the wrong ones with 1, 9, 1, 9.
    assert row["auc_a"] == 0.75
    # B: 9, 1, 9, 9 are correct, and 1, 9, 1, 1 are wrong.
    assert row["auc_b"] == (3 * (3 + 0.5) + 1.5) / 16
    assert row["auc"] == (row["auc_a"] + row["auc_b"]) / 2
    # Means of prompts: 9, 9, 9, 5 of correct candidates, and 5, 5, 5, 1 of wrong ones.
    assert row["auc_mean"] == (12 + 2.5) / 16
    assert row["auc_a_mixed"] == 0.75
    assert row["auc_b_homogeneous"] == 1
    assert (row["sensitivity"], row["specificity"]) == (7 / 8, 5 / 8)
    assert row["exactly_one"] == 4 / 8
    assert row["exactly_one_homogeneous"] == 1 / 4
    assert row["accuracy_given_one"] == 2 / 3
    # A called wrong: B called correct in 1 of 1 and 0 of 1. A called correct: in 2 of 3 and 1 of 3.
    assert row["effect_of_b"] == pytest.approx((1 + 1 / 3) / 2)
    assert set(COLUMNS) <= set(row.index)


def test_unparseable_rollouts_fail_and_have_no_scores() -> None:
    verdicts = {kind: [*scores, (_NAN, _NAN)] for kind, scores in _BASE.items()}
    row, parsed = _row(_study(_rollouts(verdicts)), "base"), _row(_study(_rollouts(_BASE)), "base")
    assert row["unparseable"] == pytest.approx(1 / 3)
    assert row["pass@1_both_correct"] == pytest.approx(2 / 3)
    for name in ("auc_a", "auc_b", "auc_mean", "sensitivity", "exactly_one", "effect_of_b"):
        assert row[name] == parsed[name], name


def test_measures_that_are_not_defined_are_nan() -> None:
    row = _row(_study(_rollouts({"first_correct": _BASE["first_correct"]})), "base")
    for name in ("auc_a", "auc_a_low", "auc_b_high", "auc_a_homogeneous", "pass@1_both_wrong", "effect_of_b"):
        assert math.isnan(row[name]), name
    assert row["auc_mean"] == 1  # A has a mean of 9, B of 5
    nothing = _row(_study(_rollouts({"first_correct": [(_NAN, _NAN)]})), "base")
    assert nothing["unparseable"] == 1
    assert math.isnan(nothing["auc_mean"])
    assert math.isnan(nothing["sensitivity"])


def test_means_are_over_the_seeds_with_a_value() -> None:
    silent = _rollouts(dict.fromkeys(_LABELS, _NO_VERDICT))
    row = _row(_study(_rollouts(_BASE), _rollouts(_BASE), silent), "grpo")
    assert row["auc_a"] == 0.75
    assert row["unparseable"] == 0.5
    row = _row(_study(_rollouts(_BASE), _rollouts(_BASE), _rollouts(dict.fromkeys(_LABELS, _HABIT))), "grpo")
    assert row["auc_a"] == (0.75 + 0.5) / 2


def test_parts_of_pipelines_are_told_apart() -> None:
    tables = [
        _rollouts(_BASE, "code_unseen_3"),
        _rollouts(_BASE, "math_seen_4", "math"),
        _rollouts(_BASE, "code_seen_5", "code_long"),
        _rollouts(_BASE, "code_seen_2"),
        _rollouts(_BASE, "maximum", "trained_families"),
    ]
    table = skill_table(_study(pd.concat(tables, ignore_index=True)))
    assert list(table["part"].unique()) == [
        "code, seen",
        "code, unseen",
        "code, long",
        "math, seen",
        "trained families",
    ]
    assert (table["prompts"] == 4).all()


def test_intervals_come_from_problems_and_not_from_rollouts() -> None:
    rng = np.random.default_rng(0)
    tables = []
    for problem in range(30):
        scores = {kind: [(float(rng.integers(11)), float(rng.integers(11)))] for kind in _LABELS}
        table = _rollouts(scores)
        tables.append(table.assign(prompt_id=table["prompt_id"] + f"/{problem}", problem_id=str(problem)))
    once = pd.concat(tables, ignore_index=True)
    repeated = pd.concat([once] * 4, ignore_index=True)
    row, row_of_repeated = _row(_study(once), "base"), _row(_study(repeated), "base")
    for name in ("auc", "auc_a", "auc_b", "auc_mean"):
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        assert low < row[name] < high
        assert 0.1 < high - low < 0.6
        assert (row_of_repeated[f"{name}_low"], row_of_repeated[f"{name}_high"]) == (low, high)


def test_floors_come_first_and_survive_the_records(tmp_path: Path) -> None:
    base = _rollouts(_BASE).assign(traced=[1.0, 0.5] * 4, follows=1.0)
    memory = _rollouts(dict.fromkeys(_LABELS, _ALWAYS_CORRECT)).assign(traced=_NAN, follows=_NAN)
    no_trace = _rollouts(dict.fromkeys(_LABELS, _HABIT)).assign(traced=0.0, follows=0.0)
    study = _study(base)
    study = replace(study, floors={"memory": memory, "no trace": no_trace})
    write_study(study, [], [], "typed", tmp_path)
    again = read_records(tmp_path).study
    assert list(again.floors) == ["memory", "no trace"]
    pd.testing.assert_frame_equal(again.floors["no trace"], no_trace)
    assert again.baselines == ["grpo"]
    table = skill_table(again)
    assert list(table["policy"]) == ["memory", "no trace", "base", "grpo"]
    pd.testing.assert_frame_equal(table, skill_table(study))
    assert table["traced"].to_list()[1:] == [0, 0.75, 0.75]
    assert math.isnan(table["traced"][0])


def test_older_records_have_neither_traces_nor_floors() -> None:
    row = _row(_study(_rollouts(_BASE)), "base")
    assert math.isnan(row["traced"])
    assert math.isnan(row["follows"])


def test_records_without_scores_cannot_be_measured() -> None:
    base = _rollouts(_BASE)
    assert can_be_measured(_study(base))
    assert not can_be_measured(_study(base.drop(columns="score_a")))
