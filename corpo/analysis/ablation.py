"""The numbers of an ablation: what each baseline reaches under each variant."""

from __future__ import annotations

import pandas as pd

from corpo.analysis.claims import IN_DOMAIN, OUT_OF_DOMAIN
from corpo.analysis.compare import REFERENCE, difference
from corpo.analysis.runs import signal_ratio, window
from corpo.analysis.splits import accuracy
from corpo.analysis.study import Study
from corpo.evaluate.intervals import FEW_SEEDS

K = 1  # pass@k of small policies that toss coins says little at larger k
GROUPS = {"in domain": IN_DOMAIN, "out of domain": OUT_OF_DOMAIN}
SPLITS = (*IN_DOMAIN, *OUT_OF_DOMAIN)


def measured(study: Study) -> pd.DataFrame:
    """One row a baseline (and the base): pass@1 in and out of domain in percent, its difference to GRPO, failures rewarded, last N⁺/N⁻.

    Differences come with those of single seeds and, from `FEW_SEEDS` seeds on, an interval over seeds and problems.
    """
    rows = []
    for name in ("base", *study.baselines):
        row: dict[str, object] = {"baseline": name, "seeds": len(study.by_seed(name))}
        for what, splits in GROUPS.items():
            row[what] = float(accuracy(study, name, splits, K).mean())
            if name in ("base", REFERENCE) or REFERENCE not in study.baselines:
                continue
            by_seed = accuracy(study, name, splits, K) - accuracy(study, REFERENCE, splits, K)
            row |= {
                f"{what}: difference": float(by_seed.mean()),
                f"{what}: by seed": " ".join(f"{points:+.1f}" for points in by_seed),
            }
            if len(by_seed) >= FEW_SEEDS and (gap := difference(study, name, REFERENCE, splits, K)):
                row |= {
                    f"{what}: {end}": 100 * at
                    for end, at in zip(("low", "high"), gap.interval()[1:], strict=True)
                }
        row |= {
            split: float(accuracy(study, name, (split,), K).mean())
            for split in SPLITS
            if split in study.splits
        }
        if name != "base":
            row["failures rewarded"] = float(window(study, name, "failed_positive_fraction", False).mean())
            row["clip active"] = float(window(study, name, "clip_active_fraction", False).mean())
            row["silent at the end"] = float(window(study, name, "zero_advantage_fraction", True).mean())
            row["last N⁺/N⁻"] = float(signal_ratio(study, name, "count", True).mean())
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=_COLUMNS)


_COLUMNS = [
    *("baseline", "seeds", *GROUPS),
    *(f"{what}: {part}" for what in GROUPS for part in ("difference", "low", "high", "by seed")),
    *("failures rewarded", "clip active", "silent at the end", "last N⁺/N⁻", *SPLITS),
]
