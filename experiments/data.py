"""Build the pairs: `python -m experiments.data`."""

from __future__ import annotations

from corpo.config import Config
from experiments.app import app
from experiments.pipeline import CARD, PAIRS, build_data, data_stage


def run(config: Config) -> None:
    folder = build_data(config)
    print(f"pairs: {folder / PAIRS}\ncard:  {folder / CARD}")


if __name__ == "__main__":
    app(run, lambda config: [data_stage(config)])
