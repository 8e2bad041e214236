"""Compare values and outputs: text and whole numbers exactly, floats within a tolerance."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

TOLERANCE = 1e-6  # relative tolerance of floats, unless a source has another
_ABSOLUTE_SHARE = 1e-3  # the absolute tolerance, relative to the relative one
_EXACT_FLOATS = 2.0**53  # below it, floats hold every whole number
# Each digit can match in one place only, so that matching a word takes time in proportion to its length.
_DECIMAL = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,4})?", re.ASCII)


def close(a: Any, b: Any, tolerance: float = TOLERANCE) -> bool:
    """Check that two values are equal, up to tuples for lists and a relative tolerance for floats."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(close(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key], tolerance) for key in a)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, float) and isinstance(b, float):
        return near(a, b, tolerance)
    return bool(a == b)


def near(a: float, b: float, tolerance: float = TOLERANCE) -> bool:
    """Check that two floats differ by the tolerance at most. Whole numbers have to be equal."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return True
    if a.is_integer() and b.is_integer() and max(abs(a), abs(b)) < _EXACT_FLOATS:
        return False
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance * _ABSOLUTE_SHARE)


def same_words(text: str, expected: str, tolerance: float = TOLERANCE) -> bool:
    """Check that two texts have the same words, up to the notation of numbers."""
    words, expected_words = text.split(), expected.split()
    if words == expected_words:
        return True
    if len(words) != len(expected_words):
        return False
    return all(_same_word(a, b, tolerance) for a, b in zip(words, expected_words, strict=True))


def _same_word(a: str, b: str, tolerance: float) -> bool:
    """Check that two words are the same text, or the same number if one of them is written as a decimal.

    A whole number is compared exactly. Only numbers in ASCII digits count, without underscores.
    """
    if a == b:
        return True
    if not (_is_decimal(a) or _is_decimal(b)):
        return False
    if not (_DECIMAL.fullmatch(a) and _DECIMAL.fullmatch(b)):
        return False
    if not (_is_decimal(a) and _is_decimal(b)):
        return Decimal(a) == Decimal(b)
    return Decimal(a) == Decimal(b) or near(float(a), float(b), tolerance)


def _is_decimal(word: str) -> bool:
    return "." in word or "e" in word or "E" in word
