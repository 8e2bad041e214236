"""Any baseline of ours in TRL's `GRPOTrainer` (tested against TRL 1.16.0).

    trainer = CorpoTrainer(model=..., reward_funcs=..., args=GRPOConfig(scale_rewards="none", ...), threshold=0.0)

TRL has no hook for advantages, and no reward can imitate a clipped baseline; so the rewards that it gathers are kept, and the advantages that it
makes of them are replaced, in what it learns from and in what it logs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from trl import GRPOTrainer

from corpo.baselines import advantage_stats, advantages, check_baseline, group_advantages

SIGNALS = (
    "pass_rate",
    "failed_positive_fraction",
    "clip_active_fraction",
    "zero_advantage_fraction",
    "count_ratio",
    "sum_ratio",
)


class CorpoTrainer(GRPOTrainer):
    """`GRPOTrainer` with another baseline.

    `threshold` is R_min_correct on the scale of the (weighted) sum of the reward functions: every failure must score below it, every success at or
    above. `baseline` is any name registered in `corpo.baselines`, with its `options`. Logs the batch's signal under `signal/`.
    Raises ValueError for TRL settings that would change the advantages once more.
    """

    def __init__(
        self,
        *args: Any,
        threshold: float,
        baseline: str = "corpo",
        options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.threshold, self.baseline, self.options = threshold, baseline, options or {}
        if self.scale_rewards != "none":
            raise ValueError(
                f"scale_rewards={self.scale_rewards!r}: set scale_rewards='none'; a division by the deviation belongs to the baseline"
            )
        if self.multi_objective_aggregation != "sum_then_normalize":
            raise ValueError(
                f"multi_objective_aggregation={self.multi_objective_aggregation!r}: the threshold needs 'sum_then_normalize'"
            )
        check_baseline(baseline, self.options, self.num_generations)

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
    ) -> Tensor:
        self._rewards_per_func = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        mine = torch.tensor([len(ids) for ids in completion_ids_list], device=self._rewards_per_func.device)
        self._lengths = self.accelerator.gather(mine)  # of all processes, as the rewards are
        return self._rewards_per_func

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        mode = "train" if self.model.training else "eval"
        group = self.num_generations if mode == "train" else self.num_generations_eval
        if group == 1 and mode == "eval":
            return output  # nothing learns from it, and a lone reward has no group
        rewards_PG = weighted_rewards(self._rewards_per_func, self.reward_weights).view(-1, group)
        advantages_PG = advantages_or_zero(
            rewards_PG, self._lengths.view(-1, group), self.baseline, self.threshold, self.options
        )
        gathered = advantages_PG.flatten()
        mine = len(output["advantages"])
        output["advantages"] = gathered[self.accelerator.process_index * mine :][:mine].to(
            output["advantages"]
        )
        logged = self._logs["advantages"]  # TRL has just put its own there
        for _ in range(min(len(gathered), len(logged))):
            logged.pop()
        logged.extend(gathered.tolist())
        scored_P = ~rewards_PG.isnan().any(dim=1)
        if bool(scored_P.any()):
            measured = advantage_stats(rewards_PG[scored_P], advantages_PG[scored_P], self.threshold)
            for name in SIGNALS:
                self._metrics[mode][f"signal/{name}"].append(measured[name])
        return output


def weighted_rewards(rewards_per_func: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum (B,) of what the reward functions gave, (B, functions); nan where none of them gave a number."""
    total = (rewards_per_func * weights.to(rewards_per_func)).nansum(dim=1)
    return total.masked_fill(rewards_per_func.isnan().all(dim=1), torch.nan)


def advantages_or_zero(
    rewards_PG: Tensor, lengths_PG: Tensor, baseline: str, threshold: float, options: dict[str, Any]
) -> Tensor:
    """Advantages (P, G). A rollout without a reward (nan) gets 0, and its group those of the rollouts that have one, as a batch of their own."""
    scored_PG = ~rewards_PG.isnan()
    whole_P = scored_PG.all(dim=1)
    advantages_PG = torch.zeros_like(rewards_PG)
    if bool(whole_P.any()):
        advantages_PG[whole_P] = advantages(
            rewards_PG[whole_P], baseline, threshold=threshold, lengths_PG=lengths_PG[whole_P], **options
        )
    for prompt in (~whole_P).nonzero().flatten().tolist():
        scored_G = scored_PG[prompt]
        rewards_G, lengths_G = rewards_PG[prompt, scored_G], lengths_PG[prompt, scored_G]
        advantages_PG[prompt, scored_G] = group_advantages(
            rewards_G, baseline, threshold=threshold, lengths_G=lengths_G, **options
        )
    return advantages_PG
