"""Measures of verification agree with counts by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from corpo.analysis.study import Run, Study
from corpo.analysis.verification import auc, can_be_measured, verification


def test_auc_is_the_share_of_ordered_pairs_with_ties_as_half() -> None:
    scores, labels = np.array([1.0, 5.0, 5.0, 9.0]), np.array([False, False, True, True])
    assert auc(scores, labels) == (1 + 0.5 + 1 + 1) / 4
    assert math.isnan(auc(scores, np.ones(4, dtype=bool)))


def _rollouts(verdicts: dict[str, list[tuple[float, float]]]) -> pd.DataFrame:
    """Return parsed rollouts by split."""
    labels = {
        "code_first_correct": (True, False),
        "code_second_correct": (False, True),
        "code_both_wrong": (False, False),
        "code_both_correct": (True, True),
    }
    rows = []
    for split, scores in verdicts.items():
        label_a, label_b = labels[split]
        for score_a, score_b in scores:
            correct = (score_a > 5) == label_a and (score_b > 5) == label_b
            row = {"split": split, "score_a": score_a, "score_b": score_b, "correct": correct}
            rows.append(row | {"label_a": label_a, "label_b": label_b, "parsed": True})
    return pd.DataFrame(rows)


def test_verification_of_a_policy_that_prefers_the_first_candidate() -> None:
    habit = [(9.0, 1.0), (9.0, 1.0)]
    splits = ("code_first_correct", "code_second_correct", "code_both_wrong", "code_both_correct")
    trained = _rollouts(dict.fromkeys(splits, habit))
    base = _rollouts(
        {
            "code_first_correct": [(9.0, 1.0), (9.0, 9.0)],
            "code_second_correct": [(1.0, 9.0), (9.0, 1.0)],
            "code_both_wrong": [(1.0, 1.0), (9.0, 1.0)],
            "code_both_correct": [(9.0, 9.0), (9.0, 9.0)],
        }
    )
    run = Run("grpo", 0, pd.DataFrame({"step": [1]}), {}, trained, {})
    study = Study({0: base}, [run], 0.0, [1], pd.DataFrame())
    assert can_be_measured(study)
    table = verification(study).set_index("policy")
    assert table.loc["base"].to_dict() == pytest.approx(
        {"exactly_one": 0.75, "accuracy": 2 / 3, "auc_a": 0.75, "auc_b": 1.0, "pass@1": 0.625}
    )
    assert table.loc["grpo"].to_dict() == pytest.approx(
        {"exactly_one": 1.0, "accuracy": 0.5, "auc_a": 0.5, "auc_b": 0.5, "pass@1": 0.25}
    )
