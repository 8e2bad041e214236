"""Grade the traces that a policy wrote against those of an interpreter."""

from __future__ import annotations

import math
import re
from functools import cache

from corpo.data.pipelines.chains import trace_solution
from corpo.data.pipelines.responses import written_traces
from corpo.data.pipelines.traces import OK, trace_program
from corpo.task import CUT, Domain, Pair

_FAMILY = re.compile(r"(code|math)_(seen|unseen)_\d+")  # names of the families of data=pipelines


@cache
def right_traces(pair: Pair) -> tuple[str, str] | None:
    """Return the right traces of A and B, or None for a pair that is not of data=pipelines."""
    if not _FAMILY.fullmatch(pair.problem.family):
        return None
    write = trace_program if pair.problem.domain is Domain.code else trace_solution
    statement = pair.problem.statement
    return write(pair.a.text, statement), write(pair.b.text, statement)


def right_line_share(response: str, wanted: tuple[str, str]) -> float:
    """Return the share of the trace lines of a response that are right, in [0, 1]: the mean of A and B.

    A line is right if it equals the line at its place in the right trace, from `wanted`. Lines that are
    missing or too many count as wrong. The verdict word is not a line. The share is 0 if the response does
    not have one trace of each candidate.
    """
    traces = written_traces(response)
    if traces is None:
        return 0.0
    return sum(map(_right_share, [trace.text for trace in traces], wanted)) / 2


def _right_share(trace: str, right: str) -> float:
    lines, right_lines = trace.split(";")[1:-1], right.split(";")[1:-1]
    num_right = sum(line == right_line for line, right_line in zip(lines, right_lines, strict=False))
    return num_right / max(len(lines), len(right_lines))


def grade_traces(
    response: str, wanted: tuple[str, str] | None, scores: tuple[float, float]
) -> tuple[float, float]:
    """Return `traced` and `follows` of a response: shares of its two traces, so 0, 0.5 or 1.

    `traced` is the share of traces that equal those in `wanted`, which come from `right_traces`. `follows` is
    the share of traces whose verdict word follows from their end and whose score is on the side of the word.
    Both are 0 if the response does not have one trace of each candidate, and NaN if `wanted` is None. Scores
    that are NaN are on neither side.
    """
    if wanted is None:
        return math.nan, math.nan
    traces = written_traces(response)
    if traces is None:
        return 0.0, 0.0
    traced, follows = 0.0, 0.0
    for trace, right, score in zip(traces, wanted, scores, strict=True):
        is_on_side = score > CUT if trace.word == OK else score < CUT
        traced += (trace.text == right) / 2
        follows += (trace.word_follows and is_on_side) / 2
    return traced, follows
