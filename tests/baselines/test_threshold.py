"""Tests of the proposal for R_min_correct."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpo.baselines import advantages
from corpo.baselines.threshold import RewardGap, reward_gap

FINITE = st.floats(-100, 100)


def test_gap_lies_between_the_highest_failure_and_the_lowest_success() -> None:
    gap = reward_gap([1.0, 0.7, 0.1, 0.0], [True, True, False, False])
    assert gap == RewardGap(highest_failure=0.1, lowest_success=0.7)
    assert gap.threshold == 0.7


@pytest.mark.parametrize(
    ("rewards", "correct", "message"),
    [
        ([1.0, 0.5, 0.6], [True, True, False], "1 of 1 failures have at least the lowest reward"),
        ([1.0, 1.0], [True, False], "no threshold separates them"),
        ([1.0, 0.5], [True, True], "none of the 2 responses is a failure"),
        ([1.0, 0.5], [False, False], "none of the 2 responses is a correct response"),
        ([], [], "none of the 0 responses is a failure"),
        ([float("nan"), 0.9, 0.7], [False, False, True], "1 of 3 are not finite numbers .the first is nan"),
        ([0.1, None, 0.7], [False, False, True], "1 of 3 are not finite numbers .the first is None"),
        ([0.1, 0.7], [False, True, True], "2 values, but correct has 3"),
    ],
)
def test_rewards_without_a_gap_are_refused(rewards: list[float], correct: list[bool], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reward_gap(rewards, correct)


@given(st.lists(FINITE, min_size=1), st.lists(FINITE, min_size=1))
def test_proposed_threshold_never_rewards_a_failure(low: list[float], high: list[float]) -> None:
    highest = max(low)
    rewards = [*low, *(highest + 1 + abs(reward) for reward in high)]
    correct = [False] * len(low) + [True] * len(high)
    threshold = reward_gap(rewards, correct).threshold
    rewards_PG = torch.tensor([rewards], dtype=torch.float64)
    advantages_PG = advantages(rewards_PG, "corpo", threshold=threshold)
    assert not (advantages_PG[0, : len(low)] > 0).any()
    assert advantages(rewards_PG, "static", threshold=threshold)[0, len(low) :].min() >= 0
