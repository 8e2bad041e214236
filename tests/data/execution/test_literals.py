"""Evaluate literals and conditions without running code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpo.data.execution.literals import check_condition
from corpo.data.execution.values import read_value

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
def test_read_value_inverts_repr(value: object) -> None:
    assert read_value(repr(value)) == value
    assert check_condition(
        f"value == {value!r}".replace("inf", "float('inf')"), repr(value)
    ) or "inf" in repr(value)


@given(st.text(max_size=40) | st.from_regex(r"[\[\](){},:'\"0-9a-z_.*+ -]{0,40}", fullmatch=True))
def test_read_value_returns_or_raises_value_error(text: str) -> None:
    try:
        read_value(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').getpid()",
        "f(1)",
        "(lambda: 1)()",
        "9 ** 9 ** 9",
        "'a' * 10 ** 9",
        "[0] * 10 ** 9",
        "'%99999999d' % 1",
        "(" * 5000,
        "-" * 50000 + "1",
    ],
    ids=lambda text: text[:20],
)
def test_read_value_refuses_code_and_expensive_expressions(text: str) -> None:
    with pytest.raises(ValueError, match="not a plain value"):
        read_value(text)


def test_a_condition_that_raises_is_false() -> None:
    assert not check_condition("value < 3", "'a'")


_EQUAL_HASHES = ", ".join(hex(number * (2**61 - 1)) for number in range(1, 40_000))
_MANY_DIGITS = "0x1" + "f" * 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "{" + _EQUAL_HASHES + "}",
        "frozenset({" + _EQUAL_HASHES + "})",
        "frozenset([" + _EQUAL_HASHES + "])",
        "{" + _EQUAL_HASHES.replace(",", ": 1,") + ": 1}",
        f"Fraction({_MANY_DIGITS}, {_MANY_DIGITS}1)",
    ],
    ids=["set", "frozenset", "frozenset of a list", "dict", "fraction"],
)
def test_a_text_that_takes_long_to_read_is_no_value(text: str) -> None:
    """Read what no worker writes in time, but a program can forge; it would take many seconds."""
    with pytest.raises(ValueError, match="not a plain value"):
        read_value(text)


def test_sets_of_many_values_are_read() -> None:
    assert read_value(repr(set(range(5000)))) == set(range(5000))
    assert read_value("frozenset({1, 2})") == {1, 2}
    assert read_value("{'a': 1, 'b': 2}") == {"a": 1, "b": 2}
