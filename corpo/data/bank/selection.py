"""Select problem families from the bank, and assign them to training, validation and evaluation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import TypeVar

from corpo.data.bank import arithmetic, sequences, stories, text
from corpo.data.bank.base import CodeFamily, MathFamily, fill

CODE_FAMILIES: tuple[CodeFamily, ...] = (*sequences.FAMILIES, *text.FAMILIES, *arithmetic.FAMILIES)
MATH_FAMILIES: tuple[MathFamily, ...] = stories.FAMILIES

AnyFamily = TypeVar("AnyFamily", CodeFamily, MathFamily)


class Role(StrEnum):
    """The role of a code family. All math families are held out, because RL never trains on math."""

    train = "train"
    validation = "validation"
    held_out = "held_out"


# The families, sorted by topic, take these roles in turn, so that every topic has every role.
# 60% of the families train, 10% validate and 30% are held out.
_ROLE_CYCLE = (
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
    """A part of the bank, stratified by topic, with the role of each code family."""

    code: tuple[CodeFamily, ...]
    math: tuple[MathFamily, ...]
    roles: dict[str, Role]

    def with_role(self, role: Role) -> list[CodeFamily]:
        """Return the code families with this role."""
        return [family for family in self.code if self.roles[family.name] is role]


def select(code_families: int, math_families: int) -> Bank:
    """Select the shortest families of each topic. Raises ValueError if the bank has fewer than requested."""
    code = _shortest_by_topic(CODE_FAMILIES, code_families, "data.code_families")
    math = _shortest_by_topic(MATH_FAMILIES, math_families, "data.math_families")
    ordered = sorted(code, key=lambda family: (family.topic, family.name))
    roles = {family.name: _ROLE_CYCLE[i % len(_ROLE_CYCLE)] for i, family in enumerate(ordered)}
    return Bank(tuple(code), tuple(math), roles)


def _size(family: CodeFamily | MathFamily) -> float:
    """Return the mean length of a family's candidates in characters."""
    if isinstance(family, CodeFamily):
        params = family.all_params()[0]
        return sum(len(fill(source, params)) for source in family.solutions) / len(family.solutions)
    chars = sum(len(step.text) + 12 for step in chain.from_iterable(family.solutions))  # 12 for the numbers
    return chars / len(family.solutions)


def _shortest_by_topic(families: Sequence[AnyFamily], count: int, field: str) -> list[AnyFamily]:
    if not 1 <= count <= len(families):
        raise ValueError(f"{field}={count}: the bank holds {len(families)}; choose 1 to {len(families)}")
    by_topic: dict[str, list[AnyFamily]] = defaultdict(list)
    for family in sorted(families, key=lambda family: (_size(family), family.name)):
        by_topic[family.topic].append(family)
    chosen: list[AnyFamily] = []
    for rank in range(len(families)):  # the shortest of each topic, then the second shortest, and so on
        chosen += [by_topic[topic][rank] for topic in sorted(by_topic) if rank < len(by_topic[topic])]
    return sorted(chosen[:count], key=lambda family: family.name)


def names(families: Iterable[CodeFamily | MathFamily]) -> list[str]:
    """Return the names of families."""
    return [family.name for family in families]
