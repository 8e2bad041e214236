"""The method: from the rewards of a group to its advantages. This file imports nothing of ours.

For a prompt with G rollouts and rewards R_1..R_G, a baseline b turns rewards into advantages A_i = R_i - b (arXiv 2511.04439):

    grpo     b = mean(R)                       rewards a failure that is merely less bad than its group
    static   b = R_min_correct                 never does, but stops driving improvement once most rollouts pass
    corpo    b = max(mean(R), R_min_correct)   never does, and seeks preference among successes once the mean is one

Variants, named because published code disagrees: the paper drops GRPO's division by the standard deviation, and so do we unless
`std=True`; then `ddof=1` (torch, TRL) or 0 (verl's and numpy's habit) and `eps`, added to the deviation, are the caller's to choose.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import torch
from torch import Tensor

Baseline = Callable[..., Tensor]
BASELINES: dict[str, Baseline] = {}
RESIDUE = 4 * torch.finfo(torch.float32).eps  # relative to a group's largest reward: what rounding alone can leave of a zero


def register_baseline(name: str) -> Callable[[Baseline], Baseline]:
    """Add `f(rewards_PG, threshold, **options) -> advantages_PG` under a name that configs and sweeps can use."""

    def register(function: Baseline) -> Baseline:
        BASELINES[name] = function
        return function

    return register


def advantages(rewards_PG: Tensor, baseline: str, *, threshold: float = 0.0, **options: object) -> Tensor:
    """Advantages (P, G) of P groups of G rollouts, in the dtype of the rewards.

    `threshold` is R_min_correct: the least reward of a correct rollout. Computed in float64; what rounding leaves of a zero is 0.
    Raises ValueError for an unknown baseline or option, for rewards that are not a finite floating-point matrix, for a threshold
    that is not finite, and where a baseline cannot work with the group size.
    """
    check_baseline(baseline, options)
    if not math.isfinite(threshold):
        raise ValueError(f"threshold {threshold}: must be finite")
    if rewards_PG.ndim != 2 or not rewards_PG.is_floating_point():
        raise ValueError(f"rewards: expected a floating-point matrix (prompts x group), got {tuple(rewards_PG.shape)} of {rewards_PG.dtype}")
    if not torch.isfinite(rewards_PG).all():
        prompt, rollout = (~torch.isfinite(rewards_PG)).nonzero()[0].tolist()
        raise ValueError(f"rewards: prompt {prompt}, rollout {rollout} is {float(rewards_PG[prompt, rollout])}; rewards must be finite")
    return BASELINES[baseline](rewards_PG.double(), threshold, **options).to(rewards_PG.dtype)


def check_baseline(baseline: str, options: dict[str, object], group: int | None = None) -> None:
    """Raises ValueError, in one line, for what `advantages` would refuse: an unknown name or option, a group too small."""
    if baseline not in BASELINES:
        raise ValueError(f"baseline {baseline!r} is unknown; choose one of {', '.join(sorted(BASELINES))}, or register your own")
    known = list(inspect.signature(BASELINES[baseline]).parameters)[2:]
    for option in options:
        if option not in known:
            raise ValueError(f"baseline {baseline!r} has no option {option!r}; it takes {', '.join(known) or 'none'}")
    if baseline == "grpo" and group == 1:
        raise ValueError("baseline 'grpo' with group size 1: a lone rollout is its own mean and gets no advantage; use at least 2")


@register_baseline("grpo")
def grpo(rewards_PG: Tensor, threshold: float, std: bool = False, ddof: int = 1, eps: float = 1e-6) -> Tensor:
    """Group mean (GRPO, arXiv 2402.03300); the threshold plays no part."""
    check_baseline("grpo", {}, group=rewards_PG.shape[1])
    if std and ddof >= rewards_PG.shape[1]:
        raise ValueError(f"baseline 'grpo' with ddof {ddof} and group size {rewards_PG.shape[1]}: ddof must be smaller")
    centred_PG = _settle(rewards_PG - rewards_PG.mean(dim=1, keepdim=True), rewards_PG)
    return centred_PG / (rewards_PG.std(dim=1, correction=ddof, keepdim=True) + eps) if std else centred_PG


@register_baseline("static")
def static(rewards_PG: Tensor, threshold: float) -> Tensor:
    """The least reward of a correct rollout, whatever the group did."""
    return _settle(rewards_PG - threshold, rewards_PG)


@register_baseline("corpo")
def corpo(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Group mean, but never below the least reward of a correct rollout (CoRPO)."""
    return _settle(rewards_PG - rewards_PG.mean(dim=1, keepdim=True).clamp(min=threshold), rewards_PG)


def _settle(difference: Tensor, rewards_PG: Tensor) -> Tensor:
    """`difference` (P, G or P, 1) with rounding residue set to 0: a reward at its baseline must not count as a positive signal,
    nor be blown up by a division by a tiny deviation."""
    return difference.masked_fill(difference.abs() <= RESIDUE * rewards_PG.abs().amax(dim=1, keepdim=True), 0.0)


def signal(rewards_PG: Tensor, advantages_PG: Tensor, threshold: float) -> dict[str, float]:
    """What a batch tells the policy to do: the quantities of the paper's figures. A ratio or share over nothing is nan.

    Counts and sums of positive and negative advantages come over all rollouts and split by correct (R >= threshold) and failed.
    A silent group is one whose advantages are all 0; by reward variance one would miss CoRPO's all-failed groups, which speak.
    """
    correct_PG = rewards_PG >= threshold
    above_P1 = _settle(rewards_PG.double().mean(dim=1, keepdim=True) - threshold, rewards_PG)
    positive_PG, negative_PG = advantages_PG > 0, advantages_PG < 0
    out = {
        "reward_mean": float(rewards_PG.mean()),
        "pass_rate": float(correct_PG.float().mean()),
        "failed_positive_fraction": _ratio((positive_PG & ~correct_PG).sum(), (~correct_PG).sum()),
        "clip_active_fraction": float((above_P1 < 0).float().mean()),
        "silent_group_fraction": float((advantages_PG == 0).all(dim=1).float().mean()),
    }
    everything_PG = torch.ones_like(correct_PG)
    for suffix, chosen_PG in (("", everything_PG), ("_correct", correct_PG), ("_failed", ~correct_PG)):
        up_PG, down_PG = positive_PG & chosen_PG, negative_PG & chosen_PG
        up_sum, down_sum = advantages_PG[up_PG].sum(), advantages_PG[down_PG].abs().sum()
        out |= {
            f"positive_count{suffix}": float(up_PG.sum()),
            f"negative_count{suffix}": float(down_PG.sum()),
            f"count_ratio{suffix}": _ratio(up_PG.sum(), down_PG.sum()),
            f"positive_sum{suffix}": float(up_sum),
            f"negative_sum{suffix}": float(down_sum),
            f"sum_ratio{suffix}": _ratio(up_sum, down_sum),
        }
    return out


def _ratio(numerator: Tensor, denominator: Tensor) -> float:
    return float(numerator) / float(denominator) if float(denominator) else math.nan
