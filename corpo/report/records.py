"""A finished study as the report reads it: metrics by step, rewards by step and rollouts of every run.

`write_study` keeps it in a results folder with its metrics, small enough to be committed: of the rollouts' texts only some, as examples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corpo.evaluate.metrics import by_prompt
from corpo.files import read_json, read_jsonl, write_atomically, write_json, write_text


@dataclass(frozen=True)
class Run:
    """One trained policy."""

    baseline: str
    seed: int
    metrics: pd.DataFrame  # one row a step
    rewards: dict[int, np.ndarray]  # step -> rewards_PG
    rollouts: pd.DataFrame  # one row a rollout of the evaluation
    lengths: dict[int, np.ndarray]  # step -> lengths_PG, tokens; nan in runs from before they were kept

    @property
    def name(self) -> str:
        return f"{self.baseline}-seed{self.seed}"


@dataclass(frozen=True)
class Study:
    """All runs of one experiment and the base they start from."""

    base: pd.DataFrame  # rollouts of the base policy
    runs: Sequence[Run]
    threshold: float
    ks: Sequence[int]
    shortcuts: pd.DataFrame  # one row a split, what judges reach that understand nothing (`corpo.data.floors`)

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


def write_study(study: Study, examples: Sequence[dict[str, Any]], folder: Path) -> None:
    """Into `folder/records`, beside the metrics by step in `folder/metrics`; `examples` are rollouts to read (`corpo.report.explorer`)."""
    records = folder / "records"
    _write(records / "shortcuts.parquet", study.shortcuts)
    _write(records / "base.parquet", study.base.drop(columns="response", errors="ignore"))
    for run in study.runs:
        _write(records / f"{run.name}.parquet", run.rollouts.drop(columns="response", errors="ignore"))
        steps = [_long(step, rewards_PG, run.lengths[step]) for step, rewards_PG in run.rewards.items()]
        _write(records / f"{run.name}-rewards.parquet", pd.concat(steps, ignore_index=True))
    write_text(records / "examples.json", json.dumps(list(examples), allow_nan=False) + "\n")
    runs = [{"baseline": run.baseline, "seed": run.seed} for run in study.runs]
    write_json(records / "study.json", {"threshold": study.threshold, "ks": list(study.ks), "runs": runs})


def _long(step: int, rewards_PG: np.ndarray, lengths_PG: np.ndarray) -> pd.DataFrame:
    """One row a rollout of a step."""
    prompts, rollouts = (axis.ravel() for axis in np.indices(rewards_PG.shape))
    return pd.DataFrame({"step": step, "prompt": prompts, "rollout": rollouts, "reward": rewards_PG.ravel(), "tokens": lengths_PG.ravel()})


def _write(path: Path, table: pd.DataFrame) -> None:
    write_atomically(path, lambda beside: table.to_parquet(beside, compression="zstd", index=False))


def read_study(folder: Path) -> tuple[Study, list[dict[str, Any]]]:
    """What `write_study` kept: the study and its examples. Raises FileNotFoundError where there is none."""
    records = folder / "records"
    about = read_json(records / "study.json")
    runs = []
    for one in about["runs"]:
        name = f"{one['baseline']}-seed{one['seed']}"
        columns = ["step", "prompt", "rollout", "reward", "tokens"]
        steps = pd.read_parquet(records / f"{name}-rewards.parquet").reindex(columns=columns).groupby("step")
        rewards, lengths = (
            {int(str(step)): table.pivot(index="prompt", columns="rollout", values=column).to_numpy() for step, table in steps}
            for column in ("reward", "tokens")
        )
        metrics = pd.DataFrame(read_jsonl(folder / "metrics" / f"{name}.jsonl"))
        runs.append(Run(one["baseline"], one["seed"], metrics, rewards, pd.read_parquet(records / f"{name}.parquet"), lengths))
    base, shortcuts = pd.read_parquet(records / "base.parquet"), pd.read_parquet(records / "shortcuts.parquet")
    return Study(base, runs, about["threshold"], about["ks"], shortcuts), read_json(records / "examples.json")


def newest_study(results: Path) -> Path:
    """The results folder that was written last. Raises FileNotFoundError, with what to do, where none holds a study."""
    found = sorted(results.glob("*/records/study.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(f"{results}: no finished study in it; run `make reproduce` first")
    return found[-1].parent.parent
