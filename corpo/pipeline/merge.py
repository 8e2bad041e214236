"""Parts of one study that ran apart, on several machines or one after another, as one study: `corpo merge PART PART ... FOLDER`.

PARTs are results folders with other seeds or baselines of one configuration; FOLDER gets their records together and all that is made of them. It may be
one of the parts, which then grows.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from corpo.analysis.study import CONFIG, PROVENANCE, Study, StudyRecords, read_records, reading, write_study
from corpo.utils.errors import DataError
from corpo.utils.files import read_json, write_json, write_text

_APART = (
    "name",
    "seed",
    "outputs",
    "results",
    "track",
    "budget",
)  # what parts may differ in, beside their study's seeds and baselines


def merge(parts: Sequence[Path], folder: Path) -> None:
    """Write the study of all parts. Raises DataError where they are not parts of one: of other options or data, or with a run twice."""
    records: list[StudyRecords] = []
    configs: list[dict[str, Any]] = []
    stages: dict[str, Any] = {}
    for part in parts:
        records.append(read_records(part))
        with reading(part / CONFIG) as path:
            configs.append(yaml.safe_load(path.read_text(encoding="utf-8")))
        with reading(part / PROVENANCE) as path:
            mine = read_json(path)
        if other := [
            title
            for title, record in mine.items()
            if title in stages and stages[title]["key"] != record["key"]
        ]:
            raise DataError(
                f"{part / PROVENANCE}: {other[0]} is not the one of {parts[0]}; merge parts that ran on the same data and base"
            )
        if changed := _changed(configs[0], configs[-1]):
            raise DataError(
                f"{part / CONFIG}: {changed} is not as in {parts[0]}; merge parts of one configuration"
            )
        stages |= mine
    studies = [record.study for record in records]
    runs = sorted(
        (run for study in studies for run in study.runs), key=lambda run: run.seed
    )  # stable: baselines in their order
    names = [run.name for run in runs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{twice[0]} is in two of the parts; leave one out")
    bases = {seed: base for study in studies for seed, base in study.bases.items()}
    try:
        whole = replace(studies[0], runs=runs, bases=dict(sorted(bases.items())))
    except ValueError as error:
        raise DataError(f"{', '.join(map(str, parts))}: together {error}; give all parts at once") from error
    commands = dict.fromkeys(record.command for record in records)
    warnings = [warning for record in records for warning in record.warnings]
    folder.mkdir(parents=True, exist_ok=True)
    with reading(parts[0] / "data_card.md") as card:
        _copy(card, folder / card.name)
    write_text(folder / CONFIG, yaml.safe_dump(_joined(configs[0], whole, folder.name), sort_keys=False))
    write_json(folder / PROVENANCE, stages)
    write_study(
        whole, records[0].examples, warnings, "` and `".join(commands), folder
    )  # last: a merge that was killed can be repeated


def _copy(source: Path, target: Path) -> None:
    if source.resolve() != target.resolve():
        shutil.copyfile(source, target)


def _changed(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """The first part of two configs in which they differ and should not."""
    shared = lambda study: {key: value for key, value in study.items() if key not in ("seeds", "baselines")}
    mine, theirs = ({**config, "study": shared(config["study"])} for config in (one, other))
    return next((name for name in mine if name not in _APART and mine[name] != theirs.get(name)), None)


def _joined(config: dict[str, Any], study: Study, name: str) -> dict[str, Any]:
    seeds = list(dict.fromkeys(run.seed for run in study.runs))
    return {
        **config,
        "name": name,
        "study": {**config["study"], "seeds": seeds, "baselines": study.baselines},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="corpo merge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", type=Path, nargs="+", metavar="PART")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    from corpo.report.render import render_results

    try:
        merge(options.parts, options.folder)
    except DataError as error:
        print(f"corpo: {error}", file=sys.stderr)
        sys.exit(2)
    render_results(options.folder)
    print(options.folder / "report.md")


if __name__ == "__main__":
    main()
