"""Check a training run: raise errors for NaN or infinite values, and warn if the run collapses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from corpo.utils.errors import NonFiniteError, ResponseError

REFERENCE_STEPS = 5  # the first steps of a run, with which later steps are compared


def require_finite(
    quantity: str, values: Tensor, mask: Tensor | None = None, prompts: Sequence[str] = ()
) -> None:
    """Raise NonFiniteError if any of the `values` is NaN or infinite.

    `values` has the shape (P, G, T), (P, G) or (). Values where `mask` is false are ignored. The error names
    the first bad value by its prompt, rollout and token. `prompts` are the names of the P prompts.
    """
    bad = ~values.isfinite()
    if mask is not None:
        bad &= mask.bool()
    if not bool(bad.any()):
        return
    indices = bad.nonzero()[0].tolist()
    axes = [f"{axis} {index}" for axis, index in zip(("prompt", "rollout", "token"), indices, strict=False)]
    if indices and prompts:
        axes[0] = prompts[indices[0]]
    place = f" of {', '.join(axes)}" if axes else ""
    num_others = int(bad.sum()) - 1
    others = f", and {num_others} more" if num_others else ""
    raise NonFiniteError(f"{quantity}{place} is {float(values[tuple(indices)]):g}{others}")


def state_is_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether all weights and moments are finite, so that they may be saved."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def with_step(error: NonFiniteError, step: int, is_previous_step_saved: bool) -> NonFiniteError:
    """Return the error with the step before its message and advice after it."""
    advice = "look at that rollout, lower train.lr, or try model.dtype=float32"
    start = "the step before" if is_previous_step_saved else "the last checkpoint"
    resume = f"the same command resumes from {start}"
    return NonFiniteError(f"step {step}: {error}; {advice}; {resume}")


@dataclass(frozen=True)
class CollapseLimits:
    """The limits beyond which a run counts as collapsed. *Our choice*, well outside what healthy runs show.

    Healthy here means the finished runs of the nano policy and of SmolLM2 in `results/`.
    """

    min_entropy_ratio: float = 0.1  # entropy, relative to the first steps
    max_unparseable: float = 0.5  # share of rollouts without an answer
    max_one_fault: float = 0.8  # share of rollouts with the same fault in each of the first steps
    max_length_ratio: float = 2.0  # tokens per rollout, relative to the first steps


@dataclass(frozen=True)
class HealthWarning:
    """A named warning and the step at which it occurred."""

    step: int
    name: str
    text: str


def health_warnings(
    history: Sequence[Mapping[str, Any]], baseline: str, limits: CollapseLimits = CollapseLimits()
) -> list[HealthWarning]:
    """Return the warnings that apply to the last of these records, the metrics of all steps so far."""
    warnings = [*_advantage_warnings(history, baseline, limits), *_drift_warnings(history, limits)]
    return [HealthWarning(int(history[-1]["step"]), name, text) for name, text in warnings]


def require_answers(
    history: Sequence[Mapping[str, Any]],
    faults: Mapping[str, str],
    limits: CollapseLimits = CollapseLimits(),
) -> None:
    """Raise ResponseError if most responses of each of the first steps have the same fault.

    Such a run gets the lowest reward for almost everything and learns nothing. `faults` says of each kind of
    fault what it is and what to do.
    """
    if len(history) != REFERENCE_STEPS:
        return
    for fault, advice in faults.items():
        share = min(_fault_share(record, fault, faults) for record in history)
        if share > limits.max_one_fault:
            raise ResponseError(
                f"step {REFERENCE_STEPS}: at least {share:.0%} of the responses of every step have the same "
                f"fault, {advice}"
            )


def _fault_share(record: Mapping[str, Any], fault: str, faults: Iterable[str]) -> float:
    """Return the share of responses with a fault. A response is unparseable if it has any fault."""
    num_faults = sum(record.get(f"fault_{name}") or 0 for name in faults)
    return record["unparseable"] * (record.get(f"fault_{fault}") or 0) / num_faults if num_faults else 0.0


def _advantage_warnings(
    history: Sequence[Mapping[str, Any]], baseline: str, limits: CollapseLimits
) -> Iterator[tuple[str, str]]:
    """Yield warnings about rewards and advantages, as name and text."""
    metrics = history[-1]
    if metrics["zero_advantage_fraction"] == 1:
        yield (
            "no_signal",
            "every group's advantages are zero, so nothing is learned; "
            "use harder or easier prompts, more reward.levels or a larger train.group_size",
        )
    if metrics["unparseable"] > limits.max_unparseable:
        yield (
            "unparseable",
            f"{metrics['unparseable']:.0%} of rollouts have no answer; "
            "warm-start the model (model.warm_start=true) or raise rollout.max_new_tokens",
        )
    was_active = any(record["clip_active_fraction"] for record in history)
    if baseline == "corpo" and len(history) == REFERENCE_STEPS and not was_active:
        yield (
            "clip_never_active",
            f"no group's mean was below reward.threshold in {REFERENCE_STEPS} steps: "
            "the clip is never active, and CoRPO equals GRPO",
        )


def _drift_warnings(
    history: Sequence[Mapping[str, Any]], limits: CollapseLimits
) -> Iterator[tuple[str, str]]:
    """Yield warnings about changes since the first steps, as name and text."""
    if len(history) <= REFERENCE_STEPS:
        return
    first_steps, metrics = history[:REFERENCE_STEPS], history[-1]
    entropy, tokens = _mean(first_steps, "entropy"), _mean(first_steps, "tokens_mean")
    if metrics["entropy"] is not None and metrics["entropy"] < limits.min_entropy_ratio * entropy:
        yield (
            "entropy",
            f"the entropy fell to {metrics['entropy']:.3g} nats per token, from {entropy:.3g} in the first "
            "steps: rollouts are all alike; lower train.lr or set train.loss.entropy",
        )
    if metrics["tokens_mean"] > limits.max_length_ratio * tokens:
        yield (
            "length",
            f"the responses grew to {metrics['tokens_mean']:.0f} tokens per rollout, from {tokens:.0f} in "
            "the first steps; see train.loss.aggregation",
        )


def _mean(records: Sequence[Mapping[str, Any]], name: str) -> float:
    """Return the mean of a metric over the records that have it, or NaN if there is none.

    A comparison with NaN is false, so no warning results from it.
    """
    values = [record[name] for record in records if record[name] is not None]
    return sum(values) / len(values) if values else math.nan
