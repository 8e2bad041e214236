"""Measures that separate policies that verify candidates from policies that repeat one kind of verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from corpo.analysis.study import BASE, Study
from corpo.task import CUT

EXACTLY_ONE = ("code_first_correct", "code_second_correct")  # one candidate of each pair is correct
HOMOGENEOUS = ("code_both_wrong", "code_both_correct")  # both candidates of a pair have the same label


def verification(study: Study) -> pd.DataFrame:
    """Return one row per policy with means over seeds, from single rollouts of the code splits.

    `exactly_one` is the share of verdicts on pairs with exactly one correct candidate that call exactly one
    candidate correct, and `accuracy` the share of those that are right. `auc_a` and `auc_b` tell how well the
    score of a candidate separates correct from wrong ones on homogeneous pairs, where calling exactly one
    correct is never right: 0.5 is chance. `pass@1` is the mean of the four code splits.
    """
    rows = []
    for policy in (BASE, *study.baselines):
        tables = list(study.bases.values())
        if policy != BASE:
            tables = [run.rollouts for run in study.of(policy)]
        means = pd.DataFrame([_measures(table) for table in tables]).mean()
        rows.append({"policy": policy, **means})
    return pd.DataFrame(rows)


def can_be_measured(study: Study) -> bool:
    """Return whether the study has all code splits, with the scores of each rollout."""
    return {*EXACTLY_ONE, *HOMOGENEOUS} <= set(study.splits) and "score_a" in study.base


def _measures(rollouts: pd.DataFrame) -> dict[str, float]:
    parsed = rollouts[rollouts["parsed"]]
    mixed = parsed[parsed["split"].isin(EXACTLY_ONE)]
    is_exactly_one = (mixed["score_a"] > CUT) != (mixed["score_b"] > CUT)
    homogeneous = parsed[parsed["split"].isin(HOMOGENEOUS)]
    accuracies = [rollouts.loc[rollouts["split"] == split, "correct"].mean() for split in EXACTLY_ONE]
    accuracies += [rollouts.loc[rollouts["split"] == split, "correct"].mean() for split in HOMOGENEOUS]
    return {
        "exactly_one": float(is_exactly_one.mean()),
        "accuracy": float(mixed.loc[is_exactly_one, "correct"].mean()),
        "auc_a": auc(homogeneous["score_a"].to_numpy(), homogeneous["label_a"].to_numpy()),
        "auc_b": auc(homogeneous["score_b"].to_numpy(), homogeneous["label_b"].to_numpy()),
        "pass@1": float(np.mean(accuracies)),
    }


def auc(scores_N: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the probability that a correct candidate scores higher than a wrong one; ties count half.

    The result is NaN if all labels are alike.
    """
    labels_N = labels_N.astype(bool)
    num_correct = int(labels_N.sum())
    num_wrong = len(labels_N) - num_correct
    if not num_correct or not num_wrong:
        return float("nan")
    rank_sum = float(rankdata(scores_N)[labels_N].sum())
    return (rank_sum - num_correct * (num_correct + 1) / 2) / (num_correct * num_wrong)
