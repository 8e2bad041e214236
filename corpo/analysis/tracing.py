"""Measure how well a policy verifies pipelines: `python -m corpo.analysis.tracing ROLLOUTS PAIRS`.

ROLLOUTS is the `rollouts.parquet` of an evaluation with `data=pipelines`, PAIRS the `pairs.parquet` of its
data stage. The result has one row per domain and part: seen combinations, unseen ones, and longer programs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from corpo.analysis.verification import auc
from corpo.data.pairing.splits import is_evaluation
from corpo.data.pipelines.chains import trace_solution
from corpo.data.pipelines.responses import written_traces
from corpo.data.pipelines.splits import LONG_PREFIX
from corpo.data.pipelines.traces import OK, trace_program
from corpo.data.store import pairs_of, read_rows
from corpo.task import CUT, Domain, Kind, Pair
from corpo.utils.markdown import table

KINDS = (Kind.first_correct, Kind.second_correct, Kind.both_correct, Kind.both_wrong)


def tracing(rollouts: pd.DataFrame, pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return the measures of each part.

    `pairs` are the evaluated pairs in order: `prompt_id` numbers them. `auc_a` and `auc_b` are of single
    rollouts, `auc_mean` is of the mean score of a prompt's rollouts. `follows` is the share of traces whose
    word follows from what they computed, and whose score is on the side of the word. `traced` is the share of
    traces that are right from beginning to end.
    """
    measured = pd.concat([rollouts.reset_index(drop=True), _trace_columns(rollouts, pairs)], axis="columns")
    measured["part"] = [
        _part(split, family) for split, family in zip(rollouts["split"], rollouts["family"], strict=True)
    ]
    rows = []
    for part, group in measured.groupby("part", sort=True):
        rows.append({"part": part, **_measures(group)})
    return pd.DataFrame(rows)


def _part(split: str, family: str) -> str:
    """Return the row that a rollout counts for, such as "code, unseen"."""
    if split.startswith(LONG_PREFIX):
        return "code, long"
    domain, part, _ = family.split("_")
    return f"{domain}, {part}"


def _trace_columns(rollouts: pd.DataFrame, pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return, for each rollout, the shares of its two traces that are right and whose verdict follows."""
    expected: dict[int, tuple[str, str]] = {}
    rows = []
    for row in rollouts.itertuples():
        index = int(str(row.prompt_id))
        if index not in expected:
            expected[index] = _right_traces(pairs[index])
        traces = written_traces(str(row.response))
        if traces is None:
            rows.append((0.0, 0.0))
            continue
        right, follows = 0.0, 0.0
        scores = (float(str(row.score_a)), float(str(row.score_b)))
        for trace, wanted, score in zip(traces, expected[index], scores, strict=True):
            right += (trace.text == wanted) / 2
            follows += (trace.word_follows and (score > CUT) is (trace.word == OK)) / 2
        rows.append((right, follows))
    return pd.DataFrame(rows, columns=["traced", "follows"])


def _right_traces(pair: Pair) -> tuple[str, str]:
    write = trace_program if pair.problem.domain is Domain.code else trace_solution
    statement = pair.problem.statement
    return write(pair.a.text, statement), write(pair.b.text, statement)


def _measures(rollouts: pd.DataFrame) -> dict[str, float]:
    parsed = rollouts[rollouts["parsed"]]
    columns = ["score_a", "score_b", "label_a", "label_b"]
    means = parsed.groupby("prompt_id")[columns].mean()
    labels = parsed[["label_a", "label_b"]].to_numpy().ravel().astype(bool)
    calls = parsed[["score_a", "score_b"]].to_numpy().ravel() > CUT
    mean_scores = np.concatenate([means["score_a"], means["score_b"]])
    mean_labels = np.concatenate([means["label_a"], means["label_b"]])
    by_kind = rollouts.groupby("kind")["correct"].mean()
    return {
        "prompts": rollouts["prompt_id"].nunique(),
        "auc_a": auc(parsed["score_a"].to_numpy(), parsed["label_a"].to_numpy()),
        "auc_b": auc(parsed["score_b"].to_numpy(), parsed["label_b"].to_numpy()),
        "auc_mean": auc(mean_scores, mean_labels),
        "sensitivity": _share(calls[labels]),
        "specificity": _share(~calls[~labels]),
        **{str(kind): float(by_kind.get(kind, np.nan)) for kind in KINDS},
        "exactly_one": float(((parsed["score_a"] > CUT) != (parsed["score_b"] > CUT)).mean()),
        "traced": float(rollouts["traced"].mean()),
        "follows": float(rollouts["follows"].mean()),
        "unparseable": float(1 - rollouts["parsed"].mean()),
    }


def _share(truths_N: np.ndarray) -> float:
    """Return the share of true values, NaN if there are none."""
    return float(truths_N.mean()) if len(truths_N) else float("nan")


def main(rollouts: str, pairs: str) -> None:
    """Print the table of an evaluation."""
    named_pairs = pairs_of(read_rows(Path(pairs)), pairs)
    evaluated = [pair for split, pair in named_pairs if is_evaluation(split)]
    frame = tracing(pd.read_parquet(rollouts), evaluated).round(3)
    print(table(tuple(frame.columns), [tuple(row) for row in frame.itertuples(index=False)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
