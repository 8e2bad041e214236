"""The rule that all plug-ins share: from the rewards that a trainer gathers to advantages.

A threshold that does not fit the rewards turns CoRPO into GRPO without an error: the group mean is never
below it, so the clip is never active. Therefore every plug-in requires a threshold, reports the share of
groups in which the clip is active, and warns if that share is 0 in the first groups.

P groups of G rollouts. N rollouts of a batch, in any order.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from corpo.baselines import advantage_stats, advantages, check_baseline
from corpo.utils.errors import NonFiniteError

log = logging.getLogger(__name__)

FIRST_GROUPS = 64  # after so many groups the threshold is checked, once; *our choice*
ADVANTAGE_METRICS = (
    "pass_rate",
    "failed_positive_fraction",
    "clip_active_fraction",
    "zero_advantage_fraction",
    "count_ratio",
    "sum_ratio",
)


@dataclass
class _RewardsSoFar:
    """The range of the rewards of a run so far, for the check of the threshold."""

    num_groups: int = 0
    num_clip_active: float = 0.0
    min_reward: float = math.inf
    max_reward: float = -math.inf
    is_checked: bool = False


@dataclass
class GroupAdvantages:
    """Computes the advantages of the batches of one run.

    `threshold` is R_min_correct on the scale of the rewards. `baseline` is a name registered in
    `corpo.baselines`, and `options` are its options. `setting` names the threshold as the user of the trainer
    sets it, for messages. `metrics` holds the values of `ADVANTAGE_METRICS` for the last batch, and nothing
    if no rollout of it had a reward.

    Raises ValueError if the threshold is not a finite number, or if the baseline or an option is unknown.
    """

    threshold: float
    baseline: str = "corpo"
    options: dict[str, Any] = field(default_factory=dict)
    setting: str = "threshold"

    def __post_init__(self) -> None:
        if not isinstance(self.threshold, int | float) or not math.isfinite(self.threshold):
            raise ValueError(
                f"{self.setting}={self.threshold!r}: give the smallest reward of a correct response, "
                "a finite number"
            )
        check_baseline(self.baseline, self.options)
        self.metrics: dict[str, float] = {}
        self._so_far = _RewardsSoFar()

    def __call__(
        self, rewards_N: Tensor, groups: Sequence[Hashable], lengths_N: Tensor | None = None
    ) -> Tensor:
        """Return the advantages of a batch, (N,).

        `groups` names the prompt of each rollout. `lengths_N` holds the tokens of each rollout, for baselines
        that need them. A reward that is missing (NaN) has advantage 0, and its group is treated as a smaller
        one. If a group is too small for the baseline, all its advantages are 0.

        Raises NonFiniteError for an infinite reward.
        """
        _require_no_infinity(rewards_N, groups)
        self.metrics = {}
        advantages_N = torch.zeros_like(rewards_N)
        stats_of_size: dict[int, dict[str, float]] = {}
        num_groups_of_size: dict[int, int] = {}
        for rows_PG in _rows_by_group_size(rewards_N, groups):
            rewards_PG = rewards_N[rows_PG]
            lengths_PG = None if lengths_N is None else lengths_N[rows_PG]
            advantages_PG = self._advantages_or_zero(rewards_PG, lengths_PG)
            advantages_N[rows_PG] = advantages_PG
            num_groups, size = rows_PG.shape
            stats_of_size[size] = advantage_stats(rewards_PG, advantages_PG, self.threshold)
            num_groups_of_size[size] = num_groups
        if stats_of_size:
            self.metrics = _combine(stats_of_size, num_groups_of_size)
            self._observe(rewards_N[~rewards_N.isnan()], sum(num_groups_of_size.values()))
        return advantages_N

    def _advantages_or_zero(self, rewards_PG: Tensor, lengths_PG: Tensor | None) -> Tensor:
        """Return the advantages of groups of one size, or zeros if the baseline needs larger groups."""
        try:
            check_baseline(self.baseline, self.options, rewards_PG.shape[1])
        except ValueError:
            return torch.zeros_like(rewards_PG)  # name and options are right, so it is the size
        return advantages(
            rewards_PG, self.baseline, threshold=self.threshold, lengths_PG=lengths_PG, **self.options
        )

    def _observe(self, scored_rewards_N: Tensor, num_groups: int) -> None:
        """Add a batch to what is known of the rewards, and check the threshold after the first groups."""
        so_far = self._so_far
        so_far.num_groups += num_groups
        so_far.num_clip_active += self.metrics["clip_active_fraction"] * num_groups
        so_far.min_reward = min(so_far.min_reward, float(scored_rewards_N.min()))
        so_far.max_reward = max(so_far.max_reward, float(scored_rewards_N.max()))
        if self.baseline == "corpo" and not so_far.is_checked and so_far.num_groups >= FIRST_GROUPS:
            so_far.is_checked = True
            if problem := _threshold_problem(so_far, self.threshold, self.setting):
                log.warning("%s", problem)


def token_advantages(
    group_advantages: GroupAdvantages,
    token_level_rewards: Tensor,
    response_mask: Tensor,
    index: np.ndarray,
) -> tuple[Tensor, Tensor]:
    """Return advantages and returns, both (N, T), as the estimators of verl and SkyRL do.

    The reward of a rollout is the sum over its tokens. Each of its response tokens gets its advantage.
    `index`, (N,), names the prompt of each rollout.
    """
    lengths_N = response_mask.sum(dim=-1)
    advantages_N = group_advantages(token_level_rewards.sum(dim=-1), index.tolist(), lengths_N)
    advantages_NT = advantages_N[:, None] * response_mask
    return advantages_NT, advantages_NT


def refuse_setting(name: str, value: object, effect: str) -> None:
    """Raise ValueError for a setting of the trainer that would change the advantages again."""
    raise ValueError(f"{name}={value}: {effect}; turn it off")


def warn_of_filter(name: str) -> None:
    """Warn of a setting that drops groups of equal rewards."""
    log.warning(
        "%s drops groups whose rewards are equal. CoRPO gives a group of equal failures negative advantages, "
        "so part of its signal is lost; turn it off",
        name,
    )


def _require_no_infinity(rewards_N: Tensor, groups: Sequence[Hashable]) -> None:
    infinite = rewards_N.isinf().nonzero()
    if len(infinite):
        row = int(infinite[0])
        raise NonFiniteError(
            f"the reward of rollout {row} (prompt {groups[row]!r}) is {float(rewards_N[row])}: a reward must "
            "be finite, or NaN if it is missing"
        )


def _rows_by_group_size(rewards_N: Tensor, groups: Sequence[Hashable]) -> list[Tensor]:
    """Return the rows of rollouts that have a reward, as one matrix (P, G) per size of a group."""
    rows_of_group: dict[Hashable, list[int]] = {}
    for row in (~rewards_N.isnan()).nonzero().flatten().tolist():
        rows_of_group.setdefault(groups[row], []).append(row)
    rows_of_size: dict[int, list[list[int]]] = {}
    for rows in rows_of_group.values():
        rows_of_size.setdefault(len(rows), []).append(rows)
    return [torch.tensor(rows, device=rewards_N.device) for rows in rows_of_size.values()]


def _combine(
    stats_of_size: dict[int, dict[str, float]], num_groups_of_size: dict[int, int]
) -> dict[str, float]:
    """Return `ADVANTAGE_METRICS` over groups of several sizes. A ratio with a denominator of 0 is NaN."""
    totals = dict.fromkeys(
        ("groups", "rollouts", "passed", "clipped", "zero", "failed_positive", "n+", "n-", "s+", "s-"), 0.0
    )
    for size, stats in stats_of_size.items():
        num_groups = num_groups_of_size[size]
        totals["groups"] += num_groups
        totals["rollouts"] += num_groups * size
        totals["passed"] += stats["pass_rate"] * num_groups * size
        totals["clipped"] += stats["clip_active_fraction"] * num_groups
        totals["zero"] += stats["zero_advantage_fraction"] * num_groups
        totals["failed_positive"] += stats["positive_count_failed"]
        totals["n+"] += stats["positive_count"]
        totals["n-"] += stats["negative_count"]
        totals["s+"] += stats["positive_sum"]
        totals["s-"] += stats["negative_sum"]
    failed = round(totals["rollouts"] - totals["passed"])
    values = (
        totals["passed"] / totals["rollouts"],
        _ratio(totals["failed_positive"], failed),
        totals["clipped"] / totals["groups"],
        totals["zero"] / totals["groups"],
        _ratio(totals["n+"], totals["n-"]),
        _ratio(totals["s+"], totals["s-"]),
    )
    return dict(zip(ADVANTAGE_METRICS, values, strict=True))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan


def _threshold_problem(so_far: _RewardsSoFar, threshold: float, setting: str) -> str | None:
    """Return why the threshold does not fit the rewards of the first groups, or None if it does."""
    seen = (
        f"the rewards of the first {so_far.num_groups} groups lie in "
        f"[{so_far.min_reward:g}, {so_far.max_reward:g}], and {setting} is {threshold:g}"
    )
    advice = f"set {setting} to the smallest reward of a correct response"
    if so_far.min_reward >= threshold:
        return (
            f"CoRPO equals GRPO in this run: {seen}. No reward is below the threshold, so every response "
            f"counts as correct; {advice}"
        )
    if so_far.max_reward < threshold:
        return f"no response counts as correct: {seen}; {advice}, if there were correct responses"
    if not so_far.num_clip_active:
        return (
            f"CoRPO has equalled GRPO so far: {seen}, but the mean reward of every group is above the "
            f"threshold, so the clip was never active; {advice}, or use harder prompts"
        )
    return None
