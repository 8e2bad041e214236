"""CoRPO's baselines as advantage estimators of SkyRL (tested against version 0.4.0).

Register one at the top level of the script that starts the training, and choose it by its name:

    from corpo.plugins.skyrl import register

    register("corpo", threshold=0.0)

    trainer.algorithm.advantage_estimator=corpo
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from skyrl.backends.skyrl_train.utils.ppo_utils import register_advantage_estimator
from torch import Tensor

from corpo.plugins.group_advantages import GroupAdvantages, refuse_setting, token_advantages, warn_of_filter


def register(baseline: str = "corpo", *, threshold: float, options: dict[str, Any] | None = None) -> None:
    """Register a baseline. `threshold` is R_min_correct on the scale of the rewards.

    The estimator raises ValueError for settings that would change the advantages again, and warns once of
    settings that drop groups of equal rewards.
    """
    group_advantages = GroupAdvantages(threshold, baseline, options or {})
    warned: set[str] = set()

    @register_advantage_estimator(baseline)
    def estimator(
        token_level_rewards: Tensor,
        response_mask: Tensor,
        index: Sequence[str] | np.ndarray,
        config: Any = None,
        **_: Any,
    ) -> tuple[Tensor, Tensor]:
        if getattr(config, "use_kl_in_reward", False):
            refuse_setting(
                "trainer.algorithm.use_kl_in_reward", True, "it moves rewards across the threshold"
            )
        if getattr(config, "advantage_batch_normalize", False):
            refuse_setting("trainer.algorithm.advantage_batch_normalize", True, "it subtracts another mean")
        for name in _filters_of_equal_rewards(config):
            if name not in warned:
                warned.add(name)
                warn_of_filter(name)
        return token_advantages(group_advantages, token_level_rewards, response_mask, index)


def _filters_of_equal_rewards(config: Any) -> list[str]:
    """Return the settings of SkyRL's algorithm that drop or replace groups of equal rewards."""
    filters = []
    if getattr(config, "zero_variance_filter", False):
        filters.append("trainer.algorithm.zero_variance_filter")
    sampling = getattr(getattr(config, "dynamic_sampling", None), "type", None)
    if sampling is not None:
        filters.append(f"trainer.algorithm.dynamic_sampling.type={sampling}")
    return filters
