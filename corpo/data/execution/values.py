"""Read the canonical texts of values, which `corpo.data.execution.worker` writes.

A program can make the worker send any text. The reader accepts literals only, computes nothing, and needs
time and memory in proportion to the text.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

_TOKEN = re.compile(
    r"(?P<hex>-?0x[0-9a-f]+)"
    r"|(?P<complex>\([-+\w.]+j\)|-?[\d.]+(?:e[-+]?\d+)?j|-?(?:inf|nan)j)"
    r"|(?P<float>-?(?:\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+|inf|nan)(?!\w))"
    r"|(?P<int>-?\d{1,4300}(?!\w))"
    r"|(?P<text>b?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))"
    r"|(?P<name>True|False|None|set\(\)|object\(\))"
    r"|(?P<call>Fraction\(|Decimal\(|frozenset\()"
    r"|(?P<open>[(\[{])",
    re.ASCII,
)
_READ_ERRORS = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, ZeroDivisionError)


_MAX_EQUAL_HASHES = 100  # in a set or dict; Python compares each of them with all others
_MAX_FRACTION_BITS = 1 << 16  # of numerator and denominator, whose common factors are looked for


class Opaque:
    """A value that equals nothing but itself, such as a match of a regular expression."""


def read_value(text: str) -> Any:
    """Return the value of a canonical text: a literal, a set, inf, nan or a fraction.

    Raises ValueError for other texts.
    """
    try:
        value, end = _read(text, 0)
    except (*_READ_ERRORS, InvalidOperation) as error:
        raise ValueError(f"not a plain value ({type(error).__name__})") from None
    if end != len(text):
        raise ValueError("not a plain value (text behind it)")
    return value


def _read(text: str, start: int) -> tuple[Any, int]:
    """Return the value that starts at a position, and the position behind it."""
    token = _TOKEN.match(text, start)
    if token is None:
        raise ValueError(f"no value at position {start}")
    end, value = token.end(), token[0]
    match token.lastgroup:
        case "int":
            return int(value), end
        case "float":
            return float(value), end
        case "text":
            return ast.literal_eval(value), end
        case "name":
            return _NAMES[value](), end
        case "hex":
            return int(value, 16), end
        case "complex":
            return complex(value), end
        case "call":
            return _read_call(value, text, end)
    return _read_container(value, text, end)


_NAMES: dict[str, Callable[[], Any]] = {
    "True": lambda: True,
    "False": lambda: False,
    "None": lambda: None,
    "set()": set,
    "object()": Opaque,
}
_CLOSINGS = {"(": ")", "[": "]", "{": "}"}


def _fraction(*numbers: object) -> Fraction:
    """Return a fraction of integers. Of a text such as 1e9999999 it would have millions of digits."""
    numerator, denominator = numbers
    if type(numerator) is not int or type(denominator) is not int:
        raise ValueError("not two integers")
    if max(numerator.bit_length(), denominator.bit_length()) > _MAX_FRACTION_BITS:
        raise ValueError("too many digits")
    return Fraction(numerator, denominator)


def _frozenset(items: object = ()) -> frozenset[Any]:
    if not isinstance(items, set):
        raise ValueError("not a set")
    return frozenset(items)


_CALLS: dict[str, Callable[..., Any]] = {
    "Fraction(": _fraction,
    "Decimal(": Decimal,
    "frozenset(": _frozenset,
}


def _read_call(name: str, text: str, start: int) -> tuple[Any, int]:
    arguments, _, end = _read_items("(", text, start)
    return _CALLS[name](*arguments), end


def _read_container(opening: str, text: str, start: int) -> tuple[Any, int]:
    items, values, end = _read_items(opening, text, start)
    if opening == "[":
        return items, end
    if opening == "(":
        if len(items) == 1 and text[end - 2] != ",":
            raise ValueError("brackets around a value")
        return tuple(items), end
    _check_hashes(items)
    if values or not items:
        return dict(zip(items, values, strict=True)), end
    return set(items), end


def _check_hashes(items: list[Any]) -> None:
    """Raise ValueError if many items have the same hash, which can be arranged for numbers."""
    if len(items) > _MAX_EQUAL_HASHES and max(Counter(map(hash, items)).values()) > _MAX_EQUAL_HASHES:
        raise ValueError("too many equal hashes")


def _read_items(opening: str, text: str, start: int) -> tuple[list[Any], list[Any], int]:
    """Return the items up to the closing bracket, their values in a dict, and the position behind them."""
    closing = _CLOSINGS[opening]
    items: list[Any] = []
    values: list[Any] = []
    position = start
    while not text.startswith(closing, position):
        if items:
            position = _behind(", ", text, position)
        item, position = _read(text, position)
        items.append(item)
        if opening == "{" and text.startswith(":", position):
            value, position = _read(text, _behind(": ", text, position))
            values.append(value)
        if opening == "(" and text.startswith(",)", position):
            position += 1
    return items, values, position + 1


def _behind(separator: str, text: str, position: int) -> int:
    if not text.startswith(separator, position):
        raise ValueError(f"no {separator!r} at position {position}")
    return position + len(separator)
