"""Final answers of worked solutions, and whether two of them are the same number or expression (math-verify)."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

# How data sets mark the end of a worked solution; what follows on that line is the answer.
_MARKS = re.compile(r"(?:####|^A:|(?:final )?answer (?:is|:)|\\boxed(?=\{))\s*:?\s*", re.I | re.M)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
MISSING = "no answer"


def final_answer(text: str) -> str | None:
    """What a worked solution says in the end: behind its last mark (`####`, `A:`, "answer is", a box), else its last number; None without any."""
    marks = list(_MARKS.finditer(text))
    if marks:
        last = marks[-1]
        if last.group().startswith("\\boxed"):
            return _braced(text[last.end() :])
        return text[last.end() :].split("\n")[0].strip().rstrip(".") or None
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def _braced(text: str) -> str | None:
    """The content of the group that `text` starts with; None where it is not closed."""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return text[1:at]
    return None


@cache
def same_answer(mine: str, theirs: str) -> bool:
    """Whether two answers are equal as numbers or expressions: 1/2 and 0.5, \\frac{1}{2} and 50\\%... as math-verify sees it."""
    from math_verify import verify

    return mine == theirs or bool(verify(_parsed(theirs), _parsed(mine), timeout_seconds=None))


def _parsed(answer: str) -> Any:
    from math_verify import parse

    return parse(f"${answer.replace('$', '').rstrip('.')}$", parsing_timeout=None)
