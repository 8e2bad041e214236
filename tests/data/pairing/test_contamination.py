"""Find training problems that share words with evaluation problems."""

from __future__ import annotations

from corpo.data.pairing.contamination import overlaps
from corpo.data.types import LabelledProblem, Use
from corpo.task import Domain


def _problem(number: int, statement: str) -> LabelledProblem:
    return LabelledProblem(
        id=f"p{number}",
        domain=Domain.code,
        family="mine",
        topic="",
        use=Use.evaluation,
        statements=(statement,),
        candidates=(),
    )


def test_overlaps_are_runs_of_common_words() -> None:
    run = "one two three four five six seven"
    trained = [
        _problem(0, f"Say {run.upper()}, please."),
        _problem(1, "one two three four six seven five"),
        _problem(2, "short one"),
    ]
    evaluated = [_problem(8, f"start {run} end"), _problem(9, "Short: one!")]
    ids = [(overlap.trained, overlap.evaluated) for overlap in overlaps(trained, evaluated, 7)]
    assert ids == [("p0", "p8"), ("p2", "p9")]
    assert overlaps(trained[:2], evaluated, 8) == []
