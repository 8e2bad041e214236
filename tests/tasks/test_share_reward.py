"""The ordinal reward by the share of checks that hold."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpo.config import Config, RewardConfig, TaskConfig
from corpo.tasks.share_reward import ShareReward, share_reward

PAPER = ShareReward((-1.0, -0.9, -0.8, -0.7), success=1.0, threshold=0.0)
shares = st.integers(1, 60).flatmap(lambda total: st.integers(0, total).map(lambda passed: passed / total))


@st.composite
def rewards(draw: st.DrawFn) -> ShareReward:
    """Draw a reward that separates failures from successes."""
    failures = draw(st.sets(st.integers(-1000, -1), min_size=1, max_size=20))
    threshold = draw(st.floats(-0.0005, 0.9))
    success = draw(st.floats(threshold, 1.0))
    return ShareReward(tuple(level / 1000 for level in sorted(failures)), success, threshold)


def config_of(reward: dict[str, Any] | None = None, **options: Any) -> Config:
    return Config(task=TaskConfig("generate", options), reward=RewardConfig(**(reward or {})))


@pytest.mark.parametrize(
    ("share", "reward"),
    [
        (None, -1.0),
        (0.0, -0.9),
        (0.33, -0.9),
        (1 / 3, -0.8),
        (0.5, -0.8),
        (2 / 3, -0.7),
        (0.99, -0.7),
        (1, 1.0),
    ],
)
def test_failures_take_the_levels_of_their_share(share: float | None, reward: float) -> None:
    assert PAPER.of_share(share) == reward


def test_a_single_level_is_the_reward_of_all_failures() -> None:
    binary = ShareReward((-1.0,), success=1.0, threshold=0.0)
    assert [binary.of_share(share) for share in (None, 0.0, 0.99, 1.0)] == [-1, -1, -1, 1]


@given(rewards(), shares, shares)
def test_a_larger_share_never_earns_less(reward: ShareReward, first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert reward.of_share(None) <= reward.of_share(low) <= reward.of_share(high)


@given(rewards(), st.none() | shares)
def test_the_threshold_separates_failures_from_successes(reward: ShareReward, share: float | None) -> None:
    value = reward.of_share(share)
    assert (value >= reward.threshold) is (share == 1)
    assert value in (*reward.failures, reward.success)


@given(st.lists(st.booleans(), min_size=1, max_size=50), st.randoms(use_true_random=False))
def test_the_order_of_tests_does_not_matter(outcomes: list[bool], rng: random.Random) -> None:
    shuffled = rng.sample(outcomes, len(outcomes))
    assert PAPER.of_share(sum(outcomes) / len(outcomes)) == PAPER.of_share(sum(shuffled) / len(shuffled))


@given(rewards().filter(lambda reward: len(reward.failures) > 1), shares)
def test_the_lowest_level_is_reserved_for_unreadable_answers(reward: ShareReward, share: float) -> None:
    assert reward.of_share(share) > reward.of_share(None)


@pytest.mark.parametrize("share", [-0.1, 1.5, math.nan])
def test_a_number_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        PAPER.of_share(share)


@pytest.mark.parametrize(
    ("failures", "success", "threshold", "message"),
    [
        ((), 1.0, 0.0, "at least one number"),
        ((-0.5, -0.5), 1.0, 0.0, "increasing"),
        ((-0.5, -1.0), 1.0, 0.0, "increasing"),
        ((math.nan,), 1.0, 0.0, "at least one number"),
        ((-math.inf, -1.0), 1.0, 0.0, "at least one number"),
        ((-1.0, 0.0), 1.0, 0.0, "must lie below reward.threshold=0"),
        ((-1.0,), 1.0, 1.5, "must lie below reward.threshold=1.5"),
    ],
)
def test_levels_that_do_not_fit_are_refused_in_one_line(
    failures: tuple[float, ...], success: float, threshold: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        ShareReward(failures, success, threshold)
    assert "\n" not in str(caught.value)


def test_the_levels_come_from_the_ordinal_reward_or_from_the_options_of_the_task() -> None:
    assert share_reward(config_of()) == ShareReward((-1.0, -0.8, -0.6, -0.4, -0.2), 1.0, 0.0)
    assert share_reward(config_of({"levels": 2})) == ShareReward((-1.0,), 1.0, 0.0)
    assert share_reward(config_of(failures=[-1, -0.9, -0.8, -0.7])) == PAPER
    assert share_reward(config_of({"threshold": 0.1})).threshold == 0.1
    assert share_reward(config_of(failures=None)) == share_reward(config_of())


@pytest.mark.parametrize("failures", ["-1", -1, [-1, "x"], [True]])
def test_options_that_are_no_list_of_numbers_are_refused(failures: object) -> None:
    with pytest.raises(ValueError, match="give a list of numbers"):
        share_reward(config_of(failures=failures))


def test_a_reward_for_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"choose reward\.name=ordinal"):
        share_reward(config_of({"name": "confidence"}))
