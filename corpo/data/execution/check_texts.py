"""Turn checks into rows for JSON and back, so that grading does not need the file that they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from corpo.data.execution.checks import Answer, CallChecks, Checks, ScriptChecks, StdioChecks
from corpo.data.execution.values import read_value
from corpo.data.execution.worker import encode

_KINDS: dict[str, type[Checks]] = {
    "answer": Answer,
    "calls": CallChecks,
    "runs": StdioChecks,
    "script": ScriptChecks,
}
_VALUES = ("arguments", "values")  # fields of calls whose items are Python values; JSON has fewer types


def row_of_checks(checks: Checks) -> dict[str, Any]:
    """Return checks as a row. The arguments and values of calls are written as Python literals.

    Raises TypeError if one of them is no plain value.
    """
    [kind] = [name for name, cls in _KINDS.items() if isinstance(checks, cls)]
    row: dict[str, Any] = {"kind": kind}
    for field in fields(checks):
        value = getattr(checks, field.name)
        if isinstance(checks, CallChecks) and field.name in _VALUES and value is not None:
            value = list(map(_literal, value))
        row[field.name] = value
    return row


def _literal(value: Any) -> str:
    """Return the text of a value, which `read_value` reads.

    The items of a dict keep their order, because a program can see it. Those of a set are sorted, so that
    their order is the same in each run.
    """
    match value:
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case tuple():
            comma = "," if len(value) == 1 else ""
            return f"({', '.join(map(_literal, value))}{comma})"
        case dict():
            items = [f"{_literal(key)}: {_literal(item)}" for key, item in value.items()]
            return f"{{{', '.join(items)}}}"
        case set() | frozenset():
            items = sorted(map(_literal, value))
            text = f"{{{', '.join(items)}}}" if items else "set()"
            return f"frozenset({text})" if isinstance(value, frozenset) else text
    return encode(value, [1])


def checks_of_row(row: Mapping[str, Any]) -> Checks:
    """Return the checks of a row that `row_of_checks` made, also after JSON has turned tuples into lists."""
    kind = row["kind"]
    values: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, list | tuple):
            is_literal = kind == "calls" and name in _VALUES
            values[name] = tuple(map(read_value, value) if is_literal else value)
        elif name != "kind":
            values[name] = value
    return _KINDS[kind](**values)
