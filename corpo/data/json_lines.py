"""Parse the lines of JSONL files that users give."""

from __future__ import annotations

import json
import re
from typing import Any

from corpo.utils.errors import DataError

MAX_DEPTH = 100  # of lists and objects in a row; deeper ones overflow the stack of what reads them
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_row(line: str, place: str) -> dict[str, Any]:
    """Parse one line as a JSON object. Raises DataError with its place, such as "problems.jsonl, row 3".

    A key that is there twice is refused, because readers disagree on which value counts. So are lists and
    objects that are nested too deep, and texts that no file can hold (half of a surrogate pair).
    """
    try:
        row = json.loads(line, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON ({error}); write one JSON object per line") from None
    if not isinstance(row, dict):
        raise DataError(f"{place}: expected a JSON object, found {type(row).__name__}")
    if _SURROGATE.search(line):
        check_unicode(row, place)
    check_depth(row, place)
    return row


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object with these keys and values. Raises ValueError if a key is there twice."""
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!a:.60} is there twice")
    return row


def check_unicode(value: Any, place: str) -> None:
    """Raise DataError if a text in a JSON value cannot be written in UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{place}: a text is not valid Unicode (half of a surrogate pair); write whole characters"
        ) from None


def check_depth(value: Any, place: str) -> None:
    """Raise DataError if lists and objects are nested deeper than MAX_DEPTH."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        if not inner:
            return
        level = inner
    raise DataError(f"{place}: lists and objects are nested more than {MAX_DEPTH} deep")
