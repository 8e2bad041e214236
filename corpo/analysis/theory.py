"""Exact and asymptotic theory of advantages; `docs/explanation/theory.md` has the proofs.

The G rewards of a prompt are independent draws from levels v with probabilities q_v; with a `Variation` these
probabilities differ between prompts. Under the baselines in `BASELINES`, the advantage of a rollout depends
on its own reward and on the sum of the other rewards, so everything follows from the distribution of that
sum. Levels are integers in some unit: signs are those of exact arithmetic, and with `fractions.Fraction` as
probabilities all values are exact, too.

Shape letters beside those of CONTRIBUTING.md: U possible sums of G - 1 rewards, B batches drawn from a fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import betaln, gammaln
from scipy.stats import norm

from corpo.task import Reward, Verdict
from corpo.task.response import SCORE_MAX

MAX_DENOMINATOR = 1000  # of rewards as fractions
MAX_STEPS = 2000  # from the lowest to the highest reward, in units
CONCENTRATIONS = (0.1, 1e4)  # the range of the fit: prompts hardly share a level, or prompts are all alike
TINY = np.finfo(float).tiny  # avoids a division by zero


class Variation(NamedTuple):
    """The variation between prompts, as concentrations of Beta and Dirichlet distributions.

    Large concentrations mean that prompts are alike. Three things vary independently: the pass rate of a
    prompt, the shares of the levels among its failures, and the shares of the levels among its successes. One
    Dirichlet distribution over all levels with concentration a is the special case (a, a (1 - p), a p).
    """

    pass_rate: float
    failures: float
    successes: float


@dataclass(frozen=True)
class Levels:
    """A distribution of rewards. Rewards and the threshold are integer multiples of `unit`."""

    steps_L: np.ndarray  # int64, ascending
    probabilities_L: np.ndarray  # float64, or Fractions
    threshold: int  # R_min_correct
    unit: Fraction

    @property
    def failed_L(self) -> np.ndarray:
        """The levels (L,) that are failures, as truth values."""
        return self.steps_L < self.threshold

    @property
    def pass_rate(self) -> Any:
        """The probability of a success; a Fraction if the probabilities are Fractions."""
        return self.probabilities_L[~self.failed_L].sum()

    @property
    def mean(self) -> float:
        """The mean reward."""
        return float(self.unit) * float((self.probabilities_L * self.steps_L).sum())

    @property
    def deviation(self) -> float:
        """The standard deviation of the reward."""
        centred_L = self.steps_L * float(self.unit) - self.mean
        return math.sqrt(float((self.probabilities_L * centred_L**2).sum()))


def make_levels(values: Sequence[float], probabilities: Sequence[Any], threshold: float) -> Levels:
    """Return the levels with these rewards and probabilities; `threshold` is R_min_correct.

    Rewards may be rounded, such as 0.6667 for 2/3. Raises ValueError if rewards are not multiples of a common
    unit or if probabilities do not sum to 1.
    """
    order = np.argsort(values)
    parts = [Fraction(float(values[index])).limit_denominator(MAX_DENOMINATOR) for index in order]
    limit = Fraction(float(threshold)).limit_denominator(MAX_DENOMINATOR)
    finest = math.lcm(*(part.denominator for part in [*parts, limit]))
    common = math.gcd(*(int(part * finest) for part in [*parts, limit])) or 1
    unit = Fraction(common, finest)
    if parts[-1] - parts[0] > MAX_STEPS * unit:
        raise ValueError(
            f"rewards from {values[order[0]]:g} to {values[order[-1]]:g}: "
            f"no unit of at least 1/{MAX_STEPS} of that range fits them all"
        )
    steps_L = np.array([int(part / unit) for part in parts])
    chosen = [probabilities[index] for index in order]
    probabilities_L = np.array(chosen, dtype=object if isinstance(chosen[0], Fraction) else np.float64)
    if abs(float(probabilities_L.sum()) - 1) > 1e-9:
        raise ValueError(f"probabilities sum to {float(probabilities_L.sum()):g}; they must sum to 1")
    return Levels(steps_L, probabilities_L, int(limit / unit), unit)


def earned_levels(reward: Reward) -> tuple[list[float], list[float]]:
    """Return the rewards of all failures, and of all successes, of responses with whole scores, ascending."""
    earned = set()
    scores = range(int(SCORE_MAX) + 1)
    for label_a, label_b, score_a, score_b in product((False, True), (False, True), scores, scores):
        earned.add(reward(Verdict(score_a, score_b), (label_a, label_b)))
    failures = sorted(value for value in earned if value < reward.threshold)
    successes = sorted(value for value in earned if value >= reward.threshold)
    return failures, successes


def spread(failures: Sequence[float], successes: Sequence[float], pass_rate: Any, threshold: float) -> Levels:
    """Return levels with failures and successes spread evenly; exact if `pass_rate` is a Fraction."""
    probabilities = [(1 - pass_rate) / len(failures)] * len(failures) + [pass_rate / len(successes)] * len(
        successes
    )
    return make_levels([*failures, *successes], probabilities, threshold)


def pooled(rewards_PG: np.ndarray, threshold: float) -> Levels:
    """Return the levels of a batch with their exact shares."""
    values, counts = np.unique(rewards_PG, return_counts=True)
    return make_levels(
        values.tolist(), [Fraction(int(count), rewards_PG.size) for count in counts], threshold
    )


def as_floats(levels: Levels) -> Levels:
    """Return the levels with floating-point probabilities."""
    return Levels(levels.steps_L, levels.probabilities_L.astype(np.float64), levels.threshold, levels.unit)


# --- the sum of the other rewards ---


def joint(levels: Levels, group: int, variation: Variation | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the possible sums (U,) of the other G - 1 rewards, in units, and joint probabilities (L, U).

    Entry (v, u) is the probability that a rollout has level v and the others have sum u. Raises ValueError
    for a group of fewer than two.
    """
    if group < 2:
        raise ValueError(f"group size {group}: needs at least 2")
    width = int(levels.steps_L[-1] - levels.steps_L[0]) * (group - 1) + 1
    sums_U = np.arange(width) + int(levels.steps_L[0]) * (group - 1)
    if variation is None:
        single = np.zeros(int(levels.steps_L[-1] - levels.steps_L[0]) + 1, dtype=levels.probabilities_L.dtype)
        single[levels.steps_L - levels.steps_L[0]] = levels.probabilities_L
        return sums_U, levels.probabilities_L[:, None] * _power(single, group - 1)
    rows = []
    for own in range(len(levels.steps_L)):
        rows.append(_varied_sum(as_floats(levels), own, group - 1, variation, width))
    return sums_U, np.stack(rows)


