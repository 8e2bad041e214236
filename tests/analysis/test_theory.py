"""The theory against enumeration, against simulation, and against its own closed forms.

U possible sums of G - 1 rewards.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from corpo.analysis import theory
from corpo.analysis.theory import (
    BASELINES,
    Variation,
    dependence,
    earned_levels,
    effective_reward,
    expected_advantage_stats,
    joint,
    make_levels,
    pass_rate_with_mean,
    predictions,
    spread,
)
from corpo.baselines import advantage_stats, advantages
from corpo.task import OrdinalReward
from tests.command import ROOT

TEN = OrdinalReward(10)
VALUES, SHARES = [-1.0, -0.6, -0.2, 0.4], [Fraction(3, 10), Fraction(1, 10), Fraction(2, 5), Fraction(1, 5)]
SKEWED = make_levels(VALUES, SHARES, 0.2)


def _table_of_earned_levels() -> list[list[str]]:
    """Return the cells of the table in docs/explanation/theory.md, one row per number of levels."""
    text = (ROOT / "docs/explanation/theory.md").read_text(encoding="utf-8")
    section = text.partition("## Which levels are earned")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if re.match(r"\| \d", line)]
    return [re.split(r"\s*\|\s*", row.strip("| ")) for row in rows]


@pytest.mark.parametrize("row", _table_of_earned_levels(), ids=lambda row: row[0])
def test_earned_levels_are_those_of_the_page(row: list[str]) -> None:
    reward = OrdinalReward(int(row[0]))
    failures, successes = earned_levels(reward)
    missing = sorted({*reward.failures, *reward.successes} - {*failures, *successes})
    for cell, levels in zip(row[1:], (failures, successes, missing), strict=True):
        assert cell == (", ".join(f"{round(level, 2):g}" for level in levels) or "none")


def test_least_success_is_the_one_that_the_pages_name() -> None:
    reward = min(earned_levels(TEN)[1])
    for page in ("theory", "concepts"):
        text = " ".join((ROOT / f"docs/explanation/{page}.md").read_text(encoding="utf-8").split())
        assert f"least success earns {reward:g}" in text or f"the advantage {reward:g}" in text


def _ten(pass_rate: float) -> theory.Levels:
    return spread(TEN.failures, TEN.successes, pass_rate, TEN.threshold)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("group", [2, 4])
def test_expectations_are_those_of_all_possible_groups(baseline: str, group: int) -> None:
    total: dict[str, float] = {}
    for members in product(range(4), repeat=group):
        weight = math.prod(float(SHARES[member]) for member in members)
        rewards_PG = torch.tensor([[VALUES[member] for member in members]], dtype=torch.float64)
        for key, value in advantage_stats(
            rewards_PG, advantages(rewards_PG, baseline, threshold=0.2), 0.2
        ).items():
            total[key] = total.get(key, 0.0) + weight * value
    expected = expected_advantage_stats(SKEWED, baseline, group)
    for key in (key for key in expected if "ratio" not in key and key != "failed_positive_fraction"):
        assert expected[key] == pytest.approx(total[key], abs=1e-12), key
    failed = total["positive_count_failed"] / (group * (1 - total["pass_rate"]))
    assert expected["failed_positive_fraction"] == pytest.approx(failed, abs=1e-12)
    assert expected["count_ratio"] == pytest.approx(
        total["positive_count"] / total["negative_count"], abs=1e-12
    )


@pytest.mark.parametrize("concentration", [None, 3.0])
@pytest.mark.parametrize("baseline", BASELINES)
def test_expectations_are_what_sampling_measures(baseline: str, concentration: float | None) -> None:
    rng, groups = np.random.default_rng(0), 40_000
    q_L = np.array(SHARES, dtype=float)
    q_PL = (
        np.broadcast_to(q_L, (groups, 4))
        if concentration is None
        else rng.dirichlet(concentration * q_L, groups)
    )
    index_PG = (rng.random((groups, 8, 1)) > q_PL.cumsum(1)[:, None, :-1]).sum(-1)
    rewards_PG = torch.tensor(np.array(VALUES)[index_PG])
    measured = advantage_stats(rewards_PG, advantages(rewards_PG, baseline, threshold=0.2), 0.2)
    one_dirichlet = (
        None if concentration is None else Variation(concentration, 0.8 * concentration, 0.2 * concentration)
    )
    for key, value in expected_advantage_stats(SKEWED, baseline, 8, one_dirichlet).items():
        per = groups if "_count" in key or "_sum" in key else 1
        assert measured[key] / per == pytest.approx(value, abs=0.02, rel=0.03, nan_ok=True), key


def test_two_rollouts_in_closed_form() -> None:
    failures = np.array([Fraction(3, 8), Fraction(1, 8), Fraction(1, 2)])  # SHARES among failures
    expected = Fraction(4, 5) * (1 - (failures**2).sum()) / 2
    assert expected_advantage_stats(SKEWED, "grpo", 2)["failed_positive_fraction"] == float(expected)
    sums_U, p_LU = joint(SKEWED, 2)
    rewarded = p_LU[(SKEWED.steps_L[:, None] > sums_U) & SKEWED.failed_L[:, None]].sum()
    assert rewarded / Fraction(4, 5) == expected, "exact with exact shares"


@pytest.mark.parametrize("group", [2, 5, 16, 64])
def test_one_level_of_failure_is_safe_and_two_are_not(group: int) -> None:
    for rate in (Fraction(1, 100), Fraction(99, 100)):
        assert (
            expected_advantage_stats(
                make_levels([-1, 0.5, 1], [1 - rate, rate / 2, rate / 2], 0), "grpo", group
            )["failed_positive_fraction"]
            == 0
        )
        assert (
            expected_advantage_stats(
                make_levels([-1, -0.5, 1], [(1 - rate) / 2, (1 - rate) / 2, rate], 0), "grpo", group
            )["failed_positive_fraction"]
            > 0
        )
        for baseline in ("static", "corpo", "corpo_loo"):
            assert (
                expected_advantage_stats(spread(TEN.failures, TEN.successes, rate, 0), baseline, group)[
                    "failed_positive_fraction"
                ]
                == 0
            )


def test_the_flaw_shrinks_as_the_pass_rate_grows() -> None:
    shares = [
        expected_advantage_stats(_ten(rate), "grpo", 16)["failed_positive_fraction"]
        for rate in np.linspace(0, 0.98, 15)
    ]
    assert all(later <= earlier for earlier, later in pairwise(shares))
    assert 0.4 < shares[0] < 0.5, "evenly spread failures: those above their own mean, less the ties"


def test_failed_positive_share_in_large_groups_approaches_its_limit() -> None:
    for levels in (_ten(0.1), _ten(0.25), SKEWED):
        exact = {
            group: expected_advantage_stats(theory.as_floats(levels), "grpo", group)[
                "failed_positive_fraction"
            ]
            for group in (16, 512)
        }
        assert theory.failed_positive_normal(levels, 16) == pytest.approx(exact[16], abs=0.02)
        assert theory.failed_positive_limit(levels) == pytest.approx(exact[512], abs=0.06)
    # Failures have the mean -0.6 and successes 0.6: the mean passes -0.2, the best failure, at a third.
    assert pass_rate_with_mean(_ten(0.3), -0.2) == pytest.approx(1 / 3)
    assert theory.failed_positive_limit(_ten(0.34)) == 0
    assert expected_advantage_stats(_ten(0.6), "grpo", 512)["failed_positive_fraction"] < 1e-9


def test_the_clip_switches_where_the_mean_passes_the_threshold() -> None:
    turning = pass_rate_with_mean(_ten(0.3), 0.0)
    assert turning == pytest.approx(0.5)
    active = [
        expected_advantage_stats(_ten(rate), "corpo", 16)["clip_active_fraction"]
        for rate in (0.2, turning, 0.8)
    ]
    assert active[0] > 0.99
    assert active[1] == pytest.approx(0.5, abs=0.03)  # half, less half of the ties
    assert active[2] < 0.01
    for rate in (0.3, 0.45, 0.6):
        assert theory.clip_active_normal(_ten(rate), 16) == pytest.approx(
            expected_advantage_stats(_ten(rate), "corpo", 16)["clip_active_fraction"], abs=0.04
        )


@pytest.mark.parametrize("baseline", BASELINES)
def test_the_expected_gradient_is_that_of_the_effective_reward(baseline: str) -> None:
    logits = torch.tensor([0.3, -0.8, 0.5, 0.1], dtype=torch.float64)
    q_L = torch.softmax(logits, 0)
    scores = torch.eye(4, dtype=torch.float64) - q_L  # grad log q_v, by v
    gradient = torch.zeros(4, dtype=torch.float64)
    for members in product(range(4), repeat=3):
        index = torch.tensor(members)
        rewards_PG = torch.tensor(VALUES, dtype=torch.float64)[index][None]
        advantages_G = advantages(rewards_PG, baseline, threshold=0.2)[0]
        gradient += q_L[index].prod() * (advantages_G[:, None] * scores[index]).mean(0)
    jacobian = torch.diag(q_L) - torch.outer(q_L, q_L)  # d q_v / d logit
    levels = make_levels(VALUES, q_L.tolist(), 0.2)
    torch.testing.assert_close(
        jacobian @ torch.tensor(effective_reward(levels, baseline, 3)), gradient, atol=1e-12, rtol=0
    )
    true = jacobian @ torch.tensor(VALUES, dtype=torch.float64)
    if baseline == "corpo":
        assert not torch.allclose(gradient, true)
        assert not torch.allclose(gradient, 2 / 3 * true)
    else:
        torch.testing.assert_close(gradient, 2 / 3 * true if baseline == "grpo" else true, atol=1e-12, rtol=0)


@pytest.mark.parametrize("group", [2, 16])
def test_corpo_distorts_rewards_by_at_most_one_over_g(group: int) -> None:
    values_L = np.array([float(step * SKEWED.unit) for step in SKEWED.steps_L])
    h_L = effective_reward(theory.as_floats(SKEWED), "corpo", group)
    slopes = np.diff(h_L) / np.diff(values_L)
    assert bool((slopes >= 1 - 1 / group - 1e-12).all())
    assert bool((slopes <= 1 + 1e-12).all())
    mean = (np.array(SHARES, dtype=float) * h_L).sum()
    assert mean < 0, "E[A] is negative: the clipped baseline never lies below the mean"


def test_prompts_that_hardly_differ_are_alike() -> None:
    for key, value in expected_advantage_stats(SKEWED, "corpo", 6, Variation(1e7, 1e7, 1e7)).items():
        assert value == pytest.approx(
            expected_advantage_stats(SKEWED, "corpo", 6)[key], abs=1e-5, nan_ok=True
        ), key


def test_how_much_prompts_differ_is_found_again() -> None:
    rng, variation = np.random.default_rng(1), Variation(1.5, 20.0, 6.0)
    levels = _ten(0.4)
    counts_PL = np.stack(
        [rng.multinomial(16, q_L) for q_L in theory.draw_prompts(levels, variation, (3000,), rng)]
    )
    assert theory.fit_variation(counts_PL, levels.failed_L) == pytest.approx(variation, rel=0.15)


def test_predictions_cover_what_is_measured_where_prompts_differ() -> None:
    rng = np.random.default_rng(2)
    values_L = np.array([*TEN.failures, *TEN.successes])
    rewards = {}
    for step in range(40):
        q_PL = theory.draw_prompts(_ten(0.4), Variation(1.5, 20.0, 20.0), (32,), rng)
        rewards[step] = values_L[(rng.random((32, 16, 1)) > q_PL.cumsum(1)[:, None, :-1]).sum(-1)]
    predicted = predictions(rewards, 0.0, draws=200)
    for batch_prediction in predicted:
        batch = torch.tensor(rewards[batch_prediction.step])
        assert batch_prediction.measured == pytest.approx(
            advantage_stats(batch, advantages(batch, "grpo"), 0.0)["failed_positive_fraction"]
        )
    assert np.mean([batch.low <= batch.measured <= batch.high for batch in predicted]) >= 0.9
    assert abs(np.mean([batch.if_prompts_vary - batch.measured for batch in predicted])) < 0.02
    assert np.mean([batch.if_prompts_equal - batch.measured for batch in predicted]) < -0.04, (
        "pooling prompts that differ hides part of the flaw"
    )


def test_dependence_of_failures_on_the_pass_rate_is_found() -> None:
    rng = np.random.default_rng(0)
    passed_PG = rng.random((400, 16)) < rng.uniform(0.2, 0.8, (400, 1))
    near_P1 = rng.random((400, 1))  # how many failures of a prompt are near misses
    for chance_P1, expected in ((near_P1, 0.0), (passed_PG.mean(axis=1, keepdims=True), 0.7)):
        failures_PG = np.where(rng.random((400, 16)) < chance_P1, -0.2, -1.0)
        assert dependence(np.where(passed_PG, 1.0, failures_PG), 0.0) == pytest.approx(expected, abs=0.15)
    by_hand = np.array(
        [[1.0, -1.0, -0.8, -0.6], [1.0, 1.0, -0.2, -0.4], [1.0, 1.0, 1.0, -0.6], [1.0] * 4, [-1.0] * 4]
    )
    assert dependence(by_hand, 0.0) == pytest.approx(np.corrcoef([0.25, 0.5, 0.75], [-0.8, -0.3, -0.6])[0, 1])
    assert math.isnan(dependence(np.ones((3, 4)), 0.0))


def test_what_is_kept_of_a_batch_is_not_predicted() -> None:
    rng = np.random.default_rng(5)
    values_L = np.array([*TEN.failures, *TEN.successes])
    kept, measured = [], []
    for step in range(40):
        q_PL = theory.draw_prompts(_ten(0.4), Variation(1.5, 5.0, 20.0), (32,), rng)
        rewards_PG = values_L[(rng.random((32, 16, 1)) > q_PL.cumsum(1)[:, None, :-1]).sum(-1)]
        kept.append(theory.partly_drawn(rewards_PG, 0.0, draws=20, seed=step))
        measured.append(predictions({0: rewards_PG}, 0.0, draws=1)[0].measured)
    assert np.mean(kept, axis=0) == pytest.approx(np.full(2, np.mean(measured)), abs=0.01), (
        "the laws are right here"
    )
    # With one level of success, everything is known once the levels of failures are kept. Failures are worst
    # where most rollouts fail, so drawn levels are rewarded more often.
    dependent = np.array([[-1.0] * 12 + [1.0] * 4, [-0.2] * 4 + [1.0] * 12] * 8)
    numbers, levels = theory.partly_drawn(dependent, 0.0)
    assert levels == predictions({0: dependent}, 0.0, draws=1)[0].measured == 0
    assert numbers > 0
    assert all(map(math.isnan, theory.partly_drawn(np.ones((2, 4)), 0.0)))


def test_a_batch_of_one_level_has_nothing_to_predict() -> None:
    [passed] = predictions({3: np.full((4, 8), 1.0)}, 0.0)
    assert math.isnan(passed.measured)
    assert math.isnan(passed.if_prompts_vary)
    [failed] = predictions({3: np.full((4, 8), -1.0)}, 0.0)
    assert (failed.measured, failed.if_prompts_vary, failed.high) == (0, 0, 0)


def test_what_cannot_be_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="no unit"):
        make_levels([0.0, 0.123, math.pi / 7], [0.5, 0.25, 0.25], 0.1)
    with pytest.raises(ValueError, match=r"sum to 0\.9"):
        make_levels([0.0, 1.0], [0.4, 0.5], 0.5)
    with pytest.raises(ValueError, match="group size 1"):
        joint(SKEWED, 1)
