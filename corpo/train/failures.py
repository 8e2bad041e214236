"""Count the failures of a batch by kind, those that a baseline rewards, and the faults of responses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from torch import Tensor

from corpo.tasks import Grade


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
