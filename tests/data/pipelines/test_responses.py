"""Read traces from responses."""

from __future__ import annotations

import pytest

from corpo.data.pipelines.responses import written_traces
from corpo.task import format_response


@pytest.mark.parametrize(
    ("trace_a", "follows"),
    [
        (";>3:46;check:4466--;ok", True),
        (";>3:46;check:4467;bad", True),
        (";>3:46;check:4467;ok", False),
        (";>3:46;check:4466--;bad", False),
        (";>3:46;check:44;ok", False),
        (";rev:-;check:--;ok", True),
        (";rev:-;check:-8;bad", True),
        (";+5:12:12;//2:6:7;bad", True),
        (";+5:12:12;//2:6:6;ok", True),
        (";+5:12:12;//2:6:-;ok", False),
        (";ok", False),
        (";>3:46;check:4466--", False),
    ],
)
def test_a_verdict_follows_from_the_end_of_its_trace(trace_a: str, follows: bool) -> None:
    traces = written_traces(format_response(f";A{trace_a};B;rev:1;check:11--;ok", 8, 2))
    assert traces is not None
    assert traces[0].text == trace_a
    assert traces[0].word_follows is follows
    assert traces[1].word_follows


def test_responses_without_two_traces_have_none() -> None:
    for response in ("", "<think></think> A: 1 B: 2", "<think>;A;rev:1;ok</think> A: 1 B: 2"):
        assert written_traces(response) is None
