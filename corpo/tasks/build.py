"""The task of a config."""

from __future__ import annotations

from typing import Any

from corpo.config import VERIFY, Config
from corpo.tasks.base import Task
from corpo.tasks.registry import TASKS


def task_of(config: Config) -> Task[Any]:
    """Return the task of a config. Raises ValueError if its name is not registered."""
    name = config.task.name
    if name not in TASKS:
        known = ", ".join(sorted(TASKS))
        raise ValueError(f"task.name={name!r}: choose one of {known}, or register your own")
    return TASKS[name](config)


def is_verify(config: Config) -> bool:
    """Return whether a config has the paper's task, whose data come from `data.*`."""
    return config.task.name == VERIFY
