"""The ordinal reward of an answer by the share of its checks that hold, such as the tests of a program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from corpo.config import Config
from corpo.task.reward import OrdinalReward, level_at
from corpo.utils.errors import ConfigError

ORDINAL = "ordinal"  # the name of OrdinalReward in configs


@dataclass(frozen=True)
class ShareReward:
    """A reward with one value for successes, and levels for failures by the share of the checks that hold.

    An answer that cannot be read gets the lowest level. The other levels divide the shares below 1 equally,
    unless there is only one level, which all failures get.
    Raises ConfigError, which is a ValueError, unless the levels increase and every failure < threshold
    (R_min_correct) <= success.
    """

    failures: tuple[float, ...]  # in increasing order
    success: float
    threshold: float

    def __post_init__(self) -> None:
        levels = ", ".join(f"{level:g}" for level in self.failures)
        pairs = zip(self.failures, self.failures[1:], strict=False)
        is_increasing = all(low < high for low, high in pairs)
        if not self.failures or not is_increasing or not all(map(math.isfinite, self.failures)):
            raise ConfigError(
                f"task.options.failures=[{levels}]: give at least one number, in increasing order"
            )
        if not self.failures[-1] < self.threshold <= self.success:
            raise ConfigError(
                f"task.options.failures=[{levels}]: every failure must lie below "
                f"reward.threshold={self.threshold:g}, and the reward of a success ({self.success:g}) "
                "at or above it"
            )

    def of_share(self, share: float | None) -> float:
        """Return the reward of an answer for which this share of the checks holds; None if it is unreadable.

        Raises ValueError for a share that is not between 0 and 1.
        """
        if share is None:
            return self.failures[0]
        if not 0 <= share <= 1:
            raise ValueError(f"a share of {share} of the checks holds, but it must lie between 0 and 1")
        if share == 1:
            return self.success
        return level_at(self.failures[1:] or self.failures, share)


def closeness(number: Fraction | int, expected: Fraction | int) -> float:
    """Return how close a wrong number is to the right one, from 0 to just below 1. *Our choice*.

    It is 1 minus the distance, relative to the right number if that is larger than 1.
    """
    right = Fraction(expected)
    distance = abs(number - right) / max(Fraction(1), abs(right))
    return min(float(max(Fraction(0), 1 - distance)), math.nextafter(1, 0))


def share_reward(config: Config) -> ShareReward:
    """Return the reward of a config: the levels of the ordinal reward, or `task.options.failures`.

    Raises ConfigError if they do not fit together.
    """
    reward = config.reward
    if reward.name != ORDINAL:
        raise ConfigError(
            f"reward.name={reward.name}: task.name={config.task.name} rewards the share of the checks that "
            f"hold; choose reward.name={ORDINAL}"
        )
    ordinal = OrdinalReward(reward.levels, reward.threshold)
    failures = config.task.options.get("failures")
    levels = ordinal.failures if failures is None else _numbers(failures)
    return ShareReward(levels, ordinal.successes[-1], reward.threshold)


def _numbers(values: object) -> tuple[float, ...]:
    """Return a list of numbers as a tuple. Raises ConfigError for anything else."""
    if not isinstance(values, Sequence) or not all(map(_is_number, values)):
        raise ConfigError(
            f"task.options.failures={values!r}: give a list of numbers, such as [-1, -0.9, -0.8, -0.7]"
        )
    return tuple(map(float, values))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
