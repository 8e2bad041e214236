"""What a problem family is: one idea, many parametrised problems, several correct ways to solve each.

Nothing here is labelled. A family's solutions are only *claimed* correct; `corpo.data.execution.labelling` runs them.
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
    """A parametrised Python problem: every solution defines `f`.

    `statements` and `solutions` are `string.Template` texts. A scalar parameter `k` fills `$k`; a parameter whose
    choices are dicts, such as `{"word": "above", "code": ">"}` under the name `cmp`, fills `$cmp_word` and `$cmp_code`.
    """

    name: str
    topic: str
    statements: tuple[str, ...]
    solutions: tuple[str, ...]
    params: Mapping[str, tuple[Any, ...]]
    inputs: Callable[[Random, Params], tuple[Any, ...]]  # arguments of one random call of f
    edges: tuple[tuple[Any, ...], ...] = ()  # argument tuples every problem is tested on

    def all_params(self) -> list[dict[str, Any]]:
        """Every assignment of the parameters, in a fixed order."""
        names = list(self.params)
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*self.params.values())]


@dataclass(frozen=True)
class Step:
    """One line of a worked solution: `text`, then `expression` evaluated over parameters and earlier step names."""

    name: str
    expression: str  # one binary operation of + - * //, e.g. "boxes * size"
    text: str  # e.g. "pens in all"


@dataclass(frozen=True)
class MathFamily:
    """A parametrised word problem with a whole-number answer: the value of the last step of any solution."""

    name: str
    topic: str
    statements: tuple[str, ...]  # `string.Template` over the parameters
    solutions: tuple[tuple[Step, ...], ...]  # different routes to the same answer
    draw: Callable[[Random], dict[str, int]]


Family = CodeFamily | MathFamily


def fill(template: str, params: Params) -> str:
    """Substitute parameters into a template; KeyError names a placeholder that no parameter fills."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}_{key}": part for key, part in value.items()})
        else:
            flat[name] = value
    return Template(template).substitute(flat)


def programs(text: str) -> tuple[str, ...]:
    """Programs written one below the other with an empty line between them."""
    return tuple(dedent(text).strip("\n").split("\n\n"))


COMPARISONS: tuple[dict[str, str], ...] = (
    {"word": "greater than", "code": ">"},
    {"word": "less than", "code": "<"},
    {"word": "at least", "code": ">="},
    {"word": "at most", "code": "<="},
)


def numbers_near(rng: Random, *centres: int, longest: int = 8, low: int = -9, high: int = 20) -> list[int]:
    """A short list in which values at and beside each centre are common, so that boundary mistakes show."""
    near = [centre + shift for centre in centres for shift in (-1, 0, 0, 1)]
    return [
        rng.choice(near) if rng.random() < 0.5 else rng.randint(low, high)
        for _ in range(rng.randint(0, longest))
    ]
