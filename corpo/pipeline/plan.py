"""The dry run: the composed config, memory and time of a training step, the stages to run or skip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import yaml

from corpo.config import Config
from corpo.pipeline.models import model_architecture
from corpo.pipeline.stage import Stage

if TYPE_CHECKING:
    from corpo.pipeline.budget import Budget


def plan(config: Config, stages: Sequence[Stage]) -> str:
    """What `dry_run=true` prints."""
    lines = [yaml.safe_dump(asdict(config), sort_keys=False)]
    model = model_architecture(config)
    if model is None:
        lines.append(
            f"{config.model.path}: not on this machine, so no budget; give its sizes as model.architecture\n"
        )
    else:
        from corpo.pipeline.budget import step_budget

        lines.append(budget_text(config, step_budget(config, model)))
    minutes = [0.0 if stage.done else stage.minutes() for stage in stages]
    for stage, needed in zip(stages, minutes, strict=True):
        state = "done before" if stage.done else f"to run, about {_spelled(needed)}"
        lines.append(f"{stage.title:28s} {state:24s} {stage.folder}")
    lines.append(f"{'in all':28s} about {_spelled(sum(minutes))}")
    return "\n".join(lines)


def budget_text(config: Config, budget: Budget) -> str:
    """Memory by part, tokens and time, a line each."""
    plan, gib = config.budget, 2**30
    lines = [
        f"A training step of {budget.parameters:,} parameters, on each of {plan.devices} device{'s' * (plan.devices > 1)}:"
    ]
    lines += [f"  {size / gib:8.2f} GiB  {part}" for part, size in budget.parts.items()]
    verdict = "fits" if budget.memory <= plan.memory_gib * gib else "DOES NOT FIT"
    lines.append(
        f"  {budget.memory / gib:8.2f} GiB  in all, at most: {verdict} into budget.memory_gib={plan.memory_gib:g}"
    )
    lines.append(
        f"  {budget.training_tokens:,} tokens to learn from and {budget.rollout_tokens:,} to sample a step, at most; about {budget.step_seconds:.3g} s "
        f"at budget.teraflops={plan.teraflops:g} a device\n"
    )
    return "\n".join(lines)


def _spelled(minutes: float) -> str:
    if math.isnan(minutes):
        return "? min"
    return f"{minutes:.1f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
