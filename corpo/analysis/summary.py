"""Accuracy of every policy on every split and, for pairs, calibration and consistency."""

from __future__ import annotations

import pandas as pd

from corpo.analysis.study import Study
from corpo.evaluate.metrics import summarise

MEASURES = [
    "candidate_accuracy",
    "better_accuracy",
    "ece",
    "brier",
    "unparseable",
    "exactly_one",
    "swap_consistency",
]


def summary_table(study: Study) -> pd.DataFrame:
    """Return all measures, one row per policy, seed and split (`corpo.evaluate.metrics.summarise`)."""
    tables = []
    for seed, rollouts in study.bases.items():
        tables.append(summarise(rollouts, study.ks).assign(policy="base", seed=seed))
    for run in study.runs:
        tables.append(summarise(run.rollouts, study.ks).assign(policy=run.baseline, seed=run.seed))
    return pd.concat(tables)


def summary_means(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the means over seeds of those `MEASURES` that were computed, one row per policy and split."""
    measures = [measure for measure in MEASURES if measure in summary]
    return summary.groupby(["policy", "split"], sort=False)[measures].mean().reset_index()
