"""Change one operation or the fold of a pipeline: the mistakes that wrong candidates make.

A mutant is not necessarily wrong. Running it decides that.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from corpo.data.pipelines.operations import ARGUMENTS, FOLDS, LIST, Operation, Pipeline, draw_operation

MUTATIONS = ("constant", "operator", "drop", "insert", "swap", "fold")
_CONFUSED_WITH = {
    "above": "below",
    "below": "above",
    "plus": "times",
    "times": "plus",
    "first": "skip",
    "skip": "first",
}


def mutate(pipeline: Pipeline, rng: Random, max_operations: int) -> tuple[str, Pipeline] | None:
    """Return the name of a random mutation and the mutant, or None if it does not apply here."""
    mutation = rng.choice(MUTATIONS)
    if mutation == "fold":
        ending = _other_ending(pipeline.ending, rng)
        return None if ending is None else (mutation, replace(pipeline, ending=ending))
    operations = _edit(list(pipeline.operations), mutation, rng, max_operations)
    if operations is None:
        return None
    mutant = replace(pipeline, operations=tuple(operations))
    return None if mutant.repeats else (mutation, mutant)


def _other_ending(ending: str, rng: Random) -> str | None:
    """Return another fold. A list stays a list: a number instead of a list would be too easy to see."""
    return None if ending == LIST else rng.choice([other for other in FOLDS if other != ending])


def _edit(
    operations: list[Operation], mutation: str, rng: Random, max_operations: int
) -> list[Operation] | None:
    index = rng.randrange(len(operations))
    operation = operations[index]
    if mutation == "constant":
        others = [k for k in ARGUMENTS[operation.name] if k != operation.argument]
        if not others:
            return None
        near = sorted(others, key=lambda k: abs(k - operation.argument))[:3]
        operations[index] = replace(operation, argument=rng.choice(near))
    elif mutation == "operator":
        other = _CONFUSED_WITH.get(operation.name)
        if other is None or operation.argument not in ARGUMENTS[other]:
            return None
        operations[index] = replace(
            operation, name=other, variant=operation.variant if _two_ways(other) else 0
        )
    elif mutation == "drop":
        if len(operations) < 2:
            return None
        del operations[index]
    elif mutation == "insert":
        if len(operations) >= max_operations:
            return None
        operations.insert(index, draw_operation(rng))
    else:
        if index + 1 >= len(operations):
            return None
        operations[index], operations[index + 1] = operations[index + 1], operations[index]
    return operations


def _two_ways(name: str) -> bool:
    return name in ("above", "below", "plus", "times")
