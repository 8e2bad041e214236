"""From families to labelled candidates: draw problems, write candidates, run every one of them.

A problem is one assignment of a family's parameters. Each problem has one use, fixed by a shuffle that depends only on the
seed and the family's name, so a part of the bank gives the same problems as the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from corpo.data.bank.base import CodeFamily, MathFamily, fill
from corpo.data.bank.selection import Bank, Role
from corpo.data.candidates.mutate import (
    program_mutants,
    read_answer,
    solution_mutants,
    work_out,
    write_solution,
)
from corpo.data.execution.labelling import Job, Label, LabelCache, expected_outputs, label_programs
from corpo.data.execution.sandbox import Sandbox
from corpo.task import Candidate, Domain
from corpo.utils.progress import progress

RANDOM_TESTS = 30  # random calls per problem, beside the family's edge cases


class Use(StrEnum):
    warm_start = "warm_start"
    train = "train"
    validation = "validation"
    evaluation = "evaluation"


@dataclass(frozen=True)
class LabelledProblem:
    """A problem in all its wordings, with labelled candidates."""

    id: str
    domain: Domain
    family: str
    topic: str
    use: Use
    statements: tuple[str, ...]
    candidates: tuple[Candidate, ...]

    def by_label(self, correct: bool) -> list[Candidate]:
        return [candidate for candidate in self.candidates if candidate.correct is correct]


# Shares of a family's problems by role. What evaluates never trains; the warm start stands in for pretraining and may see
# every family, but no problem that is evaluated or that RL trains on.
_SHARES: dict[Role, dict[Use, float]] = {
    Role.train: {Use.evaluation: 0.2, Use.train: 0.4, Use.warm_start: 0.4},
    Role.validation: {Use.validation: 0.4, Use.warm_start: 0.6},
    Role.held_out: {Use.evaluation: 0.4, Use.warm_start: 0.6},
}
_MATH_PROBLEMS = {Use.evaluation: 30, Use.warm_start: 160}
_MOST_CODE_PROBLEMS = {Use.evaluation: 12, Use.train: 14, Use.validation: 12, Use.warm_start: 24}


def build(
    bank: Bank,
    uses: set[Use],
    seed: int,
    mutants_per_solution: int,
    sandbox: Sandbox,
    cache: LabelCache | None,
) -> list[LabelledProblem]:
    """Every problem of the wanted uses with its candidates labelled. Raises DataError where a family is at odds with itself."""
    problems = [
        p
        for family in bank.code
        for p in _code_problems(family, bank.roles[family.name], seed, mutants_per_solution)
        if p.use in uses
    ]
    math = [p for family in bank.math for p in _math_problems(family, seed) if p.use in uses]
    return [*_labelled(problems, seed, bank, sandbox, cache), *math]


def _uses(family: CodeFamily, role: Role, seed: int) -> list[tuple[dict[str, object], Use]]:
    params = family.all_params()
    Random(f"{seed}/{family.name}/params").shuffle(params)
    out: list[tuple[dict[str, object], Use]] = []
    start = 0
    for use, share in _SHARES[role].items():
        stop = start + round(share * len(params))
        out += [(p, use) for p in params[start:stop][: _MOST_CODE_PROBLEMS[use]]]
        start = stop
    return out


def _code_problems(
    family: CodeFamily, role: Role, seed: int, mutants_per_solution: int
) -> list[LabelledProblem]:
    """Unlabelled problems: references first, then a sample of the mutants of each reference."""
    problems = []
    for params, use in _uses(family, role, seed):
        identity = _identity(family.name, params)
        rng = Random(f"{seed}/{identity}/mutants")
        references = [fill(source, params) for source in family.solutions]
        candidates = {text: Candidate(text, False, "reference") for text in references}
        for reference in references:
            mutants = program_mutants(reference)
            for mutant in rng.sample(mutants, min(mutants_per_solution, len(mutants))):
                candidates.setdefault(
                    mutant.text, Candidate(mutant.text, False, mutant.mutation, mutant.line)
                )
        statements = tuple(fill(statement, params) for statement in family.statements)
        problems.append(
            LabelledProblem(
                identity, Domain.code, family.name, family.topic, use, statements, tuple(candidates.values())
            )
        )
    return problems


def _identity(family: str, params: dict[str, object]) -> str:
    def short(value: object) -> str:
        return str(value["code"]) if isinstance(value, dict) and "code" in value else str(value)

    return f"{family}({', '.join(f'{name}={short(value)}' for name, value in params.items())})"


def problem_calls(family: CodeFamily, params: dict[str, object], seed: int) -> tuple[tuple[object, ...], ...]:
    """The argument tuples on which every candidate of a problem is run: the family's edge cases, then random ones."""
    rng = Random(f"{seed}/{_identity(family.name, params)}/tests")
    return (*family.edges, *(family.inputs(rng, params) for _ in range(RANDOM_TESTS)))


