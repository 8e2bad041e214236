"""Slips: values that a demonstrated trace computes wrongly.

A policy that imitates traces with slips samples slips, too. It then fails a share of the prompts that it
could solve, and reinforcement learning can teach it to work with more care. *Our choice*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Slips:
    """A source of slips. `share` is the probability, per digit or number, that it is wrong."""

    share: float
    rng: Random

    def digits(self, values: Sequence[int]) -> list[int]:
        """Return a list of digits in which each is replaced by another one with probability `share`."""
        return [self._digit(value) for value in values]

    def _digit(self, value: int) -> int:
        return (value + self.rng.randint(1, 9)) % 10 if self._occurs() else value

    def number(self, value: int) -> int:
        """Return a number, or with probability `share` a near one that is not negative."""
        if not self._occurs():
            return value
        near = range(max(0, value - 2), max(0, value) + 3)
        return self.rng.choice([other for other in near if other != value])

    def _occurs(self) -> bool:
        return self.rng.random() < self.share
