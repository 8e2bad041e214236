"""Draw the bank's pairs into splits that do not leak."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from corpo.data.bank.selection import Bank, Role
from corpo.data.pairing.drawing import draw_pair, monitored_pairs, train_pairs, without_programs
from corpo.data.pairing.matching import longer
from corpo.data.pairing.splits import EVALUATION_SPLITS, MONITORED_SPLITS, TABLE_SPLITS, is_evaluation
from corpo.data.types import LabelledProblem, Use
from corpo.task import Domain, Kind, Pair


def _texts(pairs: list[Pair]) -> set[str]:
    return {pair.a.text for pair in pairs} | {pair.b.text for pair in pairs}


def _pairs_in(splits: dict[str, list[Pair]], names: tuple[str, ...]) -> list[Pair]:
    pairs: list[Pair] = []
    for name in names:
        pairs += splits[name]
    return pairs


def _families(pairs: list[Pair]) -> set[str]:
    return {pair.problem.family for pair in pairs}


def test_training_shares_no_program_and_no_problem_with_evaluation(splits: dict[str, list[Pair]]) -> None:
    evaluated = _pairs_in(splits, EVALUATION_SPLITS)
    learned = splits["train"] + splits["validation"]
    assert not _texts(evaluated) & _texts(learned)
    assert not {pair.problem.id for pair in evaluated} & {pair.problem.id for pair in learned}
    assert not {pair.id for pair in evaluated} & {pair.id for pair in learned}, (
        "a pair and its swap share an id"
    )


def test_training_shares_no_family_with_table_and_validation(splits: dict[str, list[Pair]]) -> None:
    trained = _families(splits["train"])
    assert not _families(_pairs_in(splits, TABLE_SPLITS)) & trained
    assert not _families(splits["validation"]) & trained


def test_the_warm_start_shares_no_program_and_no_problem_with_evaluation(
    problems: list[LabelledProblem], splits: dict[str, list[Pair]]
) -> None:
    evaluated = _pairs_in(splits, EVALUATION_SPLITS)
    used = evaluated + splits["train"] + splits["validation"]
    warm_start = [problem for problem in problems if problem.use is Use.warm_start]
    for problem in without_programs(warm_start, _texts(evaluated)):
        assert not {candidate.text for candidate in problem.candidates} & _texts(evaluated)
        assert problem.id not in {pair.problem.id for pair in used}


def test_every_pair_is_there_in_both_orders(splits: dict[str, list[Pair]]) -> None:
    for domain in ("code", "math"):
        first, second = splits[f"{domain}_first_correct"], splits[f"{domain}_second_correct"]
        assert {pair.swapped() for pair in first} == set(second)
    for name in ("train", "validation", "code_both_wrong", "code_both_correct"):
        assert {pair.swapped() for pair in splits[name]} == set(splits[name])


def test_splits_have_the_kinds_in_their_names(splits: dict[str, list[Pair]]) -> None:
    for name in ("train", "validation"):
        assert {pair.kind for pair in splits[name]} == {Kind.first_correct, Kind.second_correct}
    for name in TABLE_SPLITS:
        assert {str(pair.kind) for pair in splits[name]} == {name.split("_", 1)[1]}


def test_the_correct_candidate_is_the_longer_one_as_often_as_not(
    problems: list[LabelledProblem], splits: dict[str, list[Pair]]
) -> None:
    for name in ("train", "code_first_correct", "math_first_correct"):
        tilt = 0
        for pair in splits[name]:
            correct, wrong = (pair.a, pair.b) if pair.a.correct else (pair.b, pair.a)
            tilt += longer(correct, wrong)
        assert abs(tilt) <= 0.1 * len(splits[name]), name
    unbalanced: list[Pair] = []
    for problem in problems:
        if problem.domain is Domain.math and problem.use is Use.evaluation:
            drawn = (draw_pair(problem, Kind.first_correct, Random(seed)) for seed in range(10))
            unbalanced += [pair for pair in drawn if pair]
    length_imbalance = sum(longer(pair.a, pair.b) for pair in unbalanced)
    assert abs(length_imbalance) > 0.1 * len(unbalanced), (
        "without balancing, the length would predict the label"
    )


def test_splits_are_stratified_over_families(bank: Bank, splits: dict[str, list[Pair]]) -> None:
    for name in TABLE_SPLITS:
        counts = Counter(pair.problem.family for pair in splits[name])
        assert max(counts.values()) <= 2 * min(counts.values()), name
    assert set(bank.roles.values()) == set(Role)


def test_train_pairs_have_the_configured_shares_of_kinds(problems: list[LabelledProblem]) -> None:
    train = [problem for problem in problems if problem.use is Use.train]
    pairs = train_pairs(train, "train", 40, 0, both_wrong=0.25, both_correct=0.5)
    assert Counter(pair.kind for _, pair in pairs) == {
        Kind.first_correct: 10,
        Kind.second_correct: 10,
        Kind.both_wrong: 20,
        Kind.both_correct: 40,
    }


def test_monitored_pairs_are_not_for_evaluation(problems: list[LabelledProblem]) -> None:
    train = [problem for problem in problems if problem.use is Use.train]
    for split, pair in monitored_pairs(train, 10, 0):
        assert MONITORED_SPLITS[pair.kind] == split
        assert not is_evaluation(split)


def test_too_few_candidates_raise(problems: list[LabelledProblem]) -> None:
    validation = [problem for problem in problems if problem.use is Use.validation]
    with pytest.raises(ValueError, match="different first_correct pairs"):
        train_pairs(validation[:1], "train", 10_000, 0)
