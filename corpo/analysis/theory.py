"""What a baseline does to rewards of several levels, computed instead of sampled; `docs/theory.md` has the proofs.

A prompt's G rewards are independent draws from levels v with probabilities q_v; with a `Variation` these differ between prompts. Under the baselines
here, `BASELINES`, a rollout's advantage depends on its own reward and the sum of the others', so everything follows from the distribution of
that sum. Levels are integers in some unit: signs are those of exact arithmetic, and with `fractions.Fraction` as probabilities so are all
values. L levels, M possible sums of G - 1 rewards, P prompts, G rollouts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import betaln, gammaln
from scipy.stats import norm

LARGEST_DENOMINATOR, MOST_STEPS = (
    1000,
    2000,
)  # of rewards as fractions, and from the lowest to the highest in units
CONCENTRATIONS = (0.1, 1e4)  # searched: prompts that hardly share a level, and prompts that are all alike


class Variation(NamedTuple):
    """How much prompts differ, as concentrations of Beta and Dirichlet distributions: large where prompts are alike.

    A prompt's pass rate, its failures' shares of the levels of failure, and its successes' of those of success vary independently. One Dirichlet
    distribution over all levels, of concentration a, is the special case (a, a (1 - p), a p).
    """

    pass_rate: float
    failures: float
    successes: float


@dataclass(frozen=True)
class Levels:
    """A distribution of rewards. Rewards and threshold are `unit` times an integer."""

    steps_L: np.ndarray  # int64, ascending
    probabilities_L: np.ndarray  # float64, or Fractions
    threshold: int  # R_min_correct
    unit: Fraction

    @property
    def failed_L(self) -> np.ndarray:
        return self.steps_L < self.threshold

    @property
    def pass_rate(self) -> Any:
        return self.probabilities_L[~self.failed_L].sum()

    @property
    def mean(self) -> float:
        return float(self.unit) * float((self.probabilities_L * self.steps_L).sum())

    @property
    def deviation(self) -> float:
        centred_L = self.steps_L * float(self.unit) - self.mean
        return math.sqrt(float((self.probabilities_L * centred_L**2).sum()))


def make_levels(values: Sequence[float], probabilities: Sequence[Any], threshold: float) -> Levels:
    """Levels from rewards, such as 0.2 or 0.6667 for 2/3, their probabilities, and R_min_correct.

    Raises ValueError for rewards that are not multiples of a common unit, and for probabilities that do not sum to 1.
    """
    order = np.argsort(values)
    parts = [Fraction(float(values[at])).limit_denominator(LARGEST_DENOMINATOR) for at in order]
    limit = Fraction(float(threshold)).limit_denominator(LARGEST_DENOMINATOR)
    finest = math.lcm(*(part.denominator for part in [*parts, limit]))
    common = math.gcd(*(int(part * finest) for part in [*parts, limit])) or 1
    unit = Fraction(common, finest)
    if parts[-1] - parts[0] > MOST_STEPS * unit:
        raise ValueError(
            f"rewards from {values[order[0]]:g} to {values[order[-1]]:g}: no unit of at least 1/{MOST_STEPS} of that range fits them all"
        )
    steps_L = np.array([int(part / unit) for part in parts])
    chosen = [probabilities[at] for at in order]
    probabilities_L = np.array(chosen, dtype=object if isinstance(chosen[0], Fraction) else np.float64)
    if abs(float(probabilities_L.sum()) - 1) > 1e-9:
        raise ValueError(f"probabilities sum to {float(probabilities_L.sum()):g}; they must sum to 1")
    return Levels(steps_L, probabilities_L, int(limit / unit), unit)


def spread(failures: Sequence[float], successes: Sequence[float], pass_rate: Any, threshold: float) -> Levels:
    """Failures and successes each spread evenly over their levels; exact where `pass_rate` is a Fraction."""
    probabilities = [(1 - pass_rate) / len(failures)] * len(failures) + [pass_rate / len(successes)] * len(
        successes
    )
    return make_levels([*failures, *successes], probabilities, threshold)


def pooled(rewards_PG: np.ndarray, threshold: float) -> Levels:
    """The levels of a batch with their exact shares."""
    values, counts = np.unique(rewards_PG, return_counts=True)
    return make_levels(
        values.tolist(), [Fraction(int(count), rewards_PG.size) for count in counts], threshold
    )


def as_floats(levels: Levels) -> Levels:
    return Levels(levels.steps_L, levels.probabilities_L.astype(np.float64), levels.threshold, levels.unit)


# --- the sum of the others ----------------------------------------------------------------------------------------------


def joint(levels: Levels, group: int, variation: Variation | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The sums that the other G - 1 rewards can have, in units (M,), and the probability of each with each own level, (L, M)."""
    if group < 2:
        raise ValueError(f"group size {group}: needs at least 2")
    width = int(levels.steps_L[-1] - levels.steps_L[0]) * (group - 1) + 1
    sums_M = np.arange(width) + int(levels.steps_L[0]) * (group - 1)
    if variation is None:
        one = np.zeros(int(levels.steps_L[-1] - levels.steps_L[0]) + 1, dtype=levels.probabilities_L.dtype)
        one[levels.steps_L - levels.steps_L[0]] = levels.probabilities_L
        return sums_M, levels.probabilities_L[:, None] * _power(one, group - 1)
    return sums_M, np.stack(
        [
            _varied_sum(as_floats(levels), own, group - 1, variation, width)
            for own in range(len(levels.steps_L))
        ]
    )


