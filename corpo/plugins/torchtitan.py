"""CoRPO's baselines in torchtitan's reinforcement learning (tested against torchtitan 0.3.0).

from corpo.plugins.torchtitan import CorpoAdvantage

rollouter = Rollouter.Config(advantage=CorpoAdvantage.Config(threshold=0.0), **others)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torchtitan.config import Configurable

from corpo.plugins.group_advantages import GroupAdvantages


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

    def __call__(self, group: Any) -> list[float]:
        """Return the advantages of the rollouts of a group, in their order."""
        rewards_G = torch.full((len(group.rollouts),), math.nan, dtype=torch.float64)
        for row, rollout in enumerate(group.rollouts):
            if rollout.reward is not None:
                rewards_G[row] = rollout.reward
        return self._group_advantages(rewards_G, [group.group_id] * len(rewards_G)).tolist()
