"""CoRPO's baselines as advantage estimators of SkyRL (signature of version 0.4.0).

Register one in the entry point of the training, before it starts, and choose it by its name:

    from corpo.plugins.skyrl import register

    register("corpo", threshold=0.0)

    trainer.algorithm.advantage_estimator=corpo
"""

from __future__ import annotations

from typing import Any

import numpy as np
from skyrl.backends.skyrl_train.utils.ppo_utils import register_advantage_estimator
from torch import Tensor

from corpo.plugins.group_advantages import GroupAdvantages, refuse_setting, token_advantages, warn_of_filter


def register(baseline: str = "corpo", *, threshold: float, options: dict[str, Any] | None = None) -> None:
    """Register a baseline. `threshold` is R_min_correct on the scale of the rewards.

    The estimator raises ValueError for settings that would change the advantages again.
    """
    group_advantages = GroupAdvantages(threshold, baseline, options or {})
    has_warned = False

    @register_advantage_estimator(baseline)
    def estimator(
        token_level_rewards: Tensor, response_mask: Tensor, index: np.ndarray, config: Any = None, **_: Any
    ) -> tuple[Tensor, Tensor]:
        nonlocal has_warned
        if getattr(config, "use_kl_in_reward", False):
            refuse_setting(
                "trainer.algorithm.use_kl_in_reward", True, "it moves rewards across the threshold"
            )
        if getattr(config, "advantage_batch_normalize", False):
            refuse_setting("trainer.algorithm.advantage_batch_normalize", True, "it subtracts another mean")
        if getattr(config, "zero_variance_filter", False) and not has_warned:
            has_warned = True
            warn_of_filter("trainer.algorithm.zero_variance_filter")
        return token_advantages(group_advantages, token_level_rewards, response_mask, index)
