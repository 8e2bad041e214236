"""Numbers that are none stop a run, with what they are of; a run that collapses says so, once, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from corpo.utils.errors import NonFiniteError

EARLY = 5  # steps that later ones are compared with


def require_finite(
    what: str, values: Tensor, counts: Tensor | None = None, prompts: Sequence[str] = ()
) -> None:
    """Raise NonFiniteError unless all `values` that count are finite; it names the first: its prompt, rollout and token, as far as it has these axes.

    `values` are of shape (P, G, T), (P, G) or (); `counts`, of the same shape, is true where they matter; `prompts` are names of the P prompts.
    """
    bad = ~values.isfinite()
    if counts is not None:
        bad &= counts.bool()
    if not bool(bad.any()):
        return
    first = [int(at) for at in bad.nonzero()[0]]
    axes = [f"{axis} {at}" for axis, at in zip(("prompt", "rollout", "token"), first, strict=False)]
    if first and prompts:
        axes[0] = prompts[first[0]]
    place = f" of {', '.join(axes)}" if axes else ""
    raise NonFiniteError(f"{what}{place} is {float(values[tuple(first)]):g}{_more(int(bad.sum()) - 1)}")


def _more(count: int) -> str:
    return f", and {count} more" if count else ""


def at_step(error: NonFiniteError, step: int) -> NonFiniteError:
    """The error with when it was and what to do."""
    advice = "look at that rollout, lower train.lr, or try model.dtype=float32; the same command goes on from the step before"
    return NonFiniteError(f"step {step}: {error}; {advice}")


@dataclass(frozen=True)
class Limits:
    """When a run counts as collapsed: *our choice*, wide of what healthy runs of the nano and of SmolLM2 show."""

    entropy: float = 0.1  # share of the first steps' entropy, below which it has collapsed
    unparseable: float = 0.5  # share of rollouts that are no verdict
    length: float = 2.0  # times the first steps' tokens a rollout


@dataclass(frozen=True)
class Warned:
    """A named warning and the step that raised it."""

    step: int
    name: str
    text: str


def collapsed(history: Sequence[Mapping[str, Any]], baseline: str, limits: Limits = Limits()) -> list[Warned]:
    """What the newest of these records of consecutive steps, from the first one on, shows to be wrong."""
    early, now = history[:EARLY], history[-1]
    step, found = int(now["step"]), []

    def warn(name: str, text: str) -> None:
        found.append(Warned(step, name, text))

    if now["zero_advantage_fraction"] == 1:
        warn(
            "no_signal",
            "every group's advantages are zero: nothing is learned; use harder or easier pairs, more reward.levels or a larger train.group_size",
        )
    if (share := now["unparseable"]) > limits.unparseable:
        warn(
            "unparseable",
            f"{share:.0%} of rollouts are no verdict; warm-start the model (model.warm_start=true) or raise rollout.max_new_tokens",
        )
    if (
        baseline == "corpo"
        and len(history) == EARLY
        and not any(record["clip_active_fraction"] for record in history)
    ):
        warn(
            "clip_never_active",
            f"no group's mean was below reward.threshold in {EARLY} steps: the clip never fires, and CoRPO is GRPO",
        )
    if len(history) > EARLY:
        entropy, tokens = _mean(early, "entropy"), _mean(early, "tokens_mean")
        if now["entropy"] is not None and now["entropy"] < limits.entropy * entropy:
            fell = f"{now['entropy']:.3g} nats a token, of {entropy:.3g} in the first steps"
            warn("entropy", f"{fell}: rollouts are all alike; lower train.lr or set train.loss.entropy")
        if now["tokens_mean"] > limits.length * tokens:
            warn(
                "length",
                f"{now['tokens_mean']:.0f} tokens a rollout, of {tokens:.0f} in the first steps: responses blow up; see train.loss.aggregation",
            )
    return found


def _mean(records: Sequence[Mapping[str, Any]], name: str) -> float:
    """Of the steps at which it was measured; nan, which nothing is below or above, where at none."""
    values = [record[name] for record in records if record[name] is not None]
    return sum(values) / len(values) if values else math.nan


def state_is_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether weights and moments may be kept."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
