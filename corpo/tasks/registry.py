"""The tasks by name, for configs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corpo.config import TASK_NAMES, Config
from corpo.tasks.base import Task

MakeTask = Callable[[Config], Task[Any]]
TASKS: dict[str, MakeTask] = {}


def register_task(name: str) -> Callable[[MakeTask], MakeTask]:
    """Register a class or function that makes a task from a config, under a name for `task.name`.

    Raises ValueError for the name of a task of the package.
    """
    if name in TASK_NAMES:
        raise ValueError(f"the task {name!r} is one of the package; register yours under another name")

    def register(make: MakeTask) -> MakeTask:
        TASKS[name] = make
        return make

    return register
