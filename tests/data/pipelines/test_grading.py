"""Grade written traces against the right ones."""

from __future__ import annotations

import math
from dataclasses import replace

from corpo.data.pipelines.grading import grade_traces, right_traces
from corpo.task import Candidate, Domain, Pair, Problem, format_response

_WANTED = (";rev:21;check:2211--;ok", ";drop1:2;check:22-1;bad")


def _pair() -> Pair:
    problem = Problem("reversed", Domain.code, "code_seen_1", "seen", "reversed: f([1, 2]) == [2, 1]")
    return Pair(
        problem,
        Candidate("def f(xs):\n    xs = xs[::-1]\n    return xs", True, "reference"),
        Candidate("def f(xs):\n    xs = xs[1:]\n    return xs", False, "operator", line=2),
    )


def _response(trace_a: str, trace_b: str) -> str:
    return format_response(f";A{trace_a};B{trace_b}", 9, 1)


def test_right_traces_are_those_of_an_interpreter() -> None:
    assert right_traces(_pair()) == _WANTED
    assert right_traces(_pair().swapped()) == (_WANTED[1], _WANTED[0])


def test_pairs_of_other_data_have_no_traces() -> None:
    pair = _pair()
    assert right_traces(replace(pair, problem=replace(pair.problem, family="maximum"))) is None
    traced, follows = grade_traces(_response(*_WANTED), None, (9.0, 1.0))
    assert math.isnan(traced)
    assert math.isnan(follows)


def test_a_right_trace_counts_half_and_follows_if_its_score_does() -> None:
    response = _response(*_WANTED)
    assert grade_traces(response, _WANTED, (9.0, 1.0)) == (1.0, 1.0)
    assert grade_traces(response, _WANTED, (9.0, 8.0)) == (1.0, 0.5)
    assert grade_traces(response, _WANTED, (1.0, 9.0)) == (1.0, 0.0)
    # A wrong value from which the word follows.
    assert grade_traces(_response(_WANTED[0], ";drop1:3;check:32;bad"), _WANTED, (9.0, 1.0)) == (0.5, 1.0)
    # A right beginning whose word contradicts it.
    assert grade_traces(_response(_WANTED[0], ";drop1:2;check:22-1;ok"), _WANTED, (9.0, 9.0)) == (0.5, 0.5)


def test_scores_that_are_nan_or_on_the_cut_follow_from_no_word() -> None:
    response = _response(*_WANTED)
    assert grade_traces(response, _WANTED, (math.nan, math.nan)) == (1.0, 0.0)
    assert grade_traces(response, _WANTED, (5.0, 5.0)) == (1.0, 0.0)


def test_responses_without_traces_are_neither_traced_nor_follow() -> None:
    assert grade_traces("", _WANTED, (9.0, 1.0)) == (0.0, 0.0)
