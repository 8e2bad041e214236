"""From rollouts to figures: one row per split. A rollout table has one row per rollout; see `corpo.evaluate.rollouts`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corpo.evaluate.intervals import clustered_bootstrap
from corpo.evaluate.pass_at_k import pass_at_k
from corpo.task import CUT, Kind
from corpo.task.response import SCORE_MAX

KS = (1, 2, 4, 8, 16)
ECE_BINS = 10


def by_prompt(rollouts: pd.DataFrame, ks: Sequence[int] = KS) -> pd.DataFrame:
    """One row per prompt: pass@k for every k. Raises ValueError when there are fewer rollouts than k."""
    grouped = rollouts.groupby("prompt_id", sort=True)
    names = {column: (column, "first") for column in ("split", "pair_id", "problem_id", "family")}
    table = grouped.agg(**names, n=("correct", "size"), c=("correct", "sum"))
    for k in ks:
        table[f"pass@{k}"] = [
            pass_at_k(int(n), int(c), k) for n, c in zip(table["n"], table["c"], strict=True)
        ]
    return table.reset_index()


def summarise(rollouts: pd.DataFrame, ks: Sequence[int] = KS) -> pd.DataFrame:
    """One row per split: pass@k with clustered intervals, accuracies, calibration, consistency, floors."""
    prompts = by_prompt(rollouts, ks)
    rows = []
    for split, group in rollouts.groupby("split", sort=False):
        mine = prompts[prompts["split"] == split]
        row: dict[str, object] = {
            "split": split,
            "prompts": len(mine),
            "pairs": mine["pair_id"].nunique(),
            "problems": mine["problem_id"].nunique(),
        }
        for k in ks:
            interval = clustered_bootstrap(mine[f"pass@{k}"].to_list(), mine["problem_id"].to_list())
            row |= {
                f"pass@{k}": interval.mean,
                f"pass@{k}_low": interval.low,
                f"pass@{k}_high": interval.high,
            }
        kind = Kind(str(group["kind"].iloc[0]))
        row |= {f"floor_{name}": value for name, value in floors(kind).items()}
        row |= {
            "candidate_accuracy": candidate_accuracy(group),
            "better_accuracy": better_accuracy(group),
            "ece": ece(*confidences(group)),
            "brier": brier(*confidences(group)),
            "unparseable": 1 - group["parsed"].mean(),
            "exactly_one": exactly_one(group),
            "swap_consistency": swap_consistency(rollouts[rollouts["pair_id"].isin(set(group["pair_id"]))]),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def floors(kind: Kind) -> dict[str, float]:
    """pass@1 of two policies that read nothing: a coin for each candidate, and always "exactly one is right" at random."""
    return {"coin": 0.25, "exactly_one": 0.5 if kind in (Kind.first_correct, Kind.second_correct) else 0.0}


def candidate_accuracy(rollouts: pd.DataFrame) -> float:
    """Share of candidates whose score is on their label's side of the cut; unparseable counts as wrong."""
    right = [
        ((rollouts[f"score_{side}"] > CUT) == rollouts[f"label_{side}"])
        & (rollouts[f"score_{side}"] != CUT)
        & rollouts["parsed"]
        for side in "ab"
    ]
    return float(np.mean([r.mean() for r in right]))


def better_accuracy(rollouts: pd.DataFrame) -> float:
    """Share of rollouts that score the correct candidate strictly higher; nan where not exactly one is correct."""
    mixed = rollouts[rollouts["label_a"] != rollouts["label_b"]]
    if mixed.empty:
        return float("nan")
    gap = mixed["score_a"] - mixed["score_b"]
    return float((np.where(mixed["label_a"], gap, -gap) > 0).mean())


def confidences(rollouts: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Stated probability of being correct (score / 10) and label of every parsed candidate."""
    parsed = rollouts[rollouts["parsed"]]
    scores = np.concatenate([parsed["score_a"], parsed["score_b"]]).astype(float) / SCORE_MAX
    labels = np.concatenate([parsed["label_a"], parsed["label_b"]]).astype(float)
    return scores, labels


def ece(probabilities: np.ndarray, labels: np.ndarray, bins: int = ECE_BINS) -> float:
    """Expected calibration error over equal-width bins (their number changes the figure: `ECE_BINS` = 10 everywhere here)."""
    if len(labels) == 0:
        return float("nan")
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        abs(probabilities[which == b].mean() - labels[which == b].mean()) * (which == b).mean()
        for b in np.unique(which)
    ]
    return float(sum(gaps))


def brier(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared distance of stated probability and label."""
    return float(np.mean((probabilities - labels) ** 2)) if len(labels) else float("nan")


def exactly_one(rollouts: pd.DataFrame) -> float:
    """Share of parsed verdicts that call exactly one candidate correct: the habit that in-domain training rewards."""
    parsed = rollouts[rollouts["parsed"]]
    return (
        float(((parsed["score_a"] > CUT) != (parsed["score_b"] > CUT)).mean())
        if len(parsed)
        else float("nan")
    )


def swap_consistency(rollouts: pd.DataFrame) -> float:
    """Share of pairs judged alike in both orders: the majority call on each program is the same whichever comes first.

    The majority is over parsed verdicts; a pair seen in both orders with no parsed verdict in one of them is not consistent.
    """
    calls: dict[tuple[str, bool], dict[str, float]] = {}
    for (pair, swapped), group in rollouts.groupby(["pair_id", "swapped"]):
        group = group[group["parsed"]]
        if group.empty:
            calls[str(pair), bool(swapped)] = {"unparsed": bool(swapped)}  # equals the call of no other order
            continue
        first, second = (group["score_a"] > CUT).mean() > 0.5, (group["score_b"] > CUT).mean() > 0.5
        calls[str(pair), bool(swapped)] = {
            "one": second if swapped else first,
            "two": first if swapped else second,
        }
    both = [pair for pair, swapped in calls if not swapped and (pair, True) in calls]
    return (
        float(np.mean([calls[pair, False] == calls[pair, True] for pair in both])) if both else float("nan")
    )
