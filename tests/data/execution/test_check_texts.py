"""Checks as rows of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpo.data.execution.check_texts import checks_of_row, row_of_checks
from corpo.data.execution.checks import Answer, CallChecks, Checks, StdioChecks
from corpo.data.execution.split_asserts import split_assertions

scalars: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
)
keys = st.integers() | st.text()


def containers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for containers of values, which JSON cannot keep apart."""
    return (
        st.lists(values, max_size=3)
        | st.lists(values, max_size=3).map(tuple)
        | st.sets(keys, max_size=3)
        | st.frozensets(keys, max_size=3)
        | st.dictionaries(keys, values, max_size=3)
    )


literals = st.recursive(scalars, containers, max_leaves=8)


def after_json(checks: Checks) -> Checks:
    return checks_of_row(json.loads(json.dumps(row_of_checks(checks))))


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(literals), min_size=1, max_size=3), literals)
def test_calls_keep_their_arguments_and_values(arguments: list[tuple[Any]], value: object) -> None:
    checks = CallChecks("f", tuple(arguments), (value,) * len(arguments), "import math\n", 0.5)
    restored = after_json(checks)
    assert restored == checks
    assert row_of_checks(restored) == row_of_checks(checks), "1, 1.0 and True stay apart"


@pytest.mark.parametrize(
    "checks",
    [
        Answer("\\frac{1}{2}"),
        CallChecks("Solution().solve", (([1, 2],), ((),)), None),
        StdioChecks(("1\n",), ("2\n",), "import sys\n", 0.0, by_line=True),
        split_assertions("assert f(1) == {2: (3,)}\nassert all(f(x) for x in (1, 2))"),
    ],
)
def test_all_kinds_of_checks_stay_the_same(checks: Checks) -> None:
    assert after_json(checks) == checks


def test_large_numbers_stay_and_other_objects_are_refused() -> None:
    exact = CallChecks("f", ((10**5000,),), (float("inf"),))
    assert after_json(exact) == exact
    for value in (object(), len, range(3)):
        with pytest.raises(TypeError):
            row_of_checks(CallChecks("f", ((1,),), (value,)))


def test_a_dict_keeps_the_order_of_its_items() -> None:
    restored = after_json(CallChecks("f", (({"b": 1, "a": 2},),), (1,)))
    assert isinstance(restored, CallChecks)
    assert list(restored.arguments[0][0]) == ["b", "a"]


def test_the_text_of_a_set_does_not_depend_on_the_order_of_its_items() -> None:
    row = row_of_checks(CallChecks("f", (({"b", "a", "c"},),), (1,)))
    assert row["arguments"] == ["({'a', 'b', 'c'},)"]
