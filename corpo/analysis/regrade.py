"""Evaluation rollouts of a study, graded and grouped in other ways.

The tables show which rewards, groups, prompts and baselines reward failures. Nothing is trained: this is an
ablation of the advantages alone, on all evaluated prompts. Only rollouts with scores can be graded with
another number of reward levels.

Shape letters beside those of CONTRIBUTING.md: R evaluation rollouts per prompt, which make up groups of G.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from corpo.analysis.study import BASE, Study
from corpo.baselines import BASELINES, advantage_stats, advantages, check_baseline, needs_lengths
from corpo.task import Fault, OrdinalReward, Verdict
from corpo.utils.files import write_text

GROUP = 16  # the group size unless the group size varies
LEVELS, GROUPS = (2, 3, 5, 10), (2, 4, 8, 16, 32)
# Shares of a group that passed: above the first number, up to the second.
SHARES = {
    "none": (-1.0, 0.0),
    "to 1/4": (0.0, 0.25),
    "to 1/2": (0.25, 0.5),
    "to 3/4": (0.5, 0.75),
    "more": (0.75, 1.0),
}
PAPER_BASELINES = ("grpo", "static", "corpo")  # listed first
SCORES = ["score_a", "score_b", "label_a", "label_b", "parsed"]


class _Batch(NamedTuple):
    """The rollouts of one evaluation at one value of what varies. The default baseline is GRPO."""

    by: str
    value: str
    rewards_PG: np.ndarray
    threshold: float
    baseline: str = "grpo"
    lengths_PG: np.ndarray | None = None

    def num_failures(self) -> int:
        """Return the number of failed rollouts."""
        return int((self.rewards_PG < self.threshold).sum())

    def rewarded_share(self) -> float:
        """Return the share of failures with a positive advantage; NaN without failures."""
        if not len(self.rewards_PG):
            return float("nan")
        rewards_PG = torch.tensor(self.rewards_PG)
        lengths_PG = None if self.lengths_PG is None else torch.tensor(self.lengths_PG)
        advantages_PG = advantages(rewards_PG, self.baseline, threshold=self.threshold, lengths_PG=lengths_PG)
        return advantage_stats(rewards_PG, advantages_PG, self.threshold)["failed_positive_fraction"]


def regraded(study: Study) -> pd.DataFrame:
    """Return one row per policy and value of what varies, which the column `by` names.

    `rewarded` is the mean over seeds of the share of failures with a positive advantage; `min_share` and
    `max_share` are its smallest and largest value. `failures` is the mean number of failures per seed; most
    of them may be in few groups.
    """
    rows = []
    for policy in (BASE, *study.baselines):
        tables = list(study.bases.values())
        if policy != BASE:
            tables = [run.rollouts for run in study.of(policy)]
        rows += _rows_of_policy(policy, tables, study.threshold)
    return pd.DataFrame(rows)


def _rows_of_policy(policy: str, tables: list[pd.DataFrame], threshold: float) -> list[dict[str, object]]:
    batches: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for table in tables:
        for batch in _batches(table, threshold):
            batches.setdefault((batch.by, batch.value), []).append(
                (batch.rewarded_share(), batch.num_failures())
            )
    rows: list[dict[str, object]] = []
    for (by, value), pairs in batches.items():
        shares = pd.Series([share for share, _ in pairs]).dropna()
        row: dict[str, object] = {"by": by, "value": value, "policy": policy, "seeds": len(shares)}
        row["failures"] = float(np.mean([num_failures for _, num_failures in pairs]))
        rows.append(row | {"rewarded": shares.mean(), "min_share": shares.min(), "max_share": shares.max()})
    return rows


def _batches(rollouts: pd.DataFrame, threshold: float) -> Iterator[_Batch]:
    rollouts = rollouts.sort_values("prompt_id", kind="stable")
    num_prompts = rollouts["prompt_id"].nunique()
    rewards_PR = rollouts["reward"].to_numpy(dtype=float).reshape(num_prompts, -1)
    splits_P = rollouts["split"].to_numpy().reshape(num_prompts, -1)[:, 0]
    num_rollouts = rewards_PR.shape[1]
    size = min(GROUP, num_rollouts)
    by_levels = _graded(rollouts) if set(SCORES) <= set(rollouts.columns) else {}
    for levels, rewards_N in by_levels.items():
        yield _Batch("levels", str(levels), _groups(rewards_N.reshape(num_prompts, -1), size), 0.0)
    for group in GROUPS:
        if group <= num_rollouts:
            yield _Batch("group", str(group), _groups(rewards_PR, group), threshold)
    rewards_PG = _groups(rewards_PR, size)
    passed_P = (rewards_PG >= threshold).mean(axis=1)
    for name, (above, up_to) in SHARES.items():
        yield _Batch("passed", name, rewards_PG[(passed_P > above) & (passed_P <= up_to)], threshold)
    for split in dict.fromkeys(rollouts["split"]):
        yield _Batch("split", split, _groups(rewards_PR[splits_P == split], size), threshold)
    lengths_PG = None
    if "tokens" in rollouts:
        lengths_PG = _groups(rollouts["tokens"].to_numpy().reshape(num_prompts, -1), size)
    for baseline in _baselines(size, float(rewards_PG.max()), lengths_PG is not None):
        yield _Batch("baseline", baseline, rewards_PG, threshold, baseline, lengths_PG)


def _baselines(group: int, best: float, has_lengths: bool) -> list[str]:
    """Return the baselines of this package that accept such groups and rewards with their default options."""
    names = []
    for name in (*PAPER_BASELINES, *(name for name in BASELINES if name not in PAPER_BASELINES)):
        if not BASELINES[name].__module__.startswith("corpo.") or not _accepts(name, group):
            continue
        if (has_lengths or not needs_lengths(name)) and (name != "ngrpo" or best <= 1):
            names.append(name)
    return names


def _accepts(name: str, group: int) -> bool:
    try:
        check_baseline(name, {}, group)
    except ValueError:
        return False
    return True


def _groups(rewards_PR: np.ndarray, size: int) -> np.ndarray:
    """Split the rollouts of each prompt into groups of a size and drop the rest."""
    return rewards_PR[:, : rewards_PR.shape[1] // size * size].reshape(-1, size)


def _graded(rollouts: pd.DataFrame) -> dict[int, np.ndarray]:
    """Return the reward (N,) of every rollout by number of levels, from its recorded scores.

    Each distinct combination of scores and labels is graded once.
    """
    scores = rollouts[SCORES].fillna(0.0)
    verdict_N = scores.groupby(SCORES, sort=False).ngroup().to_numpy()
    distinct = scores.drop_duplicates().to_dict("records")
    rewards = {}
    for levels in LEVELS:
        reward = OrdinalReward(levels)
        rewards[levels] = np.array([_regrade(row, reward) for row in distinct])[verdict_N]
    return rewards


def _regrade(row: Mapping[Hashable, Any], reward: OrdinalReward) -> float:
    verdict = Verdict(row["score_a"], row["score_b"]) if row["parsed"] else Fault.no_scores
    return reward(verdict, (bool(row["label_a"]), bool(row["label_b"])))


def can_be_regraded(study: Study) -> bool:
    """Return whether every prompt has the same number of rollouts."""
    tables = [*study.bases.values(), *(run.rollouts for run in study.runs)]
    return all(table["prompt_id"].value_counts().nunique() == 1 for table in tables)


def write_regraded(study: Study, folder: Path) -> None:
    """Write `regraded.csv` if the records allow it."""
    if can_be_regraded(study):
        write_text(folder / "regraded.csv", regraded(study).round(4).to_csv(index=False))
