"""Metrics of a rollout table: pass@k, accuracy, calibration, consistency and floors.

A rollout table has one row per rollout; `corpo.evaluate.rollouts` describes its columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from corpo.evaluate.intervals import clustered_bootstrap
from corpo.evaluate.pass_at_k import pass_at_k
from corpo.task import CUT, Kind
from corpo.task.response import SCORE_MAX

KS = (1, 2, 4, 8, 16)
# The columns of a rollout table that are kept per prompt. Tasks other than the paper's have no pairs.
ITEM_COLUMNS = ("split", "pair_id", "problem_id", "family")
ECE_BINS = 10


def by_prompt(rollouts: pd.DataFrame, ks: Sequence[int] = KS) -> pd.DataFrame:
    """Return one row per prompt with pass@k for every k.

    Raises ValueError if there are fewer rollouts than k.
    """
    grouped = rollouts.groupby("prompt_id", sort=True)
    names = {column: (column, "first") for column in ITEM_COLUMNS if column in rollouts}
    table = grouped.agg(**names, n=("correct", "size"), c=("correct", "sum"))
    counts = [(int(n), int(c)) for n, c in zip(table["n"], table["c"], strict=True)]
    for k in ks:
        table[f"pass@{k}"] = [pass_at_k(n, c, k) for n, c in counts]
    return table.reset_index()


def has_pairs(rollouts: pd.DataFrame) -> bool:
    """Return whether the prompts are pairs of candidates, so that responses have two scores."""
    return "pair_id" in rollouts


def summarise(rollouts: pd.DataFrame, ks: Sequence[int] = KS) -> pd.DataFrame:
    """Return one row per split: pass@k with clustered intervals, and the share of unparseable responses.

    If the prompts are pairs, there are also the floors and the other metrics below.
    """
    prompts = by_prompt(rollouts, ks)
    rows = []
    for split, group in rollouts.groupby("split", sort=False):
        in_split = prompts[prompts["split"] == split]
        row: dict[str, object] = {"split": split, **count_items(in_split)}
        for k in ks:
            interval = clustered_bootstrap(in_split[f"pass@{k}"].to_list(), in_split["problem_id"].to_list())
            row |= {
                f"pass@{k}": interval.mean,
                f"pass@{k}_low": interval.low,
                f"pass@{k}_high": interval.high,
            }
        unparseable = {"unparseable": 1 - group["parsed"].mean()}
        if has_pairs(rollouts):
            of_same_pairs = rollouts[rollouts["pair_id"].isin(set(group["pair_id"]))]
            row |= _summary_of_pairs(group, of_same_pairs, unparseable)
        else:
            row |= unparseable
        rows.append(row)
    return pd.DataFrame(rows)


def count_items(prompts: pd.DataFrame) -> dict[str, int]:
    """Return the numbers of prompts and problems, and of pairs if the prompts are pairs."""
    counts = {"prompts": len(prompts)}
    if has_pairs(prompts):
        counts["pairs"] = prompts["pair_id"].nunique()
    return {**counts, "problems": prompts["problem_id"].nunique()}


def _summary_of_pairs(
    group: pd.DataFrame, of_same_pairs: pd.DataFrame, unparseable: Mapping[str, float]
) -> dict[str, float]:
    """Return floors and metrics of the rollouts of a split. `of_same_pairs` also has the other order."""
    kind = Kind(str(group["kind"].iloc[0]))
    return {
        **{f"floor_{name}": value for name, value in floors(kind).items()},
        "candidate_accuracy": candidate_accuracy(group),
        "better_accuracy": better_accuracy(group),
        "ece": ece(*confidences(group)),
        "brier": brier(*confidences(group)),
        **unparseable,
        "exactly_one": exactly_one(group),
        "swap_consistency": swap_consistency(of_same_pairs),
    }


def floors(kind: Kind) -> dict[str, float]:
    """Return pass@1 of two policies that ignore the prompt.

    One guesses each candidate independently; the other always calls exactly one candidate correct, at random.
    """
    is_mixed = kind in (Kind.first_correct, Kind.second_correct)
    return {"coin": 0.25, "exactly_one": 0.5 if is_mixed else 0.0}


def candidate_accuracy(rollouts: pd.DataFrame) -> float:
    """Return the share of candidates whose score is on the side of the cut of their label.

    Candidates of unparseable responses count as wrong.
    """
    shares = []
    for side in ("a", "b"):
        scores = rollouts[f"score_{side}"]
        is_right = ((scores > CUT) == rollouts[f"label_{side}"]) & (scores != CUT) & rollouts["parsed"]
        shares.append(is_right.mean())
    return float(np.mean(shares))


def better_accuracy(rollouts: pd.DataFrame) -> float:
    """Return the share of rollouts that score the correct candidate strictly higher than the wrong one.

    The result is NaN if no pair has exactly one correct candidate.
    """
    mixed = rollouts[rollouts["label_a"] != rollouts["label_b"]]
    if mixed.empty:
        return float("nan")
    gap = mixed["score_a"] - mixed["score_b"]
    return float((np.where(mixed["label_a"], gap, -gap) > 0).mean())


def confidences(rollouts: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the stated probability (score / 10) and the label of each parsed candidate, both (N,)."""
    parsed = rollouts[rollouts["parsed"]]
    scores_N = np.concatenate([parsed["score_a"], parsed["score_b"]]).astype(float) / SCORE_MAX
    labels_N = np.concatenate([parsed["label_a"], parsed["label_b"]]).astype(float)
    return scores_N, labels_N


