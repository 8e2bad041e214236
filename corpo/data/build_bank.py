"""Build labelled problems from the bank of families: draw parameters, make candidates, run all of them.

A problem is one assignment of a family's parameters. It has one use, which depends only on the seed and the
family, so a part of the bank gives the same problems as the whole bank.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from corpo.data.bank.base import CodeFamily, MathFamily, fill
from corpo.data.bank.selection import Bank, Role
from corpo.data.candidates.mutate import program_mutants
from corpo.data.candidates.worked_solutions import read_answer, solution_mutants, work_out, write_solution
from corpo.data.execution.labelling import Job, Label, LabelCache, expected_outputs, label_programs
from corpo.data.execution.sandbox import Sandbox
from corpo.data.types import LabelledProblem, Use
from corpo.task import Candidate, Domain
from corpo.utils.progress import progress

RANDOM_TESTS = 30  # random calls per problem, in addition to the family's edge cases

# Shares of a family's problems by role. RL trains on no problem that is evaluated. The warm start replaces
# pretraining and may see every family, but no problem that is evaluated or that RL trains on.
_SHARES: dict[Role, dict[Use, float]] = {
    Role.train: {Use.evaluation: 0.2, Use.train: 0.4, Use.warm_start: 0.4},
    Role.validation: {Use.validation: 0.4, Use.warm_start: 0.6},
    Role.held_out: {Use.evaluation: 0.4, Use.warm_start: 0.6},
}
_MATH_PROBLEMS = {Use.evaluation: 30, Use.warm_start: 160}
_MAX_CODE_PROBLEMS = {Use.evaluation: 12, Use.train: 14, Use.validation: 12, Use.warm_start: 24}
_DRAWS_PER_MATH_PROBLEM = 50  # attempts to draw different parameters


def build(
    bank: Bank,
    uses: set[Use],
    seed: int,
    mutants_per_solution: int,
    sandbox: Sandbox,
    cache: LabelCache | None,
) -> list[LabelledProblem]:
    """Return every problem of these uses with labelled candidates.

    Raises DataError if a reference solution of a family fails.
    """
    code: list[LabelledProblem] = []
    for code_family in bank.code:
        role = bank.roles[code_family.name]
        code += _code_problems(code_family, role, seed, mutants_per_solution)
    math: list[LabelledProblem] = []
    for math_family in bank.math:
        math += _math_problems(math_family, seed)
    used_code = [problem for problem in code if problem.use in uses]
    used_math = [problem for problem in math if problem.use in uses]
    return [*_label(used_code, seed, bank, sandbox, cache), *used_math]


def _split_params(family: CodeFamily, role: Role, seed: int) -> list[tuple[dict[str, object], Use]]:
    """Return a family's parameters, each with its use."""
    params = family.all_params()
    Random(f"{seed}/{family.name}/params").shuffle(params)
    params_with_use: list[tuple[dict[str, object], Use]] = []
    start = 0
    for use, share in _SHARES[role].items():
        stop = start + round(share * len(params))
        params_with_use += [(values, use) for values in params[start:stop][: _MAX_CODE_PROBLEMS[use]]]
        start = stop
    return params_with_use


def _code_problems(
    family: CodeFamily, role: Role, seed: int, mutants_per_solution: int
) -> list[LabelledProblem]:
    """Return unlabelled problems with the references and a sample of their mutants as candidates."""
    problems = []
    for params, use in _split_params(family, role, seed):
        problem_id = _problem_id(family.name, params)
        rng = Random(f"{seed}/{problem_id}/mutants")
        references = [fill(source, params) for source in family.solutions]
        candidates = {text: Candidate(text, False, "reference") for text in references}
        for reference in references:
            mutants = program_mutants(reference)
            for mutant in rng.sample(mutants, min(mutants_per_solution, len(mutants))):
                candidates.setdefault(
                    mutant.text, Candidate(mutant.text, False, mutant.mutation, mutant.line)
                )
        problems.append(
            LabelledProblem(
                id=problem_id,
                domain=Domain.code,
                family=family.name,
                topic=family.topic,
                use=use,
                statements=tuple(fill(statement, params) for statement in family.statements),
                candidates=tuple(candidates.values()),
            )
        )
    return problems


def _problem_id(family: str, params: dict[str, object]) -> str:
    """Return the id of a problem, such as "count_above(cmp=>, k=3)"."""
    assignments = [f"{name}={_short(value)}" for name, value in params.items()]
    return f"{family}({', '.join(assignments)})"


def _short(value: object) -> str:
    return str(value["code"]) if isinstance(value, dict) and "code" in value else str(value)


