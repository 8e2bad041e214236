"""A finished study as the report reads it: metrics by step, rewards by step and rollouts of every run.

`write_study` keeps it in a results folder with its metrics, small enough to be committed: of the rollouts' texts only some, as examples.
`write_variants` keeps the studies of an ablation, in less.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corpo.evaluate.metrics import by_prompt
from corpo.utils.errors import DataError
from corpo.utils.files import read_json, read_jsonl, write_atomically, write_json, write_text

# In a results folder. Of the records STUDY is written last, and of all the page.
PROVENANCE, CONFIG, PAGE, STUDY = "provenance.json", "config.yaml", "report.html", "records/study.json"
VARIANTS = "records/variants.json"  # of an ablation, in place of STUDY


@dataclass(frozen=True)
class Run:
    """One trained policy."""

    baseline: str
    seed: int
    metrics: pd.DataFrame  # one row a step
    rewards: dict[int, np.ndarray]  # step -> rewards_PG
    rollouts: pd.DataFrame  # one row a rollout of the evaluation
    lengths: dict[int, np.ndarray]  # step -> lengths_PG, tokens; nan in runs from before they were kept
    options: Mapping[str, Any] = field(default_factory=dict)  # of the baseline, as set

    @property
    def name(self) -> str:
        return f"{self.baseline}-seed{self.seed}"


@dataclass(frozen=True, eq=False)
class Study:
    """All runs of one experiment and what they start from."""

    bases: Mapping[
        int, pd.DataFrame
    ]  # rollouts of the policy that all start from; or, by seed, of the one that a seed starts from
    runs: Sequence[Run]
    threshold: float
    ks: Sequence[int]
    shortcuts: (
        pd.DataFrame
    )  # one row a split, what judges reach that understand nothing (`corpo.evaluate.shortcut_floors`)

    def __post_init__(self) -> None:
        """Baselines are compared seed by seed. Raises ValueError where one lacks a seed that another has."""
        had = {(run.baseline, run.seed) for run in self.runs}
        seeds = sorted({seed for _, seed in had})
        if missing := [
            f"{baseline}-seed{seed}"
            for baseline in self.baselines
            for seed in seeds
            if (baseline, seed) not in had
        ]:
            raise ValueError(f"without {', '.join(missing)}: every baseline needs the same seeds")

    @property
    def base(self) -> pd.DataFrame:
        """Rollouts of the first base."""
        return next(iter(self.bases.values()))

    @property
    def baselines(self) -> list[str]:
        return list(dict.fromkeys(run.baseline for run in self.runs))

    @property
    def splits(self) -> list[str]:
        return list(dict.fromkeys(self.base["split"]))

    def of(self, baseline: str) -> list[Run]:
        """By seed, so that the runs of two baselines pair up."""
        return sorted((run for run in self.runs if run.baseline == baseline), key=lambda run: run.seed)

    def options(self, baseline: str) -> Mapping[str, Any]:
        """Those that its runs were trained with."""
        return self.of(baseline)[0].options

    def curve(self, baseline: str, column: str) -> pd.DataFrame:
        """Steps x seeds of one metric, without steps at which it was not measured; empty where it never was."""
        curves = {
            run.seed: run.metrics.set_index("step")[column].astype(float)
            for run in self.of(baseline)
            if column in run.metrics
        }
        return pd.DataFrame(curves).dropna(how="all")

    def by_seed(self, policy: str) -> list[pd.DataFrame]:
        """One table a seed, with one row a prompt: pass@k; `policy` is "base" or a baseline."""
        return self._by_seed[policy]

    @cached_property
    def _by_seed(self) -> dict[str, list[pd.DataFrame]]:
        policies = {
            "base": list(self.bases.values()),
            **{name: [run.rollouts for run in self.of(name)] for name in self.baselines},
        }
        return {
            policy: [by_prompt(one, self.ks) for one in rollouts] for policy, rollouts in policies.items()
        }

    def prompts(self, policy: str) -> pd.DataFrame:
        """One row a prompt, pass@k averaged over seeds; `policy` is "base" or a baseline."""
        tables = self.by_seed(policy)
        both = pd.concat(tables)
        columns = [f"pass@{k}" for k in self.ks]
        means = both.groupby("prompt_id")[columns].mean()
        return (
            tables[0]
            .set_index("prompt_id")[["split", "pair_id", "problem_id", "family"]]
            .join(means)
            .reset_index()
        )


def write_study(study: Study, examples: Sequence[dict[str, Any]], command: str, folder: Path) -> None:
    """Into `folder/records`, beside the metrics by step in `folder/metrics`; `examples` are rollouts to read (`corpo.report.explorer`).

    `command` is what was typed.
    """
    records = folder / "records"
    _write(records / "shortcuts.parquet", study.shortcuts)
    for seed, rollouts in study.bases.items():
        _write(records / f"base-seed{seed}.parquet", rollouts.drop(columns="response", errors="ignore"))
    for run in study.runs:
        _write(records / f"{run.name}.parquet", run.rollouts.drop(columns="response", errors="ignore"))
        steps = [_long(step, rewards_PG, run.lengths[step]) for step, rewards_PG in run.rewards.items()]
        _write(records / f"{run.name}-rewards.parquet", pd.concat(steps, ignore_index=True))
    write_text(records / "examples.json", json.dumps(list(examples), allow_nan=False) + "\n")
    runs = [{"baseline": run.baseline, "seed": run.seed, "options": dict(run.options)} for run in study.runs]
    about = {
        "command": command,
        "threshold": study.threshold,
        "ks": list(study.ks),
        "bases": list(study.bases),
        "runs": runs,
    }
    write_json(folder / STUDY, about)


def _long(step: int, rewards_PG: np.ndarray, lengths_PG: np.ndarray) -> pd.DataFrame:
    """One row a rollout of a step."""
    prompts, rollouts = (axis.ravel() for axis in np.indices(rewards_PG.shape))
    return pd.DataFrame(
        {
            "step": step,
            "prompt": prompts,
            "rollout": rollouts,
            "reward": rewards_PG.ravel(),
            "tokens": lengths_PG.ravel(),
        }
    )


def _write(path: Path, table: pd.DataFrame) -> None:
    write_atomically(path, lambda beside: table.to_parquet(beside, compression="zstd", index=False))


@contextmanager
def reading(path: Path) -> Iterator[Path]:
    """Turns whatever goes wrong with a file of a results folder into DataError."""
    try:
        yield path
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = (str(error) or type(error).__name__).splitlines()[0]
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"is damaged ({told})"
        raise DataError(
            f"{path}: {reason}; restore it, or run the study again (its command is in report.md)"
        ) from error


def read_study(folder: Path) -> tuple[Study, list[dict[str, Any]]]:
    """What `write_study` kept: the study and its examples. Raises DataError where a file is missing or is not what it should be."""
    records = folder / "records"
    with reading(folder / STUDY) as path:
        about = read_json(path)
        # records from before options were kept are all of default ones
        runs_told = [
            (str(one["baseline"]), int(one["seed"]), dict(one.get("options", {}))) for one in about["runs"]
        ]
        threshold, ks, seeds = float(about["threshold"]), list(about["ks"]), list(about["bases"])
    runs = []
    for baseline, seed, options in runs_told:
        name = f"{baseline}-seed{seed}"
        columns = ["step", "prompt", "rollout", "reward", "tokens"]
        with reading(records / f"{name}-rewards.parquet") as path:
            steps = pd.read_parquet(path).reindex(columns=columns).groupby("step")
            rewards, lengths = (
                {
                    int(str(step)): table.pivot(index="prompt", columns="rollout", values=column).to_numpy()
                    for step, table in steps
                }
                for column in ("reward", "tokens")
            )
        with reading(folder / "metrics" / f"{name}.jsonl") as path:
            metrics = pd.DataFrame(read_jsonl(path))
            metrics["step"]  # what all else hangs on
        runs.append(
            Run(baseline, seed, metrics, rewards, _rollouts(records / f"{name}.parquet"), lengths, options)
        )
    bases = {int(seed): _rollouts(records / f"base-seed{seed}.parquet") for seed in seeds}
    with reading(records / "shortcuts.parquet") as path:
        shortcuts = pd.read_parquet(path)
    with reading(records / "examples.json") as path:
        examples = read_json(path)
    with reading(folder / STUDY):
        return Study(bases, runs, threshold, ks, shortcuts), examples


_NEEDED = ("split", "prompt_id", "pair_id", "problem_id", "kind", "correct", "reward")


def _rollouts(path: Path) -> pd.DataFrame:
    with reading(path):
        table = pd.read_parquet(path)
        if missing := [column for column in _NEEDED if column not in table]:
            raise ValueError(f"without the column {missing[0]!r}")
        return table


_PASSED = ["split", "prompt_id", "pair_id", "problem_id", "family", "correct"]


def write_variants(studies: Mapping[str, Study], folder: Path) -> None:
    """An ablation's records, a study a variant: what passed, and metrics by step; no texts, scores or single rewards."""
    passed, steps, about = [], [], {}
    for variant, study in studies.items():
        policies = [("base", seed, rollouts) for seed, rollouts in study.bases.items()]
        policies += [(run.baseline, run.seed, run.rollouts) for run in study.runs]
        passed += [
            rollouts[_PASSED].assign(variant=variant, policy=policy, seed=seed)
            for policy, seed, rollouts in policies
        ]
        steps += [
            run.metrics.assign(variant=variant, policy=run.baseline, seed=run.seed) for run in study.runs
        ]
        options = {baseline: dict(study.options(baseline)) for baseline in study.baselines}
        about[variant] = {"threshold": study.threshold, "ks": list(study.ks), "baselines": options}
    _write(folder / "records/passed.parquet", pd.concat(passed, ignore_index=True))
    _write(folder / "records/steps.parquet", pd.concat(steps, ignore_index=True))
    write_json(folder / VARIANTS, about)


