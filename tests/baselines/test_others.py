"""Tests of the baselines of other papers: values computed by hand, invariances, rewarded failures."""

from __future__ import annotations

from itertools import combinations, product
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corpo.baselines import BASELINES, advantages, check_baseline, needs_lengths, non_default_options
from corpo.cli.compose import load_config
from corpo.pipeline.train import train_stage
from tests.command import ROOT

MIXED = torch.tensor([[-1.0, -0.5, 0.5, 1.0]], dtype=torch.float64)
LENGTHS = torch.tensor([[1, 2, 3, 4]])
LEVELS = (-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0)  # dyadic, so that shifts and scales are exact
WITH_LEVELS = (
    "grpo",
    "static",
    "corpo",
    "rloo",
    "corpo_loo",
    "reinforce_plus_plus_baseline",
    "opo",
    "quantile",
    "ngrpo",
)
BY_SUCCESS = ("maxrl", "positive_only", "negative_only", "weighted", "pass_at_k")
SAFE = ("static", "corpo", "corpo_loo", *BY_SUCCESS)


@st.composite
def batches(draw: st.DrawFn, levels: tuple[float, ...] = LEVELS) -> tuple[Tensor, Tensor]:
    """Draw rewards and lengths of 1 to 4 groups of 5 to 9 rollouts."""
    prompts, group = draw(st.integers(1, 4)), draw(st.integers(5, 9))
    size = prompts * group
    rewards = draw(st.lists(st.sampled_from(levels), min_size=size, max_size=size))
    lengths = draw(st.lists(st.integers(1, 50), min_size=size, max_size=size))
    rewards_PG = torch.tensor(rewards, dtype=torch.float64).view(prompts, group)
    return rewards_PG, torch.tensor(lengths).view(prompts, group)


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("rloo", [-4 / 3, -2 / 3, 2 / 3, 4 / 3]),  # the others' means are 1/3, 1/6, -1/6, -1/3
        ("corpo_loo", [-4 / 3, -2 / 3, 0.5, 1.0]),  # and, clipped at 0, 1/3, 1/6, 0, 0
        ("opo", [-1.35, -0.85, 0.15, 0.65]),  # (-1 - 1 + 1.5 + 4) / 10 = 0.35
        # 0.4 of 4 is reached by the second reward; the standard deviation is sqrt(2.5 / 3)
        ("quantile", [-0.547723, 0.0, 1.095445, 1.643168]),
        ("maxrl", [-1.0, -1.0, 1.0, 1.0]),
        ("positive_only", [0.0, 0.0, 1.0, 1.0]),
        ("negative_only", [-1.0, -1.0, 0.0, 0.0]),
        ("weighted", [-1.0, -1.0, 0.1, 0.1]),
    ],
)
def test_values_computed_by_hand(baseline: str, expected: list[float]) -> None:
    advantages_PG = advantages(MIXED, baseline, threshold=0.0, lengths_PG=LENGTHS)
    torch.testing.assert_close(
        advantages_PG, torch.tensor([expected], dtype=torch.float64), atol=5e-6, rtol=0
    )


