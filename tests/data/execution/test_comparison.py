"""Compare values and outputs: exactly where exact is meant, with a tolerance for floats only."""

from __future__ import annotations

import math

import pytest

from corpo.data.execution.checks import CallChecks, StdioChecks
from corpo.data.execution.comparison import close, same_words

pytestmark = pytest.mark.kind("values and outputs, exact and within a tolerance")

CLOSE = [
    (0.1 + 0.2, 0.3),
    (1000000007.0, 1000000007),
    ((1, 2), [1, 2]),
    ({"a": (1.0,)}, {"a": [1]}),
    (1e20, 1e20 * (1 + 1e-12)),
    (math.inf, math.inf),
    (math.nan, math.nan),
    ([1.0, "a"], [1, "a"]),
]
FAR = [
    (1000000006.0, 1000000007),
    (1000000006.0, 1000000007.0),
    (50000000000000001, 50000000000000000),
    (5000000, 5000000.5),
    (3.5, 3),
    ("1.0", "1.00"),
    ("5", 5),
    (True, 1),
    (1, True),
    (math.inf, -math.inf),
    ([1, 2], [1, 2, 3]),
    ({"1": "a"}, {1: "a"}),
]
SAME_OUTPUT = [
    ("1 2\n3", "1 2 3"),
    ("4", "4.0"),
    ("4.00", "4"),
    ("0.30000000000000004", "0.3"),
    ("1000000007.0", "1000000007"),
    ("1e-3", "0.001"),
]
OTHER_OUTPUT = [
    ("1000000006.0", "1000000007"),
    ("1_000.0", "1000.0"),
    ("１.５", "1.5"),
    ("٣.٠", "3"),
    ("3.5", "3"),
    ("NO", "No"),
    ("nan", "0.5"),
    ("0x10", "16.0"),
    ("1 2", "1 2 3"),
    ("1e9999", "1.0"),
    ("1.5.0", "1.5"),
]


@pytest.mark.parametrize(("a", "b"), CLOSE)
def test_values_are_equal_up_to_rounding(a: object, b: object) -> None:
    assert close(a, b)
    assert close(b, a)


@pytest.mark.parametrize(("a", "b"), FAR)
def test_whole_numbers_and_texts_are_compared_exactly(a: object, b: object) -> None:
    assert not close(a, b)
    assert not close(b, a)


@pytest.mark.parametrize(("a", "b"), SAME_OUTPUT)
def test_outputs_with_the_same_words_are_equal(a: str, b: str) -> None:
    assert same_words(a, b)


@pytest.mark.parametrize(("a", "b"), OTHER_OUTPUT)
def test_outputs_with_other_words_differ(a: str, b: str) -> None:
    assert not same_words(a, b)


def test_the_tolerance_can_be_chosen() -> None:
    strict, loose = (CallChecks("f", ((1,),), (0.3,), tolerance=tolerance) for tolerance in (0.0, 0.01))
    assert not strict.matches("=0.30000000000000004", "=0.3")
    assert loose.matches("=0.301", "=0.3")


def test_the_judge_of_livecodebench_compares_line_by_line() -> None:
    by_line = StdioChecks(("",), ("1 2\n3\n",), tolerance=0.0, by_line=True)
    assert by_line.matches("=1 2.0\n3", "=1 2\n3\n")
    assert not by_line.matches("=1 2 3", "=1 2\n3\n")
    assert not by_line.matches("=1 2.0000001\n3", "=1 2\n3\n")


def test_a_long_word_takes_no_longer_than_others() -> None:
    """Compare a word that a program prints. With backtracking, it would take hours."""
    assert not same_words("1" * 1_000_000 + "ex", "2.5")
    assert same_words("1" * 1_000_000 + ".0", "1" * 1_000_000)
