"""Train one policy, or sweep: `python -m experiments.train -m baseline=grpo,static,corpo seed=0,1,2`."""

from __future__ import annotations

from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.train import start_stages, train_policy, train_stage


def run(config: Config) -> None:
    print(f"policy: {train_policy(config) / 'policy'}")


if __name__ == "__main__":
    app(run, lambda config: [*start_stages(config), train_stage(config)])
