"""CoRPO's baselines in slime and miles (signature of slime's source of 2026-08).

Write a module of your own and pass it to the trainer:

    from corpo.plugins.slime import reward_post_process

    post_process = reward_post_process(threshold=0.0)

    --advantage-estimator grpo --custom-reward-post-process-path my_module.post_process

With this estimator, the advantage of a sample is its processed reward. `--custom-advantage-function-path`
does not suit a group baseline, because it sees the samples of one process only,
and groups are not whole there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from corpo.plugins.group_advantages import GroupAdvantages, refuse_setting, warn_of_filter

_EQUAL_REWARDS_FILTER = "check_reward_nonzero_std"  # slime's own filter
PostProcess = Callable[[Any, Sequence[Any]], tuple[list[float], list[float]]]


def reward_post_process(
    baseline: str = "corpo", *, threshold: float, options: dict[str, Any] | None = None
) -> PostProcess:
    """Return a function for `--custom-reward-post-process-path`.

    It returns the rewards of all samples, and their advantages in place of the processed rewards. The samples
    of one rollout share a `rollout_id`. They count once, with the reward of the last one, and share its
    advantage. The function raises ValueError for settings that would change the advantages again.
    """
    group_advantages = GroupAdvantages(threshold, baseline, options or {})
    has_warned = False

    def post_process(args: Any, samples: Sequence[Any]) -> tuple[list[float], list[float]]:
        nonlocal has_warned
        if args.advantage_estimator != "grpo":
            refuse_setting(
                "--advantage-estimator", args.advantage_estimator, "only grpo keeps the advantages"
            )
        if args.normalize_advantages:
            refuse_setting("--normalize-advantages", True, "it subtracts the mean of the batch")
        if args.kl_coef:
            refuse_setting("--kl-coef", args.kl_coef, "it changes the advantages; use --kl-loss-coef")
        filter_path = args.dynamic_sampling_filter_path or ""
        if filter_path.endswith(_EQUAL_REWARDS_FILTER) and not has_warned:
            has_warned = True
            warn_of_filter(f"--dynamic-sampling-filter-path {filter_path}")
        rewards = [sample.get_reward_value(args) for sample in samples]
        last_sample = {_rollout_key(sample): row for row, sample in enumerate(samples)}
        rows = list(last_sample.values())
        rewards_N = torch.full((len(rows),), math.nan, dtype=torch.float64)
        for place, row in enumerate(rows):
            if rewards[row] is not None:
                rewards_N[place] = rewards[row]
        advantages_N = group_advantages(
            rewards_N,
            [samples[row].group_index for row in rows],
            torch.tensor([samples[row].response_length for row in rows]),
        )
        advantage_of = dict(zip(last_sample, advantages_N.tolist(), strict=True))
        return rewards, [advantage_of[_rollout_key(sample)] for sample in samples]

    return post_process


def _rollout_key(sample: Any) -> tuple[str, int]:
    """Return what identifies the rollout of a sample."""
    if sample.rollout_id is not None:
        return "rollout", sample.rollout_id
    return "sample", sample.index