def problem_calls(family: CodeFamily, params: dict[str, object], seed: int) -> tuple[tuple[object, ...], ...]:
    """Return the arguments on which all candidates of a problem are run: the edge cases, then random ones."""
    rng = Random(f"{seed}/{_problem_id(family.name, params)}/tests")
    return (*family.edges, *(family.inputs(rng, params) for _ in range(RANDOM_TESTS)))


def _label(
    problems: list[LabelledProblem], seed: int, bank: Bank, sandbox: Sandbox, cache: LabelCache | None
) -> list[LabelledProblem]:
    """Run the candidates of code problems, and return the problems with labelled candidates."""
    calls_by_id = _calls_by_id(problems, bank, seed)
    references = [(problem.candidates[0].text, calls_by_id[problem.id]) for problem in problems]
    with progress("expected outputs", len(references)) as advance:
        expected = expected_outputs(references, sandbox, cache, advance)
    jobs: list[Job] = []
    for problem, outputs in zip(problems, expected, strict=True):
        calls = calls_by_id[problem.id]
        jobs += [(candidate.text, calls, outputs) for candidate in problem.candidates]
    with progress("labelling programs", len(jobs)) as advance:
        labels = label_programs(jobs, sandbox, cache, advance)
    outcomes = iter(zip(labels, jobs, strict=True))
    labelled = []
    for problem in problems:
        candidates = tuple(with_label(candidate, *next(outcomes)) for candidate in problem.candidates)
        labelled.append(replace(problem, candidates=candidates))
    return labelled


def _calls_by_id(
    problems: list[LabelledProblem], bank: Bank, seed: int
) -> dict[str, tuple[tuple[object, ...], ...]]:
    problem_ids = {problem.id for problem in problems}
    calls_by_id = {}
    for family in bank.code:
        for params in family.all_params():
            problem_id = _problem_id(family.name, params)
            if problem_id in problem_ids:
                calls_by_id[problem_id] = problem_calls(family, params, seed)
    return calls_by_id


def with_label(candidate: Candidate, label: Label, job: Job) -> Candidate:
    """Return a candidate with the outcome of its run."""
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
    """Return the shortest failed call, such as `f([4, 1]) = 5, not 3`; "" if none failed."""
    _, calls, expected = job
    descriptions = [
        _describe_failure(calls[index], result, expected[index]) for index, result in label.failures
    ]
    return min(descriptions, key=len, default="")


def _describe_failure(arguments: tuple[object, ...], result: str, expected: str) -> str:
    call = f"f({', '.join(map(repr, arguments))})"
    if result.startswith("="):
        return f"{call} = {result[1:]}, not {expected[1:]}"
    return f"{call} never ends" if result == "!timeout" else f"{call} raises {result[1:]}"


def _math_problems(family: MathFamily, seed: int) -> list[LabelledProblem]:
    """Return problems with worked solutions, labelled by comparison with the answer of the first route."""
    rng = Random(f"{seed}/{family.name}/draws")
    values_by_id: dict[str, dict[str, int]] = {}
    count = sum(_MATH_PROBLEMS.values())
    for _ in range(_DRAWS_PER_MATH_PROBLEM * count):
        values = family.draw(rng)
        values_by_id.setdefault(_problem_id(family.name, dict(values)), values)
        if len(values_by_id) == count:
            break
    uses: list[Use] = []
    for use, use_count in _MATH_PROBLEMS.items():
        uses += [use] * use_count
    problems = []
    for (problem_id, values), use in zip(values_by_id.items(), uses, strict=False):
        problems.append(
            LabelledProblem(
                id=problem_id,
                domain=Domain.math,
                family=family.name,
                topic=family.topic,
                use=use,
                statements=tuple(fill(statement, values) for statement in family.statements),
                candidates=_math_candidates(family, values, Random(f"{seed}/{problem_id}/mutants")),
            )
        )
    return problems


def _math_candidates(family: MathFamily, values: dict[str, int], rng: Random) -> tuple[Candidate, ...]:
    """Return the references of a math problem, then their mutants, labelled and without repeated texts."""
    answer = work_out(family.solutions[0], values)[-1].result
    candidates: dict[str, Candidate] = {}
    for steps in family.solutions:
        text = write_solution(work_out(steps, values))
        candidates.setdefault(text, Candidate(text, False, "reference"))
    for steps in family.solutions:
        for mutant in solution_mutants(steps, values, rng):
            candidates.setdefault(
                mutant.text,
                Candidate(mutant.text, False, mutant.mutation, mutant.line, evidence=mutant.evidence),
            )
    return tuple(_with_checked_answer(candidate, answer) for candidate in candidates.values())


def _with_checked_answer(candidate: Candidate, answer: int) -> Candidate:
    correct = read_answer(candidate.text) == answer
    return replace(
        candidate,
        correct=correct,
        passed=int(correct),
        total=1,
        error=None if correct else "wrong answer",
        evidence="" if correct else candidate.evidence,
    )
