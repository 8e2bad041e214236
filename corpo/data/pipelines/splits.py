"""Draw pairs of pipelines into splits: seen and unseen combinations of operations, and longer programs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from corpo.data.pairing.drawing import draw_pairs, monitored_pairs, train_pairs
from corpo.data.pairing.splits import MATH_VALIDATION, TRAIN, UNSEEN_VALIDATION, VALIDATION, split_name
from corpo.data.pipelines.operations import LONG, SEEN, UNSEEN
from corpo.data.types import LabelledProblem, Use
from corpo.task import Domain, Kind, Pair

LONG_PREFIX = "code_long"  # of the splits with programs that are longer than any in training


def evaluation_pairs(problems: Sequence[LabelledProblem], count: int, seed: int) -> list[tuple[str, Pair]]:
    """Draw `count` unordered pairs per split, half of seen and half of unseen combinations, in both orders.

    The family of a problem, such as `code_unseen_3`, says to which half it belongs. Math has the kinds of
    the published table only. Raises ValueError if a split cannot be filled.
    """
    evaluated = [problem for problem in problems if problem.use is Use.evaluation]
    code = [problem for problem in evaluated if problem.domain is Domain.code]
    long = [problem for problem in code if problem.family.endswith(f"_{LONG}")]
    short = [problem for problem in code if not problem.family.endswith(f"_{LONG}")]
    math = [problem for problem in evaluated if problem.domain is Domain.math]
    plan = (
        ("code", Kind.first_correct, short),
        ("code", Kind.both_wrong, short),
        ("code", Kind.both_correct, short),
        ("math", Kind.first_correct, math),
        (LONG_PREFIX, Kind.first_correct, long),
        (LONG_PREFIX, Kind.both_wrong, long),
        (LONG_PREFIX, Kind.both_correct, long),
    )
    named_pairs: list[tuple[str, Pair]] = []
    for prefix, kind, source in plan:
        for pair in draw_pairs(source, kind, count, Random(f"{seed}/{prefix}/{kind}")):
            named_pairs += [(split_name(prefix, order), order) for order in (pair, pair.swapped())]
    return named_pairs


def all_pairs(
    problems: Sequence[LabelledProblem],
    num_train: int,
    num_validation: int,
    num_evaluation: int,
    seed: int,
    both_wrong: float,
    both_correct: float,
) -> list[tuple[str, Pair]]:
    """Return the pairs of all splits. The arguments are those of `data.*` in the configuration."""
    train = [problem for problem in problems if problem.use is Use.train]
    validation = [problem for problem in problems if problem.use is Use.validation]
    code = [problem for problem in validation if problem.domain is Domain.code]
    math = [problem for problem in validation if problem.domain is Domain.math]
    seen = [problem for problem in code if problem.topic == SEEN]
    unseen = [problem for problem in code if problem.topic == UNSEEN]
    return [
        *train_pairs(train, TRAIN, num_train, seed, both_wrong, both_correct),
        *train_pairs(seen, VALIDATION, num_validation, seed),
        *monitored_pairs(seen, num_validation, seed),
        *train_pairs(unseen, UNSEEN_VALIDATION, num_validation, seed),
        *train_pairs(math, MATH_VALIDATION, num_validation, seed),
        *evaluation_pairs(problems, num_evaluation, seed),
    ]
