"""An addition to verl's trainers that logs CoRPO's metrics and counts a session of several outputs once.

An estimator of verl receives rewards and returns advantages, so it can neither log a metric nor know which
rows of a batch are outputs of one session. The trainer knows both. verl imports this module if it is named in
the environment of the process that trains, a process of Ray:

    +ray_kwargs.ray_init.runtime_env.env_vars.VERL_USE_EXTERNAL_MODULES=corpo.plugins.verl_trainer

Tested against the trainers of verl 0.9.1 (`trainer.use_v1=true`).
"""

from __future__ import annotations

from typing import Any

from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

from corpo.plugins.verl import current_batch


def with_corpo_metrics(trainer: type[Any]) -> type[Any]:
    """Return a subclass of a trainer of verl that also logs the metrics of `GroupAdvantages`."""

    class CorpoTrainer(trainer):
        def _compute_advantage(self, batch: Any, metrics: dict[str, float]) -> Any:
            """Compute the advantages of a batch, whose keys are `{prompt}_{session}_{output}`."""
            with current_batch(batch.keys) as corpo_metrics:
                batch = super()._compute_advantage(batch, metrics)
            for name, value in corpo_metrics.items():
                metrics[f"advantages/{name}"] = value
            return batch

    CorpoTrainer.__name__ = trainer.__name__
    return CorpoTrainer


for _name, _trainer in list(TRAINER_REGISTRY.items()):
    TRAINER_REGISTRY[_name] = with_corpo_metrics(_trainer)
