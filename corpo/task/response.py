"""Parse and format the verifier's response.

Grammar: one `<think>…</think>` block, which may be empty, then `A: <score> B: <score>`. Scores lie in [0,
10] and may have decimals. White space, a comma or a semicolon separates them. Words without digits, or "/10",
may stand behind a score on its line. Nothing else but white space may follow, except a next question that a
base model asks itself. The opening tag may be missing, because chat templates put it into the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from corpo.task.model_text import next_question_starts

SCORE_MIN, SCORE_MAX, CUT = 0.0, 10.0, 5.0  # scores above CUT mean "correct", scores below it "wrong"
OPEN, CLOSE = "<think>", "</think>"

_OUT_OF_10 = r"(?:[ \t]*/[ \t]*10|[ \t]+out of 10)?"
_FIRST_LETTER, _OTHER_LETTERS = r",?[ \t]+(?:[-(][ \t]*)?[A-Za-z]", r"[A-Za-z ,.;'()-]*"
# The lookbehind and the possessive `*+` change no match. They keep the time in proportion to the text.
_SCORES = re.compile(
    rf"\s*\**A:\**\s*(?P<a>\d{{1,4}}(?:\.\d{{1,8}})?){_OUT_OF_10}(?:{_FIRST_LETTER}{_OTHER_LETTERS})?\.?\**"
    r"(?<![\s,;])[\s,;]+"
    rf"\**B:\**\s*(?P<b>\d{{1,4}}(?:\.\d{{1,8}})?){_OUT_OF_10}(?:{_FIRST_LETTER}{_OTHER_LETTERS}+)?\.?\**\s*",
    re.ASCII,
)
_NEXT_PAIR = re.compile(r"\n\[A\]\n")  # of the next prompt that a base model writes itself
_PROMPT_THOUGHT = re.compile(r"<think>\s*(?:</think>\s*)?\Z")


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
    thought, closed, answer = body.partition(CLOSE)
    if not body.startswith(OPEN) and (not closed or OPEN in thought):
        return Fault.no_think
    if not closed:
        return Fault.unclosed_think
    answer = _without_next_prompt(answer)
    if OPEN in thought.removeprefix(OPEN) or OPEN in answer or CLOSE in answer:
        return Fault.second_think
    match = _SCORES.fullmatch(answer)
    if match is None:
        return Fault.no_scores
    scores = float(match["a"]), float(match["b"])
    if not all(SCORE_MIN <= score <= SCORE_MAX for score in scores):
        return Fault.out_of_range
    return Verdict(*scores)


def _without_next_prompt(answer: str) -> str:
    """Return an answer without the next question or pair that a base model writes behind its verdict."""
    scores = _SCORES.match(answer)
    if scores is None:
        return answer
    head, rest = answer[: scores.end()], answer[scores.end() :]
    starts_question = next_question_starts(rest)[:1] == [0]
    if head.rstrip() == head.rstrip(" \t") or not (starts_question or _NEXT_PAIR.search(rest)):
        return answer  # something else, or on the same line
    return head


def complete_responses(prompts: Sequence[str], texts_PG: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the completions of each prompt as responses, with the think tags that end their prompt.

    Some chat templates open the think block, and some close it at once to turn thinking off.
    """
    responses_PG = []
    for prompt, texts_G in zip(prompts, texts_PG, strict=True):
        match = _PROMPT_THOUGHT.search(prompt)
        opened = match[0] if match else ""
        responses_PG.append([opened + text for text in texts_G])
    return responses_PG


def continuation(prompt: str, response: str) -> str:
    """Return what a model has to write behind a prompt to give a response; see `complete_responses`.

    This is the response without the think tags at the end of the prompt. If they close the think block, it
    has no thought.
    """
    match = _PROMPT_THOUGHT.search(prompt)
    if match is None:
        return response
    if CLOSE in match[0]:
        return response.partition(CLOSE)[2]
    return response.removeprefix(OPEN)


def format_response(thought: str, score_a: float, score_b: float) -> str:
    """Return a response in the grammar. The demonstrations of the warm start are written this way."""
    return f"{OPEN}{thought}{CLOSE} A: {score_a:g} B: {score_b:g}"
