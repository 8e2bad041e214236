"""A finished study in a tracker: its tables, single rollouts, and the paper's figures as charts that the tracker draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from corpo.analysis.study import Study
from corpo.report.trackers import Tracker

CHARTS = {
    "advantage ratio, counts": "count_ratio",
    "advantage ratio, sums": "sum_ratio",
    "failed rollouts with a positive advantage": "failed_positive_fraction",
    "groups whose mean is below R_min_correct": "clip_active_fraction",
    "pass@1, validation": "validation/pass@1",
    "KL from the base": "validation/kl_from_start",
}


def track_study(
    study: Study,
    mirror: Tracker,
    tables: Sequence[tuple[int, pd.DataFrame]],
    examples: Sequence[Mapping[str, Any]],
) -> None:
    """Means over seeds as charts by step, the result tables by k, and the rollouts of the report page as one table."""
    for name, column in CHARTS.items():
        mirror.chart(
            name, {baseline: study.curve(baseline, column).mean(axis=1) for baseline in study.baselines}
        )
    for k, frame in tables:
        mirror.table(f"pass@{k}", frame.astype(str))
    mirror.table("rollouts", pd.DataFrame(_rows(examples)))


def _rows(examples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            **{key: example[key] for key in ("split", "kind", "problem", "statement")},
            **{side: candidate["text"] for side, candidate in zip("AB", example["candidates"], strict=True)},
            "policy": policy["name"],
            "response": rollout["response"],
            "correct": rollout["correct"],
            "reward": rollout["reward"],
            **{f"advantage of {name}": value for name, value in rollout["advantages"].items()},
        }
        for example in examples
        for policy in example["policies"]
        for rollout in policy["rollouts"]
    ]
