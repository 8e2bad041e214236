"""Make the nano base policy from nothing: `python -m experiments.warm_start` (a quarter of an hour on two cores)."""

from __future__ import annotations

from corpo.config import Config
from experiments.app import app
from experiments.pipeline import data_stage, make_base_policy, warm_start_stage
from experiments.plan import plan


def run(config: Config) -> None:
    if plan(config, [data_stage(config), warm_start_stage(config)]):
        return
    folder = make_base_policy(config)
    print(f"policy: {folder / 'policy'} (copy it to data/nano_base, or pass model.path={folder / 'policy'})")


if __name__ == "__main__":
    app(run)
