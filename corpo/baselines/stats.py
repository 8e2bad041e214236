"""Statistics of the advantages of a batch: the quantities that the figures of the paper show."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from corpo.baselines.numerics import is_correct, zero_rounding_error


def advantage_stats(rewards_PG: Tensor, advantages_PG: Tensor, threshold: float) -> dict[str, float]:
    """Return counts, sums and ratios of the positive and negative advantages of a batch.

    Each count and sum comes three times: over all rollouts, over correct ones (R >= threshold) and over
    failed ones. A ratio or share with a denominator of 0 is NaN. A zero-advantage group is one whose
    advantages are all 0. Zero reward variance is the wrong test: CoRPO gives an all-failed group negative
    advantages. docs/reference/metrics.md lists every quantity.
    """
    correct_PG = is_correct(rewards_PG, threshold)
    mean_P1 = rewards_PG.double().mean(dim=1, keepdim=True)
    mean_above_threshold_P1 = zero_rounding_error(mean_P1 - threshold, rewards_PG, mean_P1)
    positive_PG, negative_PG = advantages_PG > 0, advantages_PG < 0
    stats = {
        "reward_mean": float(rewards_PG.mean()),
        "pass_rate": float(correct_PG.float().mean()),
        "failed_positive_fraction": _ratio((positive_PG & ~correct_PG).sum(), (~correct_PG).sum()),
        "clip_active_fraction": float((mean_above_threshold_P1 < 0).float().mean()),
        "zero_advantage_fraction": float((advantages_PG == 0).all(dim=1).float().mean()),
    }
    subsets = {"": torch.ones_like(correct_PG), "_correct": correct_PG, "_failed": ~correct_PG}
    for suffix, subset_PG in subsets.items():
        stats |= _signed_stats(advantages_PG, positive_PG & subset_PG, negative_PG & subset_PG, suffix)
    return stats


def _signed_stats(
    advantages_PG: Tensor, positive_PG: Tensor, negative_PG: Tensor, suffix: str
) -> dict[str, float]:
    positive_sum, negative_sum = advantages_PG[positive_PG].sum(), advantages_PG[negative_PG].abs().sum()
    return {
        f"positive_count{suffix}": float(positive_PG.sum()),
        f"negative_count{suffix}": float(negative_PG.sum()),
        f"count_ratio{suffix}": _ratio(positive_PG.sum(), negative_PG.sum()),
        f"positive_sum{suffix}": float(positive_sum),
        f"negative_sum{suffix}": float(negative_sum),
        f"sum_ratio{suffix}": _ratio(positive_sum, negative_sum),
    }


def _ratio(numerator: Tensor, denominator: Tensor) -> float:
    return float(numerator) / float(denominator) if float(denominator) else math.nan
