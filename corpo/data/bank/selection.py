"""The embedded bank of problem families, and which of them train, validate and evaluate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from corpo.data.bank import arithmetic, sequences, stories, text
from corpo.data.bank.base import CodeFamily, MathFamily, fill

CODE_FAMILIES: tuple[CodeFamily, ...] = (*sequences.FAMILIES, *text.FAMILIES, *arithmetic.FAMILIES)
MATH_FAMILIES: tuple[MathFamily, ...] = stories.FAMILIES


F = TypeVar("F", CodeFamily, MathFamily)


class Role(StrEnum):
    """What a code family is for. Math families are all held out: RL never trains on math."""

    train = "train"
    validation = "validation"
    held_out = "held_out"


# Dealt out along the families sorted by topic, so that every topic gives to every role: 60% train, 10% validation, 30% held out.
_DEAL = (
    Role.train,
    Role.held_out,
    Role.train,
    Role.train,
    Role.held_out,
    Role.train,
    Role.validation,
    Role.train,
    Role.held_out,
    Role.train,
)


@dataclass(frozen=True)
class Bank:
    """A stratified part of the bank and the role of each of its code families."""

    code: tuple[CodeFamily, ...]
    math: tuple[MathFamily, ...]
    roles: dict[str, Role]

    def with_role(self, role: Role) -> list[CodeFamily]:
        return [family for family in self.code if self.roles[family.name] is role]


def select(code_families: int, math_families: int) -> Bank:
    """The shortest families of each topic, as many as asked for; ValueError where the bank holds fewer."""
    code = _shortest_by_topic(CODE_FAMILIES, code_families, "data.code_families")
    math = _shortest_by_topic(MATH_FAMILIES, math_families, "data.math_families")
    ordered = sorted(code, key=lambda family: (family.topic, family.name))
    roles = {family.name: _DEAL[i % len(_DEAL)] for i, family in enumerate(ordered)}
    return Bank(tuple(code), tuple(math), roles)


def _size(family: CodeFamily | MathFamily) -> float:
    """Mean length of a candidate in characters: what a small policy has to read."""
    if isinstance(family, CodeFamily):
        params = family.all_params()[0]
        return sum(len(fill(source, params)) for source in family.solutions) / len(family.solutions)
    return sum(len(step.text) + 12 for steps in family.solutions for step in steps) / len(family.solutions)


def _shortest_by_topic(families: Sequence[F], count: int, field: str) -> list[F]:
    if not 1 <= count <= len(families):
        raise ValueError(f"{field}={count}: the bank holds {len(families)}; choose 1 to {len(families)}")
    by_topic: dict[str, list[F]] = defaultdict(list)
    for family in sorted(families, key=lambda family: (_size(family), family.name)):
        by_topic[family.topic].append(family)
    chosen: list[F] = []
    for rank in range(
        len(families)
    ):  # the shortest of each topic, then the second shortest of each, and so on
        chosen += [by_topic[topic][rank] for topic in sorted(by_topic) if rank < len(by_topic[topic])]
    return sorted(chosen[:count], key=lambda family: family.name)


def names(families: Iterable[CodeFamily | MathFamily]) -> list[str]:
    return [family.name for family in families]
