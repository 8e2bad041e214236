"""A finished study as the report reads it: metrics by step, rewards by step and rollouts of every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from corpo.evaluate.metrics import by_prompt

COLUMNS = ("baseline", "seed")


@dataclass(frozen=True)
class Run:
    """One trained policy."""

    baseline: str
    seed: int
    metrics: pd.DataFrame  # one row a step
    rewards: dict[int, np.ndarray]  # step -> rewards_PG
    rollouts: pd.DataFrame  # one row a rollout of the evaluation


@dataclass(frozen=True)
class Study:
    """All runs of one experiment and the base they start from."""

    base: pd.DataFrame  # rollouts of the base policy
    runs: Sequence[Run]
    threshold: float
    ks: Sequence[int]

    @property
    def baselines(self) -> list[str]:
        return list(dict.fromkeys(run.baseline for run in self.runs))

    @property
    def splits(self) -> list[str]:
        return list(dict.fromkeys(self.base["split"]))

    def of(self, baseline: str) -> list[Run]:
        return [run for run in self.runs if run.baseline == baseline]

    def curve(self, baseline: str, column: str) -> pd.DataFrame:
        """Steps x seeds of one metric, without steps at which it was not measured."""
        curves = {run.seed: run.metrics.set_index("step")[column].astype(float) for run in self.of(baseline)}
        return pd.DataFrame(curves).dropna(how="all")

    def prompts(self, policy: str) -> pd.DataFrame:
        """One row a prompt, pass@k averaged over seeds; `policy` is "base" or a baseline."""
        tables = [by_prompt(self.base, self.ks)] if policy == "base" else [by_prompt(run.rollouts, self.ks) for run in self.of(policy)]
        both = pd.concat(tables)
        columns = [f"pass@{k}" for k in self.ks]
        means = both.groupby("prompt_id")[columns].mean()
        return tables[0].set_index("prompt_id")[["split", "pair_id", "problem_id", "family"]].join(means).reset_index()