def _power(one: np.ndarray, exponent: int) -> np.ndarray:
    """The distribution of the sum of `exponent` draws, by repeated squaring."""
    if exponent == 1:
        return one
    half = _power(one, exponent // 2)
    whole = np.convolve(half, half)
    return np.convolve(whole, one) if exponent % 2 else whole


def _varied_sum(levels: Levels, own: int, count: int, variation: Variation, width: int) -> np.ndarray:
    """Probability (M,) of level `own` once and each sum of `count` more draws of the same prompt.

    A prompt that has given a level once follows the same laws with 1 more in its place: how many of the others fail is beta-binomial, and the levels of
    failures and of successes are Dirichlet-multinomial.
    """
    failed_L, offsets_L = levels.failed_L, levels.steps_L - levels.steps_L[0]
    tables, sides = [], []
    for concentration, which_L in ((variation.failures, failed_L), (variation.successes, ~failed_L)):
        q_L = levels.probabilities_L[which_L]
        alpha_L = concentration * q_L / max(q_L.sum(), np.finfo(float).tiny) + (
            np.flatnonzero(which_L) == own
        )
        tables.append(_draws_and_sums(alpha_L, offsets_L[which_L], count, width))
        sides.append(variation.pass_rate * q_L.sum() + float(which_L[own]))
    total_M = np.zeros(width)
    for failures in range(count + 1):
        chance = _beta_binomial(failures, count, *sides)
        if chance:
            total_M += chance * np.convolve(tables[0][failures], tables[1][count - failures])[:width]
    return levels.probabilities_L[own] * total_M


def _beta_binomial(failures: int, count: int, failing: float, passing: float) -> float:
    if not failing or not passing:
        return float(failures == (count if failing else 0))
    ways = math.comb(count, failures)
    return ways * math.exp(betaln(failing + failures, passing + count - failures) - betaln(failing, passing))


def _draws_and_sums(alpha_L: np.ndarray, offsets_L: np.ndarray, count: int, width: int) -> np.ndarray:
    """Row n is the distribution (M,) of the sum of n draws that are Dirichlet-multinomial; rows of nothing where there is no level.

    Their weights are a product over levels, C(a_v + n - 1, n) for n draws of level v, so levels are added one by one.
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
    return table / np.maximum(table.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def _all_alike(levels: Levels, group: int, variation: Variation | None) -> np.ndarray:
    """Probability (L,) that the whole group has one level."""
    if variation is None:
        return levels.probabilities_L**group
    q_L, failed_L = levels.probabilities_L.astype(float), levels.failed_L
    side_L = np.where(failed_L, q_L[failed_L].sum(), q_L[~failed_L].sum())
    within_L = np.where(failed_L, variation.failures, variation.successes)
    chance_L = np.ones(len(q_L))
    for n in range(group):
        chance_L *= (variation.pass_rate * side_L + n) / (variation.pass_rate + n)
        chance_L *= (within_L * q_L / np.maximum(side_L, np.finfo(float).tiny) + n) / (within_L + n)
    return chance_L


# --- advantages, exactly ------------------------------------------------------------------------------------------------

# Of own reward r, sum s of the others, group size and threshold: the advantage's numerator and denominator, in units.
Exact = Callable[[np.ndarray, np.ndarray, int, int], tuple[np.ndarray, int]]
BASELINES: dict[str, Exact] = {
    "grpo": lambda r, s, g, t: (g * r - (r + s), g),
    "static": lambda r, s, g, t: (r - t + 0 * s, 1),
    "corpo": lambda r, s, g, t: (g * r - np.maximum(r + s, g * t), g),
    "rloo": lambda r, s, g, t: ((g - 1) * r - s, g - 1),
    "corpo_loo": lambda r, s, g, t: ((g - 1) * r - np.maximum(s, (g - 1) * t), g - 1),
}


def expected_signal(
    levels: Levels, baseline: str, group: int, variation: Variation | None = None
) -> dict[str, float]:
    """What `corpo.baselines.signal` measures, expected: by the same names, counts and sums per group, ratios and shares of expectations."""
    sums_M, p_LM = joint(levels, group, variation)
    numerator_LM, denominator = BASELINES[baseline](levels.steps_L[:, None], sums_M, group, levels.threshold)
    scale = levels.unit / denominator
    failed_L1 = levels.failed_L[:, None]
    ratio = lambda a, b: float(a / b) if b else math.nan
    above_L = BASELINES[baseline](levels.steps_L, (group - 1) * levels.steps_L, group, levels.threshold)[0]
    out = {
        "reward_mean": levels.mean,
        "pass_rate": float(levels.pass_rate),
        "failed_positive_fraction": ratio(
            p_LM[(numerator_LM > 0) & failed_L1].sum(), p_LM[levels.failed_L].sum()
        ),
        "clip_active_fraction": float(
            p_LM[levels.steps_L[:, None] + sums_M < group * levels.threshold].sum()
        ),
        "zero_advantage_fraction": float(_all_alike(levels, group, variation)[above_L == 0].sum()),
    }
    for suffix, chosen_L1 in (
        ("", np.ones_like(failed_L1)),
        ("_correct", ~failed_L1),
        ("_failed", failed_L1),
    ):
        up_LM, down_LM = (numerator_LM > 0) & chosen_L1, (numerator_LM < 0) & chosen_L1
        up, down = group * p_LM[up_LM].sum(), group * p_LM[down_LM].sum()
        up_sum, down_sum = (
            group * scale * abs((p_LM[where] * numerator_LM[where]).sum()) for where in (up_LM, down_LM)
        )
        out |= {
            f"positive_count{suffix}": float(up),
            f"negative_count{suffix}": float(down),
            f"count_ratio{suffix}": ratio(up, down),
            f"positive_sum{suffix}": float(up_sum),
            f"negative_sum{suffix}": float(down_sum),
            f"sum_ratio{suffix}": ratio(up_sum, down_sum),
        }
    return out


def effective_reward(levels: Levels, baseline: str, group: int) -> np.ndarray:
    """h_v = E[A | R = v], (L,): the expected policy gradient is that of the reward h, sum over v of h_v grad q_v; Fractions where q are."""
    sums_M, p_LM = joint(levels, group)
    numerator_LM, denominator = BASELINES[baseline](levels.steps_L[:, None], sums_M, group, levels.threshold)
    unit = levels.unit if levels.probabilities_L.dtype == object else float(levels.unit)
    return (p_LM * numerator_LM).sum(axis=1) * unit / denominator / levels.probabilities_L


# --- large groups -------------------------------------------------------------------------------------------------------


def failed_positive_limit(levels: Levels) -> float:
    """As G grows: the share of failures above the mean reward (one exactly at the mean counts half, as its sign tosses a coin)."""
    values_L, q_L = levels.steps_L * float(levels.unit), levels.probabilities_L.astype(float)
    share_L = np.where(np.isclose(values_L, levels.mean), 0.5, values_L > levels.mean)
    return float((q_L * share_L)[levels.failed_L].sum() / q_L[levels.failed_L].sum())


def failed_positive_normal(levels: Levels, group: int) -> float:
    """The central limit for the sum of the others, with half a lattice step as continuity correction."""
    n = group - 1
    q_L = levels.probabilities_L.astype(float)
    # The span of the lattice on which the sums lie.
    span = math.gcd(*(int(step - levels.steps_L[0]) for step in levels.steps_L[q_L > 0])) * float(levels.unit)
    gap_L = n * (levels.steps_L * float(levels.unit) - levels.mean) - span / 2
    share_L = norm.cdf(gap_L / (levels.deviation * math.sqrt(n)))
    return float((q_L * share_L)[levels.failed_L].sum() / q_L[levels.failed_L].sum())


def clip_active_normal(levels: Levels, group: int) -> float:
    """The central limit for the probability that the group's mean is below R_min_correct: the switch is sigma / sqrt(G) wide."""
    return float(
        norm.cdf((levels.threshold * float(levels.unit) - levels.mean) * math.sqrt(group) / levels.deviation)
    )


def pass_rate_with_mean(levels: Levels, mean: float) -> float:
    """The pass rate at which the mean reward would be `mean`, levels within failures and within successes keeping their shares.

    With R_min_correct it is where CoRPO turns to preference; with the best failure's reward, where large groups stop rewarding failures.
    """
    values_L, q_L = levels.steps_L * float(levels.unit), levels.probabilities_L.astype(float)
    low, high = (
        float((q_L * values_L)[which].sum() / q_L[which].sum())
        for which in (levels.failed_L, ~levels.failed_L)
    )
    return (mean - low) / (high - low)


# --- predicted against measured -----------------------------------------------------------------------------------------


def fit_concentration(counts_PL: np.ndarray) -> float:
    """How alike prompts are: the Dirichlet-multinomial's concentration of most likelihood, its means at the pooled shares.

    `counts_PL` are rollouts of each prompt at each level. The range searched is `CONCENTRATIONS`; with one level it means nothing.
    """
    counts_PL = counts_PL[:, counts_PL.sum(axis=0) > 0]
    if counts_PL.shape[1] < 2:
        return CONCENTRATIONS[1]
    means_L, group_P = counts_PL.sum(axis=0) / counts_PL.sum(), counts_PL.sum(axis=1)

    def surprise(log_concentration: float) -> float:
        total = math.exp(log_concentration)
        rising = gammaln(total * means_L + counts_PL) - gammaln(total * means_L)
        return float((gammaln(total + group_P) - gammaln(total)).sum() - rising.sum())

    low, high = map(math.log, CONCENTRATIONS)
    return math.exp(minimize_scalar(surprise, bounds=(low, high), method="bounded").x)


def fit_variation(counts_PL: np.ndarray, failed_L: np.ndarray) -> Variation:
    """Each of the three by itself, for the likelihood is their product."""
    sides_P2 = np.stack([counts_PL[:, failed_L].sum(axis=1), counts_PL[:, ~failed_L].sum(axis=1)], axis=1)
    return Variation(
        *(fit_concentration(one) for one in (sides_P2, counts_PL[:, failed_L], counts_PL[:, ~failed_L]))
    )


@dataclass(frozen=True)
class Prediction:
    """The share of failed rollouts that the group mean rewards in one batch: measured, and from the batch's levels alone."""

    step: int
    measured: float  # nan without a failure
    alike: float  # predicted if all prompts had the pooled distribution
    varied: float  # predicted if prompts differ as the fit says
    low: float  # 95% of batches of this size drawn from that fit lie between
    high: float
    variation: Variation


def predictions(
    rewards: Mapping[int, np.ndarray], threshold: float, draws: int = 200, seed: int = 0
) -> list[Prediction]:
    """One a step, from rewards_PG by step. How levels meet in groups is predicted; the levels' shares and how much prompts differ are the batch's own."""
    return [
        _predict(step, rewards[step], threshold, draws, np.random.default_rng([seed, step]))
        for step in sorted(rewards)
    ]


def _predict(
    step: int, rewards_PG: np.ndarray, threshold: float, draws: int, rng: np.random.Generator
) -> Prediction:
    levels, index_PG, variation = _fitted(rewards_PG, threshold)
    prompts, group = rewards_PG.shape
    alike, varied = (
        expected_signal(levels, "grpo", group, one)["failed_positive_fraction"] for one in (None, variation)
    )
    q_DPL = draw_prompts(levels, variation, (draws, prompts), rng)
    drawn_DPG = (rng.random((draws, prompts, group, 1)) > q_DPL.cumsum(axis=-1)[:, :, None, :-1]).sum(axis=-1)
    shares_D = _failed_positive(levels, drawn_DPG)
    low, high = (
        np.quantile(shares_D[~np.isnan(shares_D)], [0.025, 0.975])
        if not np.isnan(shares_D).all()
        else (math.nan, math.nan)
    )
    return Prediction(
        step,
        float(_failed_positive(levels, index_PG[None])[0]),
        alike,
        varied,
        float(low),
        float(high),
        variation,
    )


def _fitted(rewards_PG: np.ndarray, threshold: float) -> tuple[Levels, np.ndarray, Variation]:
    """A batch's levels, the level of each rollout (P, G), and how much its prompts differ."""
    levels = as_floats(pooled(rewards_PG, threshold))
    index_PG = np.unique(rewards_PG, return_inverse=True)[1].reshape(rewards_PG.shape)
    counts_PL = (index_PG[:, :, None] == np.arange(len(levels.steps_L))).sum(axis=1)
    return levels, index_PG, fit_variation(counts_PL, levels.failed_L)


def partly_drawn(
    rewards_PG: np.ndarray, threshold: float, draws: int = 50, seed: int = 0
) -> tuple[float, float]:
    """The predicted share where a part of what happened is kept: how many of each group failed; that, and at which levels. The rest is drawn from the fit.

    What the first changes is the fault of the law of pass rates, what the second adds that of failures' levels, and what then is left that of
    successes' levels. nan without a failure.
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
            shares_DPL = _shares(levels, which_L, concentration, size[:2], rng)
            at_DPG = (rng.random((*size, 1)) > shares_DPL.cumsum(axis=-1)[:, :, None, :-1]).sum(axis=-1)
            drawn[failed] = np.flatnonzero(which_L)[at_DPG]
    successes_DPG = drawn.get(False, index_PG[None])
    of = lambda failures: float(_failed_positive(levels, np.where(failed_PG, failures, successes_DPG)).mean())
    return of(drawn[True]), of(index_PG)


def _shares(
    levels: Levels, which_L: np.ndarray, concentration: float, size: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Of prompts that differ so, the shares of the levels of one side, failures or successes."""
    q_L = levels.probabilities_L.astype(float)[which_L]
    return rng.dirichlet(concentration * q_L / q_L.sum(), size)


def dependence(rewards_PG: np.ndarray, threshold: float) -> float:
    """Correlation over prompts of the pass rate with the mean reward of failures, which `Variation` takes as 0; nan where either is the same for all."""
    failed_PG = rewards_PG < threshold
    mixed_P = failed_PG.any(axis=1) & ~failed_PG.all(axis=1)
    passed_P, level_P = (
        (~failed_PG).mean(axis=1)[mixed_P],
        np.ma.masked_where(~failed_PG, rewards_PG).mean(axis=1)[mixed_P],
    )
    return (
        float(np.corrcoef(passed_P, level_P)[0, 1])
        if mixed_P.any() and np.ptp(passed_P) and np.ptp(level_P)
        else math.nan
    )


def draw_prompts(
    levels: Levels, variation: Variation, size: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Level probabilities (*size, L) of prompts that differ so."""
    q_L, failed_L = levels.probabilities_L.astype(float), levels.failed_L
    drawn = np.zeros((*size, len(q_L)))
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
            drawn[..., which_L] = side[..., None] * _shares(levels, which_L, concentration, size, rng)
    return drawn


def _failed_positive(levels: Levels, index_DPG: np.ndarray) -> np.ndarray:
    """Of each of D batches (D,); nan where nothing failed."""
    steps_DPG = levels.steps_L[index_DPG]
    failed_DPG = steps_DPG < levels.threshold
    positive_DPG = steps_DPG.shape[2] * steps_DPG > steps_DPG.sum(axis=2, keepdims=True)
    failed_D = failed_DPG.sum(axis=(1, 2))
    return np.where(
        failed_D, (positive_DPG & failed_DPG).sum(axis=(1, 2)) / np.maximum(failed_D, 1), math.nan
    )
