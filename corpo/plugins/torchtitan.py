"""CoRPO's baselines in torchtitan's RL (tested with the configuration of torchtitan 0.3.0).

from corpo.plugins.torchtitan import CorpoAdvantage

rollouter = Rollouter.Config(advantage=CorpoAdvantage.Config(threshold=0.0), **others)
builder = TrainingSampleBuilder.Config(drop_zero_std_reward_groups=False)

The second line is needed, because torchtitan drops groups of equal rewards by default. CoRPO gives a group of
equal failures negative advantages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchtitan.config import Configurable

from corpo.plugins.group_advantages import GroupAdvantages, warn_of_filter


class CorpoAdvantage(Configurable):
    """An advantage estimator for the `advantage` of a `Rollouter.Config`."""

    @dataclass(kw_only=True, slots=True)
    class Config(Configurable.Config):
        """The options of the estimator. `threshold` is R_min_correct on the scale of the rewards."""

        threshold: float
        baseline: str = "corpo"

    def __init__(self, config: Config) -> None:
        """Check the options; raises ValueError as `GroupAdvantages` does."""
        self._group_advantages = GroupAdvantages(config.threshold, config.baseline)
        self._has_warned = False

    def __call__(self, group: Any) -> list[float]:
        """Return the advantages of the rollouts of a group, in their order.

        The estimator cannot see the settings of the sample builder. So it warns once if it meets a group that
        the builder drops by default although it has advantages.
        """
        rewards_G = torch.full((len(group.rollouts),), math.nan, dtype=torch.float64)
        for row, rollout in enumerate(group.rollouts):
            if rollout.reward is not None:
                rewards_G[row] = rollout.reward
        advantages_G = self._group_advantages(rewards_G, [group.group_id] * len(rewards_G))
        if _is_dropped_by_default(rewards_G) and bool(advantages_G.any()) and not self._has_warned:
            self._has_warned = True
            warn_of_filter("drop_zero_std_reward_groups of TrainingSampleBuilder.Config, on by default,")
        return advantages_G.tolist()


def _is_dropped_by_default(rewards_G: Tensor) -> bool:
    """Return whether a group has several rollouts of equal rewards."""
    return len(rewards_G) > 1 and bool((rewards_G == rewards_G[0]).all())
