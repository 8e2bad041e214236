"""A study of a task whose items are questions, on noisy synthetic records, for tests of its analysis."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pandas as pd

from corpo.analysis.study import Study
from tests.synthetic_study import synthetic_study

IN_DOMAIN, OUT_OF_DOMAIN = ("sums",), ("chains_seen", "chains_unseen")
FLOOR = "frequent answer"
# Splits of pairs that are renamed; the others are left out.
_SPLITS = {
    "code_first_correct": IN_DOMAIN[0],
    "code_both_wrong": OUT_OF_DOMAIN[0],
    "math_first_correct": OUT_OF_DOMAIN[1],
}
_COLUMNS = ["prompt_id", "split", "problem_id", "family", "parsed", "correct", "reward"]
# Metrics of failures and of validation of pairs that get the names of other ones.
_METRICS = {
    "failed_swapped": "failed_close",
    "rewarded_swapped": "rewarded_close",
    "failed_both_wrong": "failed_far",
    "rewarded_both_wrong": "rewarded_far",
    "validation/pass@1/unseen": "validation/pass@1/unseen",
    "validation/pass@1/math": "validation/pass@1/chains",
}
_OF_PAIRS = ("validation/auc", "validation/pass@1/", "failed_both", "rewarded_both", "validation/exactly")


@cache  # many tests need the same one, and none changes it
def question_study(seeds: int, shift: float) -> Study:
    """Return runs of GRPO, static and CoRPO; CoRPO passes `shift` more of the rollouts on every split."""
    study = synthetic_study(seeds, shift)
    runs = []
    for run in study.runs:
        runs.append(replace(run, metrics=_metrics(run.metrics), rollouts=_rollouts(run.rollouts)))
    floors = {"split": [*IN_DOMAIN, *OUT_OF_DOMAIN], "prompts": 40, FLOOR: [0.1, 0.05, 0.15]}
    return replace(
        study,
        bases={number: _rollouts(rollouts) for number, rollouts in study.bases.items()},
        runs=runs,
        shortcuts=pd.DataFrame(floors),
        floors={},
        task="sums",
        in_domain=IN_DOMAIN,
        out_of_domain=OUT_OF_DOMAIN,
        failures=("close", "far", "unparseable"),
    )


def _rollouts(rollouts: pd.DataFrame) -> pd.DataFrame:
    in_splits = rollouts[rollouts["split"].isin(_SPLITS)]
    return in_splits[_COLUMNS].assign(split=in_splits["split"].map(_SPLITS)).reset_index(drop=True)


def _metrics(metrics: pd.DataFrame) -> pd.DataFrame:
    renamed = metrics[list(_METRICS)].rename(columns=_METRICS)
    general = [column for column in metrics if not column.startswith(_OF_PAIRS) and column not in _METRICS]
    return metrics[general].join(renamed)