def _labelled(
    problems: list[LabelledProblem], seed: int, bank: Bank, sandbox: Sandbox, cache: LabelCache | None
) -> list[LabelledProblem]:
    params_of = {_identity(f.name, p): (f, p) for f in bank.code for p in f.all_params()}
    jobs, expected_of = [], {}
    references = [(p.candidates[0].text, problem_calls(*params_of[p.id], seed)) for p in problems]
    with progress("expected outputs", len(references)) as advance:
        for problem, outputs in zip(
            problems, expected_outputs(references, sandbox, cache, advance), strict=True
        ):
            expected_of[problem.id] = outputs
    for problem, (_, calls) in zip(problems, references, strict=True):
        jobs += [(candidate.text, calls, expected_of[problem.id]) for candidate in problem.candidates]
    with progress("labelling programs", len(jobs)) as advance:
        labels = label_programs(jobs, sandbox, cache, advance)
    ran = iter(zip(labels, jobs, strict=True))
    return [replace(p, candidates=tuple(_with_label(c, *next(ran)) for c in p.candidates)) for p in problems]


def _with_label(candidate: Candidate, label: Label, job: Job) -> Candidate:
    return replace(
        candidate,
        correct=label.correct,
        passed=label.passed,
        total=label.total,
        error=label.error,
        evidence=_evidence(label, job),
        isolation=label.isolation,
    )


def _evidence(label: Label, job: Job) -> str:
    """The shortest call on which a program fails: `f([4, 1]) = 5, not 3` or `f([]) raises IndexError`."""
    _, calls, expected = job

    def told(call: int, result: str) -> str:
        arguments = ", ".join(map(repr, calls[call]))
        if result.startswith("="):
            return f"f({arguments}) = {result[1:]}, not {expected[call][1:]}"
        return f"f({arguments}) {'never ends' if result[1:] == 'timeout' else f'raises {result[1:]}'}"

    return min((told(*failure) for failure in label.failures), key=len, default="")


def _math_problems(family: MathFamily, seed: int) -> list[LabelledProblem]:
    """Problems with worked solutions, labelled by comparing the stated answer with the first route's."""
    rng = Random(f"{seed}/{family.name}/draws")
    seen: dict[str, dict[str, int]] = {}
    wanted = sum(_MATH_PROBLEMS.values())
    for _ in range(50 * wanted):
        values = family.draw(rng)
        seen.setdefault(_identity(family.name, dict(values)), values)
        if len(seen) == wanted:
            break
    uses = [use for use, count in _MATH_PROBLEMS.items() for _ in range(count)]
    problems = []
    for (identity, values), use in zip(seen.items(), uses, strict=False):
        answer = work_out(family.solutions[0], values)[-1].result
        candidates: dict[str, Candidate] = {}
        mutants_rng = Random(f"{seed}/{identity}/mutants")
        for steps in family.solutions:
            candidates.setdefault(write_solution(work_out(steps, values)), Candidate("", False, "reference"))
        for steps in family.solutions:
            for mutant in solution_mutants(steps, values, mutants_rng):
                candidates.setdefault(
                    mutant.text, Candidate("", False, mutant.mutation, mutant.line, evidence=mutant.evidence)
                )
        checked = tuple(_checked(replace(c, text=text), answer) for text, c in candidates.items())
        statements = tuple(fill(statement, values) for statement in family.statements)
        problems.append(
            LabelledProblem(identity, Domain.math, family.name, family.topic, use, statements, checked)
        )
    return problems


def _checked(candidate: Candidate, answer: int) -> Candidate:
    correct = read_answer(candidate.text) == answer
    evidence = "" if correct else candidate.evidence
    return replace(
        candidate,
        correct=correct,
        passed=int(correct),
        total=1,
        error=None if correct else "wrong answer",
        evidence=evidence,
    )
