"""Split assertions: expected values stay outside the sandbox, and verdicts are those of Python."""

from __future__ import annotations

import ast
from itertools import product

import pytest

from corpo.data.execution.checks import expected_results
from corpo.data.execution.sandbox import Sandbox
from corpo.data.execution.split_asserts import Splitter, split_assertions

SPLIT = {
    "f(1) == 2": ("f(1)", "value == 2"),
    "f(1) == [1, (2,), {3}], 'why'": ("f(1)", "value == [1, (2,), {3}]"),
    "4 != f(1)": ("f(1)", "4 != value"),
    "f(1)": ("not not f(1)", "value"),
    "not f(1)": ("not f(1)", "value"),
    "f(1) is None": ("f(1) is None", "value"),
    "f(1) in (1, 2)": ("f(1)", "value in (1, 2)"),
    "set(f(1)) == {1}": ("set(f(1))", "value == {1}"),
    "abs(f(1) - 2.5) < 1e-06": ("f(1)", "abs(value - 2.5) < 1e-06"),
    "math.isclose(f(1), 2.5, rel_tol=0.1)": ("f(1)", "math.isclose(value, 2.5, rel_tol=0.1)"),
    "f(1) == 2 ** 10": ("f(1)", "value == 2 ** 10"),
}
WHOLE = (
    "all(f(x) == x for x in (1, 2))",
    "near(f(1), 2.5)",
    "f(1) == g(1)",
    "f(1) == 1 and f(2) == 2",
    "f(1) is 'a'",
    "2 if f(1) else 3",
    "0 < f(1) < 2",
    "1 in f(1)",
)


@pytest.mark.parametrize("test", SPLIT)
def test_an_assertion_is_split_into_expression_and_condition(test: str) -> None:
    script = split_assertions(f"assert {test}")
    expression, condition = SPLIT[test]
    assert script.conditions == (condition,)
    assert f"__value__(0, {expression})" in script.source


@pytest.mark.parametrize("test", WHOLE)
def test_an_assertion_that_cannot_be_split_reports_by_itself(test: str) -> None:
    assert split_assertions(f"assert {test}").conditions == ("",)


def test_functions_that_the_script_redefines_are_not_trusted() -> None:
    assert split_assertions("def abs(x):\n    return 0\nassert abs(f(1) - 2) < 1").conditions == ("",)
    assert split_assertions("assert isclose(f(1), 2.0)").conditions == ("",)
    assert split_assertions("from math import isclose\nassert isclose(f(1), 2.0)").conditions == (
        "isclose(value, 2.0)",
    )


PROGRAM = """
from collections import Counter, OrderedDict, defaultdict, namedtuple
P = namedtuple("P", "x y")
def f(x):
    return [
        1, True, 1.0, (1, 2), [1, 2], P(1, 2), Counter("aab"), OrderedDict(a=1), {1: 2}.keys(),
        None, frozenset({1}), b"x", float("inf"), 0.1 + 0.2,
    ][x]
def eq(a, b):
    return a == b
"""
LITERALS = (
    "1",
    "True",
    "1.0",
    "(1, 2)",
    "[1, 2]",
    "{'a': 2, 'b': 1}",
    "{'a': 1}",
    "{1}",
    "None",
    "b'x'",
    "float('inf')",
    "0.3",
    "'1'",
    "frozenset({1})",
)


def test_split_and_whole_assertions_agree() -> None:
    """Compare both forms of every comparison of 14 values with some literals."""
    comparisons = list(product(range(14), LITERALS))
    tests = [f"f({x}) == {literal}" for x, literal in comparisons]
    split = split_assertions("\n".join(f"assert {test}" for test in tests))
    whole = split_assertions("\n".join(f"assert eq(f({x}), {literal})" for x, literal in comparisons))
    assert all(split.conditions)
    assert not any(whole.conditions)
    split_results, whole_results = Sandbox(cpu_seconds=2).run(
        [split.program(PROGRAM), whole.program(PROGRAM)]
    )
    split_verdicts = list(map(split.matches, split_results, expected_results(split, None)))
    whole_verdicts = list(map(whole.matches, whole_results, expected_results(whole, None)))
    assert [test for test, a, b in zip(tests, split_verdicts, whole_verdicts, strict=True) if a != b] == []
    assert 14 < sum(split_verdicts) < len(tests)


def test_statements_between_tests_run_and_failures_are_reported() -> None:
    script = split_assertions(
        "def check(f):\n    a = [3]\n    assert f(a) == 3\n    a += [4]\n    assert f(a) == 7\n"
        "    assert f('x') == 1",
        "check(sum)",
    )
    assert Sandbox().run([script.program("pass")]) == [("=3", "=7", "!TypeError")]


def test_every_test_fails_if_the_function_is_missing() -> None:
    script = split_assertions("def check(f):\n    assert f(1) == 1\n    assert f(2) == 2", "check(f)")
    assert Sandbox().run([script.program("g = 1")]) == [("!NameError",) * 2]


@pytest.mark.parametrize("source", ["def test_f():\n    assert f(1) == 2\nprint('done')", "f(1)"])
def test_a_script_without_a_test_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="no assert"):
        split_assertions(source)


def test_a_constant_too_large_is_not_evaluated() -> None:
    test = ast.parse("[0] * 10 ** 9 == f(1)", mode="eval").body
    assert Splitter(ast.parse("")).split(test) is None
