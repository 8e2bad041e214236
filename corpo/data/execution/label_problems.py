"""Label the candidates of real problems: run programs on their tests, compare final answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from corpo.data.execution.answers import MISSING, final_answer, same_answer
from corpo.data.execution.checks import (
    Answer,
    CallChecks,
    Executable,
    ScriptChecks,
    StdioChecks,
    expected_results,
)
from corpo.data.execution.labelling import Label, LabelCache, compare, run_cached
from corpo.data.execution.sandbox import Program, Sandbox
from corpo.data.types import LabelledProblem, RawCandidate, UnlabelledProblem
from corpo.task import Candidate
from corpo.utils.errors import DataError
from corpo.utils.progress import progress

MAX_EVIDENCE_CHARS = 300


def label_problems(
    problems: Sequence[UnlabelledProblem], sandbox: Sandbox, cache: LabelCache | None, max_tests: int
) -> tuple[list[LabelledProblem], list[str]]:
    """Label every candidate, and return the problems and the ids of those that are left out.

    A problem is left out if its own reference fails. Only the first `max_tests` calls or runs of a problem
    count. Raises DataError, which names the test, if the reference of a strict problem fails.
    """
    problems = [_with_first_tests(problem, max_tests) for problem in problems]
    labelled_by_id = _run_programs(problems, sandbox, cache)
    for problem in problems:
        if isinstance(answer := problem.problem.checks, Answer):
            labelled_by_id[problem.problem.id] = [
                _check_answer(candidate, answer.value) for candidate in _all_candidates(problem)
            ]
    labelled_problems: list[LabelledProblem] = []
    left_out: list[str] = []
    for problem in problems:
        labelled = labelled_by_id[problem.problem.id]
        num_references = len(problem.problem.references)
        failing = [reference for reference in labelled[:num_references] if not reference.correct]
        if not failing:
            labelled_problems.append(_labelled_problem(problem, labelled[num_references:]))
        elif problem.strict:
            reason = " ".join((failing[0].evidence or str(failing[0].error)).split())
            raise DataError(
                f"data.sources.{problem.source}: problem {problem.problem.id!r}: its reference fails: "
                f"{reason}; correct the reference or the tests"
            )
        else:
            left_out.append(problem.problem.id)
    return labelled_problems, left_out


def _with_first_tests(problem: UnlabelledProblem, max_tests: int) -> UnlabelledProblem:
    """Return the problem with its first calls or runs only. A script is one run, so it stays whole."""
    checks = problem.problem.checks
    match checks:
        case CallChecks():
            values = checks.values[:max_tests] if checks.values is not None else None
            checks = replace(checks, arguments=checks.arguments[:max_tests], values=values)
        case StdioChecks():
            checks = StdioChecks(checks.inputs[:max_tests], checks.outputs[:max_tests])
    return replace(problem, problem=replace(problem.problem, checks=checks))


def _all_candidates(problem: UnlabelledProblem) -> list[RawCandidate]:
    """Return the references, then the candidates."""
    return [*(RawCandidate(text, "") for text in problem.problem.references), *problem.candidates]


def _run_programs(
    problems: Sequence[UnlabelledProblem], sandbox: Sandbox, cache: LabelCache | None
) -> dict[str, list[Candidate]]:
    """Run the references and candidates of problems with tests, and return them labelled by problem id."""
    with_tests = [
        (problem, problem.problem.checks)
        for problem in problems
        if not isinstance(problem.problem.checks, Answer)
    ]
    expected_by_id = _expected_by_id(with_tests, sandbox, cache)
    jobs: list[tuple[UnlabelledProblem, Executable, RawCandidate]] = []
    for problem, checks in with_tests:
        jobs += [(problem, checks, candidate) for candidate in _all_candidates(problem)]
    programs = [checks.program(candidate.text) for _, checks, candidate in jobs]
    with progress("labelling programs", len(jobs)) as advance:
        all_results = run_cached(programs, sandbox, cache, advance)
    labelled: dict[str, list[Candidate]] = {problem.problem.id: [] for problem, _ in with_tests}
    for (problem, checks, candidate), results in zip(jobs, all_results, strict=True):
        expected = expected_by_id[problem.problem.id]
        label = compare(results, expected, str(sandbox.isolation), checks.matches)
        labelled[problem.problem.id].append(_labelled_candidate(candidate, checks, label, expected))
    return labelled


def _expected_by_id(
    problems: Sequence[tuple[UnlabelledProblem, Executable]], sandbox: Sandbox, cache: LabelCache | None
) -> dict[str, tuple[str, ...]]:
    """Return the expected results of each problem. Calls without values take those of the first reference."""
    oracles: dict[str, Program] = {}
    for problem, checks in problems:
        if isinstance(checks, CallChecks):
            oracles[problem.problem.id] = _oracle(problem, checks)
    results = dict(zip(oracles, run_cached(list(oracles.values()), sandbox, cache), strict=True))
    return {
        problem.problem.id: expected_results(checks, results.get(problem.problem.id))
        for problem, checks in problems
    }


def _oracle(problem: UnlabelledProblem, checks: CallChecks) -> Program:
    """Return a program that gives the expected values of calls."""
    if (oracle := checks.oracle()) is not None:
        return oracle
    if problem.problem.references:
        return checks.program(problem.problem.references[0])
    raise DataError(
        f"data.sources.{problem.source}: problem {problem.problem.id!r} has calls without values "
        "and no reference that could give them; add either"
    )


def _labelled_candidate(
    candidate: RawCandidate, checks: Executable, label: Label, expected: Sequence[str]
) -> Candidate:
    error = label.error
    if isinstance(checks, ScriptChecks) and error == "AssertionError":
        error = "wrong answer"
    return Candidate(
        text=candidate.text,
        correct=label.correct,
        origin=candidate.origin,
        line=candidate.line,
        passed=label.passed,
        total=label.total,
        error=error,
        evidence=_shortest_failure(checks, label, expected),
        claimed=candidate.claimed,
        isolation=label.isolation,
    )


def _shortest_failure(checks: Executable, label: Label, expected: Sequence[str]) -> str:
    """Return the shortest description of a failure, cut to a maximum length; "" if nothing failed."""
    descriptions = [
        checks.describe_failure(index, result, expected[index]) for index, result in label.failures
    ]
    shortest = min(descriptions, key=len, default="")
    return shortest if len(shortest) <= MAX_EVIDENCE_CHARS else shortest[: MAX_EVIDENCE_CHARS - 1] + "…"


def _check_answer(candidate: RawCandidate, expected: str) -> Candidate:
    """Label a worked solution by its final answer."""
    answer = final_answer(candidate.text)
    correct = answer is not None and same_answer(answer, expected)
    error, evidence = None, ""
    if answer is None:
        error, evidence = MISSING, "it gives no answer"
    elif not correct:
        error, evidence = "wrong answer", f"it gives {answer}, not {expected}"
    return Candidate(
        text=candidate.text,
        correct=correct,
        origin=candidate.origin,
        line=candidate.line,
        passed=int(correct),
        total=1,
        error=error,
        evidence=evidence[:MAX_EVIDENCE_CHARS],
        claimed=candidate.claimed,
    )


def _labelled_problem(problem: UnlabelledProblem, candidates: Sequence[Candidate]) -> LabelledProblem:
    return LabelledProblem(
        id=problem.problem.id,
        domain=problem.problem.domain,
        family=problem.source,
        topic=problem.problem.topic,
        use=problem.use,
        statements=(problem.problem.statement,),
        candidates=tuple(candidates),
    )
