"""The floors of skill: the memory scores candidates by the share of correct ones among equal templates."""

from __future__ import annotations

import pandas as pd
import pytest

from corpo.evaluate.columns import ROLLOUT_COLUMNS
from corpo.evaluate.skill_floors import exactly_one_rollouts, memory_rollouts
from corpo.task import Candidate, Domain, OrdinalReward, Pair, Problem

_TAUGHT = pd.DataFrame(
    [
        ("above 0, reversed", "return x > 0", 3, 4),
        ("above 0, distinct", "return x > 0", 0, 4),
        ("above 0, distinct", "return x", 2, 2),
        ("even", "return 0", 1, 2),
    ],
    columns=["words", "text", "correct", "seen"],
)


def _pair(words: str, text_a: str, text_b: str) -> Pair:
    problem = Problem(words, Domain.code, "code_seen_2", "seen", f"{words}: f([1]) == [1]")
    return Pair(problem, Candidate(text_a, True, "reference"), Candidate(text_b, False, "constant"))


def _rollout(pair: Pair) -> pd.Series:
    table = memory_rollouts([("code_first_correct", pair)], _TAUGHT, OrdinalReward())
    assert len(table) == 1
    return table.iloc[0]


def test_scores_are_shares_of_templates_without_constants() -> None:
    rollout = _rollout(_pair("above 7, reversed", "return x > 12", "return x"))
    assert rollout["score_a"] == 7.5  # taught with these words
    assert rollout["score_b"] == 10.0  # taught with other words only: 2 of 2
    rollout = _rollout(_pair("odd", "return x > 1", "return x"))
    assert rollout["score_a"] == 10 * 3 / 8  # the text alone, over all words
    assert not rollout["correct"]


@pytest.mark.parametrize("text", ["return x + 1", "return 5"])
def test_candidates_without_evidence_are_never_on_the_cut(text: str) -> None:
    scores = {_rollout(_pair("even", f"{text}{extra}", text))["score_a"] for extra in ("", " ", "  ", "   ")}
    assert scores <= {4.9, 5.1}
    first = _rollout(_pair("even", text, "return x"))["score_a"]
    assert first == _rollout(_pair("even", "return x", text))["score_b"], "the hash is that of the candidate"


def test_rollouts_have_the_columns_of_an_evaluation_without_response() -> None:
    pair = _pair("above 7, distinct", "return x", "return x > 3")
    rollout = _rollout(pair)
    assert set(rollout.index) == {name for name, _, _ in ROLLOUT_COLUMNS} - {"response"}
    assert rollout["correct"]
    assert rollout["parsed"]
    assert rollout["reward"] > 0
    assert pd.isna(rollout["traced"])


def test_exactly_one_is_right_about_half_of_the_mixed_pairs_and_about_no_others() -> None:
    mixed = _pair("even", "return x", "return 0")
    both = Pair(mixed.problem, mixed.a, mixed.a)
    pairs = [("code_first_correct", mixed), ("code_both_correct", both)]
    table = exactly_one_rollouts(pairs, OrdinalReward())
    assert table["correct"].tolist() == [True, False, False, False]
    assert set(table.columns) == set(_rollout(mixed).index)
