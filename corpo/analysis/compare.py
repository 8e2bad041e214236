"""Baselines against GRPO: split by split, and over all splits of the paper's table together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import trim_mean

from corpo.analysis.study import Study
from corpo.data.pairing.splits import TABLE_SPLITS
from corpo.evaluate.intervals import FEW_SEEDS, Estimate, over_seeds_and_problems, paired_difference
from corpo.report.tables import mean_of, rows_of
from corpo.utils.files import write_text

REFERENCE = "grpo"
DRAWS = 2000


def difference(study: Study, first: str, second: str, splits: Sequence[str], k: int) -> Estimate | None:
    """pass@k of one baseline minus another's, the mean of `splits`; None where the study lacks one of them or this k."""
    if k not in study.ks or not set(splits) <= set(study.splits):
        return None
    both = []
    for baseline in (first, second):
        tables = [
            table[table["split"].isin(splits)].set_index("prompt_id").sort_index()
            for table in study.by_seed(baseline)
        ]
        both.append(np.stack([table[f"pass@{k}"].to_numpy() for table in tables]))
    return over_seeds_and_problems(
        both[0] - both[1], tables[0]["split"].to_list(), tables[0]["problem_id"].to_list()
    )


def differences(study: Study) -> pd.DataFrame:
    """Every baseline minus GRPO on each row of the table, paired by prompt: points; interval and p over problems, and points by seed.

    With several seeds `both_low` and `both_high` are an interval over seeds and problems: what a new run on new problems might show.
    """
    if REFERENCE not in study.baselines:
        return pd.DataFrame()
    reference = study.prompts(REFERENCE).set_index("prompt_id")
    rows = []
    for baseline in study.baselines:
        if baseline == REFERENCE:
            continue
        other = study.prompts(baseline).set_index("prompt_id").loc[reference.index]
        seeds = list(zip(study.by_seed(baseline), study.by_seed(REFERENCE), strict=True))
        for split, members in rows_of(study.splits).items():
            mine = reference["split"].isin(members)
            for k in dict.fromkeys((min(study.ks), max(study.ks))):
                column = f"pass@{k}"
                interval, p = paired_difference(
                    list(100 * other[mine][column]),
                    list(100 * reference[mine][column]),
                    list(reference[mine]["problem_id"]),
                )
                by_seed = [
                    100 * float(mean_of(one, members, column) - mean_of(two, members, column))
                    for one, two in seeds
                ]
                both = difference(study, baseline, REFERENCE, members, k) if len(seeds) > 1 else None
                low, high = (
                    (100 * end for end in both.interval()[1:]) if both else (float("nan"), float("nan"))
                )
                rows.append(
                    {
                        "split": split,
                        "baseline": baseline,
                        "k": k,
                        "points": interval.mean,
                        "low": interval.low,
                        "high": interval.high,
                        "p": p,
                    }
                    | {
                        "both_low": low,
                        "both_high": high,
                        "by_seed": " ".join(f"{points:+.1f}" for points in by_seed),
                    }
                )
    return pd.DataFrame(rows)


def aggregates(study: Study) -> pd.DataFrame:
    """Of each baseline over the paper's splits and all seeds: interquartile mean of pass@k in percent, and how often a run beats one of GRPO's.

    As Agarwal et al. (2021, arXiv 2108.13264) advise for few runs; `better` is of any two runs, `better_paired` of two that share seed and warm start.
    95% intervals resample seeds, with all of a seed's splits; fewer than `FEW_SEEDS` seeds get none.
    """
    splits = [split for split in TABLE_SPLITS if split in study.splits]
    rows = []
    for k in dict.fromkeys((min(study.ks), max(study.ks))):
        scores = {
            name: np.array(
                [
                    [100 * mean_of(one, (split,), f"pass@{k}") for split in splits]
                    for one in study.by_seed(name)
                ]
            )
            for name in study.baselines
        }
        for name, scores_SM in scores.items():
            other_SM = scores.get(REFERENCE) if name != REFERENCE else None
            row: dict[str, object] = {
                "baseline": name,
                "k": k,
                "seeds": len(scores_SM),
                **_middle_and_wins(scores_SM, other_SM),
            }
            if len(scores_SM) >= FEW_SEEDS:
                picks = np.random.default_rng(0).integers(0, len(scores_SM), size=(DRAWS, len(scores_SM)))
                drawn = pd.DataFrame(
                    [
                        _middle_and_wins(scores_SM[pick], None if other_SM is None else other_SM[pick])
                        for pick in picks
                    ]
                )
                row |= {
                    f"{what}_{end}": drawn[what].quantile(at)
                    for what in drawn
                    for end, at in (("low", 0.025), ("high", 0.975))
                }
            rows.append(row)
    return pd.DataFrame(rows)


def _middle_and_wins(scores_SM: np.ndarray, other_SM: np.ndarray | None) -> dict[str, float]:
    """Interquartile mean; and the chance to be ahead of the other, the mean over splits, ties counting half."""
    middle = {"iqm": float(trim_mean(scores_SM, 0.25, axis=None))}
    if other_SM is None:
        return middle
    won_SSM = np.heaviside(scores_SM[:, None] - other_SM[None], 0.5)
    return middle | {
        "better": float(won_SSM.mean()),
        "better_paired": float(np.heaviside(scores_SM - other_SM, 0.5).mean()),
    }


def write_comparisons(study: Study, folder: Path) -> None:
    """`differences.csv` and `aggregates.csv`."""
    write_text(folder / "differences.csv", differences(study).round(4).to_csv(index=False))
    write_text(folder / "aggregates.csv", aggregates(study).round(4).to_csv(index=False))
