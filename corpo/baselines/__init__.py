"""Baselines: from the rewards of a group to its advantages. Start reading at `corpo/baselines/paper.py`."""

from corpo.baselines import others, paper
from corpo.baselines.numerics import ROUNDING_TOLERANCE, is_correct, require_group_size, zero_rounding_error
from corpo.baselines.registry import (
    BASELINES,
    advantages,
    check_baseline,
    group_advantages,
    needs_lengths,
    non_default_options,
    register_baseline,
)
from corpo.baselines.stats import advantage_stats
from corpo.baselines.threshold import RewardGap, reward_gap

__all__ = [
    "BASELINES",
    "ROUNDING_TOLERANCE",
    "RewardGap",
    "advantage_stats",
    "advantages",
    "check_baseline",
    "group_advantages",
    "is_correct",
    "needs_lengths",
    "non_default_options",
    "others",
    "paper",
    "register_baseline",
    "require_group_size",
    "reward_gap",
    "zero_rounding_error",
]
