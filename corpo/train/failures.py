"""Count the failures of a batch by kind, those that a baseline rewards, and the faults of responses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from torch import Tensor

from corpo.tasks import Grade, Task
from corpo.utils.errors import ConfigError


def require_valid_grades(grades_PG: Sequence[Sequence[Grade]], task: Task[Any]) -> None:
    """Raise ConfigError unless each failure has a kind that the task names, and each success has none."""
    for grade in chain.from_iterable(grades_PG):
        if grade.reward >= task.threshold and grade.failure:
            raise ConfigError(
                f"task.name={task.name}: the failure {grade.failure!r} has a reward of {grade.reward:g}; "
                f"give failures less than reward.threshold={task.threshold:g}"
            )
        if grade.reward < task.threshold and grade.failure not in task.failures:
            raise ConfigError(
                f"task.name={task.name}: a reward of {grade.reward:g} is that of a failure, but "
                f"{grade.failure!r} is no kind of failure; choose one of {', '.join(task.failures)}"
            )
        if grade.fault and grade.fault not in task.faults:
            raise ConfigError(
                f"task.name={task.name}: {grade.fault!r} is no kind of fault; "
                f"choose one of {', '.join(task.faults)}"
            )


def count_faults(grades_PG: Sequence[Sequence[Grade]], faults: Iterable[str]) -> dict[str, float]:
    """Return the number of rollouts with each of these kinds of fault."""
    counts = {f"fault_{fault}": 0.0 for fault in faults}
    for grade in chain.from_iterable(grades_PG):
        if grade.fault:
            counts[f"fault_{grade.fault}"] += 1
    return counts


def count_failures(
    grades_PG: Sequence[Sequence[Grade]], advantages_PG: Tensor, failures: Sequence[str]
) -> dict[str, float]:
    """Return the number of failed rollouts of each of these kinds, and of those with a positive advantage."""
    counts = dict.fromkeys([f"failed_{name}" for name in failures], 0.0)
    counts |= dict.fromkeys([f"rewarded_{name}" for name in failures], 0.0)
    is_rewarded_PG = (advantages_PG > 0).tolist()
    for grades_G, is_rewarded_G in zip(grades_PG, is_rewarded_PG, strict=True):
        for grade, is_rewarded in zip(grades_G, is_rewarded_G, strict=True):
            if grade.failure:
                counts[f"failed_{grade.failure}"] += 1
                counts[f"rewarded_{grade.failure}"] += is_rewarded
    return counts