def ece(probabilities_N: np.ndarray, labels_N: np.ndarray, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error over equal-width bins.

    The value depends on the number of bins, which is `ECE_BINS` everywhere in this package.
    """
    if len(labels_N) == 0:
        return float("nan")
    bin_N = np.minimum((probabilities_N * bins).astype(int), bins - 1)
    gaps = []
    for index in np.unique(bin_N):
        in_bin_N = bin_N == index
        gaps.append(abs(probabilities_N[in_bin_N].mean() - labels_N[in_bin_N].mean()) * in_bin_N.mean())
    return float(sum(gaps))


def brier(probabilities_N: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the mean squared distance between stated probability and label."""
    return float(np.mean((probabilities_N - labels_N) ** 2)) if len(labels_N) else float("nan")


def exactly_one(rollouts: pd.DataFrame) -> float:
    """Return the share of parsed verdicts that call exactly one candidate correct.

    Training on pairs with exactly one correct candidate rewards this habit.
    """
    parsed = rollouts[rollouts["parsed"]]
    if parsed.empty:
        return float("nan")
    return float(((parsed["score_a"] > CUT) != (parsed["score_b"] > CUT)).mean())


def swap_consistency(rollouts: pd.DataFrame) -> float:
    """Return the share of pairs with the same majority verdict in both orders.

    The majority is over parsed verdicts. A pair is not consistent if one of its orders has no parsed verdict.
    Pairs that were evaluated in one order only are left out; the result is NaN if there are no others.
    """
    verdicts: dict[tuple[str, bool], tuple[bool, bool] | None] = {}
    for (pair_id, swapped), group in rollouts.groupby(["pair_id", "swapped"]):
        verdicts[str(pair_id), bool(swapped)] = _majority(group[group["parsed"]], bool(swapped))
    is_consistent = []
    for (pair_id, swapped), verdict in verdicts.items():
        if not swapped and (pair_id, True) in verdicts:
            is_consistent.append(verdict is not None and verdict == verdicts[pair_id, True])
    return float(np.mean(is_consistent)) if is_consistent else float("nan")


def _majority(parsed: pd.DataFrame, swapped: bool) -> tuple[bool, bool] | None:
    """Return the majority verdict on both candidates in their original order; None without verdicts."""
    if parsed.empty:
        return None
    first = bool((parsed["score_a"] > CUT).mean() > 0.5)
    second = bool((parsed["score_b"] > CUT).mean() > 0.5)
    return (second, first) if swapped else (first, second)
