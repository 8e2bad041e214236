"""The method: from the rewards of a group to its advantages. What other papers put in its place is in `corpo/baselines/others.py`.

For a prompt with G rollouts and rewards R_1..R_G, a baseline b turns rewards into advantages A_i = R_i - b (arXiv 2511.04439):

    grpo     b = mean(R)                       rewards a failure that is merely less bad than its group
    static   b = R_min_correct                 never does, but stops driving improvement once most rollouts pass
    corpo    b = max(mean(R), R_min_correct)   never does, and seeks preference among successes once the mean is one

Variants, named because published code disagrees: the paper drops GRPO's division by the standard deviation, and so do we unless
`std=True`; then `ddof=1` (torch, TRL, verl) or 0 (numpy's habit) and `eps`, added to the deviation, are the caller's to choose.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Baseline = Callable[..., Tensor]
BASELINES: dict[str, Baseline] = {}
RESIDUE = 4 * torch.finfo(torch.float32).eps  # relative to a group's largest reward: what rounding alone can leave of a zero


def register_baseline(name: str) -> Callable[[Baseline], Baseline]:
    """Add `f(rewards_PG, threshold, **options) -> advantages_PG` under a name that configs and sweeps can use.

    One that has a parameter `lengths_PG` is given every rollout's tokens.
    """

    def register(function: Baseline) -> Baseline:
        BASELINES[name] = function
        return function

    return register


def advantages(rewards_PG: Tensor, baseline: str, *, threshold: float = 0.0, lengths_PG: Tensor | None = None, **options: object) -> Tensor:
    """Advantages (P, G) of P groups of G rollouts, in the dtype of the rewards.

    `threshold` is R_min_correct: the least reward of a correct rollout. `lengths_PG` are tokens, for the baselines that need them.
    Computed in float64; what rounding leaves of a zero is 0.
    Raises ValueError for an unknown baseline or option, for rewards that are not a finite matrix of float32 or float64, for lengths that
    are missing or of another shape, for a threshold that is not finite, and where a baseline cannot work with the group size.
    """
    check_baseline(baseline, options)
    if not math.isfinite(threshold):
        raise ValueError(f"threshold {threshold}: must be finite")
    if rewards_PG.ndim != 2 or not rewards_PG.is_floating_point():
        raise ValueError(f"rewards: expected a floating-point matrix (prompts x group), got {tuple(rewards_PG.shape)} of {rewards_PG.dtype}")
    if torch.finfo(rewards_PG.dtype).bits < 32:
        raise ValueError(f"rewards: {rewards_PG.dtype} rounds them across the threshold; give float32 or float64")
    if not torch.isfinite(rewards_PG).all():
        prompt, rollout = (~torch.isfinite(rewards_PG)).nonzero()[0].tolist()
        raise ValueError(f"rewards: prompt {prompt}, rollout {rollout} is {float(rewards_PG[prompt, rollout])}; rewards must be finite")
    if needs_lengths(baseline):
        if lengths_PG is None or lengths_PG.shape != rewards_PG.shape or not bool((lengths_PG > 0).all()):
            raise ValueError(f"baseline {baseline!r} needs lengths_PG: the tokens of every rollout, at least 1 each, shaped as the rewards")
        options = options | {"lengths_PG": lengths_PG.double()}
    return BASELINES[baseline](rewards_PG.double(), threshold, **options).to(rewards_PG.dtype)


def group_advantages(rewards_G: Tensor, baseline: str, *, threshold: float, lengths_G: Tensor, **options: object) -> Tensor:
    """Advantages (G,) of a group that may have lost rollouts on its way, as a batch of its own: 0 where the baseline cannot work with so few."""
    try:
        check_baseline(baseline, options, len(rewards_G))
    except ValueError:
        check_baseline(baseline, options)  # what is wrong whatever the group
        return torch.zeros_like(rewards_G)
    return advantages(rewards_G[None], baseline, threshold=threshold, lengths_PG=lengths_G[None], **options)[0]


def check_baseline(baseline: str, options: dict[str, Any], group: int | None = None) -> None:
    """Raises ValueError, in one line, for what `advantages` would refuse: an unknown name or option, a group that does not suit them."""
    if baseline not in BASELINES:
        raise ValueError(f"baseline {baseline!r} is unknown; choose one of {', '.join(sorted(BASELINES))}, or register your own")
    known = [name for name in list(inspect.signature(BASELINES[baseline]).parameters)[2:] if name != "lengths_PG"]
    for option in options:
        if option not in known:
            raise ValueError(f"baseline {baseline!r} has no option {option!r}; it takes {', '.join(known) or 'none'}")
    if group is None:
        return
    try:  # on one group: a baseline knows best what it cannot work with
        advantages(torch.zeros(1, group), baseline, lengths_PG=torch.ones(1, group), **options)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"baseline {baseline!r} fails on a group of {group}: {type(error).__name__}: {error}") from error


def chosen_options(baseline: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options that say something: those that are not the baseline's own defaults."""
    parameters = inspect.signature(BASELINES[baseline]).parameters
    return {option: value for option, value in options.items() if parameters[option].default != value}


