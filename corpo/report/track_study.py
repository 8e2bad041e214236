"""Log a finished study to a tracker: its main curves as charts, its result tables, and example rollouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from corpo.analysis.study import Study
from corpo.report.trackers import Tracker

CHARTS = {
    "ratio of positive to negative advantages, counts": "count_ratio",
    "ratio of positive to negative advantages, sums": "sum_ratio",
    "failed rollouts with a positive advantage": "failed_positive_fraction",
    "groups with a mean reward below R_min_correct": "clip_active_fraction",
    "pass@1, validation": "validation/pass@1",
    "KL divergence from the base": "validation/kl_from_start",
}


def track_study(
    study: Study,
    tracker: Tracker,
    tables: Sequence[tuple[int, pd.DataFrame]],
    examples: Sequence[Mapping[str, Any]],
) -> None:
    """Log means over seeds as charts, the result tables (k, table), and the example rollouts as one table."""
    for name, metric in CHARTS.items():
        curves = {baseline: study.curve(baseline, metric).mean(axis=1) for baseline in study.baselines}
        tracker.log_chart(name, curves)
    for k, table in tables:
        tracker.log_table(f"pass@{k}", table.astype(str))
    tracker.log_table("rollouts", pd.DataFrame(_rollout_rows(examples)))


def _rollout_rows(examples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per rollout of the examples."""
    rows = []
    for example in examples:
        prompt = {key: example[key] for key in ("split", "kind", "problem", "statement")}
        prompt["step"] = example.get("step")  # of training
        for side, candidate in zip("AB", example.get("candidates", ()), strict=False):
            prompt[side] = candidate["text"]
        if "answer" in example:
            prompt["answer"] = example["answer"]
        for policy in example["policies"]:
            for rollout in policy["rollouts"]:
                row = {**prompt, "policy": policy["name"]}
                row |= {key: rollout[key] for key in ("response", "correct", "reward")}
                for baseline, value in rollout["advantages"].items():
                    row[f"advantage of {baseline}"] = value
                rows.append(row)
    return rows
