"""The variants of an experiment: `study.variants` names them, each with the options that it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from corpo.config import Config
from corpo.utils.errors import ConfigError


def variants(config: Config) -> dict[str, Config]:
    """Return one config per variant, in order.

    Raises ConfigError if an option is unknown or refuses its value.
    """
    configs = {}
    for name, options in config.study.variants.items():
        try:
            configs[name] = with_options(config, options)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"study.variants.{name}: {error}") from None
    return configs


def with_options(config: Any, options: Mapping[str, Any]) -> Any:
    """Return the config with some options changed, given by their dotted names.

    Options of one part change together, so that values may depend on each other. Raises ValueError for an
    unknown option.
    """
    direct: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        part, dot, rest = name.partition(".")
        if dot:
            parts.setdefault(part, {})[rest] = value
        else:
            direct[name] = value
    known = {field.name for field in fields(config)}
    for name in [*direct, *parts]:
        has_parts = name in known and is_dataclass(getattr(config, name))
        if name not in known or (name in parts and not has_parts):
            raise ValueError(f"no option {name!r}; choose one of {', '.join(sorted(known))}")
    changed = {part: with_options(getattr(config, part), inner) for part, inner in parts.items()}
    return replace(config, **direct, **changed)
