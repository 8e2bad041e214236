"""Label the candidates of real problems: run programs on their tests, compare final answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from corpo.data.execution.answers import MISSING, final_answer, same_answer
from corpo.data.execution.checks import (
    MAX_EVIDENCE_CHARS,
    Answer,
    CallChecks,
    Executable,
    ScriptChecks,
    StdioChecks,
    expected_results,
)
from corpo.data.execution.labelling import CHUNK, Label, LabelCache, compare, run_cached
from corpo.data.execution.packages import missing_package
from corpo.data.execution.sandbox import Program, Sandbox
from corpo.data.python_text import unlimited_digits
from corpo.data.types import LabelledProblem, RawCandidate, UnlabelledProblem
from corpo.task import Candidate
from corpo.utils.errors import DataError
from corpo.utils.progress import Advance, progress

SELF_REPORTED = "self-reported"  # in the evidence of a correct label
NO_TEST = "none of its tests can be decided"


@dataclass
class Labelled:
    """The labelled problems, and what has no label and why."""

    problems: list[LabelledProblem] = field(default_factory=list)
    # Problems that are left out, because a reference fails or no test can be decided, with the reason.
    left_out: dict[str, str] = field(default_factory=dict)
    # Candidates that are left out, by problem and reason, such as "needs scipy".
    undecided: Counter[tuple[str, str]] = field(default_factory=Counter)
    # Tests that are left out by problem: those beyond `max_tests`, and those whose expected value is beyond
    # the limits of the sandbox.
    unused_tests: Counter[str] = field(default_factory=Counter)
    unusable_tests: Counter[str] = field(default_factory=Counter)


@unlimited_digits()
def label_problems(
    problems: Sequence[UnlabelledProblem],
    sandbox: Sandbox,
    cache: LabelCache | None,
    max_tests: int | None = None,
    tolerance: float | None = None,
    shows_progress: bool = True,
) -> Labelled:
    """Label every candidate.

    A problem is left out if its own reference fails. A candidate is left out if it cannot be decided, because
    it needs a package that is not there. Only the first `max_tests` calls or runs of a problem count, all if
    it is None. `tolerance` replaces the relative tolerance of floats that a source has. Inside a stage with a
    progress bar of its own, `shows_progress` has to be false.
    """
    labelled = Labelled()
    limited = []
    for problem in problems:
        short, num_unused = _limited(problem, max_tests, tolerance)
        limited.append(short)
        labelled.unused_tests[problem.problem.id] += num_unused
    candidates_by_id = _run_programs(limited, sandbox, cache, labelled, shows_progress)
    for problem in limited:
        if isinstance(answer := problem.problem.checks, Answer):
            candidates_by_id[problem.problem.id] = [
                _check_answer(candidate, answer.value) for candidate in _all_candidates(problem)
            ]
    for problem in limited:
        if problem.problem.id not in labelled.left_out:
            _add_problem(labelled, problem, candidates_by_id[problem.problem.id])
    return labelled


def _add_problem(labelled: Labelled, problem: UnlabelledProblem, candidates: Sequence[Candidate]) -> None:
    """Add a problem with its labelled candidates, of which the first are its references."""
    problem_id = problem.problem.id
    num_references = len(problem.problem.references)
    for reference in candidates[:num_references]:
        if not reference.correct:
            reason = " ".join((reference.evidence or str(reference.error)).split())
            labelled.left_out[problem_id] = f"its reference fails: {reason}"
            return
    decided = []
    for candidate in candidates[num_references:]:
        package = None if candidate.correct else missing_package(candidate.text, candidate.error)
        if package is None:
            decided.append(candidate)
        else:
            labelled.undecided[problem_id, f"needs {package}"] += 1
    labelled.problems.append(_labelled_problem(problem, decided))


def _limited(
    problem: UnlabelledProblem, max_tests: int | None, tolerance: float | None
) -> tuple[UnlabelledProblem, int]:
    """Return the problem with its first calls or runs only, and the number of those that are left out.

    A script is one run, so it stays whole.
    """
    checks = problem.problem.checks
    num_tests = 0
    match checks:
        case CallChecks():
            num_tests = len(checks.arguments)
            values = checks.values[:max_tests] if checks.values is not None else None
            checks = replace(checks, arguments=checks.arguments[:max_tests], values=values)
        case StdioChecks():
            num_tests = len(checks.inputs)
            checks = replace(checks, inputs=checks.inputs[:max_tests], outputs=checks.outputs[:max_tests])
    if tolerance is not None and isinstance(checks, CallChecks | StdioChecks):
        checks = replace(checks, tolerance=tolerance)
    num_unused = max(num_tests - max_tests, 0) if max_tests is not None else 0
    return replace(problem, problem=replace(problem.problem, checks=checks)), num_unused


def _all_candidates(problem: UnlabelledProblem) -> list[RawCandidate]:
    """Return the references, then the candidates."""
    return [*(RawCandidate(text, "") for text in problem.problem.references), *problem.candidates]


def _run_programs(
    problems: Sequence[UnlabelledProblem],
    sandbox: Sandbox,
    cache: LabelCache | None,
    labelled: Labelled,
    shows_progress: bool,
) -> dict[str, list[Candidate]]:
    """Run the references and candidates of problems with tests, and return them labelled by problem id.

    Tests whose expected value is beyond the limits of the sandbox are left out, and so is a problem with no
    other tests.
    """
    with_tests = [
        (problem, problem.problem.checks)
        for problem in problems
        if not isinstance(problem.problem.checks, Answer)
    ]
    expected_by_id = _expected_by_id(with_tests, sandbox, cache)
    jobs: list[tuple[UnlabelledProblem, Executable, RawCandidate]] = []
    for problem, checks in with_tests:
        expected = expected_by_id[problem.problem.id]
        num_usable = sum(map(_is_usable, expected)) if _has_values(checks) else len(expected)
        labelled.unusable_tests[problem.problem.id] += len(expected) - num_usable
        if num_usable:
            jobs += [(problem, checks, candidate) for candidate in _all_candidates(problem)]
        else:
            labelled.left_out[problem.problem.id] = NO_TEST
    candidates: dict[str, list[Candidate]] = {problem.problem.id: [] for problem, _ in with_tests}
    bar: AbstractContextManager[Advance | None] = nullcontext()
    if shows_progress:
        bar = progress("labelling programs", len(jobs))
    with bar as advance:
        for start in range(0, len(jobs), CHUNK):  # results can be large, so they are not kept for long
            chunk = jobs[start : start + CHUNK]
            programs = [checks.program(candidate.text) for _, checks, candidate in chunk]
            all_results = run_cached(programs, sandbox, cache, advance)
            for (problem, checks, candidate), results in zip(chunk, all_results, strict=True):
                problem_id = problem.problem.id
                expected = expected_by_id[problem_id]
                label = compare(
                    results, expected, str(sandbox.isolation), checks.matches, _used(checks, expected)
                )
                candidates[problem_id].append(_labelled_candidate(candidate, checks, label, expected))
    return candidates


def _has_values(checks: Executable) -> bool:
    """Check for calls with expected values; without them, a failing reference leaves the problem out."""
    return isinstance(checks, CallChecks) and checks.values is not None


def _used(checks: Executable, expected: Sequence[str]) -> list[int]:
    """Return the numbers of the tests that count."""
    return [index for index, text in enumerate(expected) if not _has_values(checks) or _is_usable(text)]


def _is_usable(expected: str) -> bool:
    """Check that the sandbox could write an expected value."""
    return not expected.startswith("!")


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
        evidence=_self_reported(checks) if label.correct else _first_failure(checks, label, expected),
        claimed=candidate.claimed,
        isolation=label.isolation,
    )


def _self_reported(checks: Executable) -> str:
    """Return how many tests of a correct candidate reported by themselves that they passed; "" if none did.

    Their comparisons run in the candidate's process, so an object that equals everything passes them.
    """
    if not isinstance(checks, ScriptChecks) or all(checks.conditions):
        return ""
    return f"{SELF_REPORTED}: {checks.conditions.count('')} of {len(checks.conditions)} tests"


def _first_failure(checks: Executable, label: Label, expected: Sequence[str]) -> str:
    """Return the description of the first failure, cut to a maximum length; "" if nothing failed.

    The failures behind it may be its consequence: a program that never ends reaches no further call.
    """
    if not label.failures:
        return ""
    index, result = label.failures[0]
    description = checks.describe_failure(index, result, expected[index])
    if len(description) <= MAX_EVIDENCE_CHARS:
        return description
    return description[: MAX_EVIDENCE_CHARS - 1] + "…"


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
