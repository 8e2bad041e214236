"""Baselines of other papers: numbers worked by hand from their formulas, or by another way than the code's; what they share; whom they reward."""

from __future__ import annotations

from itertools import combinations, product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from corpo.baselines import BASELINES, advantages, check_baseline, needs_lengths, non_default_options
from corpo.cli.hydra_app import compose, validated
from corpo.pipeline.train import train_stage
from tests.command import ROOT

MIXED = torch.tensor([[-1.0, -0.5, 0.5, 1.0]], dtype=torch.float64)
LENGTHS = torch.tensor([[1, 2, 3, 4]])
LEVELS = (-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0)  # dyadic, so that shifts and scales are exact
OURS = (
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
    """Rewards and lengths of a few groups of at least 5."""
    prompts, group = draw(st.integers(1, 4)), draw(st.integers(5, 9))
    drawn = lambda values: draw(st.lists(values, min_size=prompts * group, max_size=prompts * group))
    rewards_PG = torch.tensor(drawn(st.sampled_from(levels)), dtype=torch.float64).view(prompts, group)
    return rewards_PG, torch.tensor(drawn(st.integers(1, 50))).view(prompts, group)


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("rloo", [-4 / 3, -2 / 3, 2 / 3, 4 / 3]),  # the others' means are 1/3, 1/6, -1/6, -1/3
        ("corpo_loo", [-4 / 3, -2 / 3, 0.5, 1.0]),  # and, clipped at 0, 1/3, 1/6, 0, 0
        ("opo", [-1.35, -0.85, 0.15, 0.65]),  # (-1 - 1 + 1.5 + 4) / 10 = 0.35
        (
            "quantile",
            [-0.547723, 0.0, 1.095445, 1.643168],
        ),  # 0.4 of 4 is reached by the second; the deviation is sqrt(2.5 / 3)
        ("maxrl", [-1.0, -1.0, 1.0, 1.0]),
        ("positive_only", [0.0, 0.0, 1.0, 1.0]),
        ("negative_only", [-1.0, -1.0, 0.0, 0.0]),
        ("weighted", [-1.0, -1.0, 0.1, 0.1]),
    ],
)
def test_numbers_worked_by_hand(baseline: str, expected: list[float]) -> None:
    found = advantages(MIXED, baseline, threshold=0.0, lengths_PG=LENGTHS)
    torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float64), atol=5e-6, rtol=0)


VERLS = torch.tensor(
    [[-1.0, -0.6, -0.2, 0.2], [0.6, -1.0, 1.0, -1.0], [-1.0, -1.0, -1.0, -0.2]], dtype=torch.float64
)
VERLS_LENGTHS = torch.tensor([[5, 3, 4, 2], [1, 6, 2, 8], [7, 4, 4, 1]])


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
def test_verls_own_numbers(baseline: str, expected: list[list[float]]) -> None:
    """Printed by the estimators of verl 0.9.1 for these rewards and lengths, in float64; test_verl asks verl itself."""
    found = advantages(VERLS, baseline, lengths_PG=VERLS_LENGTHS)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


def test_ngrpo_gives_the_numbers_that_its_paper_prints() -> None:
    one_of_eight = torch.tensor([[1.0] + [0.0] * 7])
    found = advantages(one_of_eight, "ngrpo", threshold=1.0)[0]
    grpo = advantages(one_of_eight, "grpo", std=True)[0]
    assert [round(float(x), 2) for x in (grpo[0], grpo[1], found[0], found[1])] == [2.47, -0.35, 1.76, -0.50]
    assert bool((advantages(torch.zeros(1, 8), "ngrpo", threshold=1.0) < 0).all()), (
        "groups that fail alike speak"
    )
    with pytest.raises(ValueError, match="largest reward"):
        advantages(torch.tensor([[0.0, 2.0]]), "ngrpo")
    for best in (0.1, 0.3, 0.6):  # in float32 above themselves
        assert bool(advantages(torch.tensor([[best, 0.0]]), "ngrpo", best=best).isfinite().all())


