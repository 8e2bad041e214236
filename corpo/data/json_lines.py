"""Parse the lines of JSONL files that users give."""

from __future__ import annotations

import json
from typing import Any

from corpo.utils.errors import DataError


def parse_row(line: str, place: str) -> dict[str, Any]:
    """Parse one line as a JSON object. Raises DataError with its place, such as "problems.jsonl, row 3"."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON ({error}); write one JSON object per line") from None
    if not isinstance(row, dict):
        raise DataError(f"{place}: expected a JSON object, found {type(row).__name__}")
    return row
