"""Extract the final answers of worked solutions and compare them with math-verify."""

from __future__ import annotations

import re
import threading
from functools import cache
from typing import Any

# How data sets mark the end of a worked solution. The answer is the rest of the line.
_MARKS = re.compile(r"(?:####|^A:|answer(?: is|\s*:)|\\boxed(?=\{))[\s:*]*", re.I | re.M)
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?")
MISSING = "no answer"
_SECONDS = 5  # time limit to read or compare an answer; a tower of powers could take much longer


def final_answer(text: str) -> str | None:
    """Return the answer after the last mark (`####`, `A:`, "answer is", a box), or else the last number.

    Returns None if there is neither.
    """
    marks = list(_MARKS.finditer(text))
    if marks:
        last = marks[-1]
        if last.group().startswith("\\boxed"):
            return _braced(text[last.end() :])
        return text[last.end() :].split("\n")[0].strip(" .*`") or None
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def _braced(text: str) -> str | None:
    """Return the content of the braces that `text` starts with, or None if they are not closed."""
    depth = 0
    for token in re.finditer(r"\\.|[{}]", text, re.S):  # an escaped brace does not count
        depth += (token[0] == "{") - (token[0] == "}")
        if depth == 0:
            return text[1 : token.start()]
    return None


@cache
def same_answer(answer: str, expected: str) -> bool:
    """Check that two answers are the same number or expression, such as 1/2 and 0.5.

    math-verify compares them. An answer that it cannot compare within the time limit is wrong.
    """
    from math_verify import verify

    if answer == expected:
        return True
    return bool(verify(_parse(expected), _parse(answer), timeout_seconds=_time_limit()))


def _parse(answer: str) -> Any:
    from math_verify import parse

    plain = answer.replace("\\$", "").replace("$", "").strip(" .")
    return parse(f"${plain}$", parsing_timeout=_time_limit())


def _time_limit() -> int | None:
    """Return the limit in seconds; None outside the main thread, because math-verify needs signals for it."""
    return _SECONDS if threading.current_thread() is threading.main_thread() else None
