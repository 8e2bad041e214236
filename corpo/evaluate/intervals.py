"""Confidence intervals.

There is a clustered bootstrap for means and paired differences, Wilson's interval for proportions, and t
intervals for means over seeds, and over seeds and problems. Random numbers come from local generators.

Shape letters beside those of CONTRIBUTING.md: C clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct, norm, t

# With fewer seeds Satterthwaite's degrees of freedom are too many: in a simulation, 95% intervals of two
# seeds covered 88%.
FEW_SEEDS = 5


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


class Estimate(NamedTuple):
    """A mean with its standard error and degrees of freedom."""

    mean: float
    error: float  # NaN if it cannot be estimated, such as from a single seed
    df: float

    def interval(self, level: float = 0.95) -> Interval:
        """Return the two-sided t interval."""
        reach = float(t.ppf((1 + level) / 2, self.df)) * self.error
        return Interval(self.mean, self.mean - reach, self.mean + reach)

    def detectable(self, level: float = 0.95, power: float = 0.8) -> float:
        """Return the smallest true effect that a two-sided test detects with this power.

        It is computed with the noncentral t distribution.
        """
        critical = t.ppf((1 + level) / 2, self.df)

        def missing_power(shift: float) -> float:
            return float(power - nct.sf(critical, self.df, shift))

        return float(brentq(missing_power, 0, 2 * critical + 50)) * self.error

    def provable(self, level: float = 0.95, power: float = 0.8) -> float:
        """Return the smallest margin that contains the interval with this power if there is no effect."""
        return float((t.ppf((1 + level) / 2, self.df) + t.ppf((1 + power) / 2, self.df)) * self.error)


def over_seeds(values: Sequence[float] | np.ndarray) -> Estimate:
    """Estimate the mean of one value per seed; the error of a single seed is NaN."""
    values_K = np.asarray(values, dtype=float)
    num_seeds = len(values_K)
    error = float(values_K.std(ddof=1) / np.sqrt(num_seeds)) if num_seeds > 1 else float("nan")
    return Estimate(float(values_K.mean()), error, max(num_seeds - 1, 1))


def over_seeds_and_problems(
    values_KN: np.ndarray, strata: Sequence[object], clusters: Sequence[object]
) -> Estimate:
    """Estimate the mean over strata of items measured with every seed, for new seeds and new problems.

    `strata` and `clusters` name the stratum (a split) and the cluster (a problem) of each item. Each stratum
    has the same weight. The variance is the sum of two: that of the means of the seeds, and that of the
    clusters around their stratum. Both contain the interaction, which is therefore counted twice, so the
    estimate is slightly conservative. Degrees of freedom are Satterthwaite's; with fewer than `FEW_SEEDS`
    seeds they are at most those of the seeds. The idea of two-way clustering is that of Cameron, Gelbach and
    Miller (2011).
    """
    stratum_N, cluster_N = _indices(strata), _indices(clusters)
    sizes = np.bincount(stratum_N)
    weights_N = 1 / (len(sizes) * sizes[stratum_N])
    seeds = over_seeds(values_KN @ weights_N)
    mean_N = values_KN.mean(0)
    centre = np.bincount(stratum_N, weights=mean_N) / sizes
    num_clusters = int(cluster_N.max()) + 1
    sums_C = np.bincount(cluster_N, weights=weights_N * (mean_N - centre[stratum_N]))
    by_problem = float("nan")
    if num_clusters > 1:
        by_problem = num_clusters / (num_clusters - 1) * float((sums_C**2).sum())
    by_seed = seeds.error**2
    variance = by_seed + by_problem
    df = seeds.df
    if variance > 0:
        df = variance**2 / (by_seed**2 / seeds.df + by_problem**2 / (num_clusters - 1))
    if len(values_KN) < FEW_SEEDS:
        df = min(df, seeds.df)
    return Estimate(seeds.mean, float(np.sqrt(variance)), float(df))


def _indices(names: Sequence[object]) -> np.ndarray:
    """Return the index (N,) of each name among the sorted distinct names."""
    return np.unique(np.asarray([str(name) for name in names]), return_inverse=True)[1]