def read_variants(folder: Path) -> dict[str, Study]:
    """What `write_variants` kept. Raises DataError where a file is missing or is not what it should be."""
    with reading(folder / VARIANTS) as path:
        about = read_json(path)
        told = {
            str(variant): (float(one["threshold"]), list(one["ks"]), dict(one["baselines"]))
            for variant, one in about.items()
        }
    passed, steps = _by_run(folder / "records/passed.parquet"), _by_run(folder / "records/steps.parquet")
    studies = {}
    with reading(folder / VARIANTS):
        for variant in dict.fromkeys(of for of, _, _ in passed):
            threshold, ks, options = told[variant]
            bases = {
                seed: rollouts
                for (of, policy, seed), rollouts in passed.items()
                if (of, policy) == (variant, "base")
            }
            runs = [
                Run(policy, seed, metrics, {}, passed[variant, policy, seed], {}, options[policy])
                for (of, policy, seed), metrics in steps.items()
                if of == variant
            ]
            studies[variant] = Study(bases, runs, threshold, ks, pd.DataFrame())
    return studies


def _by_run(path: Path) -> dict[tuple[str, str, int], pd.DataFrame]:
    """By variant, policy and seed, in the order written; without metrics that were not measured."""
    with reading(path):
        parts = [
            table.dropna(axis=1, how="all")
            for _, table in pd.read_parquet(path).groupby(["variant", "policy", "seed"], sort=False)
        ]
        return {
            (str(one["variant"].iloc[0]), str(one["policy"].iloc[0]), int(one["seed"].iloc[0])): one
            for one in parts
        }


def newest_study(results: Path) -> Path:
    """The results folder that was written last. Raises FileNotFoundError, with what to do, where none holds a study."""
    found = sorted(results.glob(f"*/{STUDY}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(f"{results}: no finished study in it; run `make reproduce` first")
    return found[-1].parent.parent
