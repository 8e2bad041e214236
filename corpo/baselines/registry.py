"""Baselines by name: register one, check its options, and compute advantages with it."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Baseline = Callable[..., Tensor]
BASELINES: dict[str, Baseline] = {}


def register_baseline(name: str) -> Callable[[Baseline], Baseline]:
    """Register a baseline under a name that configs and sweeps can use.

    It is a function `f(rewards_PG, threshold, **options) -> advantages_PG`. If it has a parameter
    `lengths_PG`, it receives the number of tokens of every rollout.
    """

    def register(function: Baseline) -> Baseline:
        BASELINES[name] = function
        return function

    return register


def advantages(
    rewards_PG: Tensor,
    baseline: str,
    *,
    threshold: float = 0.0,
    lengths_PG: Tensor | None = None,
    **options: object,
) -> Tensor:
    """Return the advantages of P groups of G rollouts, (P, G), in the dtype of the rewards.

    `threshold` is R_min_correct, the smallest reward of a correct rollout. `lengths_PG` holds the tokens of
    each rollout, for baselines that need them. Computed in float64. Differences that are zero up to rounding
    error are returned as exactly 0.

    Raises ValueError if the baseline or an option is unknown, if the rewards are not a finite matrix of
    float32 or float64, if needed lengths are missing or have another shape, if the threshold is not finite,
    or if the baseline cannot work with the group size.
    """
    check_baseline(baseline, options)
    if not math.isfinite(threshold):
        raise ValueError(f"threshold {threshold}: must be finite")
    _check_rewards(rewards_PG)
    if needs_lengths(baseline):
        if lengths_PG is None or lengths_PG.shape != rewards_PG.shape or not bool((lengths_PG > 0).all()):
            raise ValueError(
                f"baseline {baseline!r} needs lengths_PG: the tokens of every rollout, at least 1 each, "
                "in the shape of the rewards"
            )
        options = options | {"lengths_PG": lengths_PG.double()}
    return BASELINES[baseline](rewards_PG.double(), threshold, **options).to(rewards_PG.dtype)


def _check_rewards(rewards_PG: Tensor) -> None:
    if rewards_PG.ndim != 2 or not rewards_PG.is_floating_point():
        raise ValueError(
            f"rewards: expected a floating-point matrix (prompts x group), "
            f"got {tuple(rewards_PG.shape)} of {rewards_PG.dtype}"
        )
    if torch.finfo(rewards_PG.dtype).bits < 32:
        raise ValueError(
            f"rewards: {rewards_PG.dtype} rounds them across the threshold; give float32 or float64"
        )
    if not torch.isfinite(rewards_PG).all():
        prompt, rollout = (~torch.isfinite(rewards_PG)).nonzero()[0].tolist()
        value = float(rewards_PG[prompt, rollout])
        raise ValueError(f"rewards: prompt {prompt}, rollout {rollout} is {value}; rewards must be finite")


def group_advantages(
    rewards_G: Tensor, baseline: str, *, threshold: float, lengths_G: Tensor, **options: object
) -> Tensor:
    """Return the advantages of one group, (G,), computed as a batch of its own.

    The group may have lost rollouts on its way. All advantages are 0 if the baseline cannot work with so few.
    """
    try:
        check_baseline(baseline, options, len(rewards_G))
    except ValueError:
        check_baseline(baseline, options)  # raises if the name or an option is wrong for every group size
        return torch.zeros_like(rewards_G)
    return advantages(rewards_G[None], baseline, threshold=threshold, lengths_PG=lengths_G[None], **options)[
        0
    ]


def check_baseline(baseline: str, options: dict[str, Any], group_size: int | None = None) -> None:
    """Raise ValueError for an unknown baseline or option, or for a group size that does not suit them."""
    if baseline not in BASELINES:
        known = ", ".join(sorted(BASELINES))
        close = difflib.get_close_matches(baseline, BASELINES, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise ValueError(
            f"baseline {baseline!r} is unknown{hint}; choose one of {known}, or register your own"
        )
    parameters = list(inspect.signature(BASELINES[baseline]).parameters)[2:]
    names = [name for name in parameters if name != "lengths_PG"]
    for option in options:
        if option not in names:
            raise ValueError(
                f"baseline {baseline!r} has no option {option!r}; it takes {', '.join(names) or 'none'}"
            )
    if group_size is None:
        return
    try:  # a trial on one group, because the baseline itself knows best which sizes it cannot work with
        advantages(torch.zeros(1, group_size), baseline, lengths_PG=torch.ones(1, group_size), **options)
    except ValueError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"baseline {baseline!r} fails on a group of {group_size}: {reason}") from error


def non_default_options(baseline: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options whose values differ from the defaults of the baseline."""
    parameters = inspect.signature(BASELINES[baseline]).parameters
    return {option: value for option, value in options.items() if parameters[option].default != value}


def needs_lengths(baseline: str) -> bool:
    """Return whether the baseline uses the number of tokens of each rollout."""
    return "lengths_PG" in inspect.signature(BASELINES[baseline]).parameters
