"""Confidence intervals.

There is a clustered bootstrap for means and paired differences, Wilson's interval for proportions, and
intervals for means over seeds, and over seeds and problems. `docs/tools/coverage.py` measures how
often the latter cover the truth. Random numbers come from local generators.

Shape letters beside those of CONTRIBUTING.md: C clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

FEW_SEEDS = 5  # with fewer seeds, pages show the value of each seed instead of an interval
_QUANTILES = 60  # per variance, in the average over the intervals that equal studies would have


class Interval(NamedTuple):
    """A mean with the ends of its interval."""

    mean: float
    low: float
    high: float


def clustered_bootstrap(
    values: Sequence[float], clusters: Sequence[object], draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Return the mean of `values` with a percentile interval that resamples whole clusters.

    A cluster is usually a problem, with its pairs in both orders.
    """
    means = _resampled_means(np.asarray(values, dtype=float), clusters, draws, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean(values)), float(low), float(high))


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[object],
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Interval, float]:
    """Return the mean of first - second over the same items with its clustered interval, and a p value.

    The p value is that of a two-sided bootstrap test.
    """
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    interval = clustered_bootstrap(list(difference), clusters, draws, seed, level)
    means = _resampled_means(difference, clusters, draws, seed)
    p = 2 * min((1 + np.sum(means <= 0)) / (draws + 1), (1 + np.sum(means >= 0)) / (draws + 1))
    return interval, float(min(1.0, p))


