"""The types of problem families, each with parametrised problems and several correct solutions.

Nothing here is labelled. `corpo.data.execution.labelling` runs the solutions to check that they are
correct.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from string import Template
from textwrap import dedent
from typing import Any

Params = Mapping[str, Any]


@dataclass(frozen=True)
class CodeFamily:
    """A parametrised Python problem; every solution defines `f`.

    `statements` and `solutions` are `string.Template` texts. A scalar parameter `k` fills `$k`. A parameter
    `cmp` whose choices are dicts, such as `{"word": "above", "code": ">"}`, fills `$cmp_word` and
    `$cmp_code`.
    """

    name: str
    topic: str
    statements: tuple[str, ...]
    solutions: tuple[str, ...]
    params: Mapping[str, tuple[Any, ...]]
    inputs: Callable[[Random, Params], tuple[Any, ...]]  # arguments of one random call of f
    edges: tuple[tuple[Any, ...], ...] = ()  # argument tuples that every problem is tested on

    def all_params(self) -> list[dict[str, Any]]:
        """Return every assignment of the parameters, in a fixed order."""
        names = list(self.params)
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*self.params.values())]


@dataclass(frozen=True)
class Step:
    """One line of a worked solution: `text`, then `expression` over parameters and earlier steps' names."""

    name: str
    expression: str  # one binary operation of + - * //, e.g. "boxes * size"
    text: str  # e.g. "pens in all"


@dataclass(frozen=True)
class MathFamily:
    """A parametrised word problem with a whole-number answer, the value of a solution's last step."""

    name: str
    topic: str
    statements: tuple[str, ...]  # `string.Template` over the parameters
    solutions: tuple[tuple[Step, ...], ...]  # different routes to the same answer
    draw: Callable[[Random], dict[str, int]]


def fill(template: str, params: Params) -> str:
    """Substitute parameters into a template. Raises KeyError for a placeholder that no parameter fills."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}_{key}": part for key, part in value.items()})
        else:
            flat[name] = value
    return Template(template).substitute(flat)


def programs(text: str) -> tuple[str, ...]:
    """Split programs that are written one below the other with an empty line between them."""
    return tuple(dedent(text).strip("\n").split("\n\n"))


COMPARISONS: tuple[dict[str, str], ...] = (
    {"word": "greater than", "code": ">"},
    {"word": "less than", "code": "<"},
    {"word": "at least", "code": ">="},
    {"word": "at most", "code": "<="},
)


def numbers_near(rng: Random, *centres: int, longest: int = 8, low: int = -9, high: int = 20) -> list[int]:
    """Draw a short list with many values at and beside the centres, so that off-by-one mistakes show."""
    near: list[int] = []
    for centre in centres:
        near += [centre - 1, centre, centre, centre + 1]
    numbers = []
    for _ in range(rng.randint(0, longest)):
        is_near = rng.random() < 0.5
        numbers.append(rng.choice(near) if is_near else rng.randint(low, high))
    return numbers
