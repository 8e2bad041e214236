"""CoRPO's baselines in slime and miles (tested with the samples of slime's source of 2026-08-21).

Write a module of your own and pass it to the trainer:

    from corpo.plugins.slime import reward_post_process

    post_process = reward_post_process(threshold=0.0)

    --advantage-estimator grpo --custom-reward-post-process-path my_module.post_process

With this estimator, the advantage of a sample is its processed reward. `--custom-advantage-function-path`
does not suit a group baseline, because it sees the samples of one process only, and groups are not whole
there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from corpo.plugins.group_advantages import GroupAdvantages, refuse_setting, warn_of_filter

_ESTIMATORS = ("grpo", "gspo", "cispo")  # those whose advantages are the processed rewards
_EQUAL_REWARDS_FILTER = "check_reward_nonzero_std"  # slime's own filter
PostProcess = Callable[[Any, Sequence[Any]], tuple[list[float], list[float]]]


def reward_post_process(
    baseline: str = "corpo", *, threshold: float, options: dict[str, Any] | None = None
) -> PostProcess:
    """Return a function for `--custom-reward-post-process-path`.

    It returns the rewards of all samples, and their advantages instead of processed rewards. The samples of
    one rollout share a `rollout_id`. They count once, with the reward of the last one, and share its
    advantage. The function raises ValueError for settings that would change the advantages again, and for
    samples without `group_index`.
    """
    group_advantages = GroupAdvantages(threshold, baseline, options or {})
    has_warned = False

    def post_process(args: Any, samples: Sequence[Any]) -> tuple[list[float], list[float]]:
        nonlocal has_warned
        _check_arguments(args)
        filter_path = args.dynamic_sampling_filter_path or ""
        if _EQUAL_REWARDS_FILTER in filter_path and not has_warned:
            has_warned = True
            warn_of_filter(f"--dynamic-sampling-filter-path {filter_path}")
        rewards = [sample.get_reward_value(args) for sample in samples]
        keys = [_rollout_key(sample, row) for row, sample in enumerate(samples)]
        last_sample = {key: row for row, key in enumerate(keys)}
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
        return rewards, [advantage_of[key] for key in keys]

    return post_process


def _check_arguments(args: Any) -> None:
    """Raise ValueError for arguments of slime that would change the advantages again."""
    if args.advantage_estimator not in _ESTIMATORS:
        refuse_setting(
            "--advantage-estimator",
            args.advantage_estimator,
            "its advantages are not the processed rewards",
            f"use {', '.join(_ESTIMATORS[:-1])} or {_ESTIMATORS[-1]}",
        )
    if args.normalize_advantages:
        refuse_setting("--normalize-advantages", True, "it subtracts the mean of the batch")


def _rollout_key(sample: Any, row: int) -> tuple[str, int]:
    """Return what identifies the rollout of the sample in this row, as slime does: its id or its index."""
    rollout_id = getattr(sample, "rollout_id", None)  # miles and older versions of slime lack it
    if rollout_id is None:
        rollout_id = sample.index
    return ("row", row) if rollout_id is None else ("rollout", rollout_id)
