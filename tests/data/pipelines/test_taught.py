"""Templates of taught candidates are counted with the labels that execution gives."""

from __future__ import annotations

from collections import Counter

from corpo.data.execution.sandbox import Sandbox
from corpo.data.pipelines.build import build
from corpo.data.pipelines.taught import taught_table, without_constants
from corpo.data.types import Use
from tests.data.pipelines.test_build import SMALL


def test_constants_are_replaced() -> None:
    assert without_constants("[x for x in xs if x >= 12][:3]") == "[x for x in xs if x >= 0][:0]"


def test_counts_agree_with_executed_labels() -> None:
    uses = {Use.warm_start, Use.train}
    built = build(uses, SMALL, mutants=4, seed=1, sandbox=Sandbox(), cache=None)
    assert {problem.use for problem in built.taught} == uses
    assert built.num_hidden > 0, "otherwise the test does not cover hidden mutants"
    seen: Counter[tuple[str, str]] = Counter()
    correct: Counter[tuple[str, str]] = Counter()
    for problem in built.problems:
        for candidate in problem.candidates:
            template = (without_constants(problem.id), without_constants(candidate.text))
            seen[template] += 1
            correct[template] += candidate.correct
    table = taught_table(built.taught, seed=1).set_index(["words", "text"])
    assert table["seen"].to_dict() == seen
    assert table["correct"].to_dict() == correct
