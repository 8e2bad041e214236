"""Numerical helpers for baselines: differences without rounding error, and success of a rollout."""

from __future__ import annotations

import torch
from torch import Tensor

# Relative to the two compared values. Rounding rewards to float32 leaves no more than this of a difference
# that is zero.
ROUNDING_TOLERANCE = 4 * torch.finfo(torch.float32).eps
_FLOAT64_TOLERANCE = 4 * torch.finfo(torch.float64).eps


def zero_rounding_error(difference: Tensor, rewards_PG: Tensor, compared: Tensor | None = None) -> Tensor:
    """Return `difference`, (P, G) or (P, 1), with values that are zero up to rounding error set to exactly 0.

    A reward that equals its baseline must not get a positive advantage, and a division by a tiny standard
    deviation must not enlarge the rounding error. Use it in baselines of your own, too. `difference` is
    `compared` (the rewards by default) minus a baseline. The tolerance is relative to these two values and to
    the median reward of the group, so that one outlier does not erase the advantages of the others. It is the
    precision of float32 if float32 can represent all rewards of the group, and otherwise that of float64.
    """
    compared = rewards_PG if compared is None else compared
    sizes_PG = rewards_PG.abs()
    scale = torch.maximum(compared.abs(), (compared - difference).abs())
    scale = torch.maximum(scale, sizes_PG.median(dim=1, keepdim=True).values)
    is_float32_P1 = (rewards_PG == rewards_PG.float()).all(dim=1, keepdim=True)
    precision_P1 = torch.where(is_float32_P1, ROUNDING_TOLERANCE, _FLOAT64_TOLERANCE)
    # A mean is computed in float64, with a rounding error relative to the largest reward.
    tolerance = precision_P1 * scale + _FLOAT64_TOLERANCE * sizes_PG.amax(dim=1, keepdim=True)
    return difference.masked_fill(difference.abs() <= tolerance, 0.0)


def is_correct(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Return which rollouts reach the threshold, (P, G) of bool.

    A reward that rounding put just below the threshold counts as reaching it.
    """
    return zero_rounding_error(rewards_PG.double() - threshold, rewards_PG) >= 0


def require_group_size(baseline: str, rewards_PG: Tensor, min_size: int) -> None:
    """Raise ValueError if the group is smaller than the baseline can work with."""
    group_size = rewards_PG.shape[1]
    if group_size < min_size:
        raise ValueError(
            f"baseline {baseline!r} with group size {group_size}: "
            f"it compares rollouts of one prompt; use at least {min_size}"
        )
