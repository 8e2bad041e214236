"""CoRPO's baselines as advantage estimators of rLLM (tested against its source of 2026-08-15).

Register one before the trainer starts. rLLM maps every name that is not its own to "other", so the estimator
is registered under both names:

    from corpo.plugins.rllm import register

    register("corpo", threshold=0.0)

    rllm.algorithm.adv_estimator=corpo

With rLLM's verl backend, the trainer runs in a process of its own. docs/how_to/plugins.md says where to put
the call then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

# Later versions also have it as `register_adv_estimator`.
from rllm.trainer.algorithms.advantage import register_rllm_adv_estimator

from corpo.plugins.group_advantages import GroupAdvantages


def register(baseline: str = "corpo", *, threshold: float, options: dict[str, Any] | None = None) -> None:
    """Register a baseline. `threshold` is R_min_correct on the scale of the rewards."""
    group_advantages = GroupAdvantages(threshold, baseline, options or {})

    def estimator(
        rewards: Sequence[np.ndarray], algorithm_config: Any = None, **_: Any
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        sizes = [len(rewards_G) for rewards_G in rewards]
        groups = np.repeat(np.arange(len(sizes)), sizes).tolist()
        rewards_N = torch.from_numpy(np.concatenate(rewards).astype(np.float64))
        advantages_N = group_advantages(rewards_N, groups).numpy()
        advantages = np.split(advantages_N, np.cumsum(sizes)[:-1])
        return advantages, advantages

    for name in (baseline, "other"):
        register_rllm_adv_estimator(name)(estimator)
