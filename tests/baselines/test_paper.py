"""Tests of the paper's baselines against values computed by hand and against algebraic identities."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from corpo.baselines import (
    BASELINES,
    advantage_stats,
    advantages,
    check_baseline,
    is_correct,
    register_baseline,
)

FAILED = torch.tensor([[-1.0, -0.5, -0.3, -0.2]])
CORRECT = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
LEVELS = (-1.0, -0.8, -0.6, -0.4, -0.2, 0.2, 0.4, 0.6, 0.8, 1.0)


@st.composite
def rewards(draw: st.DrawFn, levels: tuple[float, ...] = LEVELS) -> Tensor:
    prompts, group = draw(st.integers(1, 5)), draw(st.integers(2, 9))
    flat = draw(st.lists(st.sampled_from(levels), min_size=prompts * group, max_size=prompts * group))
    return torch.tensor(flat, dtype=torch.float64).view(prompts, group)


@pytest.mark.parametrize(
    ("rewards_PG", "baseline", "expected"),
    [
        (FAILED, "grpo", [-0.5, 0.0, 0.2, 0.3]),
        (FAILED, "corpo", [-1.0, -0.5, -0.3, -0.2]),
        (FAILED, "static", [-1.0, -0.5, -0.3, -0.2]),
        (CORRECT, "corpo", [-0.25, -0.25, 0.25, 0.25]),
    ],
)
def test_values_computed_by_hand(rewards_PG: Tensor, baseline: str, expected: list[float]) -> None:
    torch.testing.assert_close(advantages(rewards_PG, baseline), torch.tensor([expected]), atol=1e-6, rtol=0)


def test_grpo_with_std_equals_value_computed_by_hand() -> None:
    advantages_PG = advantages(FAILED, "grpo", std=True, ddof=1)
    expected = torch.tensor([[-1.40487, 0.0, 0.56195, 0.84292]])
    torch.testing.assert_close(advantages_PG, expected, atol=1e-5, rtol=0)


@given(rewards())
def test_positive_and_negative_advantages_of_grpo_balance(rewards_PG: Tensor) -> None:
    advantages_PG = advantages(rewards_PG, "grpo")
    torch.testing.assert_close(
        advantages_PG.clamp(min=0).sum(1), -advantages_PG.clamp(max=0).sum(1), atol=1e-9, rtol=0
    )


@given(rewards())
def test_corpo_equals_static_below_the_threshold_and_grpo_above(rewards_PG: Tensor) -> None:
    advantages_PG, is_below_P = advantages(rewards_PG, "corpo"), rewards_PG.mean(1) < 0
    assert torch.equal(advantages_PG[is_below_P], advantages(rewards_PG, "static")[is_below_P])
    assert torch.equal(advantages_PG[~is_below_P], advantages(rewards_PG, "grpo")[~is_below_P])
    assert bool((advantages_PG.sum(1) <= 1e-9).all()), "the clipped baseline never lies below the mean"


@given(rewards(), st.sampled_from(["static", "corpo"]))
def test_static_and_corpo_never_reward_a_failure(rewards_PG: Tensor, baseline: str) -> None:
    advantages_PG = advantages(rewards_PG, baseline)
    assert not bool(((advantages_PG > 0) & (rewards_PG < 0)).any())
    assert advantage_stats(rewards_PG, advantages_PG, 0.0)["failed_positive_fraction"] in (
        0.0,
        pytest.approx(math.nan, nan_ok=True),
    )


@given(rewards(levels=(-1.0, 1.0)))
def test_grpo_never_rewards_a_failure_of_binary_rewards(rewards_PG: Tensor) -> None:
    assert not bool(((advantages(rewards_PG, "grpo") > 0) & (rewards_PG < 0)).any())


@given(rewards(), st.sampled_from(["grpo", "static", "corpo"]), st.randoms(use_true_random=False))
def test_permuted_rewards_give_permuted_advantages(rewards_PG: Tensor, baseline: str, random: Random) -> None:
    prompts = random.sample(range(rewards_PG.shape[0]), rewards_PG.shape[0])
    rollouts = random.sample(range(rewards_PG.shape[1]), rewards_PG.shape[1])
    advantages_PG = advantages(rewards_PG, baseline)
    torch.testing.assert_close(
        advantages(rewards_PG[prompts][:, rollouts], baseline),
        advantages_PG[prompts][:, rollouts],
        atol=1e-12,
        rtol=0,
    )


@given(rewards())
def test_corpo_equals_grpo_if_threshold_is_below_every_reward(rewards_PG: Tensor) -> None:
    assert torch.equal(advantages(rewards_PG, "corpo", threshold=-2.0), advantages(rewards_PG, "grpo"))


@pytest.mark.parametrize("value", [0.35, 0.1, -0.7, 1 / 3])
@pytest.mark.parametrize("size", [7, 8, 16])
def test_equal_rewards_give_exactly_zero(value: float, size: int) -> None:
    equal = torch.full((1, size), value)
    assert torch.equal(advantages(equal, "grpo", std=True, eps=1e-9), torch.zeros(1, size))
    assert torch.equal(advantages(equal, "corpo", threshold=-1), torch.zeros(1, size))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reward_equal_to_its_baseline_gives_exactly_zero(dtype: torch.dtype) -> None:
    assert advantages(FAILED.to(dtype), "grpo")[0, 1] == 0, "-0.5 is the mean on paper"
    for threshold in (0.1, 0.2, 0.35, 0.7):
        rewards_PG = torch.full((1, 4), threshold, dtype=dtype)
        for baseline in ("static", "corpo"):
            advantages_PG = advantages(rewards_PG, baseline, threshold=threshold)
            assert torch.equal(advantages_PG, torch.zeros_like(rewards_PG))
            assert advantage_stats(rewards_PG, advantages_PG, threshold)["clip_active_fraction"] == 0


@given(
    st.lists(st.sampled_from(range(-5, 6)), min_size=2, max_size=16),
    st.sampled_from([torch.float32, torch.float64]),
)
@example([-4, -3, -2], torch.float32)
@example([-4, -3, -2], torch.float64)
def test_signs_equal_those_of_exact_arithmetic(fifths: list[int], dtype: torch.dtype) -> None:
    exact = torch.tensor([[len(fifths) * fifth - sum(fifths) for fifth in fifths]])
    rewards_PG = torch.tensor([[fifth / 5 for fifth in fifths]], dtype=dtype)
    advantages_PG = advantages(rewards_PG, "grpo")
    assert torch.equal(advantages_PG.sign().long(), exact.sign())
    assert advantage_stats(rewards_PG, advantages_PG, 0.0)["clip_active_fraction"] == float(sum(fifths) < 0)


def test_group_with_an_outlier_keeps_its_scale() -> None:
    advantages_PG = advantages(torch.tensor([[0.35] + [0.95] * 7]), "grpo", std=True)
    torch.testing.assert_close(advantages_PG, torch.tensor([[-2.47487] + [0.35355] * 7]), atol=1e-4, rtol=0)


def test_group_of_equal_failures_has_zero_advantages_for_grpo_only() -> None:
    equal = torch.full((1, 4), -0.2)
    assert advantage_stats(equal, advantages(equal, "grpo"), 0.0)["zero_advantage_fraction"] == 1
    for baseline in ("static", "corpo"):
        advantages_PG = advantages(equal, baseline)
        assert bool((advantages_PG < 0).all())
        assert advantage_stats(equal, advantages_PG, 0.0)["zero_advantage_fraction"] == 0


def test_counts_and_sums_of_advantages() -> None:
    rewards_PG = torch.cat([FAILED, CORRECT])
    stats = advantage_stats(rewards_PG, advantages(rewards_PG, "grpo"), 0.0)
    assert stats["failed_positive_fraction"] == 0.5
    assert (stats["positive_count"], stats["negative_count"], stats["count_ratio"]) == (4, 3, 4 / 3)
    assert stats["sum_ratio"] == pytest.approx(1.0)
    assert (stats["positive_count_failed"], stats["positive_count_correct"]) == (2, 2)
    assert stats["negative_sum_failed"] == pytest.approx(0.5)
    assert (stats["clip_active_fraction"], stats["pass_rate"]) == (0.5, 0.5)


def test_ratio_with_denominator_zero_is_nan() -> None:
    stats = advantage_stats(CORRECT, torch.zeros(1, 4), 0.0)
    assert math.isnan(stats["count_ratio"])
    assert math.isnan(stats["failed_positive_fraction"])


def test_bad_input_is_refused_in_one_line() -> None:
    cases = [
        (lambda: advantages(FAILED, "mean"), "unknown"),
        (lambda: advantages(FAILED, "corpo", std=True), "no option 'std'"),
        (lambda: advantages(FAILED[:, :1], "grpo"), "group size 1"),
        (lambda: advantages(FAILED, "grpo", std=True, ddof=4), "ddof 4"),
        (lambda: advantages(FAILED, "corpo", threshold=math.nan), "threshold nan"),
        (lambda: advantages(torch.tensor([[0.0, math.nan]]), "corpo"), "prompt 0, rollout 1"),
        (lambda: advantages(torch.tensor([0.0, 1.0]), "corpo"), "matrix"),
        (lambda: advantages(torch.tensor([[0, 1]]), "corpo"), "matrix"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_registered_baseline_can_be_called_by_name() -> None:
    @register_baseline("median")
    def median(rewards_PG: Tensor, threshold: float, floor: float = 0.0) -> Tensor:
        return rewards_PG - rewards_PG.median(dim=1, keepdim=True).values.clamp(min=floor)

    try:
        check_baseline("median", {"floor": 0.5})
        torch.testing.assert_close(
            advantages(CORRECT, "median", floor=0.5), torch.tensor([[0.0, 0.0, 0.5, 0.5]])
        )
    finally:
        del BASELINES["median"]


@pytest.mark.kind("rewards with outliers")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_outlier_does_not_erase_the_other_advantages(dtype: torch.dtype) -> None:
    rewards_PG = torch.tensor([[-1e6, 0.2, 0.4, -0.3]], dtype=dtype)
    assert torch.equal(advantages(rewards_PG, "corpo"), rewards_PG)
    assert torch.equal(advantages(rewards_PG, "static"), rewards_PG)
    assert is_correct(rewards_PG, 0.0).tolist() == [[False, True, True, False]]
    assert bool((advantages(rewards_PG, "grpo")[0, 1:] > 0).all())


@pytest.mark.kind("rewards with outliers")
def test_large_rewards_keep_the_precision_of_float64() -> None:
    rewards_PG = torch.tensor([[1e6, 1e6 + 0.4]], dtype=torch.float64)
    expected = torch.tensor([[-0.2, 0.2]], dtype=torch.float64)
    torch.testing.assert_close(advantages(rewards_PG, "grpo"), expected, atol=1e-9, rtol=0)


@pytest.mark.kind("rewards with outliers")
def test_rounding_error_of_a_mean_is_zero() -> None:
    for dtype in (torch.float32, torch.float64):
        rewards_PG = torch.tensor([[-0.1, -0.2, 0.3, 0.0]], dtype=dtype)
        assert advantages(rewards_PG, "grpo")[0, 3] == 0
