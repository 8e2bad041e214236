"""Our baselines as advantage estimators of verl, and the verifier task's reward for it (tested against verl 0.9.1).

verl finds this module by itself (entry point `verl.plugins`) where corpo is installed beside it: `algorithm.adv_estimator=corpo`.
Its configuration has no room for R_min_correct, so rewards come as margins over it, as `compute_score` gives them: a success at 0 or above, a
failure below. All baselines commute with that shift, but for ngrpo, whose `best` shifts with the rewards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY, register_adv_est

from corpo.baselines import BASELINES, group_advantages
from corpo.task import OrdinalReward, Verdict, parse_response


def compute_advantages(
    baseline: str, token_level_rewards: Tensor, response_mask: Tensor, index: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Advantages and returns (B, T), alike: each rollout's advantage on its response tokens. `index` (B,) names the prompt of each row.

    A group may have any size: verl drops rollouts on the way; one too small for its baseline gets 0. So each is a batch of its own, which only matters
    to a baseline that looks at other groups; ours of that kind, reinforce_plus_plus_baseline, is verl's own.
    """
    margins_B, lengths_B = token_level_rewards.sum(dim=-1), response_mask.sum(dim=-1)
    advantages_B = torch.zeros_like(margins_B)
    for prompt in dict.fromkeys(index.tolist()):
        group = torch.from_numpy(np.flatnonzero(index == prompt)).to(margins_B.device)
        advantages_B[group] = group_advantages(
            margins_B[group], baseline, threshold=0.0, lengths_G=lengths_B[group]
        )
    advantages_BT = advantages_B[:, None] * response_mask
    return advantages_BT, advantages_BT


def _register(baseline: str) -> None:
    @register_adv_est(baseline)
    def estimator(
        token_level_rewards: Tensor, response_mask: Tensor, index: np.ndarray, config: Any = None, **_: Any
    ) -> tuple[Tensor, Tensor]:
        return compute_advantages(baseline, token_level_rewards, response_mask, index)


for _name in BASELINES:
    if _name not in ADV_ESTIMATOR_REGISTRY:  # grpo is verl's own
        _register(_name)


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Mapping[str, bool],
    extra_info: Any = None,
    levels: int = 10,
    threshold: float = 0.0,
    **_: Any,
) -> dict[str, float]:
    """The ordinal reward of one response as a margin over R_min_correct; `custom_reward_function` of verl."""
    verdict = parse_response(solution_str)
    labels = bool(ground_truth["a"]), bool(ground_truth["b"])
    margin = OrdinalReward(levels, threshold)(verdict, labels) - threshold
    return {"score": margin, "correct": float(margin >= 0), "parseable": float(isinstance(verdict, Verdict))}
