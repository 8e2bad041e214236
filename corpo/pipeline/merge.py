"""Merge parts of one study that ran apart, on several machines or one after another, into one study."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from corpo.analysis.study import CONFIG, PROVENANCE, STUDY, Study, read_study, reading, write_study
from corpo.utils.errors import DataError
from corpo.utils.files import read_json, write_json, write_text

# Top-level options in which parts may differ, besides the seeds and baselines of their study.
_MAY_DIFFER = ("name", "seed", "outputs", "results", "track", "budget")


def merge(parts: Sequence[Path], folder: Path) -> None:
    """Write the records of the study that consists of all parts, which may include `folder` itself.

    Raises DataError if the parts do not belong to one study: if options or data differ, or if a run is in two of them.
    """
    contents = [read_study(part) for part in parts]
    studies = [content.study for content in contents]
    configs = [_read_config(part) for part in parts]
    stages = _merged_stages(parts)
    for part, config in zip(parts, configs, strict=True):
        if option := _differing_option(configs[0], config):
            raise DataError(
                f"{part / CONFIG}: {option} is not as in {parts[0]}; merge parts of one configuration"
            )
    whole = _merged_study(parts, studies)
    commands = dict.fromkeys(content.command for content in contents)
    warnings = []
    for content in contents:
        warnings += content.warnings
    with reading(parts[0] / "data_card.md") as card:
        _copy(card, folder / card.name)
    write_text(folder / CONFIG, yaml.safe_dump(_merged_config(configs[0], whole, folder.name), sort_keys=False))
    write_json(folder / PROVENANCE, stages)
    # Written last, so that a merge that was killed can be repeated.
    write_study(whole, contents[0].examples, warnings, "` and `".join(commands), folder)
