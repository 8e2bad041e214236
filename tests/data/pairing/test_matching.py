"""Match candidates into pairs."""

from __future__ import annotations

from random import Random

import pytest

from corpo.data.pairing.matching import longer, matched_pairs
from corpo.data.types import LabelledProblem, Use
from corpo.task import Candidate, Domain, Kind


def _problem(number: int, candidates: list[tuple[str, bool, str | None]]) -> LabelledProblem:
    """Return a problem with candidates (text, correct, error)."""
    return LabelledProblem(
        id=f"p{number}",
        domain=Domain.code,
        family="mine",
        topic="",
        use=Use.evaluation,
        statements=("s",),
        candidates=tuple(
            Candidate(text, correct, "given", error=error) for text, correct, error in candidates
        ),
    )


def _random_problem(number: int) -> LabelledProblem:
    rng = Random(number)
    texts = [" ".join(rng.choices("abcdefgh", k=rng.randint(3, 30))) + f" {number} {i}" for i in range(10)]
    errors = []
    for _ in range(5):
        errors += [None, rng.choice(["wrong answer", "NameError"])]
    return _problem(number, [(text, error is None, error) for text, error in zip(texts, errors, strict=True)])


PROBLEMS = [_random_problem(number) for number in range(40)]


@pytest.mark.parametrize(
    ("kind", "max_pairs"), [(Kind.first_correct, 3), (Kind.both_wrong, 2), (Kind.both_correct, 2)]
)
def test_matched_pairs_use_no_candidate_twice(kind: Kind, max_pairs: int) -> None:
    pairs = matched_pairs(PROBLEMS, kind, 1000, max_pairs, "0")
    assert {pair.kind for pair in pairs} == {kind}
    for problem in PROBLEMS:
        pairs_of_problem = [pair for pair in pairs if pair.problem.id == problem.id]
        texts = [pair.a.text for pair in pairs_of_problem] + [pair.b.text for pair in pairs_of_problem]
        assert len(pairs_of_problem) == max_pairs
        assert len(set(texts)) == len(texts)


def test_matched_pairs_balance_which_side_is_longer() -> None:
    pairs = matched_pairs(PROBLEMS, Kind.first_correct, 1000, 3, "0")
    assert abs(sum(longer(pair.a, pair.b) for pair in pairs)) <= 0.1 * len(pairs)


def test_matched_pairs_do_not_depend_on_the_order_of_problems() -> None:
    pairs = matched_pairs(PROBLEMS, Kind.both_wrong, 7, 2, "0")
    assert pairs == matched_pairs(PROBLEMS[::-1], Kind.both_wrong, 7, 2, "0")


def test_matched_pairs_prefer_similar_candidates_that_do_not_crash() -> None:
    problem = _problem(
        0,
        [
            ("a b c", True, None),
            ("a b c !", False, "NameError"),
            ("x y z", False, "wrong answer"),
            ("a b d", False, "wrong answer"),
        ],
    )
    assert matched_pairs([problem], Kind.first_correct, 9, 1, "0")[0].b.text == "a b d"
