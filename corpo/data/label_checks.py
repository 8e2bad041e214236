"""Check the labels of a data set: suspicious problems, and disagreements with the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from corpo.data.execution.label_problems import SELF_REPORTED, Labelled
from corpo.data.types import LabelledProblem

_MAX_NAMED = 10  # problems that a line names
_UNREMARKABLE = (None, "wrong answer", "no answer")


def label_findings(labelled: Labelled) -> list[str]:
    """Return one line per suspicious kind of label, with the first problems that have it."""
    lines = [f"{problem_id} is left out: {reason}" for problem_id, reason in labelled.left_out.items()]
    nothing_passes: list[str] = []
    by_error: dict[str, list[str]] = {}
    for problem in labelled.problems:
        errors = {candidate.error for candidate in problem.candidates}
        if not problem.candidates or any(candidate.correct for candidate in problem.candidates):
            continue
        if len(errors) == 1 and not errors & set(_UNREMARKABLE):
            by_error.setdefault(str(errors.pop()), []).append(problem.id)
        else:
            nothing_passes.append(problem.id)
    if nothing_passes:
        lines.append(
            f"no candidate passes in {_named(nothing_passes)}; look at their tests, or give them a reference"
        )
    for error, problem_ids in by_error.items():
        lines.append(
            f"every candidate fails with {error!r} in {_named(problem_ids)}; "
            "the tests may call another name, or need what is not there"
        )
    for reason, count in sorted(_by_reason(labelled).items()):
        lines.append(f"{_counted(count, 'candidate')} left out: {reason}, which the sandbox does not offer")
    if total := labelled.unused_tests.total():
        lines.append(f"{_counted(total, 'test')} not used: candidates.max_tests is smaller")
    if total := labelled.unusable_tests.total():
        lines.append(f"{_counted(total, 'test')} left out: the expected value is beyond the sandbox's limits")
    if count := _num_self_reported(labelled.problems):
        lines.append(
            f"{count} correct labels are self-reported: their tests compare in the program's process"
        )
    num_claims, others = _claims(labelled.problems)
    if others:
        lines.append(
            f"{others} of {num_claims} labels differ from those of the source; see disagreements.jsonl"
        )
    return lines


def _num_self_reported(problems: Sequence[LabelledProblem]) -> int:
    count = 0
    for problem in problems:
        for candidate in problem.candidates:
            count += candidate.correct and candidate.evidence.startswith(SELF_REPORTED)
    return count


def _by_reason(labelled: Labelled) -> Counter[str]:
    counts: Counter[str] = Counter()
    for (_, reason), count in labelled.undecided.items():
        counts[reason] += count
    return counts


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{' is' if count == 1 else 's are'}"


def _named(problem_ids: Sequence[str]) -> str:
    """Return the number of problems and the first names."""
    more = f" and {len(problem_ids) - _MAX_NAMED} more" if len(problem_ids) > _MAX_NAMED else ""
    noun = "problem" if len(problem_ids) == 1 else "problems"
    return f"{len(problem_ids)} {noun} ({', '.join(problem_ids[:_MAX_NAMED])}{more})"


def _claims(problems: Sequence[LabelledProblem]) -> tuple[int, int]:
    """Return the number of candidates with a claimed label, and of those that are labelled otherwise."""
    num_claims = 0
    for problem in problems:
        num_claims += sum(candidate.claimed is not None for candidate in problem.candidates)
    return num_claims, len(list(disagreements(problems)))


def disagreements(problems: Sequence[LabelledProblem]) -> Iterator[dict[str, Any]]:
    """Yield the candidates whose label differs from the one that their source claims."""
    for problem in problems:
        for candidate in problem.candidates:
            if candidate.claimed is None or candidate.claimed is candidate.correct:
                continue
            yield {
                "problem_id": problem.id,
                "origin": candidate.origin,
                "claimed": candidate.claimed,
                "correct": candidate.correct,
                "passed": candidate.passed,
                "total": candidate.total,
                "error": candidate.error,
                "evidence": candidate.evidence,
                "text": candidate.text,
            }


def tests_per_problem(problems: Sequence[LabelledProblem]) -> list[int]:
    """Return the number of tests of each problem whose candidates were run."""
    counts = []
    for problem in problems:
        totals = [candidate.total for candidate in problem.candidates if candidate.isolation]
        counts += totals[:1]
    return sorted(counts)