def _resampled_means(values: np.ndarray, clusters: Sequence[object], draws: int, seed: int) -> np.ndarray:
    if len(values) == 0 or len(values) != len(clusters):
        raise ValueError(
            f"{len(values)} values for {len(clusters)} cluster names: need one each, and at least one"
        )
    _, index = np.unique(np.asarray([str(cluster) for cluster in clusters]), return_inverse=True)
    sums, counts = np.bincount(index, weights=values), np.bincount(index)
    picks = np.random.default_rng(seed).integers(0, len(sums), size=(draws, len(sums)))
    return sums[picks].sum(axis=1) / counts[picks].sum(axis=1)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval for a proportion.

    Raises ValueError unless 0 <= successes <= n and n > 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} successes of {n}")
    z = norm.ppf((1 + level) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(share, float(centre - half), float(centre + half))


class Variance(NamedTuple):
    """An estimated variance of a mean, with its degrees of freedom."""

    value: float  # NaN if it cannot be estimated, such as from a single seed
    df: float


@dataclass(frozen=True)
class Estimate:
    """A mean with the variances that add up to the square of its standard error.

    The interval is that of Cochran and Cox: the quantiles of t for the degrees of freedom of each variance,
    weighted by the variances. With a single variance it is the t interval.
    """

    mean: float
    variances: tuple[Variance, ...]
    by_seed: tuple[float, ...] = ()  # the value of each seed, in their order

    @property
    def error(self) -> float:
        """Return the standard error of the mean."""
        return float(np.sqrt(sum(variance.value for variance in self.variances)))

    def interval(self, level: float = 0.95) -> Interval:
        """Return the two-sided interval."""
        reach = float(_reach([np.array(value) for value, _ in self.variances], self._quantiles(level)))
        return Interval(self.mean, self.mean - reach, self.mean + reach)

    def detectable(self, level: float, smallest: float, above: float = 0.0, power: float = 0.8) -> float:
        """Return the true effect at which a claim holds with this probability.

        A claim holds if the estimate reaches `smallest` and the interval lies above `above`. Means of equal
        studies are normal with the standard error of this one; their variances follow chi-squared.
        """
        limits = np.maximum(smallest, above + self._reaches(level))

        def missing_power(effect: float) -> float:
            return float(power - norm.sf((limits - effect) / self.error).mean())

        return float(brentq(missing_power, limits.min() - 9 * self.error, limits.max() + 9 * self.error))

    def provable(self, level: float, power: float = 0.8) -> float:
        """Return the smallest margin that contains the interval with this power if there is no effect."""
        reaches = self._reaches(level)

        def missing_power(margin: float) -> float:
            inside = 2 * norm.cdf((margin - reaches) / self.error) - 1
            return float(power - np.maximum(inside, 0).mean())

        return float(brentq(missing_power, 0, reaches.max() + 9 * self.error))

    def _quantiles(self, level: float) -> list[float]:
        return [_t_quantile((1 + level) / 2, df) for _, df in self.variances]

    def _reaches(self, level: float) -> np.ndarray:
        """Return the half-widths of the intervals of equally likely studies like this one."""
        shares = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        variances = [value * chi2.ppf(shares, df) / df for value, df in self.variances]
        return _reach(list(np.meshgrid(*variances)), self._quantiles(level)).ravel()


@cache  # few different ones are needed, and each takes a while
def _t_quantile(share: float, df: float) -> float:
    return float(t.ppf(share, df))


def _reach(variances: Sequence[np.ndarray], quantiles: Sequence[float]) -> np.ndarray:
    """Return the half-width of the interval for variances of any shape, with a quantile of t for each."""
    total = sum(variances, start=np.zeros(()))
    weighted = sum(
        (value * quantile for value, quantile in zip(variances, quantiles, strict=True)), start=np.zeros(())
    )
    return np.divide(weighted, np.sqrt(total), out=np.zeros_like(total), where=total != 0)


def over_seeds(values: Sequence[float] | np.ndarray, groups: Sequence[object] = ()) -> Estimate:
    """Estimate the mean of one value per seed; the error of a single seed is NaN.

    `groups` names the warm start of each seed. Seeds that share one are not independent. The variance is
    estimated once as if they were, and once from the warm starts alone. The larger of the two is used, with
    its degrees of freedom.
    """
    values_K = np.asarray(values, dtype=float)
    num_seeds = len(values_K)
    mean = float(values_K.mean())
    variance = Variance(float("nan"), 1)
    if num_seeds > 1:
        variance = Variance(float(values_K.var(ddof=1) / num_seeds), num_seeds - 1)
    if 1 < len(set(groups)) < num_seeds:
        sums = np.bincount(_indices(groups), weights=values_K - mean)
        num_groups = len(sums)
        between = num_groups / (num_groups - 1) * float((sums**2).sum()) / num_seeds**2
        if between > variance.value:
            variance = Variance(between, num_groups - 1)
    return Estimate(mean, (variance,), tuple(values_K.tolist()))


def over_seeds_and_problems(
    values_KN: np.ndarray,
    strata: Sequence[object],
    clusters: Sequence[object],
    groups: Sequence[object] = (),
) -> Estimate:
    """Estimate the mean over strata of items measured with every seed, for new seeds and new problems.

    `strata` and `clusters` name the stratum (a split) and the cluster (a problem) of each item, and `groups`
    the warm start of each seed. Each stratum has the same weight. The variance is the sum of two: that of the
    seeds, and that of the clusters around their stratum. Both contain the interaction, which is therefore
    counted twice, so the estimate is slightly conservative. The idea of two-way clustering is that of
    Cameron, Gelbach and Miller (2011).
    """
    stratum_N, cluster_N = _indices(strata), _indices(clusters)
    sizes = np.bincount(stratum_N)
    weights_N = 1 / (len(sizes) * sizes[stratum_N])
    seeds = over_seeds(values_KN @ weights_N, groups)
    mean_N = values_KN.mean(0)
    centre = np.bincount(stratum_N, weights=mean_N) / sizes
    num_clusters = int(cluster_N.max()) + 1
    sums_C = np.bincount(cluster_N, weights=weights_N * (mean_N - centre[stratum_N]))
    by_problem = Variance(float("nan"), 1)
    if num_clusters > 1:
        variance = num_clusters / (num_clusters - 1) * float((sums_C**2).sum())
        by_problem = Variance(variance, num_clusters - 1)
    return Estimate(seeds.mean, (*seeds.variances, by_problem), seeds.by_seed)


def _indices(names: Sequence[object]) -> np.ndarray:
    """Return the index (N,) of each name among the sorted distinct names."""
    return np.unique(np.asarray([str(name) for name in names]), return_inverse=True)[1]
