"""What the verifier answers, and a total parser for it: any string gives a verdict or a typed reason why not.

Grammar: one `<think>…</think>` block (it may be empty), then `A: <score> B: <score>`, scores in [0, 10], decimals
allowed, separated by white space, a comma or a semicolon; nothing else but white space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

SCORE_MIN, SCORE_MAX, CUT = 0.0, 10.0, 5.0
OPEN, CLOSE = "<think>", "</think>"

_SCORES = re.compile(
    r"\s*A:\s*(?P<a>\d{1,4}(?:\.\d{1,8})?)[\s,;]+B:\s*(?P<b>\d{1,4}(?:\.\d{1,8})?)\s*", re.ASCII
)


class Fault(StrEnum):
    """Why a response is no verdict."""

    no_think = "no think block at the start"
    unclosed_think = "think block not closed"
    second_think = "more than one think block"
    no_scores = "no 'A: <score> B: <score>' after the think block"
    out_of_range = "score outside [0, 10]"


@dataclass(frozen=True)
class Verdict:
    """Confidence in [0, 10] that each candidate is correct."""

    score_a: float
    score_b: float

    def is_correct(self, labels: tuple[bool, bool]) -> bool:
        """Each score strictly on its label's side of the cut; a score on the cut itself is no decision."""
        return all(
            (score > CUT) if label else (score < CUT)
            for score, label in zip(self.scores, labels, strict=True)
        )

    @property
    def scores(self) -> tuple[float, float]:
        return self.score_a, self.score_b

    def swapped(self) -> Verdict:
        return Verdict(self.score_b, self.score_a)


def parse_response(text: str) -> Verdict | Fault:
    """Read a response; never raises."""
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
    """A response in the grammar; what the warm start imitates."""
    return f"{OPEN}{thought}{CLOSE} A: {score_a:g} B: {score_b:g}"
