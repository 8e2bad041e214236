"""CoRPO's baselines in the reinforcement learning of tinker-cookbook (tested against version 0.6.1).

The cookbook computes advantages in one function of its training module. Replace it before training starts:

    from corpo.plugins.tinker_cookbook import replace_advantages

    replace_advantages(threshold=0.0)

Keep `remove_constant_reward_groups` off, which is its default: it drops the groups of equal failures, which
have negative advantages under CoRPO. The training warns if it is on.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import torch
from tinker_cookbook.rl import train
from torch import Tensor

from corpo.plugins.group_advantages import GroupAdvantages, warn_of_filter

_FILTER = "remove_constant_reward_groups"


def replace_advantages(
    baseline: str = "corpo", *, threshold: float, options: dict[str, Any] | None = None
) -> None:
    """Replace `compute_advantages` of the training. `threshold` is R_min_correct on the rewards' scale.

    The training also logs the metrics of `GroupAdvantages` with the prefix `advantages/`.
    """
    group_advantages = GroupAdvantages(threshold, baseline, options or {})
    # The trainer computes advantages of parts of groups that it prints, too. These must not count.
    uncounted_advantages = dataclasses.replace(group_advantages, is_logging=False)
    prepare_minibatch = train.prepare_minibatch

    def compute_advantages(trajectory_groups_P: Sequence[Any]) -> list[Tensor]:
        return _advantages(uncounted_advantages, trajectory_groups_P)

    @functools.wraps(prepare_minibatch)
    async def prepare_minibatch_and_log(
        env_group_builders_P: Sequence[Any], trajectory_groups_P: Sequence[Any], *args: Any, **kwargs: Any
    ) -> tuple[Any, dict[str, Any], Any]:
        _advantages(group_advantages, trajectory_groups_P)
        metrics = {f"advantages/{name}": value for name, value in group_advantages.metrics.items()}
        data, other_metrics, usage = await prepare_minibatch(
            env_group_builders_P, trajectory_groups_P, *args, **kwargs
        )
        return data, other_metrics | metrics, usage

    train.compute_advantages = compute_advantages
    train.prepare_minibatch = prepare_minibatch_and_log
    _warn_if_groups_are_dropped()


def _advantages(group_advantages: GroupAdvantages, trajectory_groups_P: Sequence[Any]) -> list[Tensor]:
    """Return the advantages of each group of trajectories."""
    rewards_P = []
    for group in trajectory_groups_P:
        rewards_P.append(torch.tensor(group.get_total_rewards(), dtype=torch.float64))
    sizes = [len(rewards_G) for rewards_G in rewards_P]
    groups = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return list(group_advantages(torch.cat(rewards_P), groups.tolist()).split(sizes))


def _warn_if_groups_are_dropped() -> None:
    """Let the two functions of the training that drop groups of equal rewards warn of it, once."""
    warn_once = functools.cache(warn_of_filter)
    remove_groups = train.remove_constant_reward_groups  # called only if the option is on
    drop_group = train.drop_constant_reward_group  # called for each group of asynchronous training

    @functools.wraps(remove_groups)
    def remove_groups_and_warn(trajectory_groups_P: list[Any]) -> list[Any]:
        warn_once(_FILTER)
        return remove_groups(trajectory_groups_P)

    @functools.wraps(drop_group)
    def drop_group_and_warn(trajectory_group: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
        if config.remove_constant_reward_groups:
            warn_once(_FILTER)
        return drop_group(trajectory_group, config, *args, **kwargs)

    train.remove_constant_reward_groups = remove_groups_and_warn
    train.drop_constant_reward_group = drop_group_and_warn
