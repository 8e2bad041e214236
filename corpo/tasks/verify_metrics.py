"""The metrics of a validation: accuracy by kind of pair, and measures that tell skill from habit.

The habit is to call exactly one candidate correct whatever the programs are, because the training pairs have
exactly one correct candidate. A policy with the skill also gives correct candidates higher scores than wrong
ones (the area under the ROC curve, AUC, of the scores of A and of B), and writes right traces.

Shape letters beside those of CONTRIBUTING.md: M measures of a rollout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from corpo.data.pipelines.operations import SEEN, UNSEEN
from corpo.task import CUT, Domain, Kind, Pair
from corpo.utils.auc import auc

# Columns of a rollout. Scores are NaN without a verdict, the last two without traces.
MEASURES = ("score_a", "score_b", "traced", "follows")
_COLUMNS = ("correct", "reward", *MEASURES)
_ONE_CORRECT = (Kind.first_correct, Kind.second_correct)


@dataclass(frozen=True)
class _Rollouts:
    """All rollouts of some pairs, one row per rollout."""

    measures: dict[str, np.ndarray]
    label_a: np.ndarray
    label_b: np.ndarray

    @property
    def pass_at_1(self) -> float:
        return float(self.measures["correct"].mean())

    def auc(self, side: str) -> float:
        """Return how well the score of a side separates its correct from its wrong candidates."""
        scores_N = self.measures[f"score_{side}"]
        labels_N = self.label_a if side == "a" else self.label_b
        is_parsed_N = ~np.isnan(scores_N)
        return auc(scores_N[is_parsed_N], labels_N[is_parsed_N])

    @property
    def exactly_one(self) -> float:
        """Return the share of verdicts that call exactly one candidate correct."""
        scores_a, scores_b = self.measures["score_a"], self.measures["score_b"]
        is_parsed_N = ~np.isnan(scores_a)
        calls_one_N = (scores_a > CUT) != (scores_b > CUT)
        return float(calls_one_N[is_parsed_N].mean()) if is_parsed_N.any() else math.nan


def validation_metrics(
    measures_PGM: np.ndarray, kl_from_start_P: np.ndarray, pairs: Sequence[Pair]
) -> dict[str, float]:
    """Return the metrics that begin with `validation/`. Those of kinds and parts without pairs are left out.

    `measures_PGM` are "correct", "reward" and the `MEASURES` of each rollout, and `kl_from_start_P` is the
    KL divergence from the policy before training in nats per rollout. Metrics whose names end in `/unseen`
    cover pairs of unseen combinations, and those in `/math` cover word problems. All others cover the
    remaining pairs. Of these, names that end in `/homogeneous` cover pairs whose candidates are both correct
    or both wrong.
    """
    is_unseen_P = np.array([pair.problem.topic == UNSEEN for pair in pairs])
    is_math_P = np.array([_is_word_problem(pair) for pair in pairs])
    is_seen_P = ~is_unseen_P & ~is_math_P
    is_one_P = np.array([pair.kind in _ONE_CORRECT for pair in pairs])
    seen = _rollouts(measures_PGM, pairs, is_seen_P)
    one_correct = _rollouts(measures_PGM, pairs, is_one_P & is_seen_P)
    metrics = {
        "validation/pass@1": one_correct.pass_at_1,
        "validation/reward": float(one_correct.measures["reward"].mean()),
        "validation/kl_from_start": float(kl_from_start_P[is_one_P & is_seen_P].mean()),
    }
    for kind in Kind:
        is_kind_P = np.array([pair.kind is kind for pair in pairs]) & is_seen_P
        if is_kind_P.any():
            metrics[f"validation/pass@1/{kind}"] = _rollouts(measures_PGM, pairs, is_kind_P).pass_at_1
    for side in ("a", "b"):
        metrics[f"validation/auc_{side}"] = seen.auc(side)
    for part, is_part_P in (("unseen", is_unseen_P), ("math", is_math_P)):
        if is_part_P.any():
            rollouts = _rollouts(measures_PGM, pairs, is_part_P)
            metrics[f"validation/pass@1/{part}"] = rollouts.pass_at_1
            for side in ("a", "b"):
                metrics[f"validation/auc_{side}/{part}"] = rollouts.auc(side)
    if (~is_one_P).any():
        homogeneous = _rollouts(measures_PGM, pairs, ~is_one_P)
        metrics["validation/exactly_one"] = homogeneous.exactly_one
        for side in ("a", "b"):
            metrics[f"validation/auc_{side}/homogeneous"] = homogeneous.auc(side)
    if not np.isnan(seen.measures["traced"]).any():
        for name in ("traced", "follows"):
            metrics[f"validation/{name}"] = float(seen.measures[name].mean())
    return metrics


def _is_word_problem(pair: Pair) -> bool:
    """Return whether a pair is of a word problem of data=pipelines, which training never uses."""
    return pair.problem.domain is Domain.math and pair.problem.topic in (SEEN, UNSEEN)


def _rollouts(measures_PGM: np.ndarray, pairs: Sequence[Pair], is_chosen_P: np.ndarray) -> _Rollouts:
    """Return the rollouts of the chosen pairs."""
    num_rollouts = measures_PGM.shape[1]
    rows_NM = measures_PGM[is_chosen_P].reshape(-1, len(_COLUMNS))
    labels_P2 = np.array([pair.labels for pair in pairs])[is_chosen_P]
    labels_N2 = np.repeat(labels_P2, num_rollouts, axis=0)
    measures = {name: rows_NM[:, column] for column, name in enumerate(_COLUMNS)}
    return _Rollouts(measures, labels_N2[:, 0], labels_N2[:, 1])
