"""Rollouts of a study graded and grouped in other ways: which rewards, groups, prompts and baselines reward failures?

Nothing is trained: an ablation of the flaw alone, on all prompts that were evaluated. P prompts, N rollouts of each, G to a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from corpo.analysis.study import Study
from corpo.baselines import BASELINES, advantage_stats, advantages, check_baseline, needs_lengths
from corpo.task import Fault, OrdinalReward, Verdict
from corpo.utils.files import write_text

GROUP = 16  # where the group size is not what varies
LEVELS, GROUPS = (2, 3, 5, 10), (2, 4, 8, 16, 32)
SHARES = {
    "none": (-1.0, 0.0),
    "to 1/4": (0.0, 0.25),
    "to 1/2": (0.25, 0.5),
    "to 3/4": (0.5, 0.75),
    "more": (0.75, 1.0),
}  # above the first, up to the second
SCORES = ["score_a", "score_b", "label_a", "label_b", "parsed"]
BY = {
    "levels": "levels of reward",
    "group": "rollouts in a group",
    "passed": "share of the group that passed",
    "split": "split",
    "baseline": "baseline",
}


class _Batch(NamedTuple):
    """Of one evaluation as it would be under one value of what varies; without a baseline of its own it is GRPO's, the group mean."""

    by: str
    value: str
    rewards_PG: np.ndarray
    threshold: float
    baseline: str = "grpo"
    lengths_PG: np.ndarray | None = None

    def failures(self) -> int:
        return int((self.rewards_PG < self.threshold).sum())

    def rewarded(self) -> float:
        """Of failures, those with a positive advantage; nan where there are none."""
        if not len(self.rewards_PG):
            return float("nan")
        rewards = torch.tensor(self.rewards_PG)
        lengths = None if self.lengths_PG is None else torch.tensor(self.lengths_PG)
        found = advantages(rewards, self.baseline, threshold=self.threshold, lengths_PG=lengths)
        return advantage_stats(rewards, found, self.threshold)["failed_positive_fraction"]


def regraded(study: Study) -> pd.DataFrame:
    """One row a policy and value of what varies (`BY`): share of failures with a positive advantage; over seeds the mean, the least and the most.

    `failures` is how many there are, a seed: most of them may lie in few groups.
    """
    rows = []
    for policy in ("base", *study.baselines):
        tables = study.bases.values() if policy == "base" else [run.rollouts for run in study.of(policy)]
        by_way: dict[tuple[str, str], list[tuple[float, int]]] = {}
        for one in tables:
            for batch in _batches(one, study.threshold):
                by_way.setdefault((batch.by, batch.value), []).append((batch.rewarded(), batch.failures()))
        for (by, value), pairs in by_way.items():
            found = pd.Series([share for share, _ in pairs]).dropna()
            told = {
                "by": by,
                "value": value,
                "policy": policy,
                "seeds": len(found),
                "failures": float(np.mean([count for _, count in pairs])),
            }
            rows.append(told | {"rewarded": found.mean(), "least": found.min(), "most": found.max()})
    return pd.DataFrame(rows)


def _batches(rollouts: pd.DataFrame, threshold: float) -> Iterator[_Batch]:
    rollouts = rollouts.sort_values("prompt_id", kind="stable")
    by_prompt = lambda values: np.asarray(values).reshape(rollouts["prompt_id"].nunique(), -1)
    rewards_PN, splits_P = by_prompt(rollouts["reward"].astype(float)), by_prompt(rollouts["split"])[:, 0]
    most = rewards_PN.shape[1]
    size = min(GROUP, most)
    for levels, rewards_R in _graded(rollouts).items():
        yield _Batch("levels", str(levels), _groups(by_prompt(rewards_R), size), 0.0)
    for group in GROUPS:
        if group <= most:
            yield _Batch("group", str(group), _groups(rewards_PN, group), threshold)
    rewards_PG = _groups(rewards_PN, size)
    passed_P = (rewards_PG >= threshold).mean(axis=1)
    for name, (above, up_to) in SHARES.items():
        yield _Batch("passed", name, rewards_PG[(passed_P > above) & (passed_P <= up_to)], threshold)
    for split in dict.fromkeys(rollouts["split"]):
        yield _Batch("split", split, _groups(rewards_PN[splits_P == split], size), threshold)
    lengths_PG = _groups(by_prompt(rollouts["tokens"]), size) if "tokens" in rollouts else None
    for baseline in _baselines(size, float(rewards_PG.max()), lengths_PG is not None):
        yield _Batch("baseline", baseline, rewards_PG, threshold, baseline, lengths_PG)


def _baselines(group: int, best: float, lengths: bool) -> list[str]:
    """Those of this package that such groups and rewards suit, with their default options."""

    def suits(name: str) -> bool:
        try:
            check_baseline(name, {}, group)
        except ValueError:
            return False
        return (lengths or not needs_lengths(name)) and (name != "ngrpo" or best <= 1)

    return [name for name, made in BASELINES.items() if made.__module__.startswith("corpo.") and suits(name)]


def _groups(rewards_PN: np.ndarray, size: int) -> np.ndarray:
    """As many groups of that size as a prompt's rollouts make."""
    return rewards_PN[:, : rewards_PN.shape[1] // size * size].reshape(-1, size)


def _graded(rollouts: pd.DataFrame) -> dict[int, np.ndarray]:
    """Every rollout's reward by number of levels, from the scores on record: each distinct verdict is graded once."""
    said = rollouts[SCORES].fillna(0.0)
    verdict_R = said.groupby(SCORES, sort=False).ngroup().to_numpy()
    distinct = said.drop_duplicates().to_dict("records")
    heard = [
        (
            Verdict(one["score_a"], one["score_b"]) if one["parsed"] else Fault.no_scores,
            (one["label_a"], one["label_b"]),
        )
        for one in distinct
    ]
    return {levels: np.array([OrdinalReward(levels)(*one) for one in heard])[verdict_R] for levels in LEVELS}


def can_be_regraded(study: Study) -> bool:
    """Whether there are as many rollouts of every prompt."""
    return all(
        one["prompt_id"].value_counts().nunique() == 1
        for one in (*study.bases.values(), *(run.rollouts for run in study.runs))
    )


def write_regraded(study: Study, folder: Path) -> None:
    """`regraded.csv`, where the records allow it."""
    if can_be_regraded(study):
        write_text(folder / "regraded.csv", regraded(study).round(4).to_csv(index=False))
