"""Intervals: clustered bootstrap for means and paired differences, Wilson for proportions. Local generators only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


def clustered_bootstrap(values: Sequence[float], clusters: Sequence[object], draws: int = 2000, seed: int = 0, level: float = 0.95) -> Interval:
    """Mean of `values` with a percentile interval that resamples whole clusters (a problem with its pairs and their two orders)."""
    means = _resampled_means(np.asarray(values, dtype=float), clusters, draws, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean(values)), float(low), float(high))


def paired_difference(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[object], draws: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[Interval, float]:
    """Mean of first - second over the same items, its clustered interval, and a two-sided bootstrap p value."""
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    interval = clustered_bootstrap(list(difference), clusters, draws, seed, level)
    means = _resampled_means(difference, clusters, draws, seed)
    p = 2 * min((1 + np.sum(means <= 0)) / (draws + 1), (1 + np.sum(means >= 0)) / (draws + 1))
    return interval, float(min(1.0, p))


def _resampled_means(values: np.ndarray, clusters: Sequence[object], draws: int, seed: int) -> np.ndarray:
    if len(values) == 0 or len(values) != len(clusters):
        raise ValueError(f"{len(values)} values for {len(clusters)} cluster names: need one each, and at least one")
    _, index = np.unique(np.asarray([str(cluster) for cluster in clusters]), return_inverse=True)
    sums, counts = np.bincount(index, weights=values), np.bincount(index)
    picks = np.random.default_rng(seed).integers(0, len(sums), size=(draws, len(sums)))
    return sums[picks].sum(axis=1) / counts[picks].sum(axis=1)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval for a proportion. Raises ValueError unless 0 <= successes <= n and n > 0."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} successes of {n}")
    z = norm.ppf((1 + level) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(share, float(centre - half), float(centre + half))
