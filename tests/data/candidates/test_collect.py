"""Collect the candidates of a problem."""

from __future__ import annotations

from corpo.config import CandidatesConfig
from corpo.data.candidates.collect import collect_candidates, without_repeated_texts
from corpo.data.execution.checks import Answer
from corpo.data.types import RawCandidate, RealProblem
from corpo.task import Domain


def test_collect_skips_mutants_of_a_program_that_cannot_be_parsed() -> None:
    deep = "x = " + "-" * 5000 + "1"
    problem = RealProblem("p", Domain.code, "s", Answer("1"), references=(deep,))
    config = CandidatesConfig(sources=["references", "mutants"], mutants=2)
    assert [candidate.text for candidate in collect_candidates(problem, config)] == [deep]


def test_collect_mutates_claimed_programs_without_a_reference_and_repeats_no_text() -> None:
    given = (
        RawCandidate("def f(x):\n    return x + 1\n", "human", True),
        RawCandidate("f = 1", "human", False),
    )
    problem = RealProblem("p", Domain.code, "s", Answer("1"), given=given)
    config = CandidatesConfig(sources=["given", "mutants"], mutants=4)
    sampled = (RawCandidate(given[0].text, "model"), RawCandidate(" ", "model"))
    candidates = without_repeated_texts(collect_candidates(problem, config, sampled))
    assert set(given) < set(candidates)
    assert {candidate.origin for candidate in candidates} == {"human", "arithmetic", "constant"}
    assert len({candidate.text for candidate in candidates}) == len(candidates) == 5
