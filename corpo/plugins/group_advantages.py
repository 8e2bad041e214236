"""The rule that all plug-ins share: from the rewards that a trainer gathers to advantages.

A threshold that does not fit the rewards turns CoRPO into GRPO without an error: the group mean is never
below it, so the clip is never active. Therefore every plug-in requires a threshold, logs in how many groups
the clip is active, and warns if it is active in none of the first ones.

P groups of G rollouts. N rollouts of a batch, in any order.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from corpo.baselines import advantage_stats, advantages, check_baseline
from corpo.utils.errors import NonFiniteError

log = logging.getLogger(__name__)

GROUPS_PER_REPORT = 64  # after so many groups, the activity of the clip is logged; *our choice*
ADVANTAGE_METRICS = (
    "pass_rate",
    "failed_positive_fraction",
    "clip_active_fraction",
    "zero_advantage_fraction",
    "count_ratio",
    "sum_ratio",
)


@dataclass
class _Observed:
    """Counts and the range of the rewards since the last line of the log."""

    num_groups: int = 0
    num_clip_active: int = 0
    num_rollouts: int = 0
    num_correct: int = 0
    min_reward: float = math.inf
    max_reward: float = -math.inf


@dataclass
class GroupAdvantages:
    """Computes the advantages of the batches of one run.

    `threshold` is R_min_correct on the scale of the rewards. `baseline` is a name registered in
    `corpo.baselines`, and `options` are its options. `setting` names the threshold as the user of the trainer
    sets it, for messages. Set `is_logging` to false in all processes but the main one, so that each message
    appears once. `metrics` holds the values of `ADVANTAGE_METRICS` for the last batch. It is empty if no
    group of the batch had two rollouts with a reward.

    Raises ValueError if the threshold is not a finite number, or if the baseline or an option is unknown.
    """

    threshold: float
    baseline: str = "corpo"
    options: dict[str, Any] = field(default_factory=dict)
    setting: str = "threshold"
    is_logging: bool = True

    def __post_init__(self) -> None:
        threshold: Any = self.threshold  # it may come from a configuration
        if not isinstance(threshold, Real) or not math.isfinite(threshold):
            raise ValueError(
                f"{self.setting}={threshold!r}: give the smallest reward of a correct response, "
                "a finite number"
            )
        self.threshold = float(threshold)
        check_baseline(self.baseline, self.options)
        self.metrics: dict[str, float] = {}
        self._observed = _Observed()
        self._is_threshold_checked = False
        self._has_warned_of_size = False

    def __call__(
        self, rewards_N: Tensor, groups: Sequence[Hashable], lengths_N: Tensor | None = None
    ) -> Tensor:
        """Return the advantages of a batch, (N,).

        `groups` names the prompt of each rollout. `lengths_N` holds the tokens of each rollout, for baselines
        that need them. A reward that is missing (NaN) has advantage 0, and its group is treated as a smaller
        one. If a group is too small for the baseline, all its advantages are 0. A baseline that uses the
        whole batch sees the groups of one size at a time.

        Raises NonFiniteError for an infinite reward, and ValueError if a rollout has no group.
        """
        _check_batch(rewards_N, groups)
        advantages_N = torch.zeros_like(rewards_N)
        stats_of_shape: dict[tuple[int, int], dict[str, float]] = {}
        compared_rewards = []
        for rows_PG in _rows_by_group_size(rewards_N, groups):
            rewards_PG = rewards_N[rows_PG]
            lengths_PG = None if lengths_N is None else lengths_N[rows_PG]
            advantages_PG = self._advantages_or_zero(rewards_PG, lengths_PG)
            advantages_N[rows_PG] = advantages_PG
            num_groups, size = rows_PG.shape
            if size > 1:  # single rollouts are validation or padding in some trainers
                stats = advantage_stats(rewards_PG, advantages_PG, self.threshold)
                stats_of_shape[num_groups, size] = stats
                compared_rewards.append(rewards_PG.flatten())
        self.metrics = {}
        if stats_of_shape:
            self.metrics = _combine(stats_of_shape)
            num_groups = sum(num_groups for num_groups, _ in stats_of_shape)
            self._observe(torch.cat(compared_rewards), num_groups)
        return advantages_N

    def _advantages_or_zero(self, rewards_PG: Tensor, lengths_PG: Tensor | None) -> Tensor:
        """Return the advantages of groups of one size, or zeros if the baseline cannot work with this size.

        Warn once of zeros in groups of several rollouts. The baseline may fail for groups of any size, such
        as one with an error in its code.
        """
        size = rewards_PG.shape[1]
        try:
            check_baseline(self.baseline, self.options, size)
        except ValueError as error:
            if size > 1 and self.is_logging and not self._has_warned_of_size:
                self._has_warned_of_size = True
                log.warning("all advantages of groups of %d rollouts are 0: %s", size, error)
            return torch.zeros_like(rewards_PG)
        return advantages(
            rewards_PG, self.baseline, threshold=self.threshold, lengths_PG=lengths_PG, **self.options
        )

    def _observe(self, rewards_N: Tensor, num_groups: int) -> None:
        """Count a batch, and report after `GROUPS_PER_REPORT` groups."""
        observed = self._observed
        observed.num_groups += num_groups
        observed.num_clip_active += round(self.metrics["clip_active_fraction"] * num_groups)
        observed.num_rollouts += len(rewards_N)
        observed.num_correct += round(self.metrics["pass_rate"] * len(rewards_N))
        observed.min_reward = min(observed.min_reward, float(rewards_N.min()))
        observed.max_reward = max(observed.max_reward, float(rewards_N.max()))
        if observed.num_groups >= GROUPS_PER_REPORT:
            self._observed = _Observed()
            if self.baseline == "corpo" and self.is_logging:
                self._report(observed)

    def _report(self, observed: _Observed) -> None:
        """Log how often the clip was active. The first time, warn if the threshold does not fit."""
        log.info(
            "the clip of CoRPO was active in %d of %d groups, and %d of %d rewards reached the threshold",
            observed.num_clip_active,
            observed.num_groups,
            observed.num_correct,
            observed.num_rollouts,
        )
        if not self._is_threshold_checked:
            self._is_threshold_checked = True
            if problem := _threshold_problem(observed, self.threshold, self.setting):
                log.warning("%s", problem)


def token_advantages(
    group_advantages: GroupAdvantages,
    token_level_rewards: Tensor,
    response_mask: Tensor,
    index: Sequence[Hashable] | np.ndarray,
) -> tuple[Tensor, Tensor]:
    """Return advantages and returns, both (N, T), as the estimators of verl and SkyRL do.

    The reward of a rollout is the sum over its tokens. Each of its response tokens gets its advantage.
    `index`, (N,), names the prompt of each rollout.
    """
    lengths_N = response_mask.sum(dim=-1)
    advantages_N = group_advantages(token_level_rewards.sum(dim=-1), list(index), lengths_N)
    advantages_NT = advantages_N[:, None] * response_mask
    return advantages_NT, advantages_NT


def refuse_setting(name: str, value: object, effect: str, remedy: str = "turn it off") -> None:
    """Raise ValueError for a setting of the trainer that would change the advantages again."""
    raise ValueError(f"{name}={value}: {effect}; {remedy}")


def warn_of_filter(name: str) -> None:
    """Warn of a setting that drops groups of equal rewards."""
    log.warning(
        "%s drops groups whose rewards are equal. CoRPO gives a group of equal failures negative advantages, "
        "so part of its signal is lost; turn it off",
        name,
    )


def _check_batch(rewards_N: Tensor, groups: Sequence[Hashable]) -> None:
    if len(groups) != len(rewards_N):
        raise ValueError(
            f"{len(rewards_N)} rewards, but the prompts of {len(groups)} rollouts; give one each"
        )
    if None in groups:
        raise ValueError(
            f"the prompt of rollout {groups.index(None)} is None: name the prompt of each rollout, because "
            "the baseline compares the rollouts of one prompt"
        )
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


def _combine(stats_of_shape: dict[tuple[int, int], dict[str, float]]) -> dict[str, float]:
    """Return `ADVANTAGE_METRICS` over groups of several sizes. A ratio with a denominator of 0 is NaN.

    The keys are the shapes (P, G) of the batches of groups of one size.
    """
    totals = dict.fromkeys(
        ("groups", "rollouts", "passed", "clipped", "zero", "failed_positive", "n+", "n-", "s+", "s-"), 0.0
    )
    for (num_groups, size), stats in stats_of_shape.items():
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


def _threshold_problem(observed: _Observed, threshold: float, setting: str) -> str | None:
    """Return why the threshold does not fit the rewards of the first groups, or None if it does."""
    seen = (
        f"the rewards of the first {observed.num_groups} groups lie in "
        f"[{observed.min_reward:g}, {observed.max_reward:g}], and {setting} is {threshold:g}"
    )
    advice = f"set {setting} to the smallest reward of a correct response"
    if observed.num_correct == observed.num_rollouts:
        return (
            f"CoRPO equals GRPO in this run: {seen}. No reward is below the threshold, so every response "
            f"counts as correct; {advice}"
        )
    if observed.num_correct == 0:
        return f"no response counts as correct: {seen}; {advice}, if there were correct responses"
    if observed.num_clip_active == 0:
        return (
            f"CoRPO has equalled GRPO so far: {seen}, but the mean reward of every group reaches the "
            f"threshold, so the clip was never active; {advice}, or use harder prompts"
        )
    return None
