"""The nouns of the verifier task: problem, candidate, pair, kind. No torch, no side effects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum


class Domain(StrEnum):
    code = "code"
    math = "math"


class Kind(StrEnum):
    """Which of a pair's two candidates are correct."""

    first_correct = "first_correct"
    second_correct = "second_correct"
    both_correct = "both_correct"
    both_wrong = "both_wrong"

    @classmethod
    def of(cls, label_a: bool, label_b: bool) -> Kind:
        if label_a != label_b:
            return cls.first_correct if label_a else cls.second_correct
        return cls.both_correct if label_a else cls.both_wrong


@dataclass(frozen=True)
class Problem:
    """A statement whose solutions can be checked. `id` names family and parameters."""

    id: str
    domain: Domain
    family: str
    topic: str
    statement: str


@dataclass(frozen=True)
class Candidate:
    """A program or worked solution with its label from execution or answer check, never from how it was made."""

    text: str
    correct: bool
    origin: str  # "reference", the name of the mutation that made it, or who wrote it
    line: int = 0  # 1-based line or step that the mutation touched; 0 for references
    passed: int = 0
    total: int = 0
    error: str | None = None  # class of the first failure
    evidence: str = (
        ""  # what shows a wrong one: its value on a call and the value wanted, or a step as it should be
    )
    claimed: bool | None = None  # what its source says of it, where it says anything
    isolation: str = ""  # of the sandbox that labelled it; "" where nothing was run

    @property
    def id(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Pair:
    """A problem with candidates A and B, in the order in which the verifier reads them."""

    problem: Problem
    a: Candidate
    b: Candidate

    @property
    def kind(self) -> Kind:
        return Kind.of(self.a.correct, self.b.correct)

    @property
    def labels(self) -> tuple[bool, bool]:
        return self.a.correct, self.b.correct

    @property
    def id(self) -> str:
        """The same for a pair and its swap: both orders are one cluster in every interval."""
        programs = "|".join(sorted((self.a.text, self.b.text)))
        return hashlib.sha256(f"{self.problem.statement}|{programs}".encode()).hexdigest()[:16]

    def swapped(self) -> Pair:
        return replace(self, a=self.b, b=self.a)
