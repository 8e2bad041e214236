"""The rows of the results table: splits, pass@k with intervals, floors, and the published values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corpo.analysis.study import BASE, Study
from corpo.data.pairing.splits import EXTRA_SPLITS, TABLE_SPLITS
from corpo.evaluate.intervals import clustered_bootstrap
from corpo.evaluate.metrics import count_items, floors
from corpo.evaluate.shortcut_floors import FLOORS
from corpo.task import Kind

# arXiv 2511.04439v1: pass@16 in percent for GRPO, static and CoRPO, without intervals and split sizes.
PUBLISHED = {
    "code_first_correct": {"grpo": 87.1, "static": 80.2, "corpo": 83.2},
    "code_second_correct": {"grpo": 86.3, "static": 89.5, "corpo": 86.3},
    "code_both_wrong": {"grpo": 50.0, "static": 64.0, "corpo": 56.0},
    "code_both_correct": {"grpo": 89.6, "static": 93.7, "corpo": 95.8},
    "math_first_correct": {"grpo": 79.3, "static": 80.5, "corpo": 81.6},
    "math_second_correct": {"grpo": 81.4, "static": 87.1, "corpo": 81.4},
}
PUBLISHED_K = 16
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
    """Return the rows of the table in order, each with the splits that it is the mean of.

    The splits of the paper come first. A split with the second candidate correct is followed by the mean of
    both orders, because a policy that favours a position gains in one order what it loses in the other.
    """
    known = [split for split in (*TABLE_SPLITS, *EXTRA_SPLITS) if split in splits]
    unknown = [split for split in splits if split not in known]
    rows: dict[str, tuple[str, ...]] = {}
    for split in known + unknown:
        rows[split] = (split,)
        prefix = split.removesuffix(f"_{Kind.second_correct}")
        first = f"{prefix}_{Kind.first_correct}"
        if prefix != split and first in splits:
            rows[f"{prefix}_exactly_one"] = (first, split)
    return rows


def has_splits(study: Study, splits: Sequence[str]) -> bool:
    """Return whether there are splits in the list and all of them were evaluated."""
    return bool(splits) and set(splits) <= set(study.splits)


def main_splits(study: Study) -> list[str]:
    """Return the evaluated splits that are in or out of domain; all splits if the task has named none."""
    named = (*study.in_domain, *study.out_of_domain)
    return [split for split in study.splits if split in named] if named else study.splits


def results_table(study: Study) -> pd.DataFrame:
    """Return one row per table row, policy and k.

    Columns: the mean over seeds in percent, its interval over problems, the spread over seeds, the floors
    and, for pairs, the published value.
    """
    rows = []
    rows_and_members = rows_of(study.splits)
    shortcuts = {row: _shortcuts(study, members) for row, members in rows_and_members.items()}
    for policy in (BASE, *study.baselines):
        prompts = study.prompts(policy)
        for row, members in rows_and_members.items():
            in_row = prompts[prompts["split"].isin(members)]
            for k in study.ks:
                columns = {
                    "split": row,
                    "policy": policy,
                    "k": k,
                    **_accuracy_columns(study, policy, members, in_row, k),
                    **count_items(in_row),
                }
                if study.has_pairs:
                    columns |= _guess_columns(study, members[0], k)
                columns |= shortcuts[row]
                if study.has_pairs:
                    columns["published"] = PUBLISHED.get(row, {}).get(policy) if k == PUBLISHED_K else None
                rows.append(columns)
    return pd.DataFrame(rows)


def floor_names(study: Study) -> list[str]:
    """Return the names of those floors in `study.shortcuts` that tables show."""
    if study.has_pairs:
        return list(FLOORS)
    return [str(name) for name in study.shortcuts if name not in ("split", "prompts", "problems")]


def _accuracy_columns(
    study: Study, policy: str, members: Sequence[str], prompts: pd.DataFrame, k: int
) -> dict[str, float]:
    column = f"pass@{k}"
    interval = clustered_bootstrap(prompts[column].to_list(), prompts["problem_id"].to_list())
    seeds = [100 * mean_of(table, members, column) for table in study.by_seed(policy)]
    return {
        "percent": 100 * interval.mean,
        "low": 100 * interval.low,
        "high": 100 * interval.high,
        "seeds": len(seeds),
        "seed_sd": pd.Series(seeds, dtype=float).std(),
    }


def _guess_columns(study: Study, split: str, k: int) -> dict[str, float]:
    """Return pass@k in percent of two policies that ignore the pairs of a split and guess."""
    floor = floors(Kind(str(study.base[study.base["split"] == split]["kind"].iloc[0])))
    return {
        "coin_floor": 100 * (1 - (1 - floor["coin"]) ** k),
        "exactly_one_floor": 100 * (1 - (1 - floor["exactly_one"]) ** k),
    }


def _shortcuts(study: Study, members: Sequence[str]) -> dict[str, float]:
    """Return the percentage of prompts that each shortcut judges correctly.

    It is the same for every k, because shortcuts do not sample.
    """
    table = study.shortcuts[study.shortcuts["split"].isin(members)]
    floor_of = {}
    for name in floor_names(study):
        correct = (table[name] * table["prompts"]).sum(min_count=1)
        floor_of[f"{name}_floor"] = 100 * float(correct / table["prompts"].sum())
    return floor_of


def mean_of(prompts: pd.DataFrame, splits: Sequence[str], column: str) -> float:
    """Return the mean of a column over the prompts of some splits."""
    return float(prompts[prompts["split"].isin(splits)][column].mean())


def accuracy(study: Study, policy: str, splits: Sequence[str], k: int) -> np.ndarray:
    """Return pass@k in percent as the mean of some splits, one value per seed (K,).

    `policy` is "base" or a baseline.
    """
    by_seed = []
    for table in study.by_seed(policy):
        percents = [100 * mean_of(table, (split,), f"pass@{k}") for split in splits]
        by_seed.append(np.mean(percents))
    return np.array(by_seed)
