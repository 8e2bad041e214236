"""CoRPO's baselines as advantage estimators of verl, and the reward of the verifier task.

Tested against verl 0.9.1. verl imports this module by itself if corpo is installed beside it (entry point
`verl.plugins`); then choose `algorithm.adv_estimator=corpo`. verl's configuration has no option for
R_min_correct. Therefore rewards have to be margins, reward minus R_min_correct, as `compute_score` returns
them: a success is at 0 or above, a failure below. This shift changes no advantage, except that `best` of
ngrpo shifts with the rewards.

G rollouts per prompt, T response tokens. B rows of a batch.
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
    """Return advantages and returns, both (B, T): the advantage of a row on each of its response tokens.

    `index` (B,) identifies the prompt of each row. verl drops rollouts, so groups differ in size; a group
    that is too small for the baseline gets 0. Each group is computed as a batch of its own. This matters only
    for a baseline that uses other groups, and the only one, reinforce_plus_plus_baseline, is verl's own here.
    """
    margins_B, lengths_B = token_level_rewards.sum(dim=-1), response_mask.sum(dim=-1)
    advantages_B = torch.zeros_like(margins_B)
    for prompt in dict.fromkeys(index.tolist()):
        rows_G = torch.from_numpy(np.flatnonzero(index == prompt)).to(margins_B.device)
        advantages_B[rows_G] = group_advantages(
            margins_B[rows_G], baseline, threshold=0.0, lengths_G=lengths_B[rows_G]
        )
    advantages_BT = advantages_B[:, None] * response_mask
    return advantages_BT, advantages_BT


def _register(baseline: str) -> None:
    """Register a baseline as an advantage estimator of verl."""

    @register_adv_est(baseline)
    def estimator(
        token_level_rewards: Tensor, response_mask: Tensor, index: np.ndarray, config: Any = None, **_: Any
    ) -> tuple[Tensor, Tensor]:
        return compute_advantages(baseline, token_level_rewards, response_mask, index)


for _name in BASELINES:
    if _name not in ADV_ESTIMATOR_REGISTRY:  # verl has its own grpo, for example
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
    """Return the ordinal reward of a response as a margin over R_min_correct.

    It is a `custom_reward_function` of verl.
    """
    verdict = parse_response(solution_str)
    labels = bool(ground_truth["a"]), bool(ground_truth["b"])
    margin = OrdinalReward(levels, threshold)(verdict, labels) - threshold
    return {"score": margin, "correct": float(margin >= 0), "parseable": float(isinstance(verdict, Verdict))}