@pytest.mark.parametrize("group", [2, 3, 5])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_maxrl_follows_the_log_pass_rate_to_order_one_less_than_the_group(group: int, rate: float) -> None:
    """All groups, weighed by how likely they are: E[A | success] - E[A | failure] is the factor of the pass rate's gradient."""
    effective = {0.0: 0.0, 1.0: 0.0}
    for others in product((0.0, 1.0), repeat=group - 1):
        likely = rate ** sum(others) * (1 - rate) ** (group - 1 - sum(others))
        for mine in effective:
            effective[mine] += likely * float(
                advantages(torch.tensor([[mine, *others]], dtype=torch.float64), "maxrl", threshold=1.0)[0, 0]
            )
    assert effective[1.0] - effective[0.0] == pytest.approx(
        sum((1 - rate) ** power for power in range(group - 1))
    )


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("successes", range(7))
def test_pass_at_k_is_the_mean_over_all_subsets(k: int, successes: int) -> None:
    passed = [1.0] * successes + [0.0] * (6 - successes)
    subsets = list(combinations(range(6), k))
    best = torch.tensor([max(passed[i] for i in subset) for subset in subsets], dtype=torch.float64)
    of_subset = (best - best.mean()) / (best.std(correction=0) + 1e-12)
    expected = [
        float(torch.stack([a for a, subset in zip(of_subset, subsets, strict=True) if i in subset]).mean())
        for i in range(6)
    ]
    found = advantages(torch.tensor([passed], dtype=torch.float64), "pass_at_k", threshold=1.0, k=k)
    torch.testing.assert_close(found[0], torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=0)
    if k == 1:
        torch.testing.assert_close(
            found,
            advantages(torch.tensor([passed], dtype=torch.float64), "grpo", std=True, ddof=0, eps=1e-12),
            atol=1e-9,
            rtol=0,
        )


@given(batches())
def test_reinforce_plus_plus_whitens_over_the_tokens_of_the_batch(batch: tuple[Tensor, Tensor]) -> None:
    rewards_PG, lengths_PG = batch
    centred = (rewards_PG - rewards_PG.mean(1, keepdim=True)).flatten()
    tokens = torch.cat(
        [one.expand(int(length)) for one, length in zip(centred, lengths_PG.flatten(), strict=True)]
    )
    expected = (centred - tokens.mean()) * torch.rsqrt(tokens.var(correction=1) + 1e-8)
    found = advantages(rewards_PG, "reinforce_plus_plus_baseline", lengths_PG=lengths_PG)
    torch.testing.assert_close(found.flatten(), expected, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(("passed", "baseline"), [(6, 0.0), (7, 1.0)])
def test_quantile_rewards_rare_successes_or_punishes_rare_failures(passed: int, baseline: float) -> None:
    rewards_PG = torch.tensor([[1.0] * passed + [0.0] * (10 - passed)])
    found = advantages(rewards_PG, "quantile", threshold=1.0, share=0.4, std=False)
    assert torch.equal(found, rewards_PG - baseline), "b is 0 up to a pass rate of 1 - K, and 1 above"


@given(batches())
def test_leave_one_out(batch: tuple[Tensor, Tensor]) -> None:
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
def test_sums_that_vanish(batch: tuple[Tensor, Tensor], baseline: str) -> None:
    rewards_PG, lengths_PG = batch
    found = advantages(rewards_PG, baseline, lengths_PG=lengths_PG)
    weights_PG = lengths_PG if baseline == "opo" else torch.ones_like(lengths_PG)
    torch.testing.assert_close(
        (weights_PG * found).sum(1), torch.zeros(len(found), dtype=torch.float64), atol=1e-9, rtol=0
    )


@given(batches())
def test_equal_lengths_make_opo_grpo(batch: tuple[Tensor, Tensor]) -> None:
    rewards_PG, lengths_PG = batch
    torch.testing.assert_close(
        advantages(rewards_PG, "opo", lengths_PG=torch.full_like(lengths_PG, 7)),
        advantages(rewards_PG, "grpo"),
    )


@given(batches(), st.sampled_from([*OURS, *BY_SUCCESS]), st.randoms(use_true_random=False))
def test_order_is_irrelevant(batch: tuple[Tensor, Tensor], baseline: str, random) -> None:  # type: ignore[no-untyped-def]
    rewards_PG, lengths_PG = batch
    prompts = random.sample(range(rewards_PG.shape[0]), rewards_PG.shape[0])
    rollouts = random.sample(range(rewards_PG.shape[1]), rewards_PG.shape[1])
    found = advantages(rewards_PG, baseline, lengths_PG=lengths_PG)
    moved = advantages(
        rewards_PG[prompts][:, rollouts], baseline, lengths_PG=lengths_PG[prompts][:, rollouts]
    )
    torch.testing.assert_close(moved, found[prompts][:, rollouts], atol=1e-9, rtol=1e-9)


@given(batches(), st.sampled_from([*OURS, *BY_SUCCESS]), st.sampled_from([-2.0, 0.5, 4.0]))
def test_a_shift_of_rewards_and_threshold_changes_nothing(
    batch: tuple[Tensor, Tensor], baseline: str, shift: float
) -> None:
    rewards_PG, lengths_PG = batch
    here, there = ({"best": 1.0}, {"best": 1.0 + shift}) if baseline == "ngrpo" else ({}, {})
    found = advantages(rewards_PG, baseline, threshold=0.0, lengths_PG=lengths_PG, **here)
    torch.testing.assert_close(
        advantages(rewards_PG + shift, baseline, threshold=shift, lengths_PG=lengths_PG, **there),
        found,
        atol=1e-9,
        rtol=1e-9,
    )


@given(batches(), st.sampled_from([*OURS, *BY_SUCCESS]), st.sampled_from([0.5, 4.0]))
def test_a_scale_passes_through_or_vanishes(
    batch: tuple[Tensor, Tensor], baseline: str, scale: float
) -> None:
    rewards_PG, lengths_PG = batch
    best = {"best": scale} if baseline == "ngrpo" else {}
    scaled = advantages(scale * rewards_PG, baseline, threshold=0.0, lengths_PG=lengths_PG, **best)
    passes = baseline in ("grpo", "static", "corpo", "rloo", "corpo_loo", "opo")
    found = advantages(rewards_PG, baseline, threshold=0.0, lengths_PG=lengths_PG)
    torch.testing.assert_close(
        scaled, scale * found if passes else found, atol=1e-9, rtol=1e-4
    )  # the divisors' eps does not scale


@given(batches(), st.sampled_from(SAFE))
def test_these_never_reward_a_failure(batch: tuple[Tensor, Tensor], baseline: str) -> None:
    rewards_PG, lengths_PG = batch
    assert not bool(((advantages(rewards_PG, baseline, lengths_PG=lengths_PG) > 0) & (rewards_PG < 0)).any())


@pytest.mark.parametrize("baseline", [name for name in OURS if name not in SAFE])
def test_and_these_do(baseline: str) -> None:
    failed = torch.tensor([[-1.0] * 7 + [-0.25]])
    assert float(advantages(failed, baseline, lengths_PG=torch.ones(1, 8))[0, 7]) > 0


@given(
    batches(levels=(-1.0, 1.0)),
    st.sampled_from([name for name in OURS if name != "reinforce_plus_plus_baseline"]),
)
def test_binary_rewards_are_safe_with_any_baseline_within_the_group(
    batch: tuple[Tensor, Tensor], baseline: str
) -> None:
    rewards_PG, lengths_PG = batch
    assert not bool(((advantages(rewards_PG, baseline, lengths_PG=lengths_PG) > 0) & (rewards_PG < 0)).any())


def test_whitening_over_tokens_rewards_failures_even_of_binary_rewards() -> None:
    rewards_PG, lengths_PG = torch.tensor([[-1.0, -1.0], [-1.0, 1.0]]), torch.tensor([[1, 1], [9, 1]])
    assert bool(
        (advantages(rewards_PG, "reinforce_plus_plus_baseline", lengths_PG=lengths_PG)[0] > 0).all()
    ), "a group without a success"


def test_levels_do_not_matter_to_those_that_count_successes() -> None:
    levels, binary = torch.tensor([[0.1, 0.3, 0.5, 0.7, 0.9]]), torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]])
    for baseline in BY_SUCCESS:  # 0.7 in float32 is below 0.7
        assert torch.equal(
            advantages(levels, baseline, threshold=0.7), advantages(binary, baseline, threshold=1.0)
        ), baseline


