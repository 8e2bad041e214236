"""Run by run: how each began, what it ended at. Means hide that seeds differ by more than baselines do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from corpo.analysis.study import Study
from corpo.data.pairing.splits import TABLE_SPLITS
from corpo.report.tables import mean_of, rows_of
from corpo.utils.files import write_text
from corpo.utils.markdown import table as markdown_table

EARLY = 5  # steps, and as many at the end: the paper's early batch, less noisy

_percent: Callable[[float], str] = lambda share: f"{100 * share:.0f}"
_ratio: Callable[[float], str] = lambda value: f"{value:.2f}"
RUN_COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "passed": ("passed", _percent),
    "failed_positive": ("failures rewarded", _percent),
    "failed_positive_most": ("at most", _percent),
    "clip_first": ("clipped, first", _percent),
    "clip_last": ("last", _percent),
    "count_ratio_first": ("N⁺/N⁻, first", _ratio),
    "count_ratio_last": ("last", _ratio),
    "sum_ratio_first": ("S⁺/S⁻, first", _ratio),
    "sum_ratio_last": ("last", _ratio),
    "validation": ("validation", _percent),
    "kl": ("KL", _ratio),
}


def window(study: Study, baseline: str, column: str, late: bool) -> np.ndarray:
    """Mean over the first or last `EARLY` steps at which a metric was measured, by seed; nan where it never was."""
    curve = study.curve(baseline, column)
    return _by_seed(study, baseline, (curve.iloc[-EARLY:] if late else curve.iloc[:EARLY]).mean())


def signal_ratio(study: Study, baseline: str, what: str, late: bool) -> np.ndarray:
    """`what`, count or sum, of all positive advantages over that of all negative ones, added up over steps, by seed; nan where there are none of a sign."""
    up, down = (window(study, baseline, f"{sign}_{what}", late) for sign in ("positive", "negative"))
    return np.divide(up, down, out=np.full_like(up, np.nan), where=(up > 0) & (down > 0))


def _by_seed(study: Study, baseline: str, values: pd.Series) -> np.ndarray:
    return values.reindex([run.seed for run in study.of(baseline)]).to_numpy(dtype=float)


def runs_table(study: Study) -> pd.DataFrame:
    """One row a base or run, by seed: of training what `RUN_COLUMNS` names, and pass@1 of the paper's splits. Shares, not percent."""
    parts = [_accuracies(study, "base").assign(seed=list(study.bases), policy="base")]
    for baseline in study.baselines:
        seeds = [run.seed for run in study.of(baseline)]
        parts.append(
            _accuracies(study, baseline).assign(seed=seeds, policy=baseline, **_training(study, baseline))
        )
    table = pd.concat(parts).sort_values("seed", kind="stable", ignore_index=True)
    return table[
        ["seed", "policy", *RUN_COLUMNS, *(column for column in parts[0] if column not in ("seed", "policy"))]
    ]


def _training(study: Study, baseline: str) -> dict[str, np.ndarray]:
    # Of a metric that was not measured at every step, or (then nan) never.
    last_of = lambda column: _by_seed(
        study, baseline, study.curve(baseline, column).ffill().tail(1).sum(min_count=1)
    )
    return {
        "passed": window(study, baseline, "pass_rate", late=False),
        "failed_positive": window(study, baseline, "failed_positive_fraction", late=False),
        "failed_positive_most": _by_seed(
            study, baseline, study.curve(baseline, "failed_positive_fraction").max()
        ),
        **{f"clip_{at}": window(study, baseline, "clip_active_fraction", late) for at, late in _ENDS},
        **{
            f"{what}_ratio_{at}": signal_ratio(study, baseline, what, late)
            for what in ("count", "sum")
            for at, late in _ENDS
        },
        "validation": last_of("validation/pass@1"),
        "kl": last_of("validation/kl_from_start"),
    }


_ENDS = (("first", False), ("last", True))


def _accuracies(study: Study, policy: str) -> pd.DataFrame:
    """One row a seed: pass@1 of the table's rows; where a split is evaluated in both orders, of both together alone."""
    rows = rows_of([split for split in study.splits if split in TABLE_SPLITS])
    parts = {split for members in rows.values() if len(members) > 1 for split in members}
    tables = study.by_seed(policy)
    column = f"pass@{min(study.ks)}"
    return pd.DataFrame(
        {
            split: [mean_of(table, members, column) for table in tables]
            for split, members in rows.items()
            if split not in parts
        }
    )


def runs_markdown(table: pd.DataFrame) -> str:
    """The table of a report, in percent."""
    splits = [column for column in table.columns if column not in ("seed", "policy", *RUN_COLUMNS)]
    looks = {**RUN_COLUMNS, **{split: (split.replace("_", " "), _percent) for split in splits}}
    shown = lambda row: ("–" if np.isnan(row[name]) else show(row[name]) for name, (_, show) in looks.items())
    rows = [[row["seed"], row["policy"], *shown(row)] for row in table.to_dict("records")]
    return markdown_table(["seed", "policy", *(title for title, _ in looks.values())], rows)


def write_runs(study: Study, folder: Path) -> str:
    """`runs.csv`; returns the same as Markdown."""
    table = runs_table(study)
    write_text(folder / "runs.csv", table.round(4).to_csv(index=False))
    return runs_markdown(table)