VERL_REWARDS = torch.tensor(
    [[-1.0, -0.6, -0.2, 0.2], [0.6, -1.0, 1.0, -1.0], [-1.0, -1.0, -1.0, -0.2]], dtype=torch.float64
)
VERL_LENGTHS = torch.tensor([[5, 3, 4, 2], [1, 6, 2, 8], [7, 4, 4, 1]])


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("grpo", [[-0.6, -0.2, 0.2, 0.6], [0.7, -0.9, 1.1, -0.9], [-0.2, -0.2, -0.2, 0.6]]),
        (
            "rloo",
            [
                [-0.8, -0.266667, 0.266667, 0.8],
                [0.933333, -1.2, 1.466667, -1.2],
                [-0.266667, -0.266667, -0.266667, 0.8],
            ],
        ),
        (
            "opo",
            [
                [-0.485714, -0.085714, 0.314286, 0.714286],
                [1.270588, -0.329412, 1.670588, -0.329412],
                [-0.05, -0.05, -0.05, 0.75],
            ],
        ),
        (
            "reinforce_plus_plus_baseline",
            [
                [-0.558892, 0.16574, 0.890373, 1.615005],
                [1.796163, -1.102366, 2.520795, -1.102366],
                [0.16574, 0.16574, 0.16574, 1.615005],
            ],
        ),
    ],
)
def test_values_equal_those_of_verl(baseline: str, expected: list[list[float]]) -> None:
    """Compare with values printed by verl 0.9.1 in float64; tests/plugins/test_verl.py calls verl itself."""
    advantages_PG = advantages(VERL_REWARDS, baseline, lengths_PG=VERL_LENGTHS)
    torch.testing.assert_close(advantages_PG, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


def test_ngrpo_values_equal_those_of_its_paper() -> None:
    one_success = torch.tensor([[1.0] + [0.0] * 7])
    ngrpo_G = advantages(one_success, "ngrpo", threshold=1.0)[0]
    grpo_G = advantages(one_success, "grpo", std=True)[0]
    assert [round(float(a), 2) for a in (*grpo_G[:2], *ngrpo_G[:2])] == [2.47, -0.35, 1.76, -0.50]


def test_ngrpo_gives_equal_failures_negative_advantages() -> None:
    assert bool((advantages(torch.zeros(1, 8), "ngrpo", threshold=1.0) < 0).all())


def test_ngrpo_refuses_rewards_above_best() -> None:
    with pytest.raises(ValueError, match="largest possible reward"):
        advantages(torch.tensor([[0.0, 2.0]]), "ngrpo")
    for best in (0.1, 0.3, 0.6):  # their float32 values are larger
        assert bool(advantages(torch.tensor([[best, 0.0]]), "ngrpo", best=best).isfinite().all())


@pytest.mark.parametrize("group", [2, 3, 5])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_maxrl_gradient_approximates_that_of_log_pass_rate(group: int, rate: float) -> None:
    """Enumerate all groups: E[A | success] - E[A | failure] multiplies the gradient of the pass rate."""
    expected = {0.0: 0.0, 1.0: 0.0}  # E[A | reward]
    for others in product((0.0, 1.0), repeat=group - 1):
        probability = rate ** sum(others) * (1 - rate) ** (group - 1 - sum(others))
        for reward in expected:
            rewards_PG = torch.tensor([[reward, *others]], dtype=torch.float64)
            expected[reward] += probability * float(advantages(rewards_PG, "maxrl", threshold=1.0)[0, 0])
    factor = sum((1 - rate) ** power for power in range(group - 1))
    assert expected[1.0] - expected[0.0] == pytest.approx(factor)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("successes", range(7))
def test_pass_at_k_is_the_mean_over_all_subsets(k: int, successes: int) -> None:
    passed = [1.0] * successes + [0.0] * (6 - successes)
    subsets = list(combinations(range(6), k))
    rewards = torch.tensor([_best(passed, subset) for subset in subsets], dtype=torch.float64)
    subset_advantages = (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-12)
    expected = []
    for i in range(6):
        contains_i = torch.tensor([i in subset for subset in subsets])
        expected.append(float(subset_advantages[contains_i].mean()))
    advantages_PG = advantages(torch.tensor([passed], dtype=torch.float64), "pass_at_k", threshold=1.0, k=k)
    torch.testing.assert_close(
        advantages_PG[0], torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=0
    )
    if k == 1:
        torch.testing.assert_close(
            advantages_PG,
            advantages(torch.tensor([passed], dtype=torch.float64), "grpo", std=True, ddof=0, eps=1e-12),
            atol=1e-9,
            rtol=0,
        )


def _best(rewards: list[float], subset: tuple[int, ...]) -> float:
    return max(rewards[i] for i in subset)


@given(batches())
def test_reinforce_plus_plus_whitens_over_the_tokens_of_the_batch(batch: tuple[Tensor, Tensor]) -> None:
    rewards_PG, lengths_PG = batch
    centred_N = (rewards_PG - rewards_PG.mean(1, keepdim=True)).flatten()
    tokens = centred_N.repeat_interleave(lengths_PG.flatten())
    expected = (centred_N - tokens.mean()) * torch.rsqrt(tokens.var(correction=1) + 1e-8)
    advantages_PG = advantages(rewards_PG, "reinforce_plus_plus_baseline", lengths_PG=lengths_PG)
    torch.testing.assert_close(advantages_PG.flatten(), expected, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(("passed", "baseline"), [(6, 0.0), (7, 1.0)])
def test_quantile_rewards_rare_successes_and_punishes_rare_failures(passed: int, baseline: float) -> None:
    rewards_PG = torch.tensor([[1.0] * passed + [0.0] * (10 - passed)])
    advantages_PG = advantages(rewards_PG, "quantile", threshold=1.0, share=0.4, std=False)
    assert torch.equal(advantages_PG, rewards_PG - baseline), "b is 0 up to a pass rate of 1 - K, and 1 above"


@given(batches())
def test_leave_one_out_is_scaled_grpo_and_its_clipped_form_is_never_above(
    batch: tuple[Tensor, Tensor],
) -> None:
    rewards_PG, _ = batch
    group = rewards_PG.shape[1]
    rloo, clipped = advantages(rewards_PG, "rloo"), advantages(rewards_PG, "corpo_loo")
    torch.testing.assert_close(rloo, advantages(rewards_PG, "grpo") * group / (group - 1), atol=1e-12, rtol=0)
    assert bool((clipped <= rloo + 1e-12).all())
    torch.testing.assert_close(advantages(rewards_PG, "corpo_loo", threshold=-2.0), rloo, atol=0, rtol=0)
    torch.testing.assert_close(
        advantages(rewards_PG, "corpo_loo", threshold=2.0),
        advantages(rewards_PG, "static", threshold=2.0),
        atol=0,
        rtol=0,
    )


@given(batches(), st.sampled_from(["rloo", "maxrl", "pass_at_k", "opo"]))
def test_advantages_of_a_group_sum_to_zero(batch: tuple[Tensor, Tensor], baseline: str) -> None:
    rewards_PG, lengths_PG = batch
    advantages_PG = advantages(rewards_PG, baseline, lengths_PG=lengths_PG)
    weights_PG = lengths_PG if baseline == "opo" else torch.ones_like(lengths_PG)
    torch.testing.assert_close(
        (weights_PG * advantages_PG).sum(1),
        torch.zeros(len(advantages_PG), dtype=torch.float64),
        atol=1e-9,
        rtol=0,
    )


@given(batches())
def test_opo_equals_grpo_for_equal_lengths(batch: tuple[Tensor, Tensor]) -> None:
    rewards_PG, lengths_PG = batch
    torch.testing.assert_close(
        advantages(rewards_PG, "opo", lengths_PG=torch.full_like(lengths_PG, 7)),
        advantages(rewards_PG, "grpo"),
    )


@given(batches(), st.sampled_from([*WITH_LEVELS, *BY_SUCCESS]), st.randoms(use_true_random=False))
def test_permuted_rewards_give_permuted_advantages(
    batch: tuple[Tensor, Tensor], baseline: str, random: Random
) -> None:
    rewards_PG, lengths_PG = batch
    prompts = random.sample(range(rewards_PG.shape[0]), rewards_PG.shape[0])
    rollouts = random.sample(range(rewards_PG.shape[1]), rewards_PG.shape[1])
    advantages_PG = advantages(rewards_PG, baseline, lengths_PG=lengths_PG)
    permuted_PG = advantages(
        rewards_PG[prompts][:, rollouts], baseline, lengths_PG=lengths_PG[prompts][:, rollouts]
    )
    torch.testing.assert_close(permuted_PG, advantages_PG[prompts][:, rollouts], atol=1e-9, rtol=1e-9)


@given(batches(), st.sampled_from([*WITH_LEVELS, *BY_SUCCESS]), st.sampled_from([-2.0, 0.5, 4.0]))
def test_shifted_rewards_and_threshold_give_the_same_advantages(
    batch: tuple[Tensor, Tensor], baseline: str, shift: float
) -> None:
    rewards_PG, lengths_PG = batch
    options, shifted_options = ({"best": 1.0}, {"best": 1.0 + shift}) if baseline == "ngrpo" else ({}, {})
    advantages_PG = advantages(rewards_PG, baseline, threshold=0.0, lengths_PG=lengths_PG, **options)
    torch.testing.assert_close(
        advantages(rewards_PG + shift, baseline, threshold=shift, lengths_PG=lengths_PG, **shifted_options),
        advantages_PG,
        atol=1e-9,
        rtol=1e-9,
    )


@given(batches(), st.sampled_from([*WITH_LEVELS, *BY_SUCCESS]), st.sampled_from([0.5, 4.0]))
def test_scaled_rewards_give_scaled_or_equal_advantages(
    batch: tuple[Tensor, Tensor], baseline: str, scale: float
) -> None:
    rewards_PG, lengths_PG = batch
    best = {"best": scale} if baseline == "ngrpo" else {}
    scaled = advantages(scale * rewards_PG, baseline, threshold=0.0, lengths_PG=lengths_PG, **best)
    is_linear = baseline in ("grpo", "static", "corpo", "rloo", "corpo_loo", "opo")
    advantages_PG = advantages(rewards_PG, baseline, threshold=0.0, lengths_PG=lengths_PG)
    expected_PG = scale * advantages_PG if is_linear else advantages_PG
    # The values are not equal exactly, because eps in a divisor does not scale.
    torch.testing.assert_close(scaled, expected_PG, atol=1e-9, rtol=1e-4)


@given(batches(), st.sampled_from(SAFE))
def test_safe_baselines_never_reward_a_failure(batch: tuple[Tensor, Tensor], baseline: str) -> None:
    rewards_PG, lengths_PG = batch
    assert not bool(((advantages(rewards_PG, baseline, lengths_PG=lengths_PG) > 0) & (rewards_PG < 0)).any())


@pytest.mark.parametrize("baseline", [name for name in WITH_LEVELS if name not in SAFE])
def test_other_baselines_reward_a_failure(baseline: str) -> None:
    failed = torch.tensor([[-1.0] * 7 + [-0.25]])
    assert float(advantages(failed, baseline, lengths_PG=torch.ones(1, 8))[0, 7]) > 0


@given(
    batches(levels=(-1.0, 1.0)),
    st.sampled_from([name for name in WITH_LEVELS if name != "reinforce_plus_plus_baseline"]),
)
def test_no_baseline_within_the_group_rewards_a_failure_of_binary_rewards(
    batch: tuple[Tensor, Tensor], baseline: str
) -> None:
    rewards_PG, lengths_PG = batch
    assert not bool(((advantages(rewards_PG, baseline, lengths_PG=lengths_PG) > 0) & (rewards_PG < 0)).any())


def test_whitening_over_tokens_rewards_failures_of_binary_rewards() -> None:
    rewards_PG, lengths_PG = torch.tensor([[-1.0, -1.0], [-1.0, 1.0]]), torch.tensor([[1, 1], [9, 1]])
    assert bool(
        (advantages(rewards_PG, "reinforce_plus_plus_baseline", lengths_PG=lengths_PG)[0] > 0).all()
    ), "a group without a success"


def test_baselines_that_count_successes_ignore_levels() -> None:
    levels, binary = torch.tensor([[0.1, 0.3, 0.5, 0.7, 0.9]]), torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]])
    for baseline in BY_SUCCESS:  # 0.7 in float32 is below 0.7
        assert torch.equal(
            advantages(levels, baseline, threshold=0.7), advantages(binary, baseline, threshold=1.0)
        ), baseline


