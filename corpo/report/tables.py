"""The paper's table beside ours, as Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from corpo.analysis.study import Study
from corpo.data.pairing.splits import EXTRA_SPLITS, SMALL_SPLIT, SMALL_SPLIT_MARK, TABLE_SPLITS
from corpo.evaluate.intervals import clustered_bootstrap
from corpo.evaluate.metrics import floors, summarise
from corpo.evaluate.shortcut_floors import FLOORS
from corpo.task import Kind
from corpo.utils.files import write_text
from corpo.utils.markdown import table as markdown_table

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


def wide(table: pd.DataFrame, k: int, plain: bool = False, replicates: bool = True) -> pd.DataFrame:
    """Splits down, policies across, for one k: "61.2 [58.0, 64.1]"; then floors.

    Where it `replicates` the paper's table, its names of the splits and, for k = 16, its values.
    """
    mine = table[table["k"] == k]
    policies = list(dict.fromkeys(mine["policy"]))
    rows = []
    for split in dict.fromkeys(mine["split"]):
        cells = mine[mine["split"] == split].set_index("policy")
        mark = f" {SMALL_SPLIT_MARK}" if cells["problems"].iloc[0] < SMALL_SPLIT else ""
        title = TITLES.get(split) if replicates else None
        row: dict[str, object] = {"split": (title or split.replace("_", " ")) + mark}
        for policy in policies:
            cell = cells.loc[policy]
            row[policy] = (
                f"{cell['percent']:.1f}"
                if plain
                else f"{cell['percent']:.1f} [{cell['low']:.1f}, {cell['high']:.1f}]"
            )
        row["coin"] = f"{cells['coin_floor'].iloc[0]:.0f}"
        row["exactly one"] = f"{cells['exactly_one_floor'].iloc[0]:.0f}"
        row |= {name: _whole(cells[f"{name}_floor"].iloc[0]) for name in FLOORS}
        if k == 16 and replicates:
            published = PUBLISHED.get(split)
            row["paper: GRPO / static / CoRPO"] = (
                " / ".join(f"{published[name]:.1f}" for name in ("grpo", "static", "corpo"))
                if published
                else "–"
            )
        rows.append(row)
    return pd.DataFrame(rows)


def _whole(percent: float) -> str:
    return "–" if percent != percent else f"{percent:.0f}"


def markdown(frame: pd.DataFrame) -> str:
    return markdown_table(list(frame.columns), frame.to_numpy().tolist())


def _note(table: pd.DataFrame) -> str:
    small = (
        f" {SMALL_SPLIT_MARK}: fewer than {SMALL_SPLIT} problems; the interval says little."
        if (table["problems"] < SMALL_SPLIT).any()
        else ""
    )
    return f"""
Floors, of judges that understand nothing: *coin* flips one for each candidate; *exactly one* calls one of them correct, at random; *length* and *words*
(a regression on token counts) are what style gives away, whatever k.{small}
"""


def write_tables(study: Study, folder: Path, replicates: bool = True) -> pd.DataFrame:
    """`table.csv` (long), `table.md` and `table.tex` (as in the paper), `summary.csv`. Returns the long table."""
    table = results_table(study)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "table.csv", table.round(4).to_csv(index=False))
    summaries = [
        *(("base", seed, rollouts) for seed, rollouts in study.bases.items()),
        *((run.baseline, run.seed, run.rollouts) for run in study.runs),
    ]
    frames = [
        summarise(rollouts, study.ks).assign(policy=policy, seed=seed) for policy, seed, rollouts in summaries
    ]
    write_text(folder / "summary.csv", pd.concat(frames).round(4).to_csv(index=False))
    ks = (min(study.ks), max(study.ks))
    sections = [
        f"**pass@{k}, %** (mean over seeds, 95% interval over problems)\n\n{markdown(wide(table, k, replicates=replicates))}\n"
        for k in ks
    ]
    write_text(folder / "table.md", "\n".join(sections) + _note(table))
    latex = [
        wide(table, k, True, replicates).to_latex(
            index=False, escape=True, caption=f"pass@{k} in percent", label=f"tab:pass{k}"
        )
        for k in ks
    ]
    write_text(folder / "table.tex", "\n".join(latex))
    return table
