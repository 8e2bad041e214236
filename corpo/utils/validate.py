"""Check every number, text and name in a config, whatever option holds it."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

MAX_NUMBER = 1_000_000
MAX_SEED = 2**32 - 1
_MAX_DEPTH = 20  # of lists and mappings in an option
_MAX_ITEMS = 10_000  # of a list or mapping in an option
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_PLAIN: dict[object, tuple[type, ...]] = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}


def check_values(config: Any, maxima: Mapping[str, float], name: str = "") -> None:
    """Check every value of a config, which is a dataclass, and of its parts.

    Numbers must be finite. Their absolute value must not exceed the entry of `maxima` for the option, or else
    MAX_NUMBER. Seeds must not be negative. `*` in a name stands for a name that the user chose. Raises
    ValueError with the name of the option, the value and the remedy.
    """
    hints = typing.get_type_hints(type(config))
    for field in fields(config):
        option = f"{name}.{field.name}" if name else field.name
        value = getattr(config, field.name)
        _check_type(option, value, hints[field.name])
        _check_value(option, option, value, maxima, depth=0)


def _check_type(option: str, value: Any, hint: Any) -> None:
    """Raise ValueError if a plain value has another type than the option."""
    kinds = typing.get_args(hint) or (hint,)
    if type(None) in kinds and value is None:
        return
    for kind in kinds:
        if kind in _PLAIN and typing.get_origin(hint) not in (list, dict):
            wanted = _PLAIN[kind]
            if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
                raise ValueError(f"{option}={value!r:.60}: expected {_WORDS[kind]}")


def _check_value(option: str, label: str, value: Any, maxima: Mapping[str, float], depth: int) -> None:
    """Check a value. `option` is its name in `maxima`, and `label` its name in a message."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"{label}: lists and mappings are nested more than {_MAX_DEPTH} deep, or in a cycle")
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        _check_number(option, label, value, maxima)
    elif isinstance(value, str):
        _check_text(label, value)
    elif is_dataclass(value):
        check_values(value, maxima, option)
    elif isinstance(value, list | tuple | dict):
        _check_items(option, label, value, maxima, depth)


def _check_items(option: str, label: str, values: Any, maxima: Mapping[str, float], depth: int) -> None:
    if len(values) > _MAX_ITEMS:
        raise ValueError(f"{label}: has {len(values):,} items; give at most {_MAX_ITEMS:,}")
    if not isinstance(values, dict):
        for value in values:
            _check_value(option, label, value, maxima, depth + 1)
        return
    for key, value in values.items():
        check_name(label, str(key))
        if is_dataclass(value):
            _check_value(f"{option}.*", f"{label}.{key}", value, maxima, depth + 1)
        else:
            _check_value(f"{option}.{key}", f"{label}.{key}", value, maxima, depth + 1)


def _check_number(option: str, label: str, value: float, maxima: Mapping[str, float]) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{label}={value:g}: must be a finite number")
    is_seed = option.rpartition(".")[2] in ("seed", "seeds")
    maximum = maxima.get(option, MAX_SEED if is_seed else MAX_NUMBER)
    minimum = 0 if is_seed else -maximum
    if value > maximum:
        raise ValueError(f"{label}={shown_number(value)}: must be at most {maximum:,}")
    if value < minimum:
        raise ValueError(f"{label}={shown_number(value)}: must be at least {minimum:,}")


def shown_number(value: float) -> str:
    """Return a number as a short text. Python cannot write every large integer."""
    if isinstance(value, int) and value.bit_length() > 100:
        return "a number of more than 30 digits"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_text(option: str, value: str) -> None:
    """Raise ValueError for a text that cannot be written to a file or given to the system."""
    if "\0" in value:
        raise ValueError(f"{option}: contains the character NUL; leave it out")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{option}={value!a:.60}: is not valid Unicode; write it in UTF-8") from None


def check_name(option: str, name: str) -> None:
    """Raise ValueError for a name that cannot be the name of a file, or that breaks a line."""
    if not name.strip() or name in (".", "..") or not name.isprintable() or set(name) & set("/\\"):
        raise ValueError(f"{option}={name!a:.60}: must be a name, without slashes and line breaks")
