"""Make the policy that reinforcement learning starts from: `python -m experiments.warm_start`.

The nano from nothing (half an hour on two cores), or a pretrained model taught the task (`experiment=smollm2`: hours).
"""

from __future__ import annotations

from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.data import data_stage
from corpo.pipeline.train import make_base_policy, warm_start_stage


def run(config: Config) -> None:
    policy = make_base_policy(config) / "policy"
    print(
        f"policy: {policy}"
        + ("" if config.model.warm_start else f" (copy it to data/nano_base, or pass model.path={policy})")
    )


if __name__ == "__main__":
    app(run, lambda config: [data_stage(config), warm_start_stage(config)])
