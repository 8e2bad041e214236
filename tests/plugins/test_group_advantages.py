"""Tests of the rule that all plug-ins share."""

from __future__ import annotations

import logging
import math
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpo.baselines import advantage_stats, advantages
from corpo.baselines.registry import BASELINES
from corpo.plugins.group_advantages import (
    ADVANTAGE_METRICS,
    GROUPS_PER_REPORT,
    GroupAdvantages,
    token_advantages,
)
from corpo.utils.errors import NonFiniteError

NAN = float("nan")
# A group in which a failure is merely less bad than its group, and one in which some succeed.
REWARDS = torch.tensor([[-1.0, -1.0, -1.0, -0.2], [-1.0, -0.6, 0.6, 1.0]])


@pytest.mark.parametrize("baseline", ["grpo", "static", "corpo", "rloo", "quantile"])
@settings(deadline=None)  # the first call imports and may be slow
@given(seed=st.integers(0, 1000))
def test_advantages_do_not_depend_on_the_order_of_rollouts(baseline: str, seed: int) -> None:
    order = list(range(REWARDS.numel()))
    Random(seed).shuffle(order)
    groups = ["ab"[row // 4] for row in order]
    computed = GroupAdvantages(0.0, baseline)(REWARDS.flatten()[order], groups)
    expected = advantages(REWARDS, baseline, threshold=0.0).flatten()[order]
    assert computed.equal(expected)


def test_metrics_are_those_of_equal_groups() -> None:
    compute = GroupAdvantages(0.0)
    advantages_PG = compute(REWARDS.flatten(), list("aaaabbbb")).view(2, 4)
    stats = advantage_stats(REWARDS, advantages_PG, 0.0)
    assert compute.metrics == pytest.approx({name: stats[name] for name in ADVANTAGE_METRICS})


def test_metrics_of_groups_of_several_sizes_count_groups_and_rollouts() -> None:
    compute = GroupAdvantages(0.0, "grpo")
    # Group a: a rewarded failure (-0.2), clip active. Group b: one success of two.
    computed = compute(torch.tensor([-1.0, -0.9, -0.2, 1.0, -0.4]), list("aaabb"))
    assert (computed > 0).tolist() == [False, False, True, True, False]
    assert compute.metrics == pytest.approx(
        {
            "pass_rate": 1 / 5,
            "failed_positive_fraction": 1 / 4,
            "clip_active_fraction": 1 / 2,
            "zero_advantage_fraction": 0.0,
            "count_ratio": 2 / 3,
            "sum_ratio": 1.0,
        }
    )


def test_group_that_lacks_rewards_is_treated_as_a_smaller_group() -> None:
    """Check that means and standard deviations are over the scored rewards, as in TRL."""
    rewards_N = torch.tensor([1.0, -1.0, NAN, NAN, 1.0, 0.0, -1.0, 1.0, NAN, 1.0, NAN, NAN])
    lengths_N = torch.tensor([1, 9, 5, 5]).repeat(3)
    groups = list("aaaabbbbcccc")

    def advantages_of(baseline: str, **options: Any) -> torch.Tensor:
        return GroupAdvantages(0.0, baseline, options)(rewards_N, groups, lengths_N).view(3, 4)

    expected = {
        "grpo": [1.0, -1],
        "rloo": [2.0, -2],
        "maxrl": [1.0, -1],
        "opo": [1.8, -0.2],
        "corpo": [1.0, -1],
    }
    for baseline, first in expected.items():
        torch.testing.assert_close(advantages_of(baseline)[0], torch.tensor([*first, 0, 0]))
        whole = advantages(rewards_N[None, 4:8], baseline, lengths_PG=lengths_N[None, 4:8])
        torch.testing.assert_close(advantages_of(baseline)[1:2], whole)
    half = 0.5**0.5
    torch.testing.assert_close(advantages_of("grpo", std=True, eps=0.0)[0], torch.tensor([half, -half, 0, 0]))
    assert advantages_of("grpo")[2].tolist() == [0] * 4, "a single rollout has no group"
    assert advantages_of("static")[2].tolist() == [0, 1, 0, 0], "the threshold needs no group"


def test_batch_without_any_reward_has_zero_advantages_and_no_metrics() -> None:
    compute = GroupAdvantages(0.0)
    compute(REWARDS.flatten(), list("aaaabbbb"))
    assert compute(torch.full((4,), NAN), list("aabb")).tolist() == [0] * 4
    assert compute.metrics == {}


def test_group_of_one_rollout_gets_an_advantage_but_does_not_count() -> None:
    """Check groups of validation (torchtitan) and padding (SkyRL), in which nothing is compared."""
    compute = GroupAdvantages(0.0)
    computed = compute(torch.tensor([-1.0, 1.0, -0.5]), ["a", "a", "pad0"])
    assert computed.tolist() == [-1.0, 1.0, -0.5]
    assert compute.metrics["pass_rate"] == 0.5
    compute(torch.tensor([-1.0, 1.0]), ["a", "b"])
    assert compute.metrics == {}


def test_baseline_that_cannot_work_with_a_group_is_warned_of_once(
    caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(rewards_PG: torch.Tensor, threshold: float) -> torch.Tensor:
        raise RuntimeError("an error in the code of a user")

    monkeypatch.setitem(BASELINES, "broken", broken)
    compute = GroupAdvantages(0.0, "broken")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert compute(REWARDS.flatten(), list("aaaabbbb")).tolist() == [0] * 8
    [record] = caplog.records
    assert "all advantages of groups of 4 rollouts are 0" in record.getMessage()
    assert "an error in the code of a user" in record.getMessage()


def test_rollouts_without_a_prompt_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the prompt of rollout 1 is None: name the prompt"):
        GroupAdvantages(0.0)(torch.tensor([0.0, 1.0, 0.5]), ["a", None, None])
    with pytest.raises(ValueError, match=r"3 rewards, but the prompts of 2 rollouts"):
        GroupAdvantages(0.0)(torch.tensor([0.0, 1.0, 0.5]), ["a", "a"])


def test_infinite_reward_is_refused_with_its_prompt() -> None:
    with pytest.raises(NonFiniteError, match=r"rollout 1 \(prompt 'b'\) is -inf"):
        GroupAdvantages(0.0)(torch.tensor([0.0, -math.inf]), ["a", "b"])


@pytest.mark.parametrize("threshold", [None, NAN, math.inf, "0"])
def test_threshold_must_be_a_finite_number(threshold: Any) -> None:
    with pytest.raises(ValueError, match=r"my\.threshold=.*smallest reward of a correct response"):
        GroupAdvantages(threshold, setting="my.threshold")


def test_threshold_may_be_a_number_of_numpy() -> None:
    threshold: Any = np.float32(0.5)
    computed = GroupAdvantages(threshold)(torch.tensor([0.0, 0.25]), ["a", "a"])
    assert computed.tolist() == [-0.5, -0.25]


def test_unknown_baselines_and_options_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="did you mean corpo"):
        GroupAdvantages(0.0, "corp")
    with pytest.raises(ValueError, match="no option"):
        GroupAdvantages(0.0, "grpo", {"nonsense": 1})


def test_token_advantages_are_on_the_response_tokens() -> None:
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0]])
    token_rewards = torch.zeros(4, 3)
    token_rewards[range(4), mask.sum(1) - 1] = torch.tensor([1.0, -1.0, -0.5, -1.0])
    expected = advantages(torch.tensor([[1.0, -0.5], [-1.0, -1.0]]), "corpo", threshold=0.0)
    for index in (np.array([7, 8, 7, 8]), ["a", "b", "a", "b"]):  # verl gives an array, SkyRL a list
        advantages_NT, returns_NT = token_advantages(GroupAdvantages(0.0), token_rewards, mask, index)
        assert advantages_NT.equal(expected.T.flatten()[:, None] * mask)
        assert returns_NT.equal(advantages_NT)


