"""Split assertions: expected values stay outside the sandbox, and verdicts are those of Python."""

from __future__ import annotations

import ast
import re
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


KNOWN = {  # scripts whose expected values are in variables or tables: what is evaluated, and the conditions
    "for x, y in [(1, 2), (3, 4)]:\n    assert f(x) == y": (["f(1)", "f(3)"], ["value == 2", "value == 4"]),
    "for i in range(2):\n    assert f(i) == i + 1": (["f(0)", "f(1)"], ["value == 0 + 1", "value == 1 + 1"]),
    "x = [1]\ny = [2]\nassert f(x) == y": (["f(x)"], ["value == [2]"]),
    "y = [2]\nr = f(1)\nassert sorted(y) == r": (["r"], ["sorted([2]) == value"]),
    "a, b = 1, (2, 3)\nassert f(a) in b": (["f(1)"], ["value in (2, 3)"]),
    "for k, v in {'a': 1}.items():\n    assert f(k) == v": (["f('a')"], ["value == 1"]),
    "xs = [1, 2]\nfor i, (x, y) in enumerate(zip(xs, [3, 4])):\n    assert f(i, x) == y": (
        ["f(0, 1)", "f(1, 2)"],
        ["value == 3", "value == 4"],
    ),
    "for x in (1, 2):\n    for y in (3, 4):\n        z = x * y\n        assert f(x, y) == z": (
        ["f(1, 3)", "f(1, 4)", "f(2, 3)", "f(2, 4)"],
        ["value == 1 * 3", "value == 1 * 4", "value == 2 * 3", "value == 2 * 4"],
    ),
    "def test():\n    y = [2]\n    assert f(1) == y\ntest()": (["f(1)"], ["value == [2]"]),
    "CASES = [(1, 2)]\ndef test(f):\n    for x, y in CASES:\n        assert f(x) == y\n    return\ntest(g)": (
        ["f(1)"],
        ["value == 2"],
    ),
    "if __name__ == '__main__':\n    y = 2\n    assert f(1) == y": (["f(1)"], ["value == 2"]),
}
UNKNOWN = (  # scripts in which a program could change what is compared, or in which names have other values
    "y = [2]\nassert f(y) == y",
    "y = [2]\nz = y\nf(z)\nassert f(1) == y",
    "y = [2]\ny[0] = f(0)\nassert f(1) == y",
    "y = [[2]]\nfor x in y:\n    f(x)\nassert f(1) == y",
    "y = 2\nif f(0):\n    y = 3\nassert f(1) == y",
    "y = 2\nfor y in f(0):\n    pass\nassert f(1) == y",
    "def test():\n    global y\n    y = 3\ny = 2\ntest()\nassert f(1) == y",
    "cases = [[1, 2]]\ncases.append(f(0))\nfor x, y in cases:\n    assert f(x) == y",
    "for x, y in [(1, 2), (3, 4)]:\n    if f(x):\n        break\n    assert f(x) == y",
    "y = 2\nexec('y = 3')\nassert f(1) == y",
    "for x in range(10 ** 9):\n    assert f(x) == x",
    "def test(x):\n    assert f(x) == x\ntest(1)\ntest(2)",
    "def test():\n    if f(0):\n        return\n    assert f(1) == 2\ntest()",
)


@pytest.mark.parametrize("script", KNOWN)
def test_expected_values_in_variables_and_tables_stay_outside(script: str) -> None:
    checks = split_assertions(script)
    expressions, conditions = KNOWN[script]
    assert list(checks.conditions) == conditions
    for number, expression in enumerate(expressions):
        assert f"__value__({number}, {expression})" in checks.source
    assert not {"y", "v", "z", "CASES"} & set(re.findall(r"\w+", checks.source))


@pytest.mark.parametrize("script", UNKNOWN)
def test_names_whose_values_may_change_are_not_replaced(script: str) -> None:
    assert set(split_assertions(script).conditions) == {""}


def test_tests_with_known_values_decide_as_python_does() -> None:
    """Compare each script with Python itself, on programs that also change their arguments."""
    programs = {
        "right": "def f(*x):\n    return sum(x) + 1\n",
        "wrong": "def f(*x):\n    return 7\n",
        "changes": "def f(x):\n    x.append(9)\n    return x\n",
    }
    scripts = {
        "for x, y in [(1, 2), (3, 4)]:\n    assert f(x) == y": ["right"],
        "for x in (1, 2):\n    for y in (3, 4):\n        z = x + y\n        assert f(x, y) == z + 1": [
            "right"
        ],
        "x = [1]\ny = [1, 9]\nassert f(x) == y\nassert x == y": ["changes"],
        "x = [1]\nassert f(x) == x": ["changes"],
        "x = [1]\nfor y in ([1, 9], [1, 9, 9]):\n    assert f(x) == y": ["changes"],
        "def test():\n    assert f(1) == 2\n    assert f(6) == 7\ntest()": ["right"],
    }
    for script, accepted in scripts.items():
        checks = split_assertions(script)
        assert all(checks.conditions) or script.endswith("== x"), script
        all_results = Sandbox().run([checks.program(source) for source in programs.values()])
        expected = expected_results(checks, None)
        verdicts = {}
        for name, results in zip(programs, all_results, strict=True):
            verdicts[name] = all(map(checks.matches, results, expected))
            space: dict[str, object] = {}
            try:
                exec(programs[name] + script, space)
            except (AssertionError, AttributeError, TypeError):
                assert not verdicts[name], (script, name)
            else:
                assert verdicts[name], (script, name)
        assert [name for name, verdict in verdicts.items() if verdict] == accepted


def test_an_error_behind_the_last_test_counts() -> None:
    script = split_assertions("assert f(1) == 1\nassert f(2) == 2\nf(3)")
    program = "def f(x):\n    return x if x < 3 else 1 / 0"
    assert Sandbox().run([script.program(program)]) == [("=1", "!ZeroDivisionError")]


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
