"""Reanalysis of the published table: the counts that its percentages imply, with intervals, tests and power.

The paper gives percentages of pass@16, but no split sizes and no intervals (arXiv 2511.04439v1). The sizes
here are inferred: the smallest size at which all three percentages of a row are whole counts. Larger sizes
are possible (`possible_sizes`) and would make differences clearer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.stats import fisher_exact, nct, norm, t

from corpo.analysis.splits import PUBLISHED
from corpo.evaluate.intervals import Interval, wilson

REFERENCE, OTHERS = "grpo", ("static", "corpo")


@dataclass(frozen=True)
class Row:
    """A split of the published table."""

    split: str
    size: int
    counts: dict[str, int]  # problems solved, by baseline

    def interval(self, baseline: str) -> Interval:
        """Return Wilson's 95% interval of a baseline's share of solved problems."""
        return wilson(self.counts[baseline], self.size)

    def p_value(self, baseline: str) -> float:
        """Return the two-sided p value of Fisher's exact test against GRPO.

        The test treats the problems of the two methods as different ones, because the pairing is not
        published.
        """
        solved = [self.counts[baseline], self.counts[REFERENCE]]
        return float(fisher_exact([solved, [self.size - count for count in solved]]).pvalue)

    def points(self, baseline: str) -> float:
        """Return the difference from GRPO in percentage points."""
        return 100 * (self.counts[baseline] - self.counts[REFERENCE]) / self.size


def possible_sizes(percentages: Sequence[float], max_size: int = 500, ties: bool = True) -> list[int]:
    """Return every size up to `max_size` at which all percentages, printed to one decimal, are whole counts.

    With `ties`, a percentage half-way between two decimals may have been printed as either. The row of both
    correct requires this: 45 of 48, 93.75%, was printed as 93.7.
    """
    tolerance = 0.05 + (1e-9 if ties else -1e-9)
    sizes = []
    for size in range(1, max_size + 1):
        if all(_rounding_error(size, percent) <= tolerance for percent in percentages):
            sizes.append(size)
    return sizes


def _rounding_error(size: int, percent: float) -> float:
    """Return the distance of a percentage from that of the nearest whole count."""
    return abs(100 * round(size * percent / 100) / size - percent)


def row_of_size(split: str, size: int) -> Row:
    """Return a row of the published table with the counts that it has at a split size."""
    return Row(split, size, {name: round(size * percent / 100) for name, percent in PUBLISHED[split].items()})


def published_rows() -> list[Row]:
    """Return every row of the table at its smallest possible size."""
    rows = []
    for split, percentages in PUBLISHED.items():
        smallest_size = possible_sizes(list(percentages.values()))[0]
        rows.append(row_of_size(split, smallest_size))
    return rows


def problems_needed(first: float, second: float, power: float = 0.8, level: float = 0.05) -> float:
    """Return the problems per method at which a two-sided test of two proportions has this power.

    The result is infinite if the proportions are equal. It is the normal approximation with pooled and
    unpooled variances (Fleiss, Statistical Methods for Rates and Proportions) without continuity correction,
    and therefore a lower bound. Fewer problems would be enough if both methods were tested on the same ones.
    """
    if first == second:
        return math.inf
    z_level, z_power = norm.ppf(1 - level / 2), norm.ppf(power)
    mean = (first + second) / 2
    spread = z_level * math.sqrt(2 * mean * (1 - mean)) + z_power * math.sqrt(
        first * (1 - first) + second * (1 - second)
    )
    return math.ceil((spread / (first - second)) ** 2)


def power_of(first: float, second: float, problems: int, level: float = 0.05) -> float:
    """Return the power to detect a difference with so many problems per method, by the same approximation."""
    mean = (first + second) / 2
    error = math.sqrt((first * (1 - first) + second * (1 - second)) / problems)
    critical = norm.ppf(1 - level / 2) * math.sqrt(2 * mean * (1 - mean) / problems)
    return float(
        norm.sf((critical - abs(first - second)) / error)
        + norm.cdf((-critical - abs(first - second)) / error)
    )


def seeds_needed(
    difference: float, seed_deviation: float, power: float = 0.8, level: float = 0.05, max_seeds: int = 10_000
) -> float:
    """Return the seeds per method at which a two-sided paired t test over seeds has this power.

    `difference` and `seed_deviation` are in points. `seed_deviation` is the standard deviation over seeds of
    the difference between the methods. The result is exact, by the noncentral t distribution, and infinite if
    there is no difference or if `max_seeds` are not enough.
    """
    if difference == 0:
        return math.inf
    for seeds in range(2, max_seeds + 1):
        critical, shift = t.ppf(1 - level / 2, seeds - 1), abs(difference) / seed_deviation * math.sqrt(seeds)
        if nct.sf(critical, seeds - 1, shift) + nct.cdf(-critical, seeds - 1, shift) >= power:
            return seeds
    return math.inf


def reanalysis(seed_deviation: float | None = None) -> pd.DataFrame:
    """Return one row per split and baseline of the published table.

    Columns: counts, the difference from GRPO in points, its p value, the power at the implied size, and the
    problems for 80% power. With `seed_deviation`, also the seeds for 80% power.
    """
    rows = []
    for row in published_rows():
        reference = row.counts[REFERENCE] / row.size
        for baseline in OTHERS:
            share = row.counts[baseline] / row.size
            columns = {
                "split": row.split,
                "size": row.size,
                "GRPO": row.counts[REFERENCE],
                "baseline": baseline,
                "count": row.counts[baseline],
                "points": row.points(baseline),
                "p": row.p_value(baseline),
                "power": power_of(share, reference, row.size) if share != reference else 0.05,
                "problems": problems_needed(share, reference),
            }
            if seed_deviation:
                columns["seeds"] = seeds_needed(row.points(baseline), seed_deviation)
            rows.append(columns)
    return pd.DataFrame(rows)


def by_size(max_size: int = 400) -> pd.DataFrame:
    """Return the p value of every difference at every possible size: one row per split, baseline and size."""
    rows = []
    for split, percentages in PUBLISHED.items():
        for size in possible_sizes(list(percentages.values()), max_size):
            row = row_of_size(split, size)
            for baseline in OTHERS:
                columns = {"split": split, "baseline": baseline, "size": size, "p": row.p_value(baseline)}
                rows.append(columns)
    return pd.DataFrame(rows)