def _power(single: np.ndarray, exponent: int) -> np.ndarray:
    """Return the distribution of the sum of `exponent` draws from `single`, by repeated squaring."""
    if exponent == 1:
        return single
    half = _power(single, exponent // 2)
    whole = np.convolve(half, half)
    return np.convolve(whole, single) if exponent % 2 else whole


def _varied_sum(levels: Levels, own: int, count: int, variation: Variation, width: int) -> np.ndarray:
    """Return the probabilities (U,) of level `own` and of each sum of `count` more draws of the same prompt.

    After a draw of level `own` the prompt follows the same distributions with 1 added to that level. The
    number of failures among the other draws is beta-binomial; the levels of failures and of successes are
    Dirichlet-multinomial.
    """
    failed_L, offsets_L = levels.failed_L, levels.steps_L - levels.steps_L[0]
    tables, sides = [], []
    for concentration, which_L in ((variation.failures, failed_L), (variation.successes, ~failed_L)):
        q_L = levels.probabilities_L[which_L]
        alpha_L = concentration * q_L / max(q_L.sum(), TINY) + (np.flatnonzero(which_L) == own)
        tables.append(_draws_and_sums(alpha_L, offsets_L[which_L], count, width))
        sides.append(variation.pass_rate * q_L.sum() + float(which_L[own]))
    total_U = np.zeros(width)
    for failures in range(count + 1):
        chance = _beta_binomial(failures, count, *sides)
        if chance:
            total_U += chance * np.convolve(tables[0][failures], tables[1][count - failures])[:width]
    return levels.probabilities_L[own] * total_U


def _beta_binomial(failures: int, count: int, failing: float, passing: float) -> float:
    if not failing or not passing:
        return float(failures == (count if failing else 0))
    ways = math.comb(count, failures)
    return ways * math.exp(betaln(failing + failures, passing + count - failures) - betaln(failing, passing))


def _draws_and_sums(alpha_L: np.ndarray, offsets_L: np.ndarray, count: int, width: int) -> np.ndarray:
    """Return a table whose row n is the distribution (U,) of the sum of n Dirichlet-multinomial draws.

    Rows are zero if there is no level. The weights are a product over levels, C(a_v + n - 1, n) for n draws
    of level v, so levels are added one by one.
    """
    table = np.zeros((count + 1, width))
    table[0, 0] = 1.0
    draws = np.arange(count + 1)
    for alpha, offset in zip(alpha_L, offsets_L, strict=True):
        if alpha == 0:
            continue
        weights = np.exp(gammaln(alpha + draws) - gammaln(alpha) - gammaln(draws + 1))
        grown = table.copy()
        for n in range(1, count + 1):
            grown[n:, n * offset :] += weights[n] * table[: count + 1 - n, : width - n * offset]
        table = grown
    return table / np.maximum(table.sum(axis=1, keepdims=True), TINY)


def _all_alike(levels: Levels, group: int, variation: Variation | None) -> np.ndarray:
    """Return the probability (L,) that the whole group has one level."""
    if variation is None:
        return levels.probabilities_L**group
    q_L, failed_L = levels.probabilities_L.astype(float), levels.failed_L
    side_L = np.where(failed_L, q_L[failed_L].sum(), q_L[~failed_L].sum())
    within_L = np.where(failed_L, variation.failures, variation.successes)
    chance_L = np.ones(len(q_L))
    for n in range(group):
        chance_L *= (variation.pass_rate * side_L + n) / (variation.pass_rate + n)
        chance_L *= (within_L * q_L / np.maximum(side_L, TINY) + n) / (within_L + n)
    return chance_L


# --- exact advantages ---

# Arguments: own reward r, sum s of the other rewards, group size g and threshold t, in units.
# The result is the numerator and the denominator of the advantage.
Exact = Callable[[np.ndarray, np.ndarray, int, int], tuple[np.ndarray, int]]
BASELINES: dict[str, Exact] = {
    "grpo": lambda r, s, g, t: (g * r - (r + s), g),
    "static": lambda r, s, g, t: (r - t + 0 * s, 1),
    "corpo": lambda r, s, g, t: (g * r - np.maximum(r + s, g * t), g),
    "rloo": lambda r, s, g, t: ((g - 1) * r - s, g - 1),
    "corpo_loo": lambda r, s, g, t: ((g - 1) * r - np.maximum(s, (g - 1) * t), g - 1),
}


def expected_advantage_stats(
    levels: Levels, baseline: str, group: int, variation: Variation | None = None
) -> dict[str, float]:
    """Return expectations of the statistics of `corpo.baselines.advantage_stats`, under the same names.

    Counts and sums are per group. Ratios and shares are those of expectations.
    """
    sums_U, p_LU = joint(levels, group, variation)
    numerator_LU, denominator = BASELINES[baseline](levels.steps_L[:, None], sums_U, group, levels.threshold)
    scale = levels.unit / denominator
    failed_L1 = levels.failed_L[:, None]
    above_L = BASELINES[baseline](levels.steps_L, (group - 1) * levels.steps_L, group, levels.threshold)[0]
    out = {
        "reward_mean": levels.mean,
        "pass_rate": float(levels.pass_rate),
        "failed_positive_fraction": _ratio(
            p_LU[(numerator_LU > 0) & failed_L1].sum(), p_LU[levels.failed_L].sum()
        ),
        "clip_active_fraction": float(
            p_LU[levels.steps_L[:, None] + sums_U < group * levels.threshold].sum()
        ),
        "zero_advantage_fraction": float(_all_alike(levels, group, variation)[above_L == 0].sum()),
    }
    for suffix, chosen_L1 in (
        ("", np.ones_like(failed_L1)),
        ("_correct", ~failed_L1),
        ("_failed", failed_L1),
    ):
        up_LU, down_LU = (numerator_LU > 0) & chosen_L1, (numerator_LU < 0) & chosen_L1
        up, down = group * p_LU[up_LU].sum(), group * p_LU[down_LU].sum()
        up_sum = group * scale * abs((p_LU[up_LU] * numerator_LU[up_LU]).sum())
        down_sum = group * scale * abs((p_LU[down_LU] * numerator_LU[down_LU]).sum())
        out |= {
            f"positive_count{suffix}": float(up),
            f"negative_count{suffix}": float(down),
            f"count_ratio{suffix}": _ratio(up, down),
            f"positive_sum{suffix}": float(up_sum),
            f"negative_sum{suffix}": float(down_sum),
            f"sum_ratio{suffix}": _ratio(up_sum, down_sum),
        }
    return out


def _ratio(numerator: Any, denominator: Any) -> float:
    return float(numerator / denominator) if denominator else math.nan


def effective_reward(levels: Levels, baseline: str, group: int) -> np.ndarray:
    """Return the expected advantage h_v = E[A | R = v] of each level, (L,).

    The expected policy gradient is that of the reward h, the sum over v of h_v grad q_v. The values are
    Fractions if the probabilities are.
    """
    sums_U, p_LU = joint(levels, group)
    numerator_LU, denominator = BASELINES[baseline](levels.steps_L[:, None], sums_U, group, levels.threshold)
    unit = levels.unit if levels.probabilities_L.dtype == object else float(levels.unit)
    return (p_LU * numerator_LU).sum(axis=1) * unit / denominator / levels.probabilities_L


# --- large groups ---


def failed_positive_limit(levels: Levels) -> float:
    """Return the limit of the share of rewarded failures for large G: the failures above the mean reward.

    A level exactly at the mean counts half, because its sign is then random.
    """
    values_L, q_L = levels.steps_L * float(levels.unit), levels.probabilities_L.astype(float)
    share_L = np.where(np.isclose(values_L, levels.mean), 0.5, values_L > levels.mean)
    return float((q_L * share_L)[levels.failed_L].sum() / q_L[levels.failed_L].sum())


def failed_positive_normal(levels: Levels, group: int) -> float:
    """Return the share of rewarded failures by a normal approximation for the sum of the other rewards.

    The continuity correction is half a lattice step.
    """
    n = group - 1
    q_L = levels.probabilities_L.astype(float)
    # The span of the lattice on which the sums lie.
    span = math.gcd(*(int(step - levels.steps_L[0]) for step in levels.steps_L[q_L > 0])) * float(levels.unit)
    gap_L = n * (levels.steps_L * float(levels.unit) - levels.mean) - span / 2
    share_L = norm.cdf(gap_L / (levels.deviation * math.sqrt(n)))
    return float((q_L * share_L)[levels.failed_L].sum() / q_L[levels.failed_L].sum())


def clip_active_normal(levels: Levels, group: int) -> float:
    """Return the probability that the group mean is below R_min_correct, by a normal approximation.

    The transition is sigma / sqrt(G) wide.
    """
    return float(
        norm.cdf((levels.threshold * float(levels.unit) - levels.mean) * math.sqrt(group) / levels.deviation)
    )


def pass_rate_with_mean(levels: Levels, mean: float) -> float:
    """Return the pass rate at which the mean reward would be `mean`.

    Levels keep their shares within failures and within successes. With R_min_correct as the mean, this is
    where CoRPO switches to preference; with the best failure's reward, it is where large groups stop
    rewarding failures.
    """
    values_L, q_L = levels.steps_L * float(levels.unit), levels.probabilities_L.astype(float)
    failed_L = levels.failed_L
    low = float((q_L * values_L)[failed_L].sum() / q_L[failed_L].sum())
    high = float((q_L * values_L)[~failed_L].sum() / q_L[~failed_L].sum())
    return (mean - low) / (high - low)


# --- predictions for measured batches ---


def fit_concentration(counts_PL: np.ndarray) -> float:
    """Return the maximum-likelihood concentration of a Dirichlet-multinomial with the pooled shares as means.

    `counts_PL` counts the rollouts of each prompt at each level. The range is `CONCENTRATIONS`; with a single
    level the concentration has no effect, and its largest value is returned.
    """
    counts_PL = counts_PL[:, counts_PL.sum(axis=0) > 0]
    if counts_PL.shape[1] < 2:
        return CONCENTRATIONS[1]
    means_L, group_P = counts_PL.sum(axis=0) / counts_PL.sum(), counts_PL.sum(axis=1)

    def negative_log_likelihood(log_concentration: float) -> float:
        total = math.exp(log_concentration)
        rising = gammaln(total * means_L + counts_PL) - gammaln(total * means_L)
        return float((gammaln(total + group_P) - gammaln(total)).sum() - rising.sum())

    low, high = map(math.log, CONCENTRATIONS)
    return math.exp(minimize_scalar(negative_log_likelihood, bounds=(low, high), method="bounded").x)


def fit_variation(counts_PL: np.ndarray, failed_L: np.ndarray) -> Variation:
    """Fit each of the three concentrations separately, because the likelihood is their product."""
    failures_PL, successes_PL = counts_PL[:, failed_L], counts_PL[:, ~failed_L]
    outcomes_P2 = np.stack([failures_PL.sum(axis=1), successes_PL.sum(axis=1)], axis=1)
    return Variation(
        fit_concentration(outcomes_P2), fit_concentration(failures_PL), fit_concentration(successes_PL)
    )


@dataclass(frozen=True)
class Prediction:
    """The share of failed rollouts that the group mean rewards in one batch, measured and predicted."""

    step: int
    measured: float  # NaN without a failure
    if_prompts_equal: float  # predicted if all prompts had the pooled distribution
    if_prompts_vary: float  # predicted if prompts differ as fitted
    low: float  # 95% of the batches of this size that are drawn from the fit lie between low and high
    high: float
    variation: Variation


def predictions(
    rewards: Mapping[int, np.ndarray], threshold: float, draws: int = 200, seed: int = 0
) -> list[Prediction]:
    """Return one prediction per step, from the rewards (P, G) by step.

    The shares of the levels and the variation between prompts are taken from each batch. How levels combine
    into groups is predicted.
    """
    results = []
    for step in sorted(rewards):
        rng = np.random.default_rng([seed, step])
        results.append(_predict(step, rewards[step], threshold, draws, rng))
    return results


def _predict(
    step: int, rewards_PG: np.ndarray, threshold: float, draws: int, rng: np.random.Generator
) -> Prediction:
    levels, index_PG, variation = _fitted(rewards_PG, threshold)
    prompts, group = rewards_PG.shape
    q_BPL = draw_prompts(levels, variation, (draws, prompts), rng)
    index_BPG = (rng.random((draws, prompts, group, 1)) > q_BPL.cumsum(axis=-1)[:, :, None, :-1]).sum(axis=-1)
    shares_B = _failed_positive(levels, index_BPG)
    known_B = ~np.isnan(shares_B)
    low, high = math.nan, math.nan
    if known_B.any():
        low, high = np.quantile(shares_B[known_B], [0.025, 0.975])
    return Prediction(
        step=step,
        measured=float(_failed_positive(levels, index_PG[None])[0]),
        if_prompts_equal=expected_advantage_stats(levels, "grpo", group)["failed_positive_fraction"],
        if_prompts_vary=expected_advantage_stats(levels, "grpo", group, variation)[
            "failed_positive_fraction"
        ],
        low=float(low),
        high=float(high),
        variation=variation,
    )


def _fitted(rewards_PG: np.ndarray, threshold: float) -> tuple[Levels, np.ndarray, Variation]:
    """Return the levels of a batch, the level of each rollout (P, G), and the fitted variation."""
    levels = as_floats(pooled(rewards_PG, threshold))
    index_PG = np.unique(rewards_PG, return_inverse=True)[1].reshape(rewards_PG.shape)
    counts_PL = (index_PG[:, :, None] == np.arange(len(levels.steps_L))).sum(axis=1)
    return levels, index_PG, fit_variation(counts_PL, levels.failed_L)


def partly_drawn(
    rewards_PG: np.ndarray, threshold: float, draws: int = 50, seed: int = 0
) -> tuple[float, float]:
    """Return predictions that keep a part of the batch and draw the rest from the fit.

    The first keeps the number of failures of each group; the second also keeps their levels. Compared with
    the plain prediction, they show which fitted distribution is wrong: that of the pass rates, that of the
    levels of failures or, if neither explains the error, that of the levels of successes. Both are NaN
    without a failure.
    """
    levels, index_PG, variation = _fitted(rewards_PG, threshold)
    failed_PG, rng = levels.failed_L[index_PG], np.random.default_rng(seed)
    if not failed_PG.any():
        return math.nan, math.nan
    size = (draws, *rewards_PG.shape)
    drawn = {}
    for failed, which_L, concentration in (
        (True, levels.failed_L, variation.failures),
        (False, ~levels.failed_L, variation.successes),
    ):
        if which_L.any():
            shares_BPL = _shares(levels, which_L, concentration, size[:2], rng)
            index_BPG = (rng.random((*size, 1)) > shares_BPL.cumsum(axis=-1)[:, :, None, :-1]).sum(axis=-1)
            drawn[failed] = np.flatnonzero(which_L)[index_BPG]
    successes_BPG = drawn.get(False, index_PG[None])
    with_drawn_levels_B = _failed_positive(levels, np.where(failed_PG, drawn[True], successes_BPG))
    with_own_levels_B = _failed_positive(levels, np.where(failed_PG, index_PG, successes_BPG))
    return float(with_drawn_levels_B.mean()), float(with_own_levels_B.mean())


def _shares(
    levels: Levels, which_L: np.ndarray, concentration: float, size: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Draw the shares of the levels within failures or within successes, for prompts that vary."""
    q_L = levels.probabilities_L.astype(float)[which_L]
    return rng.dirichlet(concentration * q_L / q_L.sum(), size)


def dependence(rewards_PG: np.ndarray, threshold: float) -> float:
    """Return the correlation over prompts of the pass rate with the mean reward of failures.

    `Variation` assumes that it is 0. The result is NaN if either is the same for all prompts.
    """
    failed_PG = rewards_PG < threshold
    mixed_P = failed_PG.any(axis=1) & ~failed_PG.all(axis=1)
    if not mixed_P.any():
        return math.nan
    passed_P = (~failed_PG).mean(axis=1)[mixed_P]
    level_P = np.ma.masked_where(~failed_PG, rewards_PG).mean(axis=1)[mixed_P]
    if not np.ptp(passed_P) or not np.ptp(level_P):
        return math.nan
    return float(np.corrcoef(passed_P, level_P)[0, 1])


def draw_prompts(
    levels: Levels, variation: Variation, size: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Draw the level probabilities (*size, L) of prompts that vary."""
    q_L, failed_L = levels.probabilities_L.astype(float), levels.failed_L
    probabilities = np.zeros((*size, len(q_L)))
    failing = q_L[failed_L].sum()
    chance = (
        rng.beta(variation.pass_rate * failing, variation.pass_rate * (1 - failing), size)
        if 0 < failing < 1
        else np.full(size, failing)
    )
    for which_L, concentration, side in (
        (failed_L, variation.failures, chance),
        (~failed_L, variation.successes, 1 - chance),
    ):
        if which_L.any():
            probabilities[..., which_L] = side[..., None] * _shares(levels, which_L, concentration, size, rng)
    return probabilities


def _failed_positive(levels: Levels, index_BPG: np.ndarray) -> np.ndarray:
    """Return the share of rewarded failures of each batch (B,); NaN if nothing failed."""
    steps_BPG = levels.steps_L[index_BPG]
    failed_BPG = steps_BPG < levels.threshold
    positive_BPG = steps_BPG.shape[2] * steps_BPG > steps_BPG.sum(axis=2, keepdims=True)
    failed_B = failed_BPG.sum(axis=(1, 2))
    return np.where(
        failed_B, (positive_BPG & failed_BPG).sum(axis=(1, 2)) / np.maximum(failed_B, 1), math.nan
    )
