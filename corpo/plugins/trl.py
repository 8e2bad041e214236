"""CoRPO's baselines in TRL's `GRPOTrainer` (tested against TRL 1.16.0).

    args = GRPOConfig(scale_rewards="none", ...)
    trainer = CorpoTrainer(model=..., reward_funcs=..., args=args, threshold=0.0)

TRL has no hook for advantages, and no reward function can express a clipped baseline. Therefore this trainer
stores the rewards that TRL gathers, and replaces the advantages that TRL computes from them, both for
training and in the logs.

P prompts, G rollouts per prompt. B completions of a batch, F reward functions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from trl import GRPOTrainer

from corpo.baselines import advantage_stats, advantages, check_baseline, group_advantages

ADVANTAGE_METRICS = (
    "pass_rate",
    "failed_positive_fraction",
    "clip_active_fraction",
    "zero_advantage_fraction",
    "count_ratio",
    "sum_ratio",
)


class CorpoTrainer(GRPOTrainer):
    """TRL's `GRPOTrainer` with another baseline.

    `threshold` is R_min_correct on the scale of the weighted sum of the reward functions: every failure has
    to be below it, and every success at or above it. `baseline` is a name registered in `corpo.baselines`,
    and `options` are its options. The trainer logs `ADVANTAGE_METRICS` with the prefix `advantages/`.

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
        super().__init__(*args, **kwargs)
        self.threshold, self.baseline, self.options = threshold, baseline, options or {}
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
        check_baseline(baseline, self.options, self.num_generations)

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
        rewards_PG = weighted_rewards(self._rewards_BF, self.reward_weights).view(-1, group_size)
        lengths_PG = self._lengths_B.view(-1, group_size)
        advantages_PG = advantages_or_zero(
            rewards_PG, lengths_PG, self.baseline, self.threshold, self.options
        )
        local_size = len(output["advantages"])
        start = self.accelerator.process_index * local_size
        local_advantages = advantages_PG.flatten()[start : start + local_size]
        output["advantages"] = local_advantages.to(output["advantages"])
        self._replace_logged_advantages(advantages_PG.flatten())
        self._log_advantage_stats(rewards_PG, advantages_PG, "train" if is_training else "eval")
        return output

    def _replace_logged_advantages(self, advantages_B: Tensor) -> None:
        logged = self._logs["advantages"]  # TRL has just appended its own advantages
        for _ in range(min(len(advantages_B), len(logged))):
            logged.pop()
        logged.extend(advantages_B.tolist())

    def _log_advantage_stats(self, rewards_PG: Tensor, advantages_PG: Tensor, mode: str) -> None:
        """Log the statistics of the groups in which every rollout has a reward."""
        is_scored_P = ~rewards_PG.isnan().any(dim=1)
        if not bool(is_scored_P.any()):
            return
        stats = advantage_stats(rewards_PG[is_scored_P], advantages_PG[is_scored_P], self.threshold)
        for name in ADVANTAGE_METRICS:
            self._metrics[mode][f"advantages/{name}"].append(stats[name])


def weighted_rewards(rewards_BF: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the reward functions, (B,); NaN if none of them scored a completion."""
    total_B = (rewards_BF * weights.to(rewards_BF)).nansum(dim=1)
    return total_B.masked_fill(rewards_BF.isnan().all(dim=1), torch.nan)


def advantages_or_zero(
    rewards_PG: Tensor, lengths_PG: Tensor, baseline: str, threshold: float, options: dict[str, Any]
) -> Tensor:
    """Return the advantages (P, G) of groups in which rollouts may lack a reward (NaN).

    A rollout without a reward gets 0. The others of its group get the advantages of a smaller group.
    """
    is_scored_PG = ~rewards_PG.isnan()
    is_complete_P = is_scored_PG.all(dim=1)
    advantages_PG = torch.zeros_like(rewards_PG)
    if bool(is_complete_P.any()):
        advantages_PG[is_complete_P] = advantages(
            rewards_PG[is_complete_P],
            baseline,
            threshold=threshold,
            lengths_PG=lengths_PG[is_complete_P],
            **options,
        )
    for p in (~is_complete_P).nonzero().flatten().tolist():
        is_scored_G = is_scored_PG[p]
        advantages_PG[p, is_scored_G] = group_advantages(
            rewards_PG[p, is_scored_G],
            baseline,
            threshold=threshold,
            lengths_G=lengths_PG[p, is_scored_G],
            **options,
        )
    return advantages_PG
