"""Count the space of pipelines, hold out bigrams, and run operations."""

from __future__ import annotations

from itertools import chain, product
from random import Random

from corpo.data.pipelines.operations import (
    ARGUMENTS,
    BIGRAMS,
    FOLDS,
    HELD_OUT,
    LENGTHS,
    LIST,
    NAMES,
    WITH_VARIANTS,
    Operation,
    Pipeline,
    draw_pipeline,
    is_seen,
    num_pipelines,
)
from corpo.data.pipelines.programs import write_program


def _all_pipelines(length: int, variants: bool) -> list[Pipeline]:
    """Return every pipeline of a length by enumeration."""
    operations = []
    for name in NAMES:
        num_variants = 2 if variants and name in WITH_VARIANTS else 1
        for argument, variant in product(ARGUMENTS[name], range(num_variants)):
            operations.append(Operation(name, argument, variant))
    chosen = product(operations, repeat=length)
    pipelines = [Pipeline(tuple(row), ending) for row, ending in product(chosen, (LIST, *FOLDS))]
    return [pipeline for pipeline in pipelines if not pipeline.repeats]


def test_counts_are_exact() -> None:
    for length in (1, 2):
        pipelines = _all_pipelines(length, variants=False)
        assert len({pipeline.words for pipeline in pipelines}) == num_pipelines(length)
        assert sum(map(is_seen, pipelines)) == num_pipelines(length, seen_only=True)
        programs = {write_program(pipeline, "steps") for pipeline in _all_pipelines(length, variants=True)}
        assert len(programs) == num_pipelines(length, variants=True)


def test_the_space_is_too_large_to_memorise() -> None:
    assert sum(map(num_pipelines, LENGTHS)) == 1_519_080
    assert sum(num_pipelines(length, seen_only=True) for length in LENGTHS) == 452_744
    assert sum(num_pipelines(length, variants=True) for length in LENGTHS) == 11_433_200
    assert num_pipelines(5, variants=True) == 433_127_952


def test_a_quarter_of_the_bigrams_is_held_out() -> None:
    assert set(BIGRAMS) > HELD_OUT
    assert len(HELD_OUT) == 25
    assert len(BIGRAMS) == 99
    for name in NAMES:
        assert any(name in bigram for bigram in set(BIGRAMS) - HELD_OUT), (
            "each operation is learned in others"
        )


def test_drawn_pipelines_have_no_repeated_neighbours_and_all_endings() -> None:
    rng = Random(0)
    pipelines = [draw_pipeline(rng, 3) for _ in range(300)]
    assert not any(pipeline.repeats for pipeline in pipelines)
    assert {pipeline.ending for pipeline in pipelines} == {LIST, *FOLDS}
    operations = chain.from_iterable(pipeline.operations for pipeline in pipelines)
    assert {operation.name for operation in operations} == set(NAMES)
    rewritten = pipelines[0].rewritten(rng)
    assert rewritten.words == pipelines[0].words
