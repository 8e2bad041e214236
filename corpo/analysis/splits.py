"""The rows of the results table: splits, pass@k with intervals, floors, and the published values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corpo.analysis.study import Study
from corpo.data.pairing.drawing import EXTRA_SPLITS, TABLE_SPLITS
from corpo.evaluate.intervals import clustered_bootstrap
from corpo.evaluate.metrics import floors
from corpo.evaluate.shortcut_floors import FLOORS
from corpo.task import Kind

# arXiv 2511.04439v1: pass@16 in percent for GRPO, static, CoRPO; no intervals and no split sizes are given there.
PUBLISHED = {
    "code_first_correct": {"grpo": 87.1, "static": 80.2, "corpo": 83.2},
    "code_second_correct": {"grpo": 86.3, "static": 89.5, "corpo": 86.3},
    "code_both_wrong": {"grpo": 50.0, "static": 64.0, "corpo": 56.0},
    "code_both_correct": {"grpo": 89.6, "static": 93.7, "corpo": 95.8},
    "math_first_correct": {"grpo": 79.3, "static": 80.5, "corpo": 81.6},
    "math_second_correct": {"grpo": 81.4, "static": 87.1, "corpo": 81.4},
}
TITLES = {
    "code_first_correct": "in domain: code, first correct",
    "code_second_correct": "in domain: code, second correct",
    "code_both_wrong": "OOD: code, both wrong",
    "code_both_correct": "OOD: code, both correct",
    "math_first_correct": "OOD: math, first correct",
    "math_second_correct": "OOD: math, second correct",
    "math_both_wrong": "OOD: math, both wrong",
    "math_both_correct": "OOD: math, both correct",
    "code_exactly_one": "in domain: code, both orders",
    "math_exactly_one": "OOD: math, both orders",
    "trained_families_exactly_one": "trained families, new problems, both orders",
    "trained_families_first_correct": "trained families, new problems, first correct",
    "trained_families_second_correct": "trained families, new problems, second correct",
}


def rows_of(splits: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The table's rows in order, each with the splits it is the mean of: the paper's splits first, and both orders together behind the second.

    A policy that favours a position gains on one order what it loses on the other: their mean tells.
    """
    known = [split for split in (*TABLE_SPLITS, *EXTRA_SPLITS) if split in splits]
    rows: dict[str, tuple[str, ...]] = {}
    for split in [*known, *(split for split in splits if split not in known)]:
        rows[split] = (split,)
        prefix = split.removesuffix(f"_{Kind.second_correct}")
        if prefix != split and (first := f"{prefix}_{Kind.first_correct}") in splits:
            rows[f"{prefix}_exactly_one"] = (first, split)
    return rows


def results_table(study: Study) -> pd.DataFrame:
    """One row per split (or two), policy and k: mean over seeds, interval over problems, spread over seeds, floors, published value."""
    rows = []
    shortcuts = {split: _shortcuts(study, members) for split, members in rows_of(study.splits).items()}
    for policy in ("base", *study.baselines):
        prompts = study.prompts(policy)
        per_seed = study.by_seed(policy)
        for split, members in rows_of(study.splits).items():
            mine = prompts[prompts["split"].isin(members)]
            kind = Kind(str(study.base[study.base["split"] == members[0]]["kind"].iloc[0]))
            floor = floors(kind)
            for k in study.ks:
                interval = clustered_bootstrap(mine[f"pass@{k}"].to_list(), mine["problem_id"].to_list())
                seeds = [100 * mean_of(table, members, f"pass@{k}") for table in per_seed]
                rows.append(
                    {
                        "split": split,
                        "policy": policy,
                        "k": k,
                        "percent": 100 * interval.mean,
                        "low": 100 * interval.low,
                        "high": 100 * interval.high,
                        "seeds": len(seeds),
                        "seed_sd": pd.Series(seeds, dtype=float).std(),
                        "prompts": len(mine),
                        "pairs": mine["pair_id"].nunique(),
                        "problems": mine["problem_id"].nunique(),
                        "coin_floor": 100 * (1 - (1 - floor["coin"]) ** k),
                        "exactly_one_floor": 100 * (1 - (1 - floor["exactly_one"]) ** k),
                        **shortcuts[split],
                        "published": PUBLISHED.get(split, {}).get(policy) if k == 16 else None,
                    }
                )
    return pd.DataFrame(rows)


def _shortcuts(study: Study, members: Sequence[str]) -> dict[str, float]:
    """Percent of the prompts of some splits that each shortcut judges right; the same for every k, for they do not sample."""
    mine = study.shortcuts[study.shortcuts["split"].isin(members)]
    return {
        f"{name}_floor": 100 * float((mine[name] * mine["prompts"]).sum(min_count=1) / mine["prompts"].sum())
        for name in FLOORS
    }


def mean_of(prompts: pd.DataFrame, splits: Sequence[str], column: str) -> float:
    """Mean of a column over the prompts of some splits."""
    return float(prompts[prompts["split"].isin(splits)][column].mean())


def accuracy(study: Study, policy: str, splits: Sequence[str], k: int) -> np.ndarray:
    """pass@k in percent, the mean of some splits, by seed; `policy` is "base" or a baseline."""
    return np.array(
        [
            np.mean([100 * mean_of(one, (split,), f"pass@{k}") for split in splits])
            for one in study.by_seed(policy)
        ]
    )
