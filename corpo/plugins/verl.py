"""CoRPO's baselines as advantage estimators of verl, and the reward of the verifier task.

Tested against verl 0.9.1. verl imports this module by itself if corpo is installed beside it (entry point
`verl.plugins`); then choose `algorithm.adv_estimator=corpo`. Set R_min_correct with
`+algorithm.pf_ppo.threshold=VALUE`, because that is the only part of verl's algorithm settings that takes
new names and reaches an estimator. Without it R_min_correct is 0, so that rewards have to be margins, reward
minus R_min_correct, as `compute_score` returns them. This shift changes no advantage, except that `best` of
ngrpo shifts with the rewards.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY, register_adv_est

from corpo.baselines import BASELINES
from corpo.plugins.group_advantages import GroupAdvantages, refuse_setting, token_advantages, warn_of_filter
from corpo.task import OrdinalReward, Verdict, parse_response

THRESHOLD_SETTING = "algorithm.pf_ppo.threshold"


@dataclass
class _Batch:
    """The keys of a batch, set by `corpo.plugins.verl_trainer`, and the metrics that the estimator sets."""

    keys: Sequence[str]
    metrics: dict[str, float] = field(default_factory=dict)


_current_batch: contextvars.ContextVar[_Batch | None] = contextvars.ContextVar("_current_batch", default=None)


@contextlib.contextmanager
def current_batch(keys: Sequence[str]) -> Iterator[dict[str, float]]:
    """Give the estimator the keys of the rows of a batch, and yield the metrics that it will set.

    A key is `{prompt}_{session}_{output}`. The last output of a session stands for the session, as in verl's
    own GRPO, and its advantage is that of all outputs of the session.
    """
    batch = _Batch(keys)
    token = _current_batch.set(batch)
    try:
        yield batch.metrics
    finally:
        _current_batch.reset(token)


def _register(baseline: str) -> None:
    """Register a baseline as an advantage estimator of verl."""

    @register_adv_est(baseline)
    def estimator(
        token_level_rewards: Tensor, response_mask: Tensor, index: np.ndarray, config: Any = None, **_: Any
    ) -> tuple[Tensor, Tensor]:
        settings = config or {}
        check_settings(settings)
        threshold = (settings.get("pf_ppo") or {}).get("threshold", 0.0)
        group_advantages = _group_advantages(baseline, threshold)
        batch = _current_batch.get()
        if batch is None:
            return token_advantages(group_advantages, token_level_rewards, response_mask, index)
        last_outputs, session_N = _sessions(batch.keys)
        advantages_N = group_advantages(
            token_level_rewards[last_outputs].sum(dim=-1),
            [index[row] for row in last_outputs],
            response_mask[last_outputs].sum(dim=-1),
        )
        batch.metrics.update(group_advantages.metrics)
        advantages_NT = advantages_N[session_N][:, None] * response_mask
        return advantages_NT, advantages_NT


def _sessions(keys: Sequence[str]) -> tuple[list[int], Tensor]:
    """Return the row of the last output of each session, and the number of the session of each row, (N,)."""
    last: dict[str, tuple[int, int]] = {}  # session -> number of its last output, and its row
    sessions = []
    for row, key in enumerate(keys):
        session, output = key.rsplit("_", 1)
        sessions.append(session)
        last[session] = max(last.get(session, (-1, row)), (int(output), row))
    numbers = {session: number for number, session in enumerate(last)}
    rows = [row for _, row in last.values()]
    return rows, torch.tensor([numbers[session] for session in sessions])


@functools.cache
def _group_advantages(baseline: str, threshold: float) -> GroupAdvantages:
    """Return the one object of a run, which checks the threshold over all of its batches."""
    return GroupAdvantages(threshold, baseline, setting=THRESHOLD_SETTING)


def check_settings(settings: Any) -> None:
    """Check the settings of verl's algorithm, a mapping or one of verl's own objects.

    Raises ValueError if KL is part of the reward. Warns once of a filter of groups.
    """
    if settings.get("use_kl_in_reward"):
        refuse_setting("algorithm.use_kl_in_reward", True, "it moves the rewards relative to the threshold")
    if (settings.get("filter_groups") or {}).get("enable"):
        _warn_once("algorithm.filter_groups.enable")


_warn_once = functools.cache(warn_of_filter)

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
