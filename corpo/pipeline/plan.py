"""The dry run: the composed config, memory and time of a training step, and the stages to run or skip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import yaml

from corpo.config import Config
from corpo.pipeline.models import model_architecture
from corpo.pipeline.stage import Stage, graph, unfinished

if TYPE_CHECKING:
    from corpo.pipeline.budget import Budget


def plan(config: Config, targets: Sequence[Stage]) -> str:
    """Return what `dry_run=true` prints."""
    config_text = yaml.safe_dump(asdict(config), sort_keys=False)
    return "\n".join([config_text, _budget(config), *_stage_lines(targets)])


def _budget(config: Config) -> str:
    model = model_architecture(config)
    if model is None:
        return (
            f"{config.model.path}: not on this machine, so no budget; give its sizes as model.architecture\n"
        )
    from corpo.pipeline.budget import step_budget

    return budget_text(config, step_budget(config, model))


def _stage_lines(targets: Sequence[Stage]) -> list[str]:
    """Return one line per stage with its state and a rough estimate, and a line with the sum."""
    stages = graph(targets)
    needed = {stage.folder for stage in unfinished(targets)}
    lines, total = [], 0.0
    for number, stage in enumerate(stages, start=1):
        state = "done before" if stage.done else "not needed"
        if stage.folder in needed:
            minutes = stage.minutes()
            total += minutes
            state = f"to run, about {_format_minutes(minutes)}"
        position = f"stage {number} of {len(stages)}"
        lines.append(f"{position:15s} {stage.title:28s} {state:24s} {stage.folder}")
    return [*lines, f"{'in total':44s} about {_format_minutes(total)}"]


def budget_text(config: Config, budget: Budget) -> str:
    """Return memory by part, tokens and time of a training step, one per line."""
    limits, gib = config.budget, 2**30
    devices = f"{limits.devices} device{'s' if limits.devices > 1 else ''}"
    lines = [f"A training step of {budget.parameters:,} parameters, on each of {devices}:"]
    for part, size in budget.parts.items():
        lines.append(f"  {size / gib:8.2f} GiB  {part}")
    verdict = "fits" if budget.memory <= limits.memory_gib * gib else "DOES NOT FIT"
    lines.append(
        f"  {budget.memory / gib:8.2f} GiB  in total, at most: "
        f"{verdict} into budget.memory_gib={limits.memory_gib:g}"
    )
    lines.append(
        f"  {budget.training_tokens:,} tokens to learn from and {budget.rollout_tokens:,} to sample "
        "per step, at most; "
        f"about {budget.step_seconds:.3g} s at budget.teraflops={limits.teraflops:g} per device\n"
    )
    return "\n".join(lines)


def _format_minutes(minutes: float) -> str:
    if math.isnan(minutes):
        return "? min"
    return f"{minutes:.1f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
