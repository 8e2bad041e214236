"""Comparisons of baselines with GRPO: split by split, and over all splits in and out of domain together.

Shape letters beside those of CONTRIBUTING.md: M splits in and out of domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import trim_mean

from corpo.analysis.splits import has_splits, main_splits, mean_of, rows_of
from corpo.analysis.study import Study
from corpo.evaluate.intervals import FEW_SEEDS, Estimate, over_seeds_and_problems, paired_difference
from corpo.utils.files import write_text

REFERENCE = "grpo"
DRAWS = 2000


def difference(study: Study, first: str, second: str, splits: Sequence[str], k: int) -> Estimate | None:
    """Estimate pass@k of one baseline minus that of another, as the mean of `splits`.

    The result is None if the study lacks one of the splits or this k.
    """
    if k not in study.ks or not has_splits(study, splits):
        return None
    values_KN = []
    for baseline in (first, second):
        tables = []
        for table in study.by_seed(baseline):
            tables.append(table[table["split"].isin(splits)].set_index("prompt_id").sort_index())
        values_KN.append(np.stack([table[f"pass@{k}"].to_numpy() for table in tables]))
    return over_seeds_and_problems(
        values_KN[0] - values_KN[1],
        tables[0]["split"].to_list(),
        tables[0]["problem_id"].to_list(),
        study.groups,
    )


def differences(study: Study) -> pd.DataFrame:
    """Return every baseline minus GRPO on each row of the table, in points, paired by prompt.

    `low`, `high` and `p` are over problems. With several seeds, `both_low` and `both_high` are an interval
    over seeds and problems, which covers a new run on new problems. `by_seed` has the difference of each
    seed.
    """
    if REFERENCE not in study.baselines:
        return pd.DataFrame()
    reference = study.prompts(REFERENCE).set_index("prompt_id")
    rows = []
    for baseline in study.baselines:
        if baseline == REFERENCE:
            continue
        other = study.prompts(baseline).set_index("prompt_id").loc[reference.index]
        for split, members in rows_of(study.splits).items():
            in_row = reference["split"].isin(members)
            for k in dict.fromkeys((min(study.ks), max(study.ks))):
                interval, p = paired_difference(
                    list(100 * other[in_row][f"pass@{k}"]),
                    list(100 * reference[in_row][f"pass@{k}"]),
                    list(reference[in_row]["problem_id"]),
                )
                row = {"split": split, "baseline": baseline, "k": k}
                row |= {"points": interval.mean, "low": interval.low, "high": interval.high, "p": p}
                rows.append(row | _seed_columns(study, baseline, members, k))
    return pd.DataFrame(rows)


def _seed_columns(study: Study, baseline: str, splits: Sequence[str], k: int) -> dict[str, object]:
    by_seed = []
    for table, reference in zip(study.by_seed(baseline), study.by_seed(REFERENCE), strict=True):
        gain = mean_of(table, splits, f"pass@{k}") - mean_of(reference, splits, f"pass@{k}")
        by_seed.append(100 * float(gain))
    low, high = float("nan"), float("nan")
    estimate = difference(study, baseline, REFERENCE, splits, k) if len(by_seed) > 1 else None
    if estimate:
        _, low, high = estimate.interval()
    return {
        "both_low": 100 * low,
        "both_high": 100 * high,
        "by_seed": " ".join(f"{points:+.1f}" for points in by_seed),
    }


def aggregates(study: Study) -> pd.DataFrame:
    """Return aggregates of each baseline over the splits in and out of domain and all seeds.

    `iqm` is the interquartile mean of pass@k in percent. `better` is the probability that a run beats a run
    of GRPO; `better_paired` compares runs that share seed and warm start. Agarwal et al. (2021, arXiv
    2108.13264) recommend both for few runs. 95% intervals resample seeds with all splits of a seed; fewer
    than `FEW_SEEDS` seeds get none.
    """
    rows = []
    for k in dict.fromkeys((min(study.ks), max(study.ks))):
        scores = {baseline: _scores_KM(study, baseline, k) for baseline in study.baselines}
        for baseline in study.baselines:
            row: dict[str, object] = {"baseline": baseline, "k": k, "seeds": len(scores[baseline])}
            rows.append(row | _aggregate_columns(scores, baseline))
    return pd.DataFrame(rows)


def _scores_KM(study: Study, baseline: str, k: int) -> np.ndarray:
    """Return pass@k in percent per seed and split in or out of domain (K, M)."""
    splits = main_splits(study)
    rows = []
    for table in study.by_seed(baseline):
        rows.append([100 * mean_of(table, (split,), f"pass@{k}") for split in splits])
    return np.array(rows)


def _aggregate_columns(scores: Mapping[str, np.ndarray], baseline: str) -> dict[str, float]:
    scores_KM = scores[baseline]
    reference_KM = scores.get(REFERENCE) if baseline != REFERENCE else None
    columns = _middle_and_wins(scores_KM, reference_KM)
    num_seeds = len(scores_KM)
    if num_seeds < FEW_SEEDS:
        return columns
    resampled = []
    for seeds in np.random.default_rng(0).integers(0, num_seeds, size=(DRAWS, num_seeds)):
        drawn_reference_KM = None if reference_KM is None else reference_KM[seeds]
        resampled.append(_middle_and_wins(scores_KM[seeds], drawn_reference_KM))
    draws = pd.DataFrame(resampled)
    for name in draws:
        columns[f"{name}_low"] = float(draws[name].quantile(0.025))
        columns[f"{name}_high"] = float(draws[name].quantile(0.975))
    return columns


def _middle_and_wins(scores_KM: np.ndarray, reference_KM: np.ndarray | None) -> dict[str, float]:
    """Return the interquartile mean, and the probability to beat the reference; ties count half."""
    columns = {"iqm": float(trim_mean(scores_KM, 0.25, axis=None))}
    if reference_KM is not None:
        all_pairs = scores_KM[:, None] - reference_KM[None]
        columns["better"] = float(np.heaviside(all_pairs, 0.5).mean())
        columns["better_paired"] = float(np.heaviside(scores_KM - reference_KM, 0.5).mean())
    return columns


def write_comparisons(study: Study, folder: Path) -> None:
    """Write `differences.csv` and `aggregates.csv`."""
    write_text(folder / "differences.csv", differences(study).round(4).to_csv(index=False))
    write_text(folder / "aggregates.csv", aggregates(study).round(4).to_csv(index=False))