def needs_lengths(baseline: str) -> bool:
    return "lengths_PG" in inspect.signature(BASELINES[baseline]).parameters


def check_group(baseline: str, rewards_PG: Tensor, least: int) -> None:
    """Raises ValueError where the group is too small for the baseline."""
    if rewards_PG.shape[1] < least:
        raise ValueError(f"baseline {baseline!r} with group size {rewards_PG.shape[1]}: it compares rollouts of one prompt; use at least {least}")


@register_baseline("grpo")
def grpo(rewards_PG: Tensor, threshold: float, std: bool = False, ddof: int = 1, eps: float = 1e-6) -> Tensor:
    """Group mean (GRPO, arXiv 2402.03300); the threshold plays no part."""
    check_group("grpo", rewards_PG, 2)
    if std and ddof >= rewards_PG.shape[1]:
        raise ValueError(f"baseline 'grpo' with ddof {ddof} and group size {rewards_PG.shape[1]}: ddof must be smaller")
    centred_PG = settle(rewards_PG - rewards_PG.mean(dim=1, keepdim=True), rewards_PG)
    return centred_PG / (rewards_PG.std(dim=1, correction=ddof, keepdim=True) + eps) if std else centred_PG


@register_baseline("static")
def static(rewards_PG: Tensor, threshold: float) -> Tensor:
    """The least reward of a correct rollout, whatever the group did."""
    return settle(rewards_PG - threshold, rewards_PG)


@register_baseline("corpo")
def corpo(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Group mean, but never below the least reward of a correct rollout (CoRPO)."""
    return settle(rewards_PG - rewards_PG.mean(dim=1, keepdim=True).clamp(min=threshold), rewards_PG)


def settle(difference: Tensor, rewards_PG: Tensor) -> Tensor:
    """`difference` (P, G or P, 1) with rounding residue set to 0: a reward at its baseline must not count as a positive signal,
    nor be blown up by a division by a tiny deviation. For baselines of your own, too."""
    return difference.masked_fill(difference.abs() <= RESIDUE * rewards_PG.abs().amax(dim=1, keepdim=True), 0.0)


def correct(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Which rollouts reach the threshold (bool); one that rounding has put just below it does."""
    return settle(rewards_PG.double() - threshold, rewards_PG) >= 0


def signal(rewards_PG: Tensor, advantages_PG: Tensor, threshold: float) -> dict[str, float]:
    """What a batch tells the policy to do: the quantities of the paper's figures. A ratio or share over nothing is nan.

    Counts and sums of positive and negative advantages come over all rollouts and split by correct (R >= threshold) and failed.
    A silent group is one whose advantages are all 0; by reward variance one would miss CoRPO's all-failed groups, which speak.
    """
    correct_PG = correct(rewards_PG, threshold)
    above_P1 = settle(rewards_PG.double().mean(dim=1, keepdim=True) - threshold, rewards_PG)
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


from corpo.baselines.paper import others as baselines_more  # noqa: E402, F401 registers the others, which are made with what is above
