"""The published table read again: the counts that its percentages imply, their intervals and tests, and what would settle each difference.

The paper gives percentages of pass@16, no split sizes and no intervals (arXiv 2511.04439v1). So the sizes here are an inference: the smallest at which
all three percentages of a row are whole counts. Larger ones are possible (`possible_sizes`), and would make differences clearer.
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
        """Wilson's, at 95%."""
        return wilson(self.counts[baseline], self.size)

    def p_value(self, baseline: str) -> float:
        """Fisher's exact test against GRPO, two-sided, as if the two had been given different problems: how they pair up is not published."""
        solved = [self.counts[baseline], self.counts[REFERENCE]]
        return float(fisher_exact([solved, [self.size - count for count in solved]]).pvalue)

    def points(self, baseline: str) -> float:
        return 100 * (self.counts[baseline] - self.counts[REFERENCE]) / self.size


def possible_sizes(percentages: Sequence[float], most: int = 500, ties: bool = True) -> list[int]:
    """Every n up to `most` of which all percentages, printed to one decimal, are whole counts.

    With `ties` a percentage half-way between two decimals may have been printed as either: 45 of 48, 93.75%, as 93.7, which the row of both correct needs.
    """
    error = lambda n, percent: abs(100 * round(n * percent / 100) / n - percent)
    slack = 1e-9 if ties else -1e-9
    return [
        n for n in range(1, most + 1) if all(error(n, percent) <= 0.05 + slack for percent in percentages)
    ]


def row_of_size(split: str, size: int) -> Row:
    return Row(split, size, {name: round(size * percent / 100) for name, percent in PUBLISHED[split].items()})


def published_rows() -> list[Row]:
    """Every row of the table at its smallest possible size."""
    return [
        row_of_size(split, possible_sizes(list(percentages.values()))[0])
        for split, percentages in PUBLISHED.items()
    ]


def problems_needed(first: float, second: float, power: float = 0.8, level: float = 0.05) -> float:
    """Problems for each of two methods, so that a two-sided test of two proportions finds this difference with this power; inf without one.

    The normal approximation with pooled and unpooled variances (Fleiss, Statistical Methods for Rates and Proportions), without continuity
    correction, so it is a lower bound. Problems judged by both methods would need fewer, by how alike their outcomes are.
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
    """The chance that this difference is found with so many problems for each, by the same approximation."""
    mean = (first + second) / 2
    error = math.sqrt((first * (1 - first) + second * (1 - second)) / problems)
    critical = norm.ppf(1 - level / 2) * math.sqrt(2 * mean * (1 - mean) / problems)
    return float(
        norm.sf((critical - abs(first - second)) / error)
        + norm.cdf((-critical - abs(first - second)) / error)
    )


def seeds_needed(
    difference: float, seed_deviation: float, power: float = 0.8, level: float = 0.05, most: int = 10_000
) -> float:
    """Seeds of each method, so that a two-sided paired t test over seeds finds the difference; both in points, inf without a difference.

    `seed_deviation` is that of a seed's difference between the methods, whatever the number of problems. Exact, by the noncentral t.
    """
    if difference == 0:
        return math.inf
    for seeds in range(2, most + 1):
        critical, shift = t.ppf(1 - level / 2, seeds - 1), abs(difference) / seed_deviation * math.sqrt(seeds)
        if nct.sf(critical, seeds - 1, shift) + nct.cdf(-critical, seeds - 1, shift) >= power:
            return seeds
    return math.inf


def reanalysis(seed_deviation: float | None = None) -> pd.DataFrame:
    """One row a split and baseline: counts, difference to GRPO in points, p, power at the implied size, problems (and seeds) for 80% power."""
    rows = []
    for row in published_rows():
        reference = row.counts[REFERENCE] / row.size
        for baseline in OTHERS:
            share = row.counts[baseline] / row.size
            found = {
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
            rows.append(
                found
                | ({"seeds": seeds_needed(row.points(baseline), seed_deviation)} if seed_deviation else {})
            )
    return pd.DataFrame(rows)


def by_size(most: int = 400) -> pd.DataFrame:
    """The p value of every difference at every possible size: one row a split, baseline and size."""
    rows = []
    for split, percentages in PUBLISHED.items():
        for size in possible_sizes(list(percentages.values()), most):
            row = row_of_size(split, size)
            rows += [
                {"split": split, "baseline": baseline, "size": size, "p": row.p_value(baseline)}
                for baseline in OTHERS
            ]
    return pd.DataFrame(rows)
