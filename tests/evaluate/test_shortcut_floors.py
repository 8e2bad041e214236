"""Measure how much length and words predict labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from corpo.data.pairing.matching import matched_pairs
from corpo.data.types import LabelledProblem, Use
from corpo.evaluate.shortcut_floors import WORD_PAIRS, memory_floor, shortcut_floors
from corpo.task import Candidate, Domain, Kind, Pair, Problem

DrawPrograms = Callable[[Random, int], tuple[str, str]]  # a correct and a wrong program of a problem


def _floors(draw: DrawPrograms, num_problems: int = 60, pairs_per_problem: int = 1) -> tuple[float, float]:
    """Return the accuracies by length and by words on both orders of pairs of drawn programs."""
    rng = Random(0)
    named_pairs: list[tuple[str, Pair]] = []
    for number in range(num_problems):
        candidates: list[Candidate] = []
        for _ in range(pairs_per_problem):
            correct, wrong = draw(rng, number)
            candidates += [
                Candidate(correct, True, "given"),
                Candidate(wrong, False, "given", error="wrong answer"),
            ]
        problem = LabelledProblem(
            id=f"p{number}",
            domain=Domain.code,
            family="mine",
            topic="",
            use=Use.evaluation,
            statements=("s",),
            candidates=tuple(candidates),
        )
        for pair in matched_pairs([problem], Kind.first_correct, pairs_per_problem, pairs_per_problem, "0"):
            named_pairs += [("split", pair), ("split", pair.swapped())]
    (row,) = shortcut_floors(named_pairs).to_dict("records")
    assert (row["prompts"], row["problems"]) == (2 * pairs_per_problem * num_problems, num_problems)
    return row["length"], row["words"]


def _words(rng: Random, length: int = 12) -> str:
    return " ".join(rng.choices("abcdefgh", k=length))


def test_floors_find_a_planted_word() -> None:
    assert _floors(lambda rng, number: (_words(rng) + " ok", _words(rng) + " no"))[1] > 0.95


def test_floors_find_a_planted_length() -> None:
    assert _floors(lambda rng, number: (_words(rng, 20), _words(rng, 12)))[0] == 1.0
    assert _floors(lambda rng, number: (_words(rng, 12), _words(rng, 20)))[0] == 1.0


def test_floors_are_at_chance_on_noise() -> None:
    def draw(rng: Random, number: int) -> tuple[str, str]:
        return _words(rng, rng.randint(8, 16)), _words(rng, rng.randint(8, 16))

    length, words = _floors(draw, num_problems=150)
    tolerance = 4 * math.sqrt(0.25 / 150)  # both orders of a pair are one draw
    assert abs(length - 0.5) < tolerance
    assert abs(words - 0.25) < tolerance


def test_floors_do_not_learn_from_the_problem_that_they_are_tested_on() -> None:
    def draw(rng: Random, number: int) -> tuple[str, str]:
        return _words(rng) + f" right{number}" * 3, _words(rng) + f" wrong{number}" * 3

    assert _floors(draw, pairs_per_problem=3)[1] < 0.25 + 4 * math.sqrt(0.25 / 60)


def _pair(number: int, right: str, wrong: str) -> Pair:
    problem = Problem(f"p{number}", Domain.code, "mine", "", "s")
    return Pair(problem, Candidate(right, True, "given"), Candidate(wrong, False, "given"))


def test_a_tie_counts_a_half() -> None:
    pairs = [("split", _pair(number, "aa b", "bb c")) for number in range(10)]
    pairs += [(split, pair.swapped()) for split, pair in pairs]
    (row,) = shortcut_floors(pairs).to_dict("records")
    assert row["length"] == 0.5


def test_word_pairs_judge_which_candidate_is_more_probable() -> None:
    """Make every candidate look correct, but the correct one of each pair more so."""
    pairs = [("split", _pair(number, "ok ok ok sum", "ok sum")) for number in range(40)]
    pairs += [("split", pair.swapped()) for _, pair in pairs]
    (row,) = shortcut_floors(pairs).to_dict("records")
    assert row[WORD_PAIRS] == 1.0


def test_memory_knows_the_labels_of_training_without_constants() -> None:
    train = ("train", _pair(0, "return x + 3", "return x - 3"))
    pairs = [train, ("known", _pair(1, "return x + 7", "return x - 9")), ("new", _pair(2, "x * 2", "x // 2"))]
    assert memory_floor(pairs, "train") == {"known": 1.0, "new": 0.25}
    assert memory_floor(pairs[1:], "train") == {}
