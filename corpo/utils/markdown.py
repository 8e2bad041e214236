"""Markdown tables, for cards and reports."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, without a newline at its end."""
    lines = [_row(header), "|" + " --- |" * len(header)]
    for row in rows:
        lines.append(_row([str(cell) for cell in row]))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
