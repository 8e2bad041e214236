"""Evaluate the policy that this config trains, and the base: `python -m experiments.evaluate baseline=corpo`."""

from __future__ import annotations

import pandas as pd

from corpo.config import Config
from corpo.evaluate.metrics import summarise
from corpo.stages import Stage
from experiments.app import app
from experiments.pipeline import ROLLOUTS, data_stage, evaluate_policy, evaluate_stage, train_stage


def stages(config: Config) -> list[Stage]:
    return [data_stage(config), train_stage(config), evaluate_stage(config, trained=False), evaluate_stage(config, trained=True)]


def run(config: Config) -> None:
    for trained in (False, True):
        folder = evaluate_policy(config, trained)
        summary = summarise(pd.read_parquet(folder / ROLLOUTS), config.evaluate.ks)
        print(f"\n{evaluate_stage(config, trained).title}: {folder / ROLLOUTS}")
        print(summary[["split", "prompts", *(f"pass@{k}" for k in config.evaluate.ks), "unparseable"]].round(3).to_string(index=False))


if __name__ == "__main__":
    app(run, stages)
