"""The data types of problems and candidates on their way from a source to a pair."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from corpo.data.execution.checks import Checks
from corpo.task import Candidate, Domain


class Use(StrEnum):
    """The purpose of a problem. Each problem has exactly one."""

    warm_start = "warm_start"
    train = "train"
    validation = "validation"
    evaluation = "evaluation"


@dataclass(frozen=True)
class RawCandidate:
    """A program or worked solution that has not been checked yet."""

    text: str
    origin: str  # "reference", the name of a mutation, or the author
    claimed: bool | None = None  # the label that its source claims; never used as its label
    line: int = 0  # 1-based line that a mutation changed; 0 if none


@dataclass(frozen=True)
class RealProblem:
    """A problem of a benchmark or of a user, with the programs or worked solutions that came with it."""

    id: str  # unique within its source
    domain: Domain
    statement: str  # the text that the verifier reads
    checks: Checks
    references: tuple[str, ...] = ()  # claimed to be correct; checked like all other candidates
    given: tuple[RawCandidate, ...] = ()
    topic: str = ""  # difficulty or subject, if the source has it
    prompt: str = ""  # text that a completion model continues; "" if a program stands alone
    starter: str = ""  # put before a continuation to make it a program: the prompt without its docstring
    notes: tuple[str, ...] = ()  # what its source took under another name or left out


@dataclass(frozen=True)
class UnlabelledProblem:
    """A real problem with all its candidates, before they are labelled."""

    source: str
    problem: RealProblem
    candidates: tuple[RawCandidate, ...]
    use: Use


@dataclass(frozen=True)
class LabelledProblem:
    """A problem in all its wordings, with labelled candidates."""

    id: str
    domain: Domain
    family: str  # for a real problem, its source
    topic: str
    use: Use
    statements: tuple[str, ...]
    candidates: tuple[Candidate, ...]

    def by_label(self, correct: bool) -> list[Candidate]:
        """Return the correct candidates, or the wrong ones."""
        return [candidate for candidate in self.candidates if candidate.correct is correct]
