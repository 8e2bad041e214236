"""Train one policy, or sweep: `python -m experiments.train -m baseline=grpo,static,corpo seed=0,1,2`."""

from __future__ import annotations

from corpo.config import Config
from experiments.app import app
from experiments.datasets import data_stage
from experiments.pipeline import train_policy, train_stage


def run(config: Config) -> None:
    print(f"policy: {train_policy(config) / 'policy'}")


if __name__ == "__main__":
    app(run, lambda config: [data_stage(config), train_stage(config)])
