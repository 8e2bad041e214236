"""Final answers of worked solutions, and whether two of them are the same number or expression (math-verify)."""

from __future__ import annotations

import re
import threading
from functools import cache
from typing import Any

# How data sets mark the end of a worked solution; what follows on that line is the answer.
_MARKS = re.compile(r"(?:####|^A:|answer(?: is|\s*:)|\\boxed(?=\{))[\s:*]*", re.I | re.M)
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?")
MISSING = "no answer"
_SECONDS = 5  # for reading or comparing an answer: a tower of powers takes for ever


def final_answer(text: str) -> str | None:
    """What a worked solution says in the end: behind its last mark (`####`, `A:`, "answer is", a box), else its last number; None without any."""
    marks = list(_MARKS.finditer(text))
    if marks:
        last = marks[-1]
        if last.group().startswith("\\boxed"):
            return _braced(text[last.end() :])
        return text[last.end() :].split("\n")[0].strip(" .*`") or None
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def _braced(text: str) -> str | None:
    """The content of the group that `text` starts with; None where it is not closed."""
    depth = 0
    for token in re.finditer(r"\\.|[{}]", text, re.S):  # an escaped brace is a letter
        depth += (token[0] == "{") - (token[0] == "}")
        if depth == 0:
            return text[1 : token.start()]
    return None


@cache
def same_answer(mine: str, theirs: str) -> bool:
    """Whether two answers are equal as numbers or expressions, such as 1/2 and 0.5 or \\sqrt{8} and 2\\sqrt{2}, as math-verify sees it."""
    from math_verify import verify

    return mine == theirs or bool(verify(_parsed(theirs), _parsed(mine), timeout_seconds=_patience()))


def _parsed(answer: str) -> Any:
    from math_verify import parse

    plain = answer.replace("\\$", "").replace("$", "").strip(" .")
    return parse(f"${plain}$", parsing_timeout=_patience())


def _patience() -> int | None:
    """math-verify keeps time by a signal, which only a main thread can have."""
    return _SECONDS if threading.current_thread() is threading.main_thread() else None
