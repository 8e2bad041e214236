"""Build the pairs: `python -m experiments.data`, of the bank, or `data=humaneval candidates=mutants` of real problems."""

from __future__ import annotations

from corpo.config import Config
from corpo.stages import Stage
from experiments.app import app
from experiments.datasets import CARD, PAGE, PAIRS, SHEET, build_data, data_stage, sample_stage


def stages(config: Config) -> list[Stage]:
    from corpo.data.real import wants_samples

    return [*([sample_stage(config)] if config.data.sources and wants_samples(config.candidates) else []), data_stage(config)]


def run(config: Config) -> None:
    folder = build_data(config)
    print(f"pairs: {folder / PAIRS}\ncard:  {folder / CARD}\nplots: {folder / SHEET}\nlook:  {folder / PAGE}")


if __name__ == "__main__":
    app(run, stages)
