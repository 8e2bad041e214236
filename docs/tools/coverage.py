"""Measure how often intervals over seeds that share warm starts cover the truth.

`python -m docs.tools.coverage` prints the table of docs/explanation/statistics.md.

Shape letters beside those of CONTRIBUTING.md: W warm starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from corpo.evaluate.intervals import over_seeds
from corpo.utils.markdown import table

WARM_STARTS, SEEDS_PER_WARM_START = 4, 2
SHARES = (0.0, 0.25, 0.5, 0.9)  # of the variance that is between warm starts
DRAWS = 10_000
LEVELS = (0.95, 1 - 0.05 / 4)  # of a claim with one test, and of one with four

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape)


def _student(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_t(3, size=shape)


def _outliers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw normal values, of which one in ten is five times as far from 0."""
    return rng.normal(size=shape) * np.where(rng.random(shape) < 0.1, 5, 1)


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from a log-normal distribution, shifted to the mean 0."""
    return rng.lognormal(size=shape) - math.exp(0.5)


DISTRIBUTIONS: Mapping[str, Draw] = {
    "normal": _normal,
    "t with 3 degrees of freedom": _student,
    "normal with outliers": _outliers,
    "log-normal (skewed)": _skewed,
}


def coverage(distribution: str, share: float, level: float, draws: int, knows_groups: bool = True) -> float:
    """Return how often the interval of eight seeds contains the true mean, which is 0.

    `share` is the share of the variance that is between warm starts. Without `knows_groups` the seeds are
    treated as independent.
    """
    rng = np.random.default_rng(0)
    draw = DISTRIBUTIONS[distribution]
    groups = np.repeat(range(WARM_STARTS), SEEDS_PER_WARM_START).tolist() if knows_groups else []
    num_covered = 0
    for _ in range(draws):
        between_W1 = math.sqrt(share) * draw(rng, (WARM_STARTS, 1))
        within = math.sqrt(1 - share) * draw(rng, (WARM_STARTS, SEEDS_PER_WARM_START))
        _, low, high = over_seeds((between_W1 + within).ravel(), groups).interval(level)
        num_covered += low <= 0 <= high
    return num_covered / draws


def main() -> None:
    """Print the table."""
    rows = []
    for distribution in DISTRIBUTIONS:
        for share in SHARES:
            cells = [f"{100 * coverage(distribution, share, LEVELS[0], DRAWS, knows_groups=False):.1f}"]
            cells += [f"{100 * coverage(distribution, share, level, DRAWS):.1f}" for level in LEVELS]
            rows.append((distribution, f"{share:.0%}", *cells))
    header = ["as if independent, 95%", *(f"our rule, {100 * level:.4g}%" for level in LEVELS)]
    print(table(("differences of seeds", "variance between warm starts", *header), rows))


if __name__ == "__main__":
    main()