def test_what_does_not_suit_a_baseline_is_refused_in_one_line() -> None:
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


def test_every_choice_of_the_command_line_gives_advantages() -> None:
    choices = sorted(path.stem for path in (ROOT / "conf/baseline").glob("*.yaml"))
    assert len(choices) >= 12
    for choice in choices:
        config = validated(compose([f"baseline={choice}"]))
        found = advantages(
            MIXED.repeat(1, 2),
            config.baseline.name,
            threshold=0.0,
            lengths_PG=LENGTHS.repeat(1, 2),
            **config.baseline.options,
        )
        assert bool(found.isfinite().all()), choice
    assert set(BASELINES) <= set(choices)
    dr_grpo = validated(compose(["baseline=dr_grpo"]))
    assert (dr_grpo.baseline.name, dr_grpo.baseline.options, dr_grpo.train.loss.aggregation) == (
        "grpo",
        {},
        "constant",
    )
    assert validated(compose(["baseline=rloo"])).train.loss.aggregation == "token_sum"


def test_a_default_that_is_spelled_out_is_the_same_run() -> None:
    key = {
        choice: train_stage(validated(compose(choice.split()))).key
        for choice in ("baseline=quantile", "baseline.name=quantile", "baseline.name=ngrpo")
    }
    assert key["baseline=quantile"] == key["baseline.name=quantile"] != key["baseline.name=ngrpo"]
    assert (
        train_stage(validated(compose(["baseline=quantile", "baseline.options.share=0.5"]))).key
        != key["baseline=quantile"]
    )
    assert non_default_options("grpo", {"std": True, "ddof": 1, "eps": 1e-6}) == {"std": True}
    assert non_default_options("quantile", {"std": False, "share": 0.4}) == {"std": False}


def test_which_need_lengths() -> None:
    assert [name for name in BASELINES if needs_lengths(name)] == ["reinforce_plus_plus_baseline", "opo"]
