"""The tasks by name, for configs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corpo.config import Config
from corpo.tasks.base import Task

MakeTask = Callable[[Config], Task[Any]]
TASKS: dict[str, MakeTask] = {}


def register_task(name: str) -> Callable[[MakeTask], MakeTask]:
    """Register a class or function that makes a task from a config, under a name for `task.name`."""

    def register(make: MakeTask) -> MakeTask:
        TASKS[name] = make
        return make

    return register
