"""The variants of an experiment: `study.variants` names them, each with the options that it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from corpo.config import Config


def variants(config: Config) -> dict[str, Config]:
    """One config a variant, in order. Raises ValueError where an option is unknown or refuses its value."""
    if not config.study.variants:
        raise SystemExit(
            "corpo: study.variants: there are none; choose an experiment that has some, such as experiment=tune_lr or experiment=ablate_levels"
        )
    made = {}
    for name, options in config.study.variants.items():
        try:
            made[name] = with_options(config, options)
        except (ValueError, TypeError) as error:
            raise ValueError(f"study.variants.{name}: {error}") from None
    return made


def with_options(config: Any, options: Mapping[str, Any]) -> Any:
    """A config with some options changed, by their dotted names; those of one part change together, so that they may depend on each other."""
    own = {name: value for name, value in options.items() if "." not in name}
    parts: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        part, dot, rest = name.partition(".")
        if dot:
            parts.setdefault(part, {})[rest] = value
    known = {field.name for field in fields(config)}
    for name in [*own, *parts]:
        if name not in known or (name in parts and not is_dataclass(getattr(config, name))):
            raise ValueError(f"no option {name!r}; choose one of {', '.join(sorted(known))}")
    return replace(
        config, **own, **{part: with_options(getattr(config, part), inner) for part, inner in parts.items()}
    )
