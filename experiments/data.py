"""Build the pairs: `python -m experiments.data`, of the bank, or `data=humaneval candidates=mutants name=humaneval` of real problems.

Card and plots of real problems go to results/<name>/, too.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.data import CARD, PAGE, PAIRS, SHEET, build_data, data_stage, sample_stage
from corpo.pipeline.stage import Stage
from corpo.pipeline.study import dump, records_of, results_folder


def stages(config: Config) -> list[Stage]:
    from corpo.data.build_sources import wants_samples

    return [
        *([sample_stage(config)] if config.data.sources and wants_samples(config.candidates) else []),
        data_stage(config),
    ]


def run(config: Config) -> None:
    folder = build_data(config)
    print(f"pairs: {folder / PAIRS}\ncard:  {folder / CARD}\nplots: {folder / SHEET}\nlook:  {folder / PAGE}")
    if (
        config.data.sources and not (results_folder(config) / "table.md").exists()
    ):  # whose provenance is about more than the data
        write_card(config, results_folder(config))


def write_card(config: Config, folder: Path) -> None:
    """`data_card.md` and `data_sheet.png`, with the configuration and the stages that made them."""
    from corpo.utils.files import write_json, write_text

    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data_stage(config).folder / CARD, folder / "data_card.md")
    shutil.copyfile(data_stage(config).folder / SHEET, folder / "data_sheet.png")
    write_text(folder / "config.yaml", dump(config))
    write_json(folder / "provenance.json", records_of(stages(config)))


if __name__ == "__main__":
    app(run, stages)
