"""The data types of the verifier task: problem, candidate, pair, kind."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum


class Domain(StrEnum):
    """The subject of a problem."""

    code = "code"
    math = "math"


class Kind(StrEnum):
    """The combination of a pair's labels."""

    first_correct = "first_correct"
    second_correct = "second_correct"
    both_correct = "both_correct"
    both_wrong = "both_wrong"

    @classmethod
    def from_labels(cls, label_a: bool, label_b: bool) -> Kind:
        """Return the kind of a pair whose candidates have these labels."""
        if label_a != label_b:
            return cls.first_correct if label_a else cls.second_correct
        return cls.both_correct if label_a else cls.both_wrong


@dataclass(frozen=True)
class Problem:
    """A statement whose solutions can be checked. `id` names its family and parameters."""

    id: str
    domain: Domain
    family: str
    topic: str
    statement: str


@dataclass(frozen=True)
class Candidate:
    """A program or worked solution with its label.

    The label comes from execution or from checking the answer, never from how the candidate was made.
    """

    text: str
    correct: bool
    origin: str  # "reference", the name of a mutation, or the author
    line: int = 0  # 1-based line or step that the mutation changed; 0 if none
    passed: int = 0  # number of tests passed
    total: int = 0  # number of tests run
    error: str | None = None  # class of the first failure
    evidence: str = ""  # why it is wrong: a call with its value and the expected value, or the step put right
    claimed: bool | None = None  # the label that its source claims; None if it claims nothing
    isolation: str = ""  # level of the sandbox that labelled it; "" if nothing was run

    @property
    def id(self) -> str:
        """Return a hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Pair:
    """A problem with candidates A and B, in the order in which the verifier reads them."""

    problem: Problem
    a: Candidate
    b: Candidate

    @property
    def kind(self) -> Kind:
        """Return the combination of labels."""
        return Kind.from_labels(self.a.correct, self.b.correct)

    @property
    def labels(self) -> tuple[bool, bool]:
        """Return whether A and B are correct."""
        return self.a.correct, self.b.correct

    @property
    def id(self) -> str:
        """Return a hash that is the same for a pair and its swap.

        Intervals count both orders of a pair as one cluster.
        """
        programs = "|".join(sorted((self.a.text, self.b.text)))
        return hashlib.sha256(f"{self.problem.statement}|{programs}".encode()).hexdigest()[:16]

    @property
    def is_swapped(self) -> bool:
        """Return whether the text of A sorts after that of B, which tells the two orders of a pair apart.

        Both orders have the same id.
        """
        return self.a.text > self.b.text

    def swapped(self) -> Pair:
        """Return the pair with its candidates in the other order."""
        return replace(self, a=self.b, b=self.a)
