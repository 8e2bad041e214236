"""Build labelled problems of pipelines: labels come from execution, and nothing crosses the splits."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from random import Random

import pytest

from corpo.config import PipelinesConfig
from corpo.data.candidates.normal_form import normal_form
from corpo.data.execution.sandbox import Sandbox
from corpo.data.pairing.splits import (
    MATH_VALIDATION,
    TABLE_SPLITS,
    TRAIN,
    UNSEEN_VALIDATION,
    VALIDATION,
    VALIDATION_SPLITS,
    is_evaluation,
)
from corpo.data.pipelines import chains
from corpo.data.pipelines.build import BuiltPipelines, build, draw_problems, problem_calls
from corpo.data.pipelines.operations import (
    HELD_OUT_FOR_EVALUATION,
    HELD_OUT_FOR_VALIDATION,
    LONG,
    is_seen,
)
from corpo.data.pipelines.programs import read_program
from corpo.data.pipelines.splits import all_pairs
from corpo.data.types import LabelledProblem, Use
from corpo.task import Domain, Kind, Pair, render_prompt
from corpo.train.demonstrations import Demonstrator, trace
from corpo.utils.errors import DataError

SMALL = PipelinesConfig(
    warm_start_problems=24,
    math_warm_start_problems=16,
    train_problems=16,
    validation_problems=10,
    evaluation_problems=14,
)


@pytest.fixture(scope="module")
def built() -> BuiltPipelines:
    return build(set(Use), SMALL, mutants=4, seed=0, sandbox=Sandbox(), cache=None)


@pytest.fixture(scope="module")
def splits(built: BuiltPipelines) -> dict[str, list[Pair]]:
    pairs_by_split: dict[str, list[Pair]] = {}
    for split, pair in all_pairs(built.problems, 20, 6, 8, seed=0, both_wrong=0, both_correct=0):
        pairs_by_split.setdefault(split, []).append(pair)
    return pairs_by_split


def _run(program: str, arguments: tuple[list[int]]) -> object:
    names: dict[str, object] = {}
    exec(program, names)  # a program that this package wrote
    function = names["f"]
    assert callable(function)
    return function(*arguments)


def test_labels_come_from_execution(built: BuiltPipelines) -> None:
    assert built.num_hidden > 0
    origins: Counter[tuple[str, bool]] = Counter()
    for problem in built.problems:
        if problem.domain is Domain.math:
            continue
        calls = problem_calls(problem, seed=0)
        wanted = [_run(problem.candidates[0].text, call) for call in calls]
        for candidate in problem.candidates:
            values = [_run(candidate.text, call) for call in calls]
            assert candidate.correct is (values == wanted)
            assert candidate.passed == sum(a == b for a, b in zip(values, wanted, strict=True))
            assert (values[0] == wanted[0]) is candidate.correct, "the example shows every bug that is left"
            origins[candidate.origin, candidate.correct] += 1
    assert origins["swap", True], "mutants that change nothing are labelled correct"
    assert not origins["reference", False]


def test_the_trace_agrees_with_every_label(built: BuiltPipelines, splits: dict[str, list[Pair]]) -> None:
    for pair in chain.from_iterable(splits.values()):
        assert trace(pair).calls == pair.labels
    warm_start = [problem for problem in built.problems if problem.use is Use.warm_start]
    batch = Demonstrator(render_prompt, "trace", 0.4, both_orders=False).batch(warm_start, 4, Random(0))
    assert len({demonstration.prompt for demonstration in batch}) == 8
    for demonstration in batch:
        assert demonstration.response.startswith("<think>;A;")


def _statements_and_texts(pairs: list[Pair]) -> tuple[set[str], set[str]]:
    statements, texts = set(), set()
    for pair in pairs:
        statements.add(pair.problem.statement)
        texts |= {pair.a.text, pair.b.text}
    return statements, texts


def test_no_text_crosses_the_splits(built: BuiltPipelines, splits: dict[str, list[Pair]]) -> None:
    validation_splits = VALIDATION_SPLITS
    evaluation_splits = [name for name in splits if is_evaluation(name)]
    statements, texts = set(), set()
    for problem in built.problems:
        if problem.use is Use.warm_start:
            statements |= set(problem.statements)
            texts |= {candidate.text for candidate in problem.candidates}
    for names in ([TRAIN], validation_splits, evaluation_splits):
        pairs = list(chain.from_iterable(splits[name] for name in names))
        own_statements, own_texts = _statements_and_texts(pairs)
        assert pairs
        assert not own_statements & statements
        assert not own_texts & texts
        statements |= own_statements
        texts |= own_texts


@pytest.mark.parametrize("seed", range(4))
def test_nothing_crosses_the_uses(seed: int) -> None:
    problems = draw_problems(SMALL, mutants=4, seed=seed, uses=set(Use))
    assert len({problem.id for problem in problems}) == len(problems), "no problem has two uses"
    use_by_form: dict[str, Use] = {}
    for problem in problems:
        for candidate in problem.candidates:
            form = normal_form(candidate.text, Domain.code)
            assert use_by_form.setdefault(form, problem.use) is problem.use
    _check_combinations(problems)


def _check_combinations(problems: list[LabelledProblem]) -> None:
    """Check that held-out bigrams occur in unseen problems only, in the first correct program of each."""
    for problem in problems:
        pipelines = [read_program(candidate.text) for candidate in problem.candidates]
        if problem.topic == "unseen":
            own, others = HELD_OUT_FOR_EVALUATION, HELD_OUT_FOR_VALIDATION
            if problem.use is Use.validation:
                own, others = others, own
            assert problem.use in (Use.evaluation, Use.validation)
            assert pipelines[0].bigrams & own
            assert not any(pipeline.bigrams & others for pipeline in pipelines)
            continue
        assert all(is_seen(pipeline) for pipeline in pipelines)
        lengths = [len(pipeline.operations) for pipeline in pipelines]
        if problem.family.endswith(f"_{LONG}"):
            assert lengths[0] == LONG
        else:
            assert max(lengths) < LONG


def test_a_use_is_the_same_whichever_others_are_drawn() -> None:
    everything = draw_problems(SMALL, mutants=4, seed=1, uses=set(Use))
    some = draw_problems(SMALL, mutants=4, seed=1, uses={Use.warm_start})
    assert some == everything[: len(some)]
    assert {problem.use for problem in some} == {Use.evaluation, Use.warm_start}


def test_splits_have_both_parts_and_the_kinds_of_their_names(splits: dict[str, list[Pair]]) -> None:
    for name in TABLE_SPLITS:
        parts = Counter(pair.problem.topic for pair in splits[name])
        assert parts["seen"] == parts["unseen"] > 0, name
    for name, pairs in splits.items():
        kinds = {pair.kind for pair in pairs}
        if name in (TRAIN, VALIDATION, UNSEEN_VALIDATION, MATH_VALIDATION):
            assert kinds == {Kind.first_correct, Kind.second_correct}
        else:
            assert {name.endswith(kind) for kind in kinds} == {True}
    assert "code_long_both_wrong" in splits


def test_the_number_of_chains_is_exact() -> None:
    rng = Random(0)
    drawn = {chains.draw_chain(rng, 1) for _ in range(20_000)}
    assert len(drawn) == chains.num_chains(1)
    assert sum(map(chains.num_chains, chains.LENGTHS)) > 1_000_000


def test_chains_cross_no_use_and_hold_out_bigrams(built: BuiltPipelines) -> None:
    ids = [problem.id for problem in built.problems if problem.domain is Domain.math]
    assert len(set(ids)) == len(ids), "no numbers and steps occur twice, whatever is counted"
    use_by_text: dict[str, Use] = {}
    for problem in built.problems:
        if problem.domain is not Domain.math:
            continue
        value, steps = chains.read_statement(problem.statements[0])
        assert chains.is_seen(steps) is (problem.topic == "seen")
        assert len(steps) in chains.LENGTHS
        for kind, number in steps:
            value = chains.apply(kind, number, value)
        for candidate in problem.candidates:
            assert candidate.correct is candidate.text.endswith(f"answer: {value}")
            is_ok = chains.trace_solution(candidate.text, problem.statements[0]).endswith(";ok")
            assert is_ok is candidate.correct
            assert use_by_text.setdefault(candidate.text, problem.use) is problem.use


@pytest.mark.parametrize(
    "statement",
    [
        "pens: 7, 0 halved, how many",
        "pens: ², doubled, how many",
        "pens: 7, 5 more, total",
        "7, 5 more, how many",
    ],
)
def test_other_word_problems_are_refused(statement: str) -> None:
    with pytest.raises(DataError, match="not a word problem"):
        chains.read_statement(statement)
