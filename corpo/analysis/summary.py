"""Accuracy, calibration and consistency of every policy on every split."""

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
    """Return the means of `MEASURES` over seeds, one row per policy and split."""
    return summary.groupby(["policy", "split"], sort=False)[MEASURES].mean().reset_index()
