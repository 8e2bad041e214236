"""CoRPO's baselines in the reinforcement learning of tinker-cookbook (tested against version 0.6.1).

The cookbook computes advantages in one function of its training module. Replace it before training starts:

    from corpo.plugins.tinker_cookbook import replace_advantages

    replace_advantages(threshold=0.0)

Keep `remove_constant_reward_groups` off, which is its default: it drops the groups of equal failures, which
have negative advantages under CoRPO.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tinker_cookbook.rl import train
from torch import Tensor

from corpo.plugins.group_advantages import GroupAdvantages


def replace_advantages(
    baseline: str = "corpo", *, threshold: float, options: dict[str, Any] | None = None
) -> None:
    """Replace `compute_advantages` of the training. `threshold` is R_min_correct on the rewards' scale."""
    group_advantages = GroupAdvantages(threshold, baseline, options or {})

    def compute_advantages(trajectory_groups_P: Sequence[Any]) -> list[Tensor]:
        rewards_P = [torch.tensor(group.get_total_rewards()) for group in trajectory_groups_P]
        sizes = [len(rewards_G) for rewards_G in rewards_P]
        groups = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        return list(group_advantages(torch.cat(rewards_P), groups.tolist()).split(sizes))

    train.compute_advantages = compute_advantages
