"""Numbers that only figures show; all other figures draw tables of this package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from corpo.analysis.runs import EARLY
from corpo.analysis.study import Study
from corpo.analysis.theory import Prediction
from corpo.baselines import advantages
from corpo.evaluate.metrics import confidences

MIN_CANDIDATES = 50  # confidence levels that fewer candidates received are left out of the calibration curve


def rewards_and_advantages(study: Study, baseline: str, late: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return all rewards (N,) and advantages (N,) in the first or last `EARLY` steps of a baseline's runs."""
    rewards, lengths = [], []
    for run in study.of(baseline):
        steps = sorted(run.rewards)
        for step in steps[-EARLY:] if late else steps[:EARLY]:
            rewards.append(run.rewards[step])
            lengths.append(run.lengths[step])
    rewards_PG = torch.tensor(np.concatenate(rewards))
    lengths_PG = torch.tensor(np.concatenate(lengths))
    advantages_PG = advantages(
        rewards_PG, baseline, threshold=study.threshold, lengths_PG=lengths_PG, **study.options(baseline)
    )
    return rewards_PG.flatten().numpy(), advantages_PG.flatten().numpy()


def share_inside(points: Sequence[Prediction]) -> float:
    """Return the share of measurements that lie in the 95% range of their prediction."""
    return float(np.mean([point.low <= point.measured <= point.high for point in points]))


def calibration_curve(rollouts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return a row per stated confidence that at least `MIN_CANDIDATES` candidates received.

    The columns are `confidence`, `correct` (the share of its candidates that are correct), `count` (their
    number) and `share` (their share of all candidates). `rollouts` holds one table per seed; their candidates
    are counted together.
    """
    confidences_of = [confidences(table) for table in rollouts]
    stated_N = np.concatenate([stated for stated, _ in confidences_of])
    correct_N = np.concatenate([correct for _, correct in confidences_of])
    candidates = pd.DataFrame({"confidence": stated_N, "correct": correct_N.astype(float)})
    levels = candidates.groupby("confidence")["correct"].agg(correct="mean", count="size").reset_index()
    levels["share"] = levels["count"] / max(1, len(candidates))
    return levels[levels["count"] >= MIN_CANDIDATES]