# --- the check of the threshold ---


def _warnings_of(
    rewards_PG: torch.Tensor, threshold: float, caplog: Any, baseline: str = "corpo"
) -> list[str]:
    """Return the warnings of a run whose batches of two groups have these rewards."""
    compute = GroupAdvantages(threshold, baseline)
    with caplog.at_level(logging.WARNING):
        for _ in range(GROUPS_PER_REPORT):
            compute(rewards_PG.flatten(), list("aaaabbbb"))
    return [record.getMessage() for record in caplog.records]


def test_rewards_from_zero_to_one_with_threshold_zero_are_warned_of_once(caplog: Any) -> None:
    """Check the known failure of a public run: its clip was never active, so CoRPO was GRPO."""
    rewards_PG = (REWARDS + 1) / 2
    [warning] = _warnings_of(rewards_PG, 0.0, caplog)
    assert "CoRPO equals GRPO in this run" in warning
    assert f"first {GROUPS_PER_REPORT} groups lie in [0, 1], and threshold is 0" in warning
    assert "No reward is below the threshold" in warning
    corpo = advantages(rewards_PG, "corpo", threshold=0.0)
    assert corpo.equal(advantages(rewards_PG, "grpo")), "the warning is true"


def test_threshold_above_all_rewards_is_warned_of(caplog: Any) -> None:
    [warning] = _warnings_of(REWARDS, 1.5, caplog)
    assert "no response counts as correct" in warning
    assert "in [-1, 1], and threshold is 1.5" in warning


def test_groups_that_all_have_a_mean_above_the_threshold_are_warned_of(caplog: Any) -> None:
    [warning] = _warnings_of(torch.tensor([[-0.1, 1, 1, 1], [-0.2, 1, 1, 1]]), 0.0, caplog)
    assert "the mean reward of every group reaches the threshold" in warning


def test_rounding_of_rewards_to_the_threshold_is_not_warned_of(caplog: Any) -> None:
    """Check a reward function with the values 0 and 0.7, because 0.7 in float32 is less than 0.7."""
    assert _warnings_of(torch.tensor([[0.0, 0.0, 0.0, 0.7], [0.0, 0.7, 0.7, 0.7]]), 0.7, caplog) == []
    [warning] = _warnings_of(torch.full((2, 4), 0.7), 0.7, caplog)
    assert "No reward is below the threshold" in warning


def test_activity_of_the_clip_is_logged(caplog: Any) -> None:
    compute = GroupAdvantages(0.0)
    with caplog.at_level(logging.INFO):
        for _ in range(GROUPS_PER_REPORT):
            compute(REWARDS.flatten(), list("aaaabbbb"))
    first, second = [record.getMessage() for record in caplog.records]
    assert first == second
    assert first.endswith("was active in 32 of 64 groups, and 64 of 256 rewards reached the threshold")


def test_processes_other_than_the_main_one_log_nothing(caplog: Any) -> None:
    compute = GroupAdvantages(0.0, is_logging=False)
    with caplog.at_level(logging.INFO):
        for _ in range(GROUPS_PER_REPORT):
            compute((REWARDS.flatten() + 1) / 2, list("aaaabbbb"))
    assert caplog.records == []


def test_fitting_threshold_and_other_baselines_are_not_warned_of(caplog: Any) -> None:
    assert _warnings_of(REWARDS, 0.0, caplog) == []
    assert _warnings_of((REWARDS + 1) / 2, 0.0, caplog, baseline="grpo") == []
