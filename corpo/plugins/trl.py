"""CoRPO's baselines in TRL's `GRPOTrainer` (tested against TRL 1.0.0, 1.7.0 and 1.16.0).

    args = GRPOConfig(scale_rewards="none", ...)
    trainer = CorpoTrainer(model=..., reward_funcs=..., args=args, threshold=0.0)

TRL has no hook for advantages, and no reward function can express a clipped baseline. Therefore this trainer
stores the rewards that TRL gathers, and replaces the advantages that TRL computes from them, both for
training and in the logs.

B completions of a batch, F reward functions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import TrainingArguments
from trl import GRPOConfig, GRPOTrainer

from corpo.baselines import check_baseline
from corpo.plugins.group_advantages import GroupAdvantages


class CorpoTrainer(GRPOTrainer):
    """TRL's `GRPOTrainer` with another baseline.

    `threshold` is R_min_correct on the scale of the weighted sum of the reward functions: every failure has
    to be below it, and every success at or above it. `baseline` is a name registered in `corpo.baselines`,
    and `options` are its options. The trainer logs the metrics of `GroupAdvantages` with the prefix
    `advantages/`.

    Raises ValueError for settings of TRL that would change the advantages again.
    """

    def __init__(
        self,
        *args: Any,
        threshold: float,
        baseline: str = "corpo",
        options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Create TRL's trainer and check the settings."""
        for argument in (*args, *kwargs.values()):
            _refuse_other_config(argument)
        self._advantages = GroupAdvantages(threshold, baseline, options or {})
        super().__init__(*args, **kwargs)
        self._advantages.is_logging = self.accelerator.is_main_process
        if self.scale_rewards != "none":
            raise ValueError(
                f"scale_rewards={self.scale_rewards!r}: set scale_rewards='none'; "
                "a division by the standard deviation is an option of the baseline"
            )
        if self.multi_objective_aggregation != "sum_then_normalize":
            raise ValueError(
                f"multi_objective_aggregation={self.multi_objective_aggregation!r}: "
                "the threshold needs 'sum_then_normalize'"
            )
        check_baseline(baseline, options or {}, self.num_generations)

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> Tensor:
        """Store the rewards (B, F) and lengths (B,) of all processes."""
        self._rewards_BF = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        local_lengths = [len(ids) for ids in completion_ids_list]
        self._lengths_B = self.accelerator.gather(torch.tensor(local_lengths, device=self._rewards_BF.device))
        return self._rewards_BF

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        """Replace the advantages of TRL's batch."""
        output = super()._generate_and_score_completions(inputs)
        is_training = self.model.training
        group_size = self.num_generations if is_training else self.num_generations_eval
        if group_size == 1 and not is_training:
            return output  # nothing is learned in evaluation, and a single reward has no group
        rewards_B = weighted_rewards(self._rewards_BF, self.reward_weights)
        groups = [row // group_size for row in range(len(rewards_B))]
        advantages_B = self._advantages(rewards_B, groups, self._lengths_B)
        local_size = len(output["advantages"])
        start = self.accelerator.process_index * local_size
        output["advantages"] = advantages_B[start : start + local_size].to(output["advantages"])
        self._replace_logged_advantages(advantages_B)
        for name, value in self._advantages.metrics.items():
            self._metrics["train" if is_training else "eval"][f"advantages/{name}"].append(value)
        return output

    def _replace_logged_advantages(self, advantages_B: Tensor) -> None:
        logged = self._logs["advantages"]  # TRL has just appended its own advantages
        for _ in range(min(len(advantages_B), len(logged))):
            logged.pop()
        logged.extend(advantages_B.tolist())


def weighted_rewards(rewards_BF: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the reward functions, (B,); NaN if none of them scored a completion."""
    total_B = (rewards_BF * weights.to(rewards_BF)).nansum(dim=1)
    return total_B.masked_fill(rewards_BF.isnan().all(dim=1), torch.nan)


def _refuse_other_config(argument: Any) -> None:
    """Raise ValueError for the settings of another trainer, above all of the asynchronous one."""
    if not isinstance(argument, TrainingArguments) or isinstance(argument, GRPOConfig):
        return
    name = type(argument).__name__
    if "Async" in name:
        raise ValueError(
            f"{name}: TRL's asynchronous trainer computes the advantages in its rollout worker, where "
            "CorpoTrainer cannot replace them; use GRPOConfig"
        )
    raise ValueError(f"{name}: CorpoTrainer is a GRPOTrainer; use GRPOConfig")
