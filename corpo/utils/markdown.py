"""Markdown tables, for cards and reports."""

from __future__ import annotations

import re
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, without a newline at its end."""
    lines = [_row(header), "|" + " --- |" * len(header)]
    for row in rows:
        lines.append(_row([escaped(str(cell)) for cell in row]))
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return a text in which no pipe and no line end can end a cell. Math and code keep their backslashes."""
    return re.sub(r"(?<!\\)\|", r"\|", re.sub(r"\r\n|\r|\n", " ", text))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
