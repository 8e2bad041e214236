"""Collect the candidates of a real problem: given ones, references, mutants and samples of a model."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from corpo.config import CandidatesConfig
from corpo.data.candidates.extract import extract_code, is_answer, wanted_pattern
from corpo.data.candidates.mutate import program_mutants
from corpo.data.python_text import PARSE_ERRORS
from corpo.data.types import RawCandidate, RealProblem
from corpo.task import Domain

SAMPLED = "sampled"  # a source with a pipeline stage of its own, because it needs a language model
_MAX_MUTATED_PROGRAMS = 3  # given programs that are mutated if a problem has no reference
_MAX_MUTATED_CHARS = 30_000  # of such a program, which is parsed once per place that can be changed


def collect_candidates(
    problem: RealProblem, config: CandidatesConfig, sampled: Sequence[RawCandidate] = ()
) -> list[RawCandidate]:
    """Return a problem's candidates from all configured sources.

    `sampled` are the candidates that a language model wrote for this problem.
    """
    candidates: list[RawCandidate] = []
    for name in config.sources:
        if name in CANDIDATE_SOURCES:
            candidates += CANDIDATE_SOURCES[name](problem, config)
    return [*candidates, *sampled]


def without_repeated_texts(candidates: Sequence[RawCandidate]) -> list[RawCandidate]:
    """Return the first candidate of each text, without empty texts."""
    first: dict[str, RawCandidate] = {}
    for candidate in reversed(candidates):
        if candidate.text.strip():
            first[candidate.text] = candidate
    return list(first.values())[::-1]


def _given(problem: RealProblem, config: CandidatesConfig) -> list[RawCandidate]:
    """Return the given candidates; for a chat answer to a code problem, the program in it."""
    if problem.domain is not Domain.code:
        return list(problem.given)
    wanted = wanted_pattern(problem.checks)
    candidates = []
    for candidate in problem.given:
        text = extract_code(candidate.text, wanted) if is_answer(candidate.text) else candidate.text
        candidates.append(replace(candidate, text=text))
    return candidates


def _references(problem: RealProblem, config: CandidatesConfig) -> list[RawCandidate]:
    """Return the references, in the layout of mutants if there are mutants too."""
    texts = problem.references
    if "mutants" in config.sources:
        texts = tuple(map(_unparsed, texts))
    return [RawCandidate(text, "reference", True) for text in texts]


def _mutants(problem: RealProblem, config: CandidatesConfig) -> list[RawCandidate]:
    """Return one-edit mutants of every reference.

    A problem without a reference gets mutants of the first programs that its source claims to be correct.
    """
    if problem.domain is not Domain.code:
        return []
    claimed = []
    for candidate in problem.given:
        if candidate.claimed and len(candidate.text) <= _MAX_MUTATED_CHARS:
            claimed.append(candidate.text)
    programs = problem.references or claimed[:_MAX_MUTATED_PROGRAMS]
    rng = Random(f"{config.seed}/{problem.id}/mutants")
    candidates: list[RawCandidate] = []
    for text in programs:
        try:
            mutants = program_mutants(_unparsed(text))
        except PARSE_ERRORS:  # not a Python program
            continue
        for mutant in rng.sample(mutants, min(config.mutants, len(mutants))):
            candidates.append(RawCandidate(mutant.text, mutant.mutation, None, mutant.line))
    return candidates


def _unparsed(text: str) -> str:
    """Return a program in the layout of its mutants, so that mutants cannot be recognised by their layout."""
    try:
        return ast.unparse(ast.parse(text)) + "\n"
    except PARSE_ERRORS:
        return text


CANDIDATE_SOURCES: dict[str, Callable[[RealProblem, CandidatesConfig], list[RawCandidate]]] = {
    "given": _given,
    "references": _references,
    "mutants": _mutants,
}
