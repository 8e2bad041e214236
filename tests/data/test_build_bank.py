"""Build labelled problems from the bank."""

from __future__ import annotations

import re

from corpo.data.bank.selection import Bank, Role
from corpo.data.build_bank import build
from corpo.data.execution.sandbox import Sandbox
from corpo.data.types import LabelledProblem, Use
from corpo.task import Candidate, Domain


def _candidates(problems: list[LabelledProblem]) -> list[Candidate]:
    candidates: list[Candidate] = []
    for problem in problems:
        candidates += problem.candidates
    return candidates


def test_references_are_correct_and_most_mutants_are_wrong(problems: list[LabelledProblem]) -> None:
    candidates = _candidates(problems)
    assert all(candidate.correct for candidate in candidates if candidate.origin == "reference")
    mutants = [candidate for candidate in candidates if candidate.origin != "reference"]
    wrong = [candidate for candidate in mutants if not candidate.correct]
    assert 0.8 < len(wrong) / len(mutants) < 1, "some mutants are equivalent, so they are correct"
    assert all(candidate.error and candidate.passed < candidate.total for candidate in wrong)


def test_evidence_is_the_value_that_the_program_gives(problems: list[LabelledProblem]) -> None:
    checked = 0
    for candidate in _candidates([problem for problem in problems if problem.domain is Domain.code]):
        assert bool(candidate.evidence) is not candidate.correct
        match = re.fullmatch(r"(f\(.*\)) = (.+), not (.+)", candidate.evidence)
        if match and checked < 300:
            scope: dict[str, object] = {}
            exec(candidate.text, scope)
            assert repr(eval(match[1], scope)) == match[2] != match[3]
            checked += 1
    assert checked == 300


def test_a_part_of_the_bank_gives_the_same_problems_as_the_whole(
    bank: Bank, problems: list[LabelledProblem]
) -> None:
    family = bank.with_role(Role.train)[0]
    part = Bank((family,), (), {family.name: Role.train})
    alone = build(part, set(Use), 0, 2, Sandbox(), None)
    assert alone == [problem for problem in problems if problem.family == family.name]
