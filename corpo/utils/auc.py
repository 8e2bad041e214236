"""The area under the ROC curve."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


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
