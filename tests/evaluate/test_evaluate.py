"""Metrics and intervals agree with brute force and with known numbers."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from corpo.evaluate.intervals import clustered_bootstrap, paired_difference, wilson
from corpo.evaluate.metrics import brier, by_prompt, ece, floors, summarise, swap_consistency
from corpo.evaluate.pass_at_k import pass_at_k
from corpo.task import Kind


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [(8, 3, 4, 0.92857), (16, 4, 8, 0.96154), (32, 2, 16, 0.75806), (5, 0, 5, 0.0), (5, 5, 1, 1.0)],
)
def test_pass_at_k_has_known_values(n: int, c: int, k: int, expected: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(expected, abs=5e-6)


def test_pass_at_k_is_the_share_of_subsets_with_a_success() -> None:
    for n, c, k in [(6, 2, 3), (7, 1, 2), (5, 4, 2)]:
        subsets = list(combinations([True] * c + [False] * (n - c), k))
        assert pass_at_k(n, c, k) == pytest.approx(np.mean([any(subset) for subset in subsets]))


@pytest.mark.parametrize(("n", "c", "k"), [(4, 1, 5), (4, 5, 1), (4, -1, 1), (4, 1, 0)])
def test_pass_at_k_refuses_the_impossible(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match=r"pass@|impossible"):
        pass_at_k(n, c, k)


def test_wilson_interval_has_the_published_bounds() -> None:
    mean, low, high = wilson(8, 10)
    assert (mean, round(low, 4), round(high, 4)) == (0.8, 0.4902, 0.9433)
    assert wilson(0, 20).low == pytest.approx(0, abs=1e-12)


def test_clustered_bootstrap_widens_the_interval_of_correlated_values() -> None:
    values, clusters = [0.0, 0.0, 1.0, 1.0] * 25, [i // 2 for i in range(100)]
    whole, loose = clustered_bootstrap(values, clusters), clustered_bootstrap(values, range(100))
    assert whole.mean == 0.5
    assert whole.low < loose.low < 0.5 < loose.high < whole.high, (
        "twins in one cluster carry less information"
    )
    assert clustered_bootstrap(values, clusters) == whole, "seeded"
    covered = 0
    for seed in range(200):
        sample = np.random.default_rng(seed).normal(size=60)
        interval = clustered_bootstrap(list(sample), range(60), draws=400, seed=seed)
        covered += interval.low <= 0 <= interval.high
    assert 0.88 <= covered / 200 <= 0.99


def test_paired_difference_finds_a_constant_shift() -> None:
    first = list(np.random.default_rng(0).random(200))
    same, p_same = paired_difference(first, first, range(200))
    assert (same.mean, p_same) == (0.0, 1.0)
    shifted, p = paired_difference([x + 0.1 for x in first], first, range(200))
    assert shifted.low == pytest.approx(0.1) == shifted.high
    assert p < 0.01


def test_ece_and_brier_have_known_values() -> None:
    stated, labels = np.array([0.9, 0.9, 0.1, 0.1]), np.array([1.0, 0.0, 0.0, 0.0])
    assert ece(stated, labels) == pytest.approx(0.5 * 0.4 + 0.5 * 0.1)
    assert brier(stated, labels) == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)


def test_floors_are_the_accuracies_of_blind_policies() -> None:
    assert floors(Kind.first_correct) == {"coin": 0.25, "exactly_one": 0.5}
    assert floors(Kind.both_wrong)["exactly_one"] == 0


def _rollouts(scores: dict[tuple[str, bool], list[tuple[float, float]]]) -> pd.DataFrame:
    rows = []
    for number, ((pair, swapped), responses) in enumerate(scores.items()):
        for g, (a, b) in enumerate(responses):
            label_a = not swapped
            correct = (a > 5) == label_a and (b > 5) != label_a and 5 not in (a, b)
            rows.append(
                {
                    "split": "s_swapped" if swapped else "s",
                    "prompt_id": str(number),
                    "pair_id": pair,
                    "swapped": swapped,
                    "family": "f",
                    "problem_id": "p",
                }
                | {
                    "kind": "second_correct" if swapped else "first_correct",
                    "label_a": label_a,
                    "label_b": swapped,
                    "score_a": a,
                    "score_b": b,
                }
                | {"parsed": not np.isnan(a), "correct": correct, "reward": 0.0, "rollout": g, "response": ""}
            )
    return pd.DataFrame(rows)


def test_summary_of_a_hand_made_table() -> None:
    rollouts = _rollouts(
        {
            ("x", False): [(9, 1), (1, 9), (9, 9), (np.nan, np.nan)],
            ("x", True): [(1, 9), (1, 9), (1, 9), (9, 1)],
        }
    )
    table = summarise(rollouts, ks=(1, 2)).set_index("split")
    assert table.loc["s", "pass@1"] == 0.25
    assert table.loc["s", "pass@2"] == 0.5
    assert table.loc["s_swapped", "pass@1"] == 0.75
    assert table.loc["s", "unparseable"] == 0.25
    assert table.loc["s", "candidate_accuracy"] == pytest.approx((2 + 1) / 8)
    assert table.loc["s", "better_accuracy"] == 0.25
    assert table.loc["s", "exactly_one"] == pytest.approx(2 / 3)
    assert len(by_prompt(rollouts, (1,))) == 2
    with pytest.raises(ValueError, match="pass@8"):
        summarise(rollouts, ks=(8,))


def test_swap_consistency_compares_majorities_of_parsed_verdicts() -> None:
    nothing = (np.nan, np.nan)
    assert swap_consistency(_rollouts({("x", False): [(9, 1)], ("x", True): [(1, 9)]})) == 1
    assert swap_consistency(_rollouts({("x", False): [(9, 1)], ("x", True): [(9, 1)]})) == 0
    assert (
        swap_consistency(_rollouts({("x", False): [(9, 1), nothing, nothing], ("x", True): [(1, 9)]})) == 1
    ), "parsed verdicts decide"
    assert swap_consistency(_rollouts({("x", False): [nothing], ("x", True): [nothing]})) == 0, (
        "silence is not agreement"
    )