def test_unsuitable_input_is_refused_in_one_line() -> None:
    cases = [
        (lambda: advantages(MIXED, "opo"), "lengths_PG"),
        (lambda: advantages(MIXED, "opo", lengths_PG=LENGTHS[:, :2]), "lengths_PG"),
        (lambda: advantages(MIXED, "opo", lengths_PG=torch.zeros(1, 4)), "at least 1"),
        (lambda: check_baseline("opo", {"lengths_PG": 1}), "no option 'lengths_PG'"),
        (lambda: check_baseline("rloo", {}, group_size=1), "group size 1"),
        (lambda: check_baseline("pass_at_k", {"k": 8}, group_size=4), "k 8"),
        (lambda: check_baseline("pass_at_k", {"k": 4}, group_size=4), "all advantages are 0"),
        (lambda: check_baseline("maxrl", {}, group_size=1), "group size 1"),
        (lambda: advantages(MIXED.bfloat16(), "static"), "bfloat16"),
        (lambda: check_baseline("quantile", {"share": 0.0}, group_size=4), "share 0"),
        (lambda: check_baseline("grpo", {"std": True, "ddof": 4}, group_size=4), "ddof 4"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_every_baseline_choice_of_the_command_line_gives_advantages() -> None:
    choices = sorted(path.stem for path in (ROOT / "conf/baseline").glob("*.yaml"))
    assert len(choices) >= 12
    for choice in choices:
        config = load_config([f"baseline={choice}"])
        advantages_PG = advantages(
            MIXED.repeat(1, 2),
            config.baseline.name,
            threshold=0.0,
            lengths_PG=LENGTHS.repeat(1, 2),
            **config.baseline.options,
        )
        assert bool(advantages_PG.isfinite().all()), choice
    assert set(BASELINES) <= set(choices)
    dr_grpo = load_config(["baseline=dr_grpo"])
    assert (dr_grpo.baseline.name, dr_grpo.baseline.options, dr_grpo.train.loss.aggregation) == (
        "grpo",
        {},
        "constant",
    )
    assert load_config(["baseline=rloo"]).train.loss.aggregation == "token_sum"


def test_explicit_default_option_gives_the_same_run() -> None:
    key = {
        choice: train_stage(load_config(choice.split())).key
        for choice in ("baseline=quantile", "baseline.name=quantile", "baseline.name=ngrpo")
    }
    assert key["baseline=quantile"] == key["baseline.name=quantile"] != key["baseline.name=ngrpo"]
    assert (
        train_stage(load_config(["baseline=quantile", "baseline.options.share=0.5"])).key
        != key["baseline=quantile"]
    )
    assert non_default_options("grpo", {"std": True, "ddof": 1, "eps": 1e-6}) == {"std": True}
    assert non_default_options("quantile", {"std": False, "share": 0.4}) == {"std": False}


def test_baselines_that_need_lengths() -> None:
    assert [name for name in BASELINES if needs_lengths(name)] == ["reinforce_plus_plus_baseline", "opo"]
