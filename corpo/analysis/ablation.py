"""The numbers of an ablation: what each baseline reaches under each variant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corpo.analysis.compare import REFERENCE, difference
from corpo.analysis.runs import advantage_ratio, rewarded_failures, window
from corpo.analysis.splits import accuracy
from corpo.analysis.study import BASE, Study
from corpo.evaluate.intervals import FEW_SEEDS

K = 1  # larger k says little about small policies, whose answers are largely random
GROUPS = ("in domain", "out of domain")


def measured(study: Study) -> pd.DataFrame:
    """Return one row per baseline, and one for the base policy.

    Columns: pass@1 in and out of domain in percent, the difference from GRPO with its interval or the values
    of single seeds, the shares of rewarded failures, active clips and zero-advantage groups, and the last
    N⁺/N⁻. Intervals are over seeds and problems; fewer than `FEW_SEEDS` seeds get none.
    """
    rows = []
    for name in (BASE, *study.baselines):
        row: dict[str, object] = {"baseline": name, "seeds": len(study.by_seed(name))}
        for group, splits in zip(GROUPS, (study.in_domain, study.out_of_domain), strict=True):
            row[group] = float(accuracy(study, name, splits, K).mean())
            if name not in (BASE, REFERENCE) and REFERENCE in study.baselines:
                row |= _difference_columns(study, name, group, splits)
        for split in _splits(study):
            if split in study.splits:
                row[split] = float(accuracy(study, name, (split,), K).mean())
        if name != BASE:
            row["failures rewarded"] = float(rewarded_failures(study, name, False).mean())
            row["clip active"] = float(window(study, name, "clip_active_fraction", False).mean())
            row["zero advantage at the end"] = float(
                window(study, name, "zero_advantage_fraction", True).mean()
            )
            row["last N⁺/N⁻"] = geometric_mean(advantage_ratio(study, name, "count", True))
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=[*COLUMNS, *_splits(study)])


def _splits(study: Study) -> list[str]:
    return [*study.in_domain, *study.out_of_domain]


def geometric_mean(ratios: np.ndarray) -> float:
    """Return the mean of ratios over seeds, for which twice and half cancel; NaN if one is NaN."""
    return float(np.exp(np.log(ratios).mean()))


def _difference_columns(study: Study, name: str, group: str, splits: Sequence[str]) -> dict[str, object]:
    points_K = accuracy(study, name, splits, K) - accuracy(study, REFERENCE, splits, K)
    columns: dict[str, object] = {
        f"{group}: difference": float(points_K.mean()),
        f"{group}: by seed": " ".join(f"{points:+.1f}" for points in points_K),
    }
    estimate = difference(study, name, REFERENCE, splits, K) if len(points_K) >= FEW_SEEDS else None
    if estimate:
        _, low, high = estimate.interval()
        columns |= {f"{group}: low": 100 * low, f"{group}: high": 100 * high}
    return columns


def _columns() -> list[str]:
    columns = ["baseline", "seeds", *GROUPS]
    for group in GROUPS:
        columns += [f"{group}: {part}" for part in ("difference", "low", "high", "by seed")]
    return [*columns, "failures rewarded", "clip active", "zero advantage at the end", "last N⁺/N⁻"]


COLUMNS = _columns()  # of the table of `measured`, in front of those with the accuracy on each split
