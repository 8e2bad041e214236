"""Read traces from responses and measure them."""

from __future__ import annotations

import pandas as pd
import pytest

from corpo.analysis.tracing import tracing
from corpo.data.pipelines.responses import written_traces
from corpo.task import Candidate, Domain, Pair, Problem, format_response
from corpo.train.demonstrations import trace


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


def _pair() -> Pair:
    problem = Problem("reversed", Domain.code, "code_seen_1", "seen", "reversed: f([1, 2]) == [2, 1]")
    return Pair(
        problem,
        Candidate("def f(xs):\n    xs = xs[::-1]\n    return xs", True, "reference"),
        Candidate("def f(xs):\n    xs = xs[1:]\n    return xs", False, "operator", line=2),
    )


def test_tracing_measures_by_part() -> None:
    pairs = [_pair(), _pair().swapped()]
    rows = []
    for number, pair in enumerate(pairs):
        scores = (9.0, 1.0) if number == 0 else (2.0, 8.0)
        row = {
            "split": f"code_{pair.kind}",
            "family": pair.problem.family,
            "prompt_id": f"{number:05d}",
            "kind": str(pair.kind),
            "label_a": pair.a.correct,
            "label_b": pair.b.correct,
            "score_a": scores[0],
            "score_b": scores[1],
            "parsed": True,
            "correct": True,
            "response": format_response(trace(pair).text, *scores),
        }
        rows.append(row)
    rows.append({**rows[0], "response": "no traces", "score_a": 1.0, "score_b": 1.0, "correct": False})
    table = tracing(pd.DataFrame(rows), pairs)
    assert list(table["part"]) == ["code, seen"]
    measures = table.iloc[0]
    assert measures["prompts"] == 2
    assert measures["traced"] == measures["follows"] == pytest.approx(2 / 3)
    assert measures["auc_a"] == pytest.approx(0.5)  # 9 and 1 against 2
    assert measures["auc_b"] == 1
    assert measures["auc_mean"] == 1
    assert measures["sensitivity"] == pytest.approx(2 / 3)
    assert measures["specificity"] == 1
