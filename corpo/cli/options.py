"""The options as `corpo/config.py` declares them: names, defaults and the comments that explain them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import sys
import tokenize
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True)
class Option:
    """One option: its dotted name, its default as on the command line, and what it means."""

    name: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Section:
    """The options of one part of the config, and the prefix of their names, such as `train.loss.`."""

    prefix: str
    description: str
    options: list[Option]


def sections(config: Any, prefix: str = "") -> list[Section]:
    """Return the options of a config and of its parts, a section per part, in the order of declaration.

    `config` is an instance, whose values are the defaults. Parts that the user names, such as
    `data.sources.NAME`, have sections of their own.
    """
    comments, types = _comments(type(config)), get_type_hints(type(config))
    options, parts = [], []
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{prefix}{field.name}"
        if dataclasses.is_dataclass(value):
            parts += sections(value, f"{name}.")
            continue
        options.append(Option(name, as_typed(value), comments.get(field.name, "")))
        for entry in get_args(types[field.name]):
            if isinstance(entry, type) and dataclasses.is_dataclass(entry):
                parts += sections(entry(), f"{name}.NAME.")
    return [Section(prefix, inspect.getdoc(type(config)) or "", options), *parts]


def all_options(config: Any) -> list[Option]:
    """Return every option of a config and of its parts."""
    options: list[Option] = []
    for section in sections(config):
        options += section.options
    return options


def option_names(config: Any) -> list[str]:
    """Return the dotted name of every option of a config and of its parts."""
    return [option.name for option in all_options(config)]


@dataclass(frozen=True)
class _Source:
    """A parsed module: its classes by name, and its comments by line."""

    classes: dict[str, ast.ClassDef]
    comments: dict[int, str]
    own_lines: set[int]  # lines that hold nothing but a comment


@cache
def _parse(module: str) -> _Source:
    """Parse the source of a module once, because that takes longer than everything else here."""
    text = inspect.getsource(sys.modules[module])
    comments, own_lines = {}, set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments[token.start[0]] = token.string.removeprefix("#").strip()
            if token.line.lstrip().startswith("#"):
                own_lines.add(token.start[0])
    classes = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}
    return _Source(classes, comments, own_lines)


def _comments(config: type) -> dict[str, str]:
    """Return the comment of each field in the source of a config class.

    The comment stands behind the field, within its parentheses, or in the lines directly above it.
    """
    source = _parse(config.__module__)
    comments = source.comments
    texts = {}
    for node in source.classes[config.__name__].body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first, last = node.lineno, node.end_lineno or node.lineno
            if not any(number in comments for number in range(first, last + 1)):
                while first - 1 in source.own_lines:
                    first -= 1
            words = [comments[number] for number in range(first, last + 1) if number in comments]
            texts[node.target.id] = " ".join(words)
    return texts


def as_typed(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value).replace("'", "")
