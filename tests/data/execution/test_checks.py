"""Assertions: the expected value stays outside the sandbox, and the verdict is the one that Python would give."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpo.data.execution.checks import PASSED, assertions, wanted
from corpo.data.execution.sandbox import Mode, Program, Sandbox
from corpo.data.execution.split_asserts import Splitter, holds, read_value

SPLIT = {
    "f(1) == 2": ("f(1)", "value == 2"),
    "f(1) == [1, (2,), {3}], 'why'": ("f(1)", "value == [1, (2,), {3}]"),
    "4 != f(1)": ("f(1)", "4 != value"),
    "f(1)": ("f(1)", "value"),
    "not f(1)": ("f(1)", "not value"),
    "f(1) is None": ("f(1)", "value is None"),
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
)


@pytest.mark.parametrize("test", SPLIT)
def test_an_assertion_is_taken_apart(test: str) -> None:
    script = assertions(f"assert {test}")
    asked, condition = SPLIT[test]
    assert script.conditions == (condition,)
    assert f"__value__(0, {asked})" in script.source


@pytest.mark.parametrize("test", WHOLE)
def test_what_would_be_a_bare_yes_reports_by_itself(test: str) -> None:
    assert assertions(f"assert {test}").conditions == ("",)


def test_names_that_the_script_binds_are_not_pythons() -> None:
    assert assertions("def abs(x):\n    return 0\nassert abs(f(1) - 2) < 1").conditions == ("",)
    assert assertions("assert isclose(f(1), 2.0)").conditions == ("",)
    assert assertions("from math import isclose\nassert isclose(f(1), 2.0)").conditions == (
        "isclose(value, 2.0)",
    )


PROGRAM = """
from collections import Counter, OrderedDict, defaultdict, namedtuple
P = namedtuple("P", "x y")
def f(x):
    return [1, True, 1.0, (1, 2), [1, 2], P(1, 2), Counter("aab"), OrderedDict(a=1), {1: 2}.keys(), None, frozenset({1}), b"x", float("inf"), 0.1 + 0.2][x]
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


def test_equality_is_pythons() -> None:
    """Both forms of every comparison of some values with some literals agree."""
    tests = [f"f({x}) == {literal}" for x in range(14) for literal in LITERALS]
    apart = assertions("\n".join(f"assert {test}" for test in tests))
    whole = assertions("\n".join(f"assert eq(f({x}), {literal})" for x in range(14) for literal in LITERALS))
    assert all(apart.conditions)
    assert not any(whole.conditions)
    results = Sandbox(cpu_seconds=2).run([one.program(PROGRAM) for one in (apart, whole)])
    verdicts = [
        [one.agree(*pair) for pair in zip(got, wanted(one, None), strict=True)]
        for one, got in zip((apart, whole), results, strict=True)
    ]
    assert [test for test, a, b in zip(tests, *verdicts, strict=True) if a != b] == []
    assert 14 < sum(verdicts[0]) < len(tests)


def test_set_up_and_failures_between_tests() -> None:
    script = assertions(
        "def check(f):\n    a = [3]\n    assert f(a) == 3\n    a += [4]\n    assert f(a) == 7\n    assert f('x') == 1",
        "check(sum)",
    )
    [got] = Sandbox().run([script.program("pass")])
    assert got == ("=3", "=7", "!TypeError")
    [missing] = Sandbox().run(
        [assertions("def check(f):\n    assert f(1) == 1\n    assert f(2) == 2", "check(f)").program("g = 1")]
    )
    assert missing == ("!NameError",) * 2


def test_a_program_may_open_its_standard_input() -> None:
    assert Sandbox().run(
        [Program("print(int(open('/dev/stdin').read()) + 1)", ("1", "2"), Mode.stream, "")]
    ) == [("=2\n", "=3\n")]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_a_text_gives_back_its_value(value: object) -> None:
    assert read_value(repr(value)) == value
    assert holds(f"value == {value!r}".replace("inf", "float('inf')"), repr(value)) or "inf" in repr(value)


@given(st.text(max_size=40) | st.from_regex(r"[\[\](){},:'\"0-9a-z_.*+ -]{0,40}", fullmatch=True))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    try:
        read_value(text)
    except ValueError:
        return


def test_texts_run_nothing_and_cost_little() -> None:
    for text in (
        "__import__('os').getpid()",
        "f(1)",
        "(lambda: 1)()",
        "9 ** 9 ** 9",
        "'a' * 10 ** 9",
        "[0] * 10 ** 9",
        "'%99999999d' % 1",
        "(" * 5000,
        "-" * 50000 + "1",
    ):
        with pytest.raises(ValueError, match="not a plain value"):
            read_value(text)
    assert not holds("value < 3", "'a'")
    assert Splitter(ast.parse("")).split(ast.parse("[0] * 10 ** 9 == f(1)", mode="eval").body) is None
    assert PASSED == "=True"
