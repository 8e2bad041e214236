"""The variants of an experiment: `study.variants` names them, each with the options that it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from corpo.config import Config
from corpo.pipeline.stage import Stage, graph
from corpo.utils.errors import ConfigError


def variants(config: Config) -> dict[str, Config]:
    """Return one config per variant, in order.

    Raises ConfigError if an option is unknown or refuses its value.
    """
    configs = {}
    for name, options in config.study.variants.items():
        try:
            configs[name] = with_options(config, options)
        except (ValueError, TypeError, OverflowError) as error:
            raise ConfigError(f"study.variants.{name}: {error}") from None
    return configs


def name_variants(stages: Mapping[str, Sequence[Stage]]) -> list[Stage]:
    """Return the stages of all variants, with the name of the variant in the title of each that is its own.

    `stages` are by the name of the variant. A stage that several variants share keeps its title.
    """
    users: dict[Path, set[str]] = {}
    for name, of_variant in stages.items():
        for stage in graph(of_variant):
            users.setdefault(stage.folder, set()).add(name)
    named = []
    for name, of_variant in stages.items():
        for stage in of_variant:
            is_own = len(users[stage.folder]) == 1
            named.append(replace(stage, title=f"{name}: {stage.title}") if is_own else stage)
    return named


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
