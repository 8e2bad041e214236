"""The ordinal reward of a verdict: one of a few levels, higher if the scores support the labels more.

The paper says that rewards are ordinal and that R_min_correct separates failures from successes (arXiv
2511.04439). The levels below are *our choice*: failures take the lower half of [-1, 1] and successes the
upper half, so that 0 lies between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Protocol, TypeVar, runtime_checkable

from corpo.task.response import CUT, SCORE_MAX, Fault, Verdict
from corpo.task.types import Pair

REWARD_MIN = -1.0


class Reward(Protocol):
    """A function from a parsed response and the candidates' labels to a number.

    `threshold` is R_min_correct: the reward of every correct verdict is at or above it, all others are below.
    """

    @property
    def threshold(self) -> float:
        """Return R_min_correct."""

    def __call__(self, response: Verdict | Fault, labels: tuple[bool, bool]) -> float:
        """Return the reward of a response; `labels` say whether A and B are correct."""


@runtime_checkable
class TextReward(Reward, Protocol):
    """A reward that depends on the text of a response, too, such as on its think block.

    Called without a text, it returns the reward of a response with the worst text.
    """

    def of_text(self, text: str, response: Verdict | Fault, pair: Pair) -> float:
        """Return the reward of a text; `response` is what was parsed from it."""


MakeReward = TypeVar("MakeReward", bound=Callable[..., Reward])
REWARDS: dict[str, Callable[..., Reward]] = {}


def register_reward(name: str) -> Callable[[MakeReward], MakeReward]:
    """Register `make(levels, threshold, **options) -> Reward`, such as a class, under a name for configs."""

    def register(make: MakeReward) -> MakeReward:
        REWARDS[name] = make
        return make

    return register


def build_reward(name: str, levels: int, threshold: float, options: dict[str, object]) -> Reward:
    """Build a registered reward and check it on every kind of response.

    Raises ValueError if the name is unknown, if the reward does not take the options, or if `threshold`
    does not separate its successes from its failures.
    """
    if name not in REWARDS:
        raise ValueError(
            f"reward.name={name!r}: choose one of {', '.join(sorted(REWARDS))}, or register your own"
        )
    try:
        reward = REWARDS[name](levels, threshold, **options)
    except TypeError as error:
        raise ValueError(f"reward.options: {name!r} does not take them ({error})") from None
    for response, labels in _example_responses():
        value = reward(response, labels)
        is_correct = isinstance(response, Verdict) and response.is_correct(labels)
        if not math.isfinite(value) or (value >= threshold) is not is_correct:
            side = "at or above" if is_correct else "below"
            raise ValueError(
                f"reward.name={name!r}: gives {value:g} to {response} for the labels {labels}, "
                f"but it must be {side} reward.threshold={threshold:g}"
            )
    return reward


def _example_responses() -> Iterator[tuple[Verdict | Fault, tuple[bool, bool]]]:
    """Yield every fault and every verdict with whole-number scores, with each pair of labels."""
    scores = range(int(SCORE_MAX) + 1)
    verdicts = [Verdict(*pair) for pair in product(scores, repeat=2)]
    for labels in ((False, False), (False, True), (True, False), (True, True)):
        for response in (*Fault, *verdicts):
            yield response, labels


@register_reward("ordinal")
@dataclass(frozen=True)
class OrdinalReward:
    """A reward with `levels` equally spaced values, of which half (rounded up) are failures and none is 0.

    levels = 2 gives {-1, 1}; 3 gives {-1, -0.5, 1}; 10 gives {-1, -0.8, ..., -0.2, 0.2, ..., 1}.
    An unparseable response gets the lowest level.
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
                f"reward.threshold={self.threshold:g}: with reward.levels={self.levels} every failure "
                f"(highest {failures[-1]:g}) must lie below it and every success (lowest {successes[0]:g}) "
                f"at or above it; choose a value in ({failures[-1]:g}, {successes[0]:g}]"
            )

    @property
    def failures(self) -> tuple[float, ...]:
        """Return the rewards of incorrect responses, in increasing order."""
        count = math.ceil(self.levels / 2)
        return tuple(round(REWARD_MIN + i / count, 12) for i in range(count))

    @property
    def successes(self) -> tuple[float, ...]:
        """Return the rewards of correct responses, in increasing order."""
        count = self.levels // 2
        return tuple(round((i + 1) / count, 12) for i in range(count))

    def __call__(self, response: Verdict | Fault, labels: tuple[bool, bool]) -> float:
        """Return the level of a response."""
        if isinstance(response, Fault):
            return self.failures[0]
        quality = (_support(response.score_a, labels[0]) + _support(response.score_b, labels[1])) / 2
        # Both scores of a success lie beyond the cut, so its quality is above 1/2.
        # At least one score of a failure does not, so its quality is at most 3/4.
        if response.is_correct(labels):
            return level_at(self.successes, (quality - 0.5) / 0.5)
        return level_at(self.failures, quality / 0.75)


@register_reward("confidence")
@dataclass(frozen=True)
class ConfidenceReward(OrdinalReward):
    """A reward with the levels of OrdinalReward that orders failures by their confidence alone.

    A failure is less bad if its scores are nearer to the cut, whatever they call correct. With OrdinalReward,
    "both correct" and "both wrong" are the less bad failures of a pair with one correct candidate, and they
    are what pairs of two correct or two wrong candidates call for. Here no verdict is better than another
    failure. Successes have the rewards of OrdinalReward.
    """

    def __call__(self, response: Verdict | Fault, labels: tuple[bool, bool]) -> float:
        """Return the level of a response."""
        if isinstance(response, Fault) or response.is_correct(labels):
            return super().__call__(response, labels)
        return level_at(self.failures, 1 - response.confidence)


def _support(score: float, label: bool) -> float:
    """Return the share of full confidence that a score gives to the true label, in [0, 1]."""
    return (score if label else SCORE_MAX - score) / SCORE_MAX


def level_at(levels: tuple[float, ...], share: float) -> float:
    """Return the level at a share in [0, 1] of the way from the lowest to the highest."""
    # Rounding keeps sums such as 0.3 + 0.45 in one level whichever candidate comes first.
    return levels[min(int(round(share * len(levels), 9)), len(levels) - 1)]


assert CUT == SCORE_MAX / 2, "the quality bounds above assume a cut in the middle"
