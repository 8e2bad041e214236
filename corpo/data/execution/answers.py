"""Extract the final answers of worked solutions and compare them: words, quantities, then math-verify."""

from __future__ import annotations

import re
import threading
from fractions import Fraction
from functools import cache
from typing import Any

from corpo.data.execution.quantities import (
    plain_text,
    read_quantity,
    repair_backslashes,
    same_quantity,
    without_explanation,
)
from corpo.task.model_text import next_question_starts, without_thoughts

# How data sets mark the end of a worked solution. The answer is the rest of the line.
_MARKS = re.compile(
    r"(?:####|^A:|<answer>|answer\s*(?:is|would be|should be|=|:)|\\(?:boxed|fbox)(?=\{))[\s:*]*", re.I | re.M
)
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?")
MISSING = "no answer"
_MAX_CHARS = 1000  # of an answer that is compared in more ways than character by character
_SECONDS = 5  # time limit to read or compare an answer; a tower of powers could take much longer
_RELATIVE_GAP = 1e-5  # math-verify rounds to some decimals, so that it calls two tiny numbers equal

_BLANKS = re.compile(r"(?<!\d)\s+|\s+(?!\d)")  # a blank between two digits separates numbers
_CHOICE = re.compile(r"\(?([A-Z])(?:\)|[.:]\s)")
_WORDS = re.compile(r"[^\W\d_]+(?:[ '’-][^\W\d_]+)*")
_SHORT_WORDS = frozenset(
    ("no", "on", "up", "of", "in", "is", "it", "at", "to", "go", "we", "he", "or", "so", "us")
)
_FUNCTIONS = frozenset(
    ("sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "sqrt", "pi", "max", "min")
)


def final_answer(text: str) -> str | None:
    """Return the answer after the last mark (`####`, `A:`, "answer is", a box), or else the last number.

    Returns None if there is neither. Think blocks do not count, nor does a question that a base model asks
    itself behind its answer.
    """
    text = _first_solution(without_thoughts(text))
    marks = list(_MARKS.finditer(text))
    if marks:
        last = marks[-1]
        if last.group().startswith("\\"):
            return _braced(text[last.end() :])
        return re.split(r"\n|</answer>", text[last.end() :])[0].strip(" .*`") or None
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def read_number(answer: str) -> Fraction | None:
    """Return the number in an answer, whatever its unit, or None if the answer is anything else."""
    if len(answer) > _MAX_CHARS:
        return None
    quantity = read_quantity(plain_text(without_explanation(repair_backslashes(answer))))
    return quantity.number if quantity is not None else None


def _first_solution(text: str) -> str:
    """Return the text up to the next question that follows an answer."""
    matches = [match for match in (_MARKS.search(text), _NUMBER.search(text)) if match is not None]
    for start in next_question_starts(text):
        if any(match.start() < start for match in matches):
            return text[:start]
    return text


def _braced(text: str) -> str | None:
    """Return the content of the braces that `text` starts with, or None if they are not closed."""
    depth = 0
    for token in re.finditer(r"\\.|[{}]", text, re.S):  # an escaped brace does not count
        depth += (token[0] == "{") - (token[0] == "}")
        if depth == 0:
            return text[1 : token.start()]
    return None


def same_answer(answer: str, expected: str) -> bool:
    """Check that two answers are the same words, quantity or expression, such as 1/2 and 0.5.

    Words are compared as words and written numbers exactly. A unit may be missing, but not differ. An
    explanation behind the answer does not count. math-verify compares expressions; an answer that it cannot
    compare within the time limit is wrong. Long answers have to be the same text.
    """
    if max(len(answer), len(expected)) > _MAX_CHARS:
        return answer.split() == expected.split()
    return _same_meaning(repair_backslashes(answer), repair_backslashes(expected))


@cache
def _same_meaning(answer: str, expected: str) -> bool:
    short, short_expected = without_explanation(answer), without_explanation(expected)
    if _same(answer, expected):
        return True
    return (short, short_expected) != (answer, expected) and bool(short) and _same(short, short_expected)


def _same(answer: str, expected: str) -> bool:
    a, b = plain_text(answer), plain_text(expected)
    if _BLANKS.sub("", a) == _BLANKS.sub("", b):
        return True
    if len(b) == 1 and _CHOICE.match(a):
        return _CHOICE.findall(a) == [b]  # the letter of a multiple choice, with the text of the choice
    if _are_words(b):
        return _words(a) == _words(b) or _words(re.split(r"[,;.(]", a)[0]) == _words(b)
    if _are_words(a):
        return False
    if re.search(r"\d_\d", a + " " + b):
        return False  # no notation of numbers; math-verify stops reading there
    quantity, expected_quantity = read_quantity(a), read_quantity(b)
    if quantity is not None and expected_quantity is not None:
        return same_quantity(quantity, expected_quantity)
    return _same_expression(answer, expected)


def _are_words(text: str) -> bool:
    """Check for words of a language. A product of variables, such as xy, is an expression."""
    if not _WORDS.fullmatch(text):
        return False
    words = re.split(r"[ '’-]", text.lower())
    if words[0] in _FUNCTIONS:
        return False
    return any(word in _SHORT_WORDS or (len(word) > 2 and not set(word) <= set("xyz")) for word in words)


def _words(text: str) -> str:
    return re.sub(
        r"^(?:on|in|at)? ?(?:the|an?) |^(?:on|in|at) ", "", " ".join(text.lower().replace("’", "'").split())
    )


def _same_expression(answer: str, expected: str) -> bool:
    from math_verify import verify

    parsed, parsed_expected = _parse(answer), _parse(expected)
    if not verify(parsed_expected, parsed, timeout_seconds=_time_limit()):
        return False
    return _has_same_size(parsed, parsed_expected)


def _has_same_size(parsed: Any, parsed_expected: Any) -> bool:
    """Check that two numbers have nearly the same size; True for anything else."""
    first, second = parsed[0], parsed_expected[0]
    if not (getattr(first, "is_number", False) and getattr(second, "is_number", False)):
        return True
    try:
        a, b = complex(first.evalf(15)), complex(second.evalf(15))
    except (TypeError, ValueError, OverflowError, AttributeError):
        return True
    return not a or not b or abs(a - b) <= _RELATIVE_GAP * max(abs(a), abs(b)) or _is_percentage(a, b)


def _is_percentage(a: complex, b: complex) -> bool:
    """Check that one number is the other in percent, which math-verify accepts."""
    return min(abs(100 * a - b), abs(a - 100 * b)) <= _RELATIVE_GAP * max(abs(a), abs(b))


def _parse(answer: str) -> Any:
    from math_verify import parse

    plain = answer.replace("\\$", "").replace("$", "").strip(" .")
    return parse(f"${plain}$", parsing_timeout=_time_limit())


def _time_limit() -> int | None:
    """Return the limit in seconds; None outside the main thread, because math-verify needs signals for it."""
    return _SECONDS if threading.current_thread() is threading.main_thread() else None
