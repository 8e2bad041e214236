"""Write pipelines as programs, read them back, and trace them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from corpo.data.candidates.normal_form import normal_form
from corpo.data.pipelines.mutations import MUTATIONS, mutate
from corpo.data.pipelines.operations import LIST, Pipeline, draw_pipeline
from corpo.data.pipelines.programs import STYLES, read_program, write_program
from corpo.data.pipelines.slips import Slips
from corpo.data.pipelines.traces import check, read_example, trace_program, write_example
from corpo.task import Domain
from corpo.utils.errors import DataError


def _drawn(count: int, seed: int = 0) -> list[Pipeline]:
    rng = Random(seed)
    return [draw_pipeline(rng, rng.choice((1, 2, 3, 4, 5))).rewritten(rng) for _ in range(count)]


def _run(program: str, values: list[int]) -> object:
    names: dict[str, object] = {}
    exec(program, names)  # a program that this package wrote
    function = names["f"]
    assert callable(function)
    return function(list(values))


@pytest.mark.parametrize("style", STYLES)
def test_programs_compute_their_pipeline_and_are_read_back(style: str) -> None:
    rng = Random(style)
    for pipeline in _drawn(200):
        program = write_program(pipeline, style)
        assert read_program(program) == pipeline
        for length in (0, 1, 4, 7):
            values = [rng.randrange(10) for _ in range(length)]
            before = list(values)
            assert _run(program, values) == pipeline(values)
            assert values == before


def test_different_texts_have_different_normal_forms() -> None:
    programs = set()
    for pipeline in _drawn(150):
        programs |= {write_program(pipeline, style) for style in STYLES}
    forms = {normal_form(program, Domain.code) for program in programs}
    assert len(forms) == len(programs)


def test_a_trace_holds_what_python_computes() -> None:
    rng = Random(3)
    for pipeline in _drawn(100):
        values = [rng.randrange(10) for _ in range(5)]
        program = write_program(pipeline, rng.choice(STYLES))
        trace = trace_program(program, f"words: {write_example(values, pipeline(values))}")
        *steps, last_check, verdict = trace.split(";")[1:]
        assert last_check.startswith("check:")
        assert verdict == "ok"
        for index, step in enumerate(steps[: len(pipeline.operations)], start=1):
            beginning = replace(pipeline, operations=pipeline.operations[:index], ending=LIST)
            values_then = _run(write_program(beginning, "loop"), values)
            assert isinstance(values_then, list)
            assert step.split(":")[1] == ("".join(map(str, values_then)) or "-")
        if pipeline.ending != LIST:
            assert steps[-1] == f"{pipeline.ending}:{_run(program, values)}"


def test_a_check_ends_at_the_first_difference() -> None:
    assert check([8, 6], [8, 6]) == ";check:8866--;ok"
    assert check([8, 3, 1], [8, 6, 1]) == ";check:8836;bad"
    assert check([8], [8, 6]) == ";check:88-6;bad"
    assert check([8, 6], [8]) == ";check:886-;bad"
    assert check([], []) == ";check:--;ok"
    assert check(4, 5) == ";check:45;bad"


def test_examples_are_read_back() -> None:
    for values, wanted in (([7, 9], [9, 7]), ([], 0), ([1], [])):
        assert read_example(f"reversed: {write_example(values, wanted)}") == (values, wanted)
    with pytest.raises(DataError, match="ends in no example"):
        read_example("Double x.")
    with pytest.raises(DataError, match="not a program of data=pipelines"):
        read_program("def f(xs):\n    xs = sorted(xs)\n    return xs")


def test_mutations_change_one_operation_or_the_fold() -> None:
    rng = Random(1)
    seen = set()
    for pipeline in _drawn(400):
        drawn = mutate(pipeline, rng, max_operations=4)
        if drawn is None:
            continue
        mutation, mutant = drawn
        seen.add(mutation)
        assert mutant != pipeline
        assert not mutant.repeats
        assert (mutant.ending == LIST) is (pipeline.ending == LIST)
        difference = len(mutant.operations) - len(pipeline.operations)
        assert difference == {"drop": -1, "insert": 1}.get(mutation, 0)
        assert difference < 1 or len(mutant.operations) <= 4
        assert read_program(write_program(mutant, "loop")) == mutant
    assert seen == set(MUTATIONS)


def test_slips_change_values_and_the_trace_goes_on_from_them() -> None:
    statement = "above 2, plus 1: f([3, 4, 9]) == [4, 5, 0]"
    program = (
        "def f(xs):\n    xs = [x for x in xs if x > 2]\n    xs = [(x + 1) % 10 for x in xs]\n    return xs"
    )
    assert trace_program(program, statement) == ";>2:349;+1:450;check:445500--;ok"
    assert trace_program(program, statement, Slips(0, Random(0))) == trace_program(program, statement)
    rng = Random(1)
    for _ in range(50):
        first, second, check_text, word = trace_program(program, statement, Slips(0.3, rng)).split(";")[1:]
        slipped = [int(digit) for digit in first.removeprefix(">2:")]
        assert len(slipped) == 3
        result = [int(digit) for digit in second.removeprefix("+1:")]
        assert f";{check_text};{word}" == check(result, [4, 5, 0])
    assert all(Slips(1, rng).digits([value])[0] != value for value in range(10))
    assert all(0 <= Slips(1, rng).number(1) != 1 for _ in range(20))
