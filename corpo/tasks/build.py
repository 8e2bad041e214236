"""The task of a config."""

from __future__ import annotations

from typing import Any

from corpo.config import GENERATE, SOLVE, VERIFY, Config
from corpo.tasks.base import Task
from corpo.tasks.generate import GenerateTask
from corpo.tasks.registry import TASKS, MakeTask
from corpo.tasks.solve import SolveTask
from corpo.tasks.verify import verify_task

BUILT_IN: dict[str, MakeTask] = {VERIFY: verify_task, GENERATE: GenerateTask, SOLVE: SolveTask}


def task_of(config: Config) -> Task[Any]:
    """Return the task of a config. Raises ValueError if its name is not registered."""
    tasks = BUILT_IN | TASKS
    name = config.task.name
    if name not in tasks:
        known = ", ".join(sorted(tasks))
        raise ValueError(f"task.name={name!r}: choose one of {known}, or register your own")
    return tasks[name](config)


def is_verify(config: Config) -> bool:
    """Return whether a config has the paper's task, whose data come from `data.*`."""
    return config.task.name == VERIFY
