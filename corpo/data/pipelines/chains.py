"""Build word problems that change a number in three to five steps, with worked solutions.

A worked solution is correct or has one wrong step. It is labelled by its final answer. A quarter of the
bigrams of steps is held out, as for programs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, product
from random import Random

from corpo.config import PipelinesConfig
from corpo.data.bank.base import Step
from corpo.data.candidates.worked_solutions import (
    Line,
    read_answer,
    solution_mutants,
    work_out,
    write_solution,
)
from corpo.data.pipelines.slips import Slips
from corpo.data.types import LabelledProblem, Use
from corpo.task import Candidate, Domain
from corpo.utils.errors import DataError

LENGTHS = (3, 4, 5)
STARTS = range(2, 21)
MAX_VALUE = 40  # of a right step; a wrong one may exceed it
# The operator of each kind of step.
_OPERATORS = {
    "more": "+",
    "found": "+",
    "less": "-",
    "lost": "-",
    "doubled": "*",
    "tripled": "*",
    "halved": "//",
    "quartered": "//",
}
# The numbers that a step states, or the one that its word means.
_STATED = range(1, 6)
_MEANT = {"doubled": 2, "tripled": 3, "halved": 2, "quartered": 4}
KINDS = tuple(_OPERATORS)
BIGRAMS = tuple(product(KINDS, KINDS))
HELD_OUT = frozenset(Random("held out chains").sample(BIGRAMS, len(BIGRAMS) // 4))
THINGS = ("coins", "pens", "shells", "cards")
_LINE_TEXT = "then"
_STATEMENT = re.compile(
    r"\w+: [0-9]+(?:, (?:[0-9]+ (?:more|found|less|lost)|doubled|tripled|halved|quartered))+, how many"
)
_MUTANTS = 6  # per problem
# What is drawn, in this order: the use, and whether combinations are seen or unseen.
_PLAN = (
    (Use.evaluation, "unseen"),
    (Use.evaluation, "seen"),
    (Use.warm_start, "seen"),
    (Use.validation, "seen"),
)

Chain = tuple[tuple[str, int], ...]  # the kind and the number of each step


def is_seen(chain: Chain) -> bool:
    """Return whether a chain has no held-out bigram."""
    kinds = [kind for kind, _ in chain]
    return not set(pairwise(kinds)) & HELD_OUT


def write_statement(thing: str, start: int, chain: Chain) -> str:
    """Return a statement, such as `pens: 7, 5 more, doubled, 3 lost, how many`."""
    phrases = [_phrase(kind, number) for kind, number in chain]
    return f"{thing}: {start}, {', '.join(phrases)}, how many"


def _phrase(kind: str, number: int) -> str:
    return kind if kind in _MEANT else f"{number} {kind}"


def read_statement(statement: str) -> tuple[int, Chain]:
    """Return the first number and the steps of a statement. Raises DataError for any other text."""
    if not _STATEMENT.fullmatch(statement):
        raise DataError(f"the statement {statement!r} is not a word problem of data=pipelines")
    start, *phrases = statement.partition(": ")[2].split(", ")
    chain = []
    for phrase in phrases[:-1]:
        number, _, kind = phrase.rpartition(" ")
        chain.append((kind, int(number) if number else _MEANT[kind]))
    return int(start), tuple(chain)


def operator_of(kind: str) -> str:
    """Return the operator of a kind of step, such as `+` for `more`."""
    return _OPERATORS[kind]


def apply(kind: str, number: int, value: int) -> int:
    """Return the value after a step."""
    match _OPERATORS[kind]:
        case "+":
            return value + number
        case "-":
            return value - number
        case "*":
            return value * number
    return value // number


def trace_solution(solution: str, statement: str, slips: Slips | None = None) -> str:
    """Return the trace of a worked solution: each step worked out from the statement, and the solution's.

    It ends in `ok`, or at the first step that differs in `bad`, such as `;+5:12:12;*2:24:25;bad`. With
    `slips`, some values are wrong, and the trace goes on from them.
    """
    value, chain = read_statement(statement)
    results = [line.rpartition("= ")[2] for line in solution.split("\n")[:-1]]
    steps = []
    for index, (kind, number) in enumerate(chain):
        value = apply(kind, number, value)
        if slips is not None:
            value = slips.number(value)
        result = results[index] if index < len(results) else "-"  # the solution stops early
        steps.append(f";{_OPERATORS[kind]}{number}:{value}:{result}")
        if result != str(value):
            return "".join([*steps, ";bad"])
    return "".join([*steps, ";ok"])


def chain_problems(config: PipelinesConfig, seed: int) -> list[LabelledProblem]:
    """Return the word problems of evaluation, warm start and validation, with labelled worked solutions.

    No statement and no text of a candidate occurs in two uses.
    """
    counts = {
        Use.evaluation: config.evaluation_problems,
        Use.warm_start: config.math_warm_start_problems,
        Use.validation: config.validation_problems,
    }
    ids: set[str] = set()
    use_by_text: dict[str, Use] = {}
    problems: list[LabelledProblem] = []
    for use, part in _PLAN:
        rng = Random(f"{seed}/chains/{use}/{part}")
        wanted = len(problems) + counts[use]
        while len(problems) < wanted:
            problem = _draw_problem(use, part, use_by_text, rng)
            if problem is not None and problem.id not in ids:
                ids.add(problem.id)
                problems.append(problem)
    return problems


def _draw_problem(use: Use, part: str, use_by_text: dict[str, Use], rng: Random) -> LabelledProblem | None:
    """Return a problem, or None if its steps do not belong to the part or too few candidates are left.

    `use_by_text` holds the texts that are in use already, and receives those of this problem.
    """
    start, chain = draw_chain(rng, rng.choice(LENGTHS))
    if is_seen(chain) is not (part == "seen"):
        return None
    candidates = []
    for candidate in _candidates(start, chain, rng):
        if use_by_text.setdefault(candidate.text, use) is use:
            candidates.append(candidate)
    if len({candidate.correct for candidate in candidates}) < 2:
        return None
    return LabelledProblem(
        id=write_statement("number", start, chain),
        domain=Domain.math,
        family=f"math_{part}_{len(chain)}",
        topic=part,
        use=use,
        statements=(write_statement(rng.choice(THINGS), start, chain),),
        candidates=tuple(candidates),
    )


def draw_chain(rng: Random, length: int) -> tuple[int, Chain]:
    """Draw a first number and steps whose values lie between 1 and MAX_VALUE."""
    while True:
        start = value = rng.choice(STARTS)
        chain: list[tuple[str, int]] = []
        for _ in range(length):
            kind = rng.choice(KINDS)
            number = rng.choice(_numbers(kind))
            if not _is_allowed(kind, number, value):
                break
            value = apply(kind, number, value)
            chain.append((kind, number))
        if len(chain) == length:
            return start, tuple(chain)


def num_chains(length: int) -> int:
    """Return the exact number of different first numbers and steps, so of problems that differ in numbers."""
    counts = dict.fromkeys(STARTS, 1)  # chains so far, by their last value
    for _ in range(length):
        longer: dict[int, int] = {}
        for value, kind in product(counts, KINDS):
            for number in _numbers(kind):
                if _is_allowed(kind, number, value):
                    result = apply(kind, number, value)
                    longer[result] = longer.get(result, 0) + counts[value]
        counts = longer
    return sum(counts.values())


def _numbers(kind: str) -> Sequence[int]:
    return (_MEANT[kind],) if kind in _MEANT else _STATED


def _is_allowed(kind: str, number: int, value: int) -> bool:
    """Return whether a step keeps a value whole and between 1 and MAX_VALUE."""
    divides = _OPERATORS[kind] != "//" or value % number == 0
    return divides and 1 <= apply(kind, number, value) <= MAX_VALUE


def _candidates(start: int, chain: Chain, rng: Random) -> list[Candidate]:
    """Return two correct worked solutions, if they differ, and some with one slip, labelled by the answer.

    Solutions whose label is not that of their steps are left out: a wrong step whose effect a later step
    cancels.
    """
    values = {"v0": start}
    routes = [_route(chain, commuted=False), _route(chain, commuted=True)]
    solved = work_out(routes[0], values)
    answer = solved[-1].result
    texts: dict[str, Candidate] = {}
    for route in routes:
        text = write_solution(work_out(route, values))
        texts.setdefault(text, Candidate(text, True, "reference", passed=1, total=1))
    mutants = solution_mutants(rng.choice(routes), values, rng)
    for mutant in rng.sample(mutants, min(_MUTANTS, len(mutants))):
        correct = read_answer(mutant.text) == answer
        if correct is _has_right_steps(mutant.text, solved):
            candidate = Candidate(
                text=mutant.text,
                correct=correct,
                origin=mutant.mutation,
                line=mutant.line,
                passed=int(correct),
                total=1,
                error=None if correct else "wrong answer",
                evidence="" if correct else mutant.evidence,
            )
            texts.setdefault(mutant.text, candidate)
    return list(texts.values())


def _route(chain: Chain, commuted: bool) -> tuple[Step, ...]:
    """Return the steps of a solution; `commuted` writes the number first in sums and products."""
    steps = []
    for index, (kind, number) in enumerate(chain):
        operands = [f"v{index}", str(number)]
        if commuted and _OPERATORS[kind] in ("+", "*"):
            operands.reverse()
        expression = f"{operands[0]} {_OPERATORS[kind]} {operands[1]}"
        steps.append(Step(f"v{index + 1}", expression, _LINE_TEXT))
    return tuple(steps)


def _has_right_steps(text: str, solved: Sequence[Line]) -> bool:
    results = [line.rpartition("= ")[2] for line in text.split("\n")[:-1]]
    return results == [str(line.result) for line in solved]
