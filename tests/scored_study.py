"""A study whose rollouts have scores and traces, as with data=pipelines, for tests of the skill measures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corpo.analysis.study import MEMORY, NO_TRACE, Run, Study
from corpo.analysis.verification import PARTS

_LABELS = {
    "first_correct": (True, False),
    "second_correct": (False, True),
    "both_correct": (True, True),
    "both_wrong": (False, False),
}


def scored_study(seeds: int = 2) -> Study:
    """Return a base and runs whose scores separate candidates better than those of the floors."""
    rng = np.random.default_rng(5)
    runs = []
    for seed in range(seeds):
        for baseline, skill in (("grpo", 2.0), ("static", 2.5), ("corpo", 3.0)):
            step = np.zeros((1, 1))
            metrics = pd.DataFrame({"step": [1]})
            runs.append(Run(baseline, seed, metrics, {1: step}, _rollouts(rng, skill), {1: step}))
    floors = {MEMORY: _rollouts(rng, 0.3), NO_TRACE: _rollouts(rng, 0.0)}
    return Study({0: _rollouts(rng, 1.5)}, runs, 0.0, [1, 4], pd.DataFrame(), floors)


def _rollouts(rng: np.random.Generator, skill: float) -> pd.DataFrame:
    """Return 4 rollouts of 10 problems per part and kind; `skill` moves scores to the right side."""
    rows = []
    for part in PARTS:
        domain, combinations = part.split(", ")
        is_long = combinations == "long"
        prefix = f"{domain}_long" if is_long else domain
        family = f"{domain}_seen_5" if is_long else f"{domain}_{combinations}_3"
        for kind, labels in _LABELS.items():
            for problem in range(10):
                for rollout in range(4):
                    means = 4.5 + skill * (2 * np.array(labels) - 1)
                    score_a, score_b = np.clip(np.round(rng.normal(means, 2.5)), 0, 10)
                    row = {
                        "split": f"{prefix}_{kind}",
                        "prompt_id": f"{part}/{kind}/{problem}",
                        "pair_id": f"{part}/{kind}/{problem}",
                        "problem_id": f"{part}/{problem}",
                        "family": family,
                        "kind": kind,
                        "label_a": labels[0],
                        "label_b": labels[1],
                        "score_a": score_a,
                        "score_b": score_b,
                        "parsed": True,
                        "correct": (score_a > 5, score_b > 5) == labels,
                        "traced": rng.integers(3) / 2,
                        "follows": 1.0,
                        "reward": 0.0,
                        "rollout": rollout,
                    }
                    rows.append(row)
    return pd.DataFrame(rows)
