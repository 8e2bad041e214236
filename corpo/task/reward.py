"""The ordinal reward of a verdict: how far on the right side of the cut its scores are, in levels.

The paper says that rewards are ordinal and that R_min_correct separates failures from successes (arXiv 2511.04439); the
levels below are *our choice*. Failures take the lower half of [-1, 1], successes the upper half, so that 0 lies between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Protocol, TypeVar

from corpo.task.response import CUT, SCORE_MAX, Fault, Verdict

REWARD_MIN = -1.0


class Reward(Protocol):
    """Of a response, given which candidates are correct. `threshold` is R_min_correct: successes are at or above it, failures below."""

    @property
    def threshold(self) -> float: ...

    def __call__(self, response: Verdict | Fault, labels: tuple[bool, bool]) -> float: ...


MakeReward = TypeVar("MakeReward", bound=Callable[..., Reward])
REWARDS: dict[str, Callable[..., Reward]] = {}


def register_reward(name: str) -> Callable[[MakeReward], MakeReward]:
    """Add `make(levels, threshold, **options) -> Reward` (such as a class) under a name that configs can use."""

    def register(make: MakeReward) -> MakeReward:
        REWARDS[name] = make
        return make

    return register


def build_reward(name: str, levels: int, threshold: float, options: dict[str, object]) -> Reward:
    """A registered reward. Raises ValueError where the name is unknown, or where its values do not tell successes from failures."""
    if name not in REWARDS:
        raise ValueError(
            f"reward.name={name!r}: choose one of {', '.join(sorted(REWARDS))}, or register your own"
        )
    try:
        reward = REWARDS[name](levels, threshold, **options)
    except TypeError as error:
        raise ValueError(f"reward.options: {name!r} does not take them ({error})") from None
    scores = range(int(SCORE_MAX) + 1)
    for labels in ((False, False), (False, True), (True, False), (True, True)):
        for response in (*Fault, *(Verdict(a, b) for a, b in product(scores, scores))):
            value = reward(response, labels)
            correct = isinstance(response, Verdict) and response.is_correct(labels)
            if not math.isfinite(value) or (value >= threshold) is not correct:
                wanted = "at or above" if correct else "below"
                raise ValueError(
                    f"reward.name={name!r}: gives {value:g} to {response} of {labels}, which must be {wanted} reward.threshold={threshold:g}"
                )
    return reward


@register_reward("ordinal")
@dataclass(frozen=True)
class OrdinalReward:
    """`levels` equally spaced rewards, half of them (rounded up) failures, none of them 0; unparseable gets the lowest.

    levels = 2 gives {-1, 1}; 3 gives {-1, -0.5, 1}; 10 gives {-1, -0.8, ..., -0.2, 0.2, ..., 1}.
    Raises ValueError unless every failure < threshold (R_min_correct) <= every success.
    """

    levels: int = 10
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.levels < 2:
            raise ValueError(
                f"reward.levels={self.levels}: at least 2 are needed, one failure and one success"
            )
        failures, successes = self.failures, self.successes
        if not (failures[-1] < self.threshold <= successes[0]):
            raise ValueError(
                f"reward.threshold={self.threshold:g}: with reward.levels={self.levels} every failure (highest {failures[-1]:g}) must "
                f"lie below it and every success (lowest {successes[0]:g}) at or above it; choose a value in "
                f"({failures[-1]:g}, {successes[0]:g}]"
            )

    @property
    def failures(self) -> tuple[float, ...]:
        count = math.ceil(self.levels / 2)
        return tuple(round(REWARD_MIN + i / count, 12) for i in range(count))

    @property
    def successes(self) -> tuple[float, ...]:
        count = self.levels // 2
        return tuple(round((i + 1) / count, 12) for i in range(count))

    def __call__(self, response: Verdict | Fault, labels: tuple[bool, bool]) -> float:
        if isinstance(response, Fault):
            return self.failures[0]
        quality = (_support(response.score_a, labels[0]) + _support(response.score_b, labels[1])) / 2
        # A success has both scores beyond the cut, so quality > 1/2; a failure has one at or before it, so quality <= 3/4.
        if response.is_correct(labels):
            return _level(self.successes, (quality - 0.5) / 0.5)
        return _level(self.failures, quality / 0.75)


def _support(score: float, label: bool) -> float:
    """Share of full confidence given to the truth, in [0, 1]."""
    return (score if label else SCORE_MAX - score) / SCORE_MAX


def _level(levels: tuple[float, ...], share: float) -> float:
    # Rounding first keeps sums such as 0.3 + 0.45, equal on paper, in one level whichever candidate comes first.
    return levels[min(int(round(share * len(levels), 9)), len(levels) - 1)]


assert CUT == SCORE_MAX / 2, "the quality bounds above assume a cut in the middle"
