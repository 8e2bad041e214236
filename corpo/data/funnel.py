"""Count what is lost at each step from the sources to the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from corpo.config import DataConfig
from corpo.data.execution.label_problems import Labelled
from corpo.data.pairing.matching import MAX_CANDIDATES_PER_LABEL, num_beyond_cap
from corpo.data.types import LabelledProblem, UnlabelledProblem
from corpo.task import Pair


@dataclass(frozen=True)
class Loss:
    """A step of the build at which problems or candidates are lost, and the option that changes the loss."""

    step: str
    problems: int = 0
    candidates: int = 0
    option: str = ""


def with_short_candidates(problem: LabelledProblem, max_chars: int) -> LabelledProblem:
    """Return the problem without the candidates that are longer than a limit."""
    short = tuple(candidate for candidate in problem.candidates if len(candidate.text) <= max_chars)
    return replace(problem, candidates=short)


def losses(
    unlabelled: Sequence[UnlabelledProblem],
    labelling: Labelled,
    problems: Sequence[LabelledProblem],
    overlapping: set[str],
    pairs: Sequence[tuple[str, Pair]],
    data: DataConfig,
) -> list[Loss]:
    """Return what is lost from the collected candidates to the pairs. `problems` have no duplicates."""
    in_left_out = [
        len(problem.candidates) for problem in unlabelled if problem.problem.id in labelling.left_out
    ]
    num_labelled = sum(len(problem.candidates) for problem in labelling.problems)
    remaining = [problem for problem in problems if problem.id not in overlapping]
    num_different = sum(len(problem.candidates) for problem in problems)
    num_overlapping = num_different - sum(len(problem.candidates) for problem in remaining)
    max_chars = data.pairing.max_candidate_chars
    short = [with_short_candidates(problem, max_chars) for problem in remaining]
    num_short = sum(len(problem.candidates) for problem in short)
    num_long = num_different - num_overlapping - num_short
    num_capped = sum(map(num_beyond_cap, short))
    paired_problems = {pair.problem.id for _, pair in pairs}
    paired: set[tuple[str, str]] = set()
    for _, pair in pairs:
        paired |= {(pair.problem.id, pair.a.text), (pair.problem.id, pair.b.text)}
    lonely = [problem for problem in short if problem.id not in paired_problems]
    num_lonely = sum(len(problem.candidates) - num_beyond_cap(problem) for problem in lonely)
    return [
        Loss("no label for the problem", len(in_left_out), sum(in_left_out)),
        Loss("a package is missing", 0, labelling.undecided.total()),
        Loss("duplicates in names and layout", 0, num_labelled - num_different),
        Loss(
            "words of an evaluation problem", len(overlapping), num_overlapping, "data.pairing.overlap_words"
        ),
        Loss("too long", 0, num_long, "data.pairing.max_candidate_chars"),
        Loss(f"more than {MAX_CANDIDATES_PER_LABEL} of a label", 0, num_capped),
        Loss("no pair of the problem", len(lonely), num_lonely, "candidates=mutants or sampled"),
        Loss(
            "not drawn",
            0,
            num_short - num_capped - num_lonely - len(paired),
            "data.pairing.max_pairs_per_problem, data.pairs_per_split, data.train_pairs",
        ),
        Loss("paired", len(paired_problems), len(paired)),
    ]
