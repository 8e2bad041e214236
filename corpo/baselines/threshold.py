"""A proposal for R_min_correct, from rewards of responses whose correctness is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RewardGap:
    """The gap between the rewards of failures and those of correct responses.

    Each value above the first and up to the second separates them.
    """

    highest_failure: float
    lowest_success: float

    @property
    def threshold(self) -> float:
        """Return the proposal for R_min_correct: the lowest reward of a success, as in the CoRPO paper."""
        return self.lowest_success


def reward_gap(rewards: Sequence[float | None], correct: Sequence[bool]) -> RewardGap:
    """Return the gap that separates the rewards of failures from those of correct responses.

    `rewards` are the values of a reward function on a sample of responses, and `correct` says which of these
    are correct.

    Raises ValueError if a failure has at least the reward of a success, so that there is no R_min_correct,
    if the sample has no failure or no success, if a reward is missing (None) or not finite, or if the two
    arguments differ in length.
    """
    if len(rewards) != len(correct):
        raise ValueError(f"rewards: {len(rewards)} values, but correct has {len(correct)}; give one each")
    failures: list[float] = []
    successes: list[float] = []
    not_finite: list[float | None] = []
    for reward, is_correct in zip(rewards, correct, strict=True):
        if reward is None or not math.isfinite(reward):
            not_finite.append(reward)
        elif is_correct:
            successes.append(float(reward))
        else:
            failures.append(float(reward))
    if not_finite:
        raise ValueError(
            f"rewards: {len(not_finite)} of {len(rewards)} are not finite numbers (the first is "
            f"{not_finite[0]}); leave these responses out of the sample"
        )
    if not failures or not successes:
        missing = "failure" if not failures else "correct response"
        raise ValueError(
            f"rewards: none of the {len(rewards)} responses is a {missing}; take a larger sample"
        )
    gap = RewardGap(max(failures), min(successes))
    if gap.highest_failure >= gap.lowest_success:
        overlap = sum(failure >= gap.lowest_success for failure in failures)
        raise ValueError(
            f"rewards: {overlap} of {len(failures)} failures have at least the lowest reward of a correct "
            f"response ({gap.lowest_success:g}); the highest failure has {gap.highest_failure:g}, so no "
            "threshold separates them; change the reward function"
        )
    return gap
