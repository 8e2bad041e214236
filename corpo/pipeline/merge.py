"""Merge parts of one study that ran apart, on several machines or one after another, into one study."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from corpo.analysis.study import CONFIG, PROVENANCE, Run, Study, read_records, reading, write_study
from corpo.utils.errors import DataError
from corpo.utils.files import read_json, read_yaml, write_json, write_text

# Top-level options in which parts may differ, besides the seeds and baselines of their study.
_MAY_DIFFER = ("name", "seed", "outputs", "results", "track", "budget")


def merge(parts: Sequence[Path], folder: Path) -> None:
    """Write the records of the study that consists of all parts, which may include `folder` itself.

    Raises DataError if the parts do not belong to one study: if options or data differ, or if a run is in two
    of them.
    """
    records = [read_records(part) for part in parts]
    configs = [_read_config(part) for part in parts]
    for part, config in zip(parts, configs, strict=True):
        if option := _differing_option(configs[0], config):
            raise DataError(
                f"{part / CONFIG}: {option} is not as in {parts[0]}; merge parts of one configuration"
            )
    stages = _merged_stages(parts)
    whole = _merged_study(parts, [record.study for record in records])
    commands = dict.fromkeys(record.command for record in records)
    warnings: list[dict[str, Any]] = []
    for record in records:
        warnings += record.warnings
    with reading(parts[0] / "data_card.md") as card:
        _copy(card, folder / card.name)
    merged_config = _merged_config(configs[0], whole, folder.name)
    write_text(folder / CONFIG, yaml.safe_dump(merged_config, sort_keys=False))
    write_json(folder / PROVENANCE, stages)
    # Written last, so that a merge that was killed can be repeated.
    write_study(whole, records[0].examples, warnings, "` and `".join(commands), folder)


def _read_config(part: Path) -> dict[str, Any]:
    with reading(part / CONFIG) as path:
        config = read_yaml(path)
        if not isinstance(config.get("study"), dict):
            raise ValueError("it has no options of a study")
    return config


def _merged_stages(parts: Sequence[Path]) -> dict[str, Any]:
    """Return the provenance of all parts.

    Raises DataError if two parts have another stage under one title.
    """
    stages: dict[str, Any] = {}
    for part in parts:
        with reading(part / PROVENANCE) as path:
            part_stages = read_json(path)
        for title, record in part_stages.items():
            if title in stages and stages[title]["key"] != record["key"]:
                raise DataError(
                    f"{part / PROVENANCE}: {title} is not the one of {parts[0]}; "
                    "merge parts that ran on the same data and base"
                )
        stages |= part_stages
    return stages


def _merged_study(parts: Sequence[Path], studies: Sequence[Study]) -> Study:
    runs: list[Run] = []
    bases: dict[int, pd.DataFrame] = {}
    for study in studies:
        runs += study.runs
        bases |= study.bases
    runs.sort(key=lambda run: run.seed)  # stable: the baselines keep their order
    names = [run.name for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{name} is in two of the parts; leave one out")
    try:
        return replace(studies[0], runs=runs, bases=dict(sorted(bases.items())))
    except ValueError as error:
        folders = ", ".join(map(str, parts))
        raise DataError(f"{folders}: together {error}; give all parts at once") from error


def _copy(source: Path, target: Path) -> None:
    if source.resolve() != target.resolve():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _differing_option(config: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Return the first top-level option in which two configs differ although parts of one study must not."""
    for name in config:
        if name not in _MAY_DIFFER and _comparable(config, name) != _comparable(other, name):
            return name
    return None


def _comparable(config: dict[str, Any], name: str) -> Any:
    value = config.get(name)
    if name != "study" or value is None:
        return value
    return {key: setting for key, setting in value.items() if key not in ("seeds", "baselines")}


def _merged_config(config: dict[str, Any], study: Study, name: str) -> dict[str, Any]:
    seeds = list(dict.fromkeys(run.seed for run in study.runs))
    return {
        **config,
        "name": name,
        "study": {**config["study"], "seeds": seeds, "baselines": study.baselines},
    }
