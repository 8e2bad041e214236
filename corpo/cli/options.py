"""The options as `corpo/config.py` declares them: names, defaults and the comments behind them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One option: its dotted name, its default as on the command line, and what it means."""

    name: str
    default: str
    meaning: str


def option_names(config: Any, prefix: str = "") -> list[str]:
    """Return the dotted name of every option of a config class, in the order of declaration."""
    names: list[str] = []
    for field in dataclasses.fields(config):
        part = field.default_factory
        if dataclasses.is_dataclass(part):
            names += option_names(part, f"{prefix}{field.name}.")
        else:
            names.append(f"{prefix}{field.name}")
    return names


def own_options(config: Any, prefix: str = "") -> list[Option]:
    """Return the options that a config class declares itself, without those of its parts."""
    comments = _comments(config)
    options = []
    for field in dataclasses.fields(config):
        if not dataclasses.is_dataclass(field.default_factory):
            meaning = comments.get(field.name, "")
            options.append(Option(f"{prefix}{field.name}", _spelled_default(field), meaning))
    return options


def all_options(config: Any, prefix: str = "") -> list[Option]:
    """Return every option of a config class and of its parts."""
    options = own_options(config, prefix)
    for field in dataclasses.fields(config):
        if dataclasses.is_dataclass(field.default_factory):
            options += all_options(field.default_factory, f"{prefix}{field.name}.")
    return options


def _comments(config: Any) -> dict[str, str]:
    """Return the comment that stands behind each field in the source."""
    source = inspect.getsource(config)
    lines = source.splitlines()
    [tree] = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    comments = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            line = lines[(node.end_lineno or 1) - 1]
            comments[node.target.id] = line[node.end_col_offset or 0 :].strip().removeprefix("# ")
    return comments


def _spelled_default(field: dataclasses.Field[Any]) -> str:
    """Return the default as it would be written on the command line."""
    value = field.default
    if value is dataclasses.MISSING:
        value = field.default_factory() if callable(field.default_factory) else None
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value).replace("'", "")
