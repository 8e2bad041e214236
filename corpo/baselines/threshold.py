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


def reward_gap(rewards: Sequence[float], correct: Sequence[bool]) -> RewardGap:
    """Return the gap that separates the rewards of failures from those of correct responses.

    `rewards` are the values of a reward function on a sample of responses, and `correct` says which of these
    are correct.

    Raises ValueError if a failure has at least the reward of a success, so that there is no R_min_correct,
    if the sample has no failure or no success, or if a reward is not a finite number.
    """
    not_finite = [reward for reward in rewards if not math.isfinite(reward)]
    if not_finite:
        raise ValueError(
            f"rewards: {len(not_finite)} of {len(rewards)} are not finite numbers (the first is "
            f"{not_finite[0]}); leave these responses out of the sample"
        )
    failures: list[float] = []
    successes: list[float] = []
    for reward, is_correct in zip(rewards, correct, strict=True):
        (successes if is_correct else failures).append(float(reward))
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
