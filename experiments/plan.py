"""The dry run: the composed config, the stages to run or skip, and an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import yaml

from corpo.config import Config
from corpo.stages import Stage


def plan(config: Config, stages: Sequence[Stage]) -> bool:
    """With `dry_run=true` print the plan and return True: the caller then does nothing."""
    if not config.dry_run:
        return False
    print(yaml.safe_dump(asdict(config), sort_keys=False))
    for stage in stages:
        state = "done before" if stage.done else f"to run, about {stage.minutes:.1f} min"
        print(f"{stage.title:28s} {state:24s} {stage.folder}")
    print(f"{'in all':28s} about {sum(stage.minutes for stage in stages if not stage.done):.0f} min on two cores")
    return True
