"""The reward for right trace lines ranks failures and successes, and never moves one to the other side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from corpo.data.pipelines.grading import right_line_share
from corpo.data.pipelines.trace_reward import TraceReward
from corpo.task import OrdinalReward, TextReward, Verdict, build_reward, format_response, parse_response
from corpo.task.grade import grade
from corpo.utils.errors import DataError
from tests.train.tiny_trainer import reversal_pair

RIGHT = (";rev:21;check:2211--;ok", ";drop1:2;check:22-1;bad")  # the right traces of `reversal_pair`


def _response(trace_a: str, trace_b: str, scores: tuple[int, int] = (9, 1)) -> str:
    return format_response(f";A{trace_a};B{trace_b}", *scores)


@pytest.mark.parametrize(
    ("trace_a", "trace_b", "share"),
    [
        (RIGHT[0], RIGHT[1], 1.0),
        (RIGHT[0], ";drop1:3;check:32;bad", 0.5),
        (";rev:21;check:21;bad", RIGHT[1], 0.75),
        (";rev:21;check:2211--;bad", RIGHT[1], 1.0),  # the verdict word is not a line
        (";rev:21;rev:12;check:21;bad", RIGHT[1], 2 / 3),  # one of three lines, and all lines
        (";ok", ";bad", 0.0),
    ],
)
def test_right_lines_are_counted_at_their_place(trace_a: str, trace_b: str, share: float) -> None:
    assert right_line_share(_response(trace_a, trace_b), RIGHT) == pytest.approx(share)


def test_a_response_without_two_traces_has_no_right_line() -> None:
    assert right_line_share(format_response(f";A{RIGHT[0]}", 9, 1), RIGHT) == 0
    assert right_line_share("", RIGHT) == 0


def test_levels_rise_with_right_lines_on_each_side_of_the_threshold() -> None:
    pair, reward = reversal_pair(), TraceReward()
    traces = [(";ok", ";bad"), (RIGHT[0], ";bad"), RIGHT]
    failures = [_response(*pieces, scores=(9, 9)) for pieces in traces]
    successes = [_response(*pieces, scores=(6, 4)) for pieces in traces]
    broken = f"<think>;A{RIGHT[0]};B{RIGHT[1]}</think> A: 9"
    graded = grade([[broken, *failures, *successes]], [pair], reward)
    assert graded.rewards_PG[0].tolist() == pytest.approx([-1, -1, -0.6, -0.2, 0.2, 0.6, 1])


def test_the_side_of_the_threshold_is_the_verdict_for_every_text() -> None:
    reward = build_reward("traces", 10, 0.0, {})
    assert isinstance(reward, TextReward)
    assert not isinstance(OrdinalReward(), TextReward)
    for pair in (reversal_pair(), reversal_pair().swapped()):
        for scores in ((9, 1), (1, 9), (9, 9), (1, 1), (5, 1)):
            for text in (_response(*RIGHT, scores), _response(";ok", ";ok", scores)):
                response = parse_response(text)
                assert isinstance(response, Verdict)
                value = reward.of_text(text, response, pair)
                assert (value >= reward.threshold) is response.is_correct(pair.labels)


def test_pairs_without_traces_are_refused() -> None:
    pair = reversal_pair()
    pair = replace(pair, problem=replace(pair.problem, family="maximum"))
    with pytest.raises(DataError, match="choose data=pipelines"):
        grade([[_response(*RIGHT)]], [pair], TraceReward())
