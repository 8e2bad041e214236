"""The method, against numbers computed elsewhere and against its own algebra."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from corpo.baselines import BASELINES, advantage_stats, advantages, check_baseline, register_baseline

FAILED = torch.tensor([[-1.0, -0.5, -0.3, -0.2]])
CORRECT = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
LEVELS = (-1.0, -0.8, -0.6, -0.4, -0.2, 0.2, 0.4, 0.6, 0.8, 1.0)


@st.composite
def rewards(draw: st.DrawFn, levels: tuple[float, ...] = LEVELS) -> Tensor:
    prompts, group = draw(st.integers(1, 5)), draw(st.integers(2, 9))
    flat = draw(st.lists(st.sampled_from(levels), min_size=prompts * group, max_size=prompts * group))
    return torch.tensor(flat, dtype=torch.float64).view(prompts, group)


def test_exact_cases() -> None:
    close = lambda found, expected: torch.testing.assert_close(
        found, torch.tensor([expected]), atol=1e-6, rtol=0
    )
    close(advantages(FAILED, "grpo"), [-0.5, 0.0, 0.2, 0.3])
    close(advantages(FAILED, "corpo"), [-1.0, -0.5, -0.3, -0.2])
    close(advantages(FAILED, "static"), [-1.0, -0.5, -0.3, -0.2])
    close(advantages(CORRECT, "corpo"), [-0.25, -0.25, 0.25, 0.25])
    normalised = advantages(FAILED, "grpo", std=True, ddof=1)
    torch.testing.assert_close(
        normalised, torch.tensor([[-1.40487, 0.0, 0.56195, 0.84292]]), atol=1e-5, rtol=0
    )


@given(rewards())
def test_centred_grpo_balances(rewards_PG: Tensor) -> None:
    found = advantages(rewards_PG, "grpo")
    torch.testing.assert_close(found.clamp(min=0).sum(1), -found.clamp(max=0).sum(1), atol=1e-9, rtol=0)


@given(rewards())
def test_corpo_is_static_below_the_threshold_and_grpo_above(rewards_PG: Tensor) -> None:
    found, below_P = advantages(rewards_PG, "corpo"), rewards_PG.mean(1) < 0
    assert torch.equal(found[below_P], advantages(rewards_PG, "static")[below_P])
    assert torch.equal(found[~below_P], advantages(rewards_PG, "grpo")[~below_P])
    assert bool((found.sum(1) <= 1e-9).all()), "the clipped baseline never lies below the mean"


@given(rewards(), st.sampled_from(["static", "corpo"]))
def test_no_failure_is_ever_rewarded(rewards_PG: Tensor, baseline: str) -> None:
    found = advantages(rewards_PG, baseline)
    assert not bool(((found > 0) & (rewards_PG < 0)).any())
    assert advantage_stats(rewards_PG, found, 0.0)["failed_positive_fraction"] in (
        0.0,
        pytest.approx(math.nan, nan_ok=True),
    )


@given(rewards(levels=(-1.0, 1.0)))
def test_binary_rewards_hide_the_flaw(rewards_PG: Tensor) -> None:
    assert not bool(((advantages(rewards_PG, "grpo") > 0) & (rewards_PG < 0)).any())


@given(rewards(), st.sampled_from(["grpo", "static", "corpo"]), st.randoms(use_true_random=False))
def test_order_is_irrelevant(rewards_PG: Tensor, baseline: str, random) -> None:  # type: ignore[no-untyped-def]
    prompts = random.sample(range(rewards_PG.shape[0]), rewards_PG.shape[0])
    rollouts = random.sample(range(rewards_PG.shape[1]), rewards_PG.shape[1])
    found = advantages(rewards_PG, baseline)
    torch.testing.assert_close(
        advantages(rewards_PG[prompts][:, rollouts], baseline),
        found[prompts][:, rollouts],
        atol=1e-12,
        rtol=0,
    )


@given(rewards())
def test_a_threshold_below_every_reward_makes_corpo_grpo(rewards_PG: Tensor) -> None:
    assert torch.equal(advantages(rewards_PG, "corpo", threshold=-2.0), advantages(rewards_PG, "grpo"))


@pytest.mark.parametrize("value", [0.35, 0.1, -0.7, 1 / 3])
@pytest.mark.parametrize("size", [7, 8, 16])
def test_equal_rewards_leave_no_residue(value: float, size: int) -> None:
    equal = torch.full((1, size), value)
    assert torch.equal(advantages(equal, "grpo", std=True, eps=1e-9), torch.zeros(1, size))
    assert torch.equal(advantages(equal, "corpo", threshold=-1), torch.zeros(1, size))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_reward_at_its_baseline_is_no_signal(dtype: torch.dtype) -> None:
    assert advantages(FAILED.to(dtype), "grpo")[0, 1] == 0, "-0.5 is the mean on paper"
    for threshold in (0.1, 0.2, 0.35, 0.7):
        at_PG = torch.full((1, 4), threshold, dtype=dtype)
        for baseline in ("static", "corpo"):
            found = advantages(at_PG, baseline, threshold=threshold)
            assert torch.equal(found, torch.zeros_like(at_PG))
            assert advantage_stats(at_PG, found, threshold)["clip_active_fraction"] == 0


@given(
    st.lists(st.sampled_from(range(-5, 6)), min_size=2, max_size=16),
    st.sampled_from([torch.float32, torch.float64]),
)
@example([-4, -3, -2], torch.float32)
@example([-4, -3, -2], torch.float64)
def test_signs_are_those_of_exact_arithmetic(fifths: list[int], dtype: torch.dtype) -> None:
    exact = torch.tensor([[len(fifths) * fifth - sum(fifths) for fifth in fifths]])
    rewards_PG = torch.tensor([[fifth / 5 for fifth in fifths]], dtype=dtype)
    found = advantages(rewards_PG, "grpo")
    assert torch.equal(found.sign().long(), exact.sign())
    assert advantage_stats(rewards_PG, found, 0.0)["clip_active_fraction"] == float(sum(fifths) < 0)


def test_an_outlier_group_with_deviation_keeps_its_scale() -> None:
    found = advantages(torch.tensor([[0.35] + [0.95] * 7]), "grpo", std=True)
    torch.testing.assert_close(found, torch.tensor([[-2.47487] + [0.35355] * 7]), atol=1e-4, rtol=0)


def test_an_all_failed_group_is_silent_for_grpo_only() -> None:
    equal = torch.full((1, 4), -0.2)
    assert advantage_stats(equal, advantages(equal, "grpo"), 0.0)["zero_advantage_fraction"] == 1
    for baseline in ("static", "corpo"):
        found = advantages(equal, baseline)
        assert bool((found < 0).all())
        assert advantage_stats(equal, found, 0.0)["zero_advantage_fraction"] == 0


def test_signal_counts() -> None:
    rewards_PG = torch.cat([FAILED, CORRECT])
    found = advantage_stats(rewards_PG, advantages(rewards_PG, "grpo"), 0.0)
    assert found["failed_positive_fraction"] == 0.5
    assert (found["positive_count"], found["negative_count"], found["count_ratio"]) == (4, 3, 4 / 3)
    assert found["sum_ratio"] == pytest.approx(1.0)
    assert (found["positive_count_failed"], found["positive_count_correct"]) == (2, 2)
    assert found["negative_sum_failed"] == pytest.approx(0.5)
    assert (found["clip_active_fraction"], found["pass_rate"]) == (0.5, 0.5)
    nothing = advantage_stats(CORRECT, torch.zeros(1, 4), 0.0)
    assert math.isnan(nothing["count_ratio"])
    assert math.isnan(nothing["failed_positive_fraction"])


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


def test_a_user_adds_a_baseline_from_outside() -> None:
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
