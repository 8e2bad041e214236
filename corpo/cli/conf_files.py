"""The files in `conf/`: groups of options, the choices of each group, and the options that a choice sets.

This module imports neither Hydra nor OmegaConf, so that help and error messages answer at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from corpo.cli.options import option_names
from corpo.config import Config
from corpo.utils.errors import ConfigError
from corpo.utils.files import read_yaml
from corpo.utils.resources import conf_folder

EXPERIMENT = "experiment"
LAUNCHER = "hydra/launcher"  # how the jobs of a sweep are run
_PACKAGE = "# @package "


def groups() -> list[str]:
    """Return the names of the groups of options."""
    folders = sorted(folder for folder in conf_folder().iterdir() if any(folder.glob("*.yaml")))
    return [folder.name for folder in folders] + [LAUNCHER]


def choices(group: str) -> list[str]:
    """Return the names of the files of a group."""
    return sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))


def default_choices() -> dict[str, str]:
    """Return the choice of each group that applies unless the command line names another."""
    chosen: dict[str, str] = {}
    for entry in _read(conf_folder() / "config.yaml")["defaults"]:
        if isinstance(entry, dict):
            chosen |= entry
    return {group: choice for group, choice in chosen.items() if choice}


def default_values() -> dict[str, Any]:
    """Return the options that the default choices set, by their dotted names."""
    values: dict[str, Any] = {}
    for group, choice in default_choices().items():
        values |= settings(group, choice)
    return values


def settings(group: str, choice: str) -> dict[str, Any]:
    """Return the options that a choice sets, by their dotted names.

    They include those of the files that it extends.
    """
    path = conf_folder() / group / f"{choice}.yaml"
    content = _read(path)
    values: dict[str, Any] = {}
    for extended in content.pop("defaults", []):
        if isinstance(extended, str) and extended != "_self_":
            values |= settings(group, extended)
    return values | dict(_flatten(content, _prefix(path)))


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _prefix(path: Path) -> str:
    """Return the prefix of the options in a file, which its first line gives: `# @package train`."""
    first_line = path.read_text(encoding="utf-8").partition("\n")[0]
    package = first_line.removeprefix(_PACKAGE).strip()
    return "" if package == "_global_" else f"{package}."


@cache
def _known_options() -> frozenset[str]:
    return frozenset(option_names(Config()))


def _flatten(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield dotted names and values. A mapping that is the value of an option stays a mapping."""
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name not in _known_options():
            yield from _flatten(value, f"{name}.")
        else:
            yield name, value


# --- an experiment that overrides a choice ---


def overridden_choices(overrides: Sequence[str]) -> list[str]:
    """Return a sentence for each group whose choice on the command line an experiment overrides in part.

    `overrides` are the options of one job. Options that it sets one by one win over the experiment.
    """
    chosen = dict(override.partition("=")[::2] for override in overrides)
    experiment = chosen.get(EXPERIMENT)
    if not experiment:
        return []
    of_experiment = settings(EXPERIMENT, experiment)
    sentences = []
    for group in groups():
        if group == EXPERIMENT or group not in chosen:
            continue
        changes = []
        for name, value in settings(group, chosen[group]).items():
            winner = of_experiment.get(name, value)
            if winner != value and name not in chosen:
                changes.append(f"{name}={winner} (not {value})")
        if changes:
            sentences.append(
                f"experiment={experiment} overrides {group}={chosen[group]}: {', '.join(changes)}; "
                "options on the command line win over both"
            )
    return sentences
