"""Parse and format the verifier's response.

Grammar: one `<think>…</think>` block, which may be empty, then `A: <score> B: <score>`. Scores lie in [0,
10] and may have decimals. White space, a comma or a semicolon separates them. Nothing else but white space
may follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

SCORE_MIN, SCORE_MAX, CUT = 0.0, 10.0, 5.0  # scores above CUT mean "correct", scores below it "wrong"
OPEN, CLOSE = "<think>", "</think>"

_SCORES = re.compile(
    r"\s*A:\s*(?P<a>\d{1,4}(?:\.\d{1,8})?)[\s,;]+B:\s*(?P<b>\d{1,4}(?:\.\d{1,8})?)\s*", re.ASCII
)


class Fault(StrEnum):
    """The reason why a response could not be parsed."""

    no_think = "no think block at the start"
    unclosed_think = "think block not closed"
    second_think = "more than one think block"
    no_scores = "no 'A: <score> B: <score>' after the think block"
    out_of_range = "score outside [0, 10]"


@dataclass(frozen=True)
class Verdict:
    """The confidence, in [0, 10], that each candidate is correct."""

    score_a: float
    score_b: float

    def is_correct(self, labels: tuple[bool, bool]) -> bool:
        """Check that each score lies strictly on its label's side of the cut.

        A score on the cut itself is no decision, so it is not correct for either label.
        """
        score_a, score_b = self.scores
        label_a, label_b = labels
        return _is_on_side(score_a, label_a) and _is_on_side(score_b, label_b)

    @property
    def scores(self) -> tuple[float, float]:
        """Return the scores of A and B."""
        return self.score_a, self.score_b

    @property
    def confidence(self) -> float:
        """Return the mean distance of the scores from the cut, as a share of the largest, in [0, 1]."""
        return (abs(self.score_a - CUT) + abs(self.score_b - CUT)) / SCORE_MAX

    def swapped(self) -> Verdict:
        """Return the verdict on the same candidates in the other order."""
        return Verdict(self.score_b, self.score_a)


def _is_on_side(score: float, label: bool) -> bool:
    """Check that a score lies above the cut for a correct candidate, below it for a wrong one."""
    return score > CUT if label else score < CUT


def parse_response(text: str) -> Verdict | Fault:
    """Parse a response into a verdict, or into the fault that makes it unparseable. Never raises."""
    body = text.lstrip()
    if not body.startswith(OPEN):
        return Fault.no_think
    _, closed, answer = body.partition(CLOSE)
    if not closed:
        return Fault.unclosed_think
    if OPEN in body[len(OPEN) :] or CLOSE in answer:
        return Fault.second_think
    match = _SCORES.fullmatch(answer)
    if match is None:
        return Fault.no_scores
    scores = float(match["a"]), float(match["b"])
    if not all(SCORE_MIN <= score <= SCORE_MAX for score in scores):
        return Fault.out_of_range
    return Verdict(*scores)


def format_response(thought: str, score_a: float, score_b: float) -> str:
    """Return a response in the grammar. The demonstrations of the warm start are written this way."""
    return f"{OPEN}{thought}{CLOSE} A: {score_a:g} B: {score_b:g}"
