"""Finished studies: their runs in memory, and their records in a results folder.

`write_study` writes everything that tables, figures and claims are computed from: metrics by step, rewards of
each training rollout, and evaluation rollouts without their texts. Texts are kept of some rollouts only, as
examples, so that the records are small enough to be committed. `write_variants` writes less, for ablations.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corpo.config import VERIFY
from corpo.data.pairing.splits import IN_DOMAIN, OUT_OF_DOMAIN
from corpo.evaluate.metrics import ITEM_COLUMNS, by_prompt, has_pairs
from corpo.tasks.verify import FAILURES
from corpo.utils.errors import DataError
from corpo.utils.files import read_json, write_atomically, write_json

PROVENANCE, CONFIG, PAGE = "provenance.json", "config.yaml", "report.html"  # the page is written last of all
# STUDY is written after all other records: its presence means that they are complete.
STUDY = "records/study.json"
ROLLOUTS, REWARDS = "records/rollouts.parquet", "records/rewards.parquet"
METRICS, SHORTCUTS = "records/metrics.parquet", "records/shortcuts.parquet"
EXAMPLES = "records/examples.parquet"
VARIANTS, PASSED = "records/variants.json", "records/passed.parquet"  # of an ablation, with METRICS

BASE = "base"  # the policy that training starts from, among the names of baselines
# Floors, which do not verify: a memory of templates, the base with an empty think block, and a policy that
# calls exactly one candidate correct at random.
MEMORY, NO_TRACE, EXACTLY_ONE = "memory", "no trace", "exactly one"
RUN_COLUMNS = ["policy", "seed"]
_FLOOR_SEED = 0  # floors are not trained
_MINUTE = 60.0  # seconds


@dataclass(frozen=True)
class Run:
    """One trained policy."""

    baseline: str
    seed: int
    metrics: pd.DataFrame  # one row per step
    rewards: dict[int, np.ndarray]  # step -> rewards_PG
    rollouts: pd.DataFrame  # one row per rollout of the evaluation
    lengths: dict[int, np.ndarray]  # step -> lengths_PG in tokens; NaN if they were not recorded
    options: Mapping[str, Any] = field(default_factory=dict)  # options of the baseline

    @property
    def name(self) -> str:
        """Return the baseline and the seed in one text."""
        return f"{self.baseline}-seed{self.seed}"


@dataclass(frozen=True, eq=False)
class Study:
    """All runs of one experiment, and the policies that they start from."""

    # number of the warm start -> evaluation rollouts; one entry if all runs start from one policy
    bases: Mapping[int, pd.DataFrame]
    runs: Sequence[Run]
    threshold: float  # R_min_correct
    ks: Sequence[int]
    # One row per split, with its number of prompts and a column per floor. It is from
    # `corpo.evaluate.shortcut_floors`, or from the method `floors` of a task.
    shortcuts: pd.DataFrame
    # Evaluation rollouts of policies that do not verify, by name, such as MEMORY and NO_TRACE. Only
    # `corpo.analysis.verification` uses them. Empty if they were not measured.
    floors: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    # Run seed s starts from warm start s modulo this number; 0 if all runs start from one policy.
    num_warm_starts: int = 0
    # Whether an update is the gradient times the learning rate: plain SGD without gradient clipping.
    # Otherwise the optimizer and the clipping decide how large an update is.
    updates_scale_with_gradient: bool = False
    task: str = VERIFY  # name of the task
    in_domain: Sequence[str] = IN_DOMAIN  # evaluation splits that resemble training
    out_of_domain: Sequence[str] = OUT_OF_DOMAIN
    failures: Sequence[str] = FAILURES  # kinds of failures that training counts

    def __post_init__(self) -> None:
        """Check that all baselines have the same seeds, because they are compared seed by seed.

        Raises ValueError naming the runs that are missing.
        """
        present = {(run.baseline, run.seed) for run in self.runs}
        seeds = sorted({seed for _, seed in present})
        missing = []
        for baseline in self.baselines:
            missing += [f"{baseline}-seed{seed}" for seed in seeds if (baseline, seed) not in present]
        if missing:
            raise ValueError(f"without {', '.join(missing)}: every baseline needs the same seeds")

    @property
    def base(self) -> pd.DataFrame:
        """Return the rollouts of the first base policy."""
        return next(iter(self.bases.values()))

    @property
    def has_pairs(self) -> bool:
        """Return whether the prompts are pairs of candidates, as in the paper, and not questions."""
        return has_pairs(self.base)

    @property
    def baselines(self) -> list[str]:
        """Return the names of the baselines, in the order of the runs."""
        return list(dict.fromkeys(run.baseline for run in self.runs))

    @property
    def seeds(self) -> list[int]:
        """Return the seeds of training, in increasing order."""
        return sorted({run.seed for run in self.runs})

    @property
    def groups(self) -> list[int]:
        """Return a number for each seed. Seeds that start from the same one of several warm starts share it.

        If all runs start from one policy, each seed has its own number: intervals do not cover other
        policies.
        """
        if not self.num_warm_starts:
            return self.seeds
        return [seed % self.num_warm_starts for seed in self.seeds]

    @property
    def splits(self) -> list[str]:
        """Return the names of the evaluation splits, in the order of the rollouts."""
        return list(dict.fromkeys(self.base["split"]))

    def of(self, baseline: str) -> list[Run]:
        """Return the runs of a baseline ordered by seed, so that the runs of two baselines pair up."""
        return sorted((run for run in self.runs if run.baseline == baseline), key=lambda run: run.seed)

    def options(self, baseline: str) -> Mapping[str, Any]:
        """Return the options that the runs of a baseline were trained with."""
        return self.of(baseline)[0].options

    def curve(self, baseline: str, column: str) -> pd.DataFrame:
        """Return one metric as a table of steps x seeds.

        Steps at which it was not measured are left out; the table is empty if it never was.
        """
        curves = {
            run.seed: run.metrics.set_index("step")[column].astype(float)
            for run in self.of(baseline)
            if column in run.metrics
        }
        return pd.DataFrame(curves).dropna(how="all")

    def by_seed(self, policy: str) -> list[pd.DataFrame]:
        """Return one table per seed with pass@k of each prompt; `policy` is "base" or a baseline."""
        return self._by_seed[policy]

    @cached_property
    def _by_seed(self) -> dict[str, list[pd.DataFrame]]:
        tables = {BASE: [by_prompt(rollouts, self.ks) for rollouts in self.bases.values()]}
        for baseline in self.baselines:
            tables[baseline] = [by_prompt(run.rollouts, self.ks) for run in self.of(baseline)]
        return tables

    def prompts(self, policy: str) -> pd.DataFrame:
        """Return pass@k of each prompt, averaged over seeds; `policy` is "base" or a baseline."""
        tables = self.by_seed(policy)
        columns = [f"pass@{k}" for k in self.ks]
        means = pd.concat(tables).groupby("prompt_id")[columns].mean()
        names = tables[0].set_index("prompt_id")
        names = names[[column for column in ITEM_COLUMNS if column in names]]
        return names.join(means).reset_index()


@dataclass(frozen=True)
class StudyRecords:
    """Everything that `write_study` writes."""

    study: Study
    examples: list[dict[str, Any]]  # rollouts to read, from `corpo.report.explorer`
    warnings: list[dict[str, Any]]  # warnings of training, each with its run, step, name and text
    command: str  # the command that ran the study


def write_study(
    study: Study,
    examples: Sequence[Mapping[str, Any]],
    warnings: Sequence[Mapping[str, Any]],
    command: str,
    folder: Path,
) -> None:
    """Write a study's records into `folder`; see `StudyRecords` for the arguments."""
    (folder / STUDY).unlink(missing_ok=True)
    rewards = [_rewards_table(run) for run in study.runs]
    rollouts = _rollout_tables(study)
    rollouts += [_label(table, name, _FLOOR_SEED) for name, table in study.floors.items()]
    _write_table(folder / ROLLOUTS, pd.concat(rollouts, ignore_index=True))
    _write_table(folder / REWARDS, pd.concat(rewards, ignore_index=True))
    _write_table(folder / METRICS, pd.concat(_metrics_tables(study), ignore_index=True))
    _write_table(folder / SHORTCUTS, study.shortcuts)
    texts = [json.dumps(example, allow_nan=False) for example in examples]
    _write_table(folder / EXAMPLES, pd.DataFrame({"example": pd.Series(texts, dtype="str")}))
    runs = [{"baseline": run.baseline, "seed": run.seed, "options": dict(run.options)} for run in study.runs]
    description = {
        "command": command,
        "threshold": study.threshold,
        "ks": list(study.ks),
        "bases": list(study.bases),
        "floors": list(study.floors),
        **_settings_of(study),
        "runs": runs,
        "warnings": list(warnings),
    }
    write_json(folder / STUDY, description)


def _rollout_tables(study: Study) -> list[pd.DataFrame]:
    policies = [(BASE, seed, rollouts) for seed, rollouts in study.bases.items()]
    policies += [(run.baseline, run.seed, run.rollouts) for run in study.runs]
    return [_label(rollouts, policy, seed) for policy, seed, rollouts in policies]


def _metrics_tables(study: Study) -> list[pd.DataFrame]:
    return [_label(run.metrics, run.baseline, run.seed) for run in study.runs]


def _label(table: pd.DataFrame, policy: str, seed: int) -> pd.DataFrame:
    """Put the policy and the seed in front of a table's columns; leave responses out."""
    columns = [column for column in table.columns if column != "response"]
    return table[columns].assign(policy=policy, seed=seed)[[*RUN_COLUMNS, *columns]]


def _rewards_table(run: Run) -> pd.DataFrame:
    """Return one row per training rollout: step, prompt, rollout, reward and tokens."""
    tables = []
    for step, rewards_PG in run.rewards.items():
        prompts, rollouts = np.indices(rewards_PG.shape)
        columns = {
            "step": step,
            "prompt": prompts.ravel(),
            "rollout": rollouts.ravel(),
            "reward": rewards_PG.ravel(),
            "tokens": run.lengths[step].ravel(),
        }
        tables.append(pd.DataFrame(columns))
    return _label(pd.concat(tables, ignore_index=True), run.baseline, run.seed)


def _write_table(path: Path, table: pd.DataFrame) -> None:
    def write(temporary: Path) -> None:
        table.to_parquet(temporary, compression="zstd", compression_level=19, index=False)

    write_atomically(path, write)


@contextmanager
def reading(path: Path) -> Iterator[Path]:
    """Turn every error in reading a file of a results folder into a DataError that names it."""
    try:
        yield path
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (str(error) or type(error).__name__).splitlines()[0]
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"is damaged ({message})"
        raise DataError(
            f"{path}: {reason}; restore it, or run the study again (its command is in report.md)"
        ) from error


def read_study(folder: Path) -> tuple[Study, list[dict[str, Any]]]:
    """Read a study and its examples; see `read_records`."""
    records = read_records(folder)
    return records.study, records.examples


def read_records(folder: Path) -> StudyRecords:
    """Read what `write_study` wrote. Raises DataError if a file is missing or damaged."""
    with reading(folder / STUDY) as path:
        description = read_json(path)
        runs = [(str(run["baseline"]), int(run["seed"]), dict(run["options"])) for run in description["runs"]]
        threshold, ks = float(description["threshold"]), list(description["ks"])
        seeds = [int(seed) for seed in description["bases"]]
        floor_names = list(description.get("floors", []))  # older records have none
        settings = _settings(description, len(seeds))
        command, warnings = str(description["command"]), list(description["warnings"])
    needed = (*_NEEDED, *_NEEDED_OF_PAIRS) if settings["task"] == VERIFY else _NEEDED
    rollouts = _read_by_run(folder / ROLLOUTS, needed)
    metrics = _read_by_run(folder / METRICS, ("step",))
    rewards = _read_by_run(folder / REWARDS, ("step", "prompt", "rollout", "reward", "tokens"))
    with reading(folder / SHORTCUTS) as path:
        shortcuts = pd.read_parquet(path)
    with reading(folder / EXAMPLES) as path:
        examples = [json.loads(text) for text in pd.read_parquet(path)["example"]]
    read_runs = []
    for baseline, seed, options in runs:
        key = (baseline, seed)
        steps = _lookup(rewards, key, folder / REWARDS)
        run = Run(
            baseline,
            seed,
            metrics=_lookup(metrics, key, folder / METRICS),
            rewards=_by_step(steps, "reward"),
            rollouts=_lookup(rollouts, key, folder / ROLLOUTS),
            lengths=_by_step(steps, "tokens"),
            options=options,
        )
        read_runs.append(run)
    bases = {seed: _lookup(rollouts, (BASE, seed), folder / ROLLOUTS) for seed in seeds}
    floors = {name: _lookup(rollouts, (name, _FLOOR_SEED), folder / ROLLOUTS) for name in floor_names}
    with reading(folder / STUDY):
        study = Study(bases, read_runs, threshold, ks, shortcuts, floors, **settings)
    return StudyRecords(study, examples, warnings, command)


_NEEDED = ("split", "prompt_id", "problem_id", "correct", "reward")
_NEEDED_OF_PAIRS = ("pair_id", "kind")


def _settings_of(study: Study) -> dict[str, Any]:
    """Return the fields of a study that `_settings` reads."""
    return {
        "num_warm_starts": study.num_warm_starts,
        "updates_scale_with_gradient": study.updates_scale_with_gradient,
        "task": study.task,
        "in_domain": list(study.in_domain),
        "out_of_domain": list(study.out_of_domain),
        "failures": list(study.failures),
    }


def _settings(description: Mapping[str, Any], num_bases: int) -> dict[str, Any]:
    """Return the fields of a study that older records do not have.

    In these, several bases were one warm start per seed, updates were those of AdamW with clipping, and the
    task was the paper's.
    """
    return {
        "num_warm_starts": int(description.get("num_warm_starts", num_bases if num_bases > 1 else 0)),
        "updates_scale_with_gradient": bool(description.get("updates_scale_with_gradient", False)),
        "task": str(description.get("task", VERIFY)),
        "in_domain": tuple(description.get("in_domain", IN_DOMAIN)),
        "out_of_domain": tuple(description.get("out_of_domain", OUT_OF_DOMAIN)),
        "failures": tuple(description.get("failures", FAILURES)),
    }


def _read_by_run(path: Path, needed: Sequence[str]) -> dict[tuple[str, int], pd.DataFrame]:
    """Read a table of `write_study` as one table per policy and seed.

    Columns that are null in the whole file are kept. Raises DataError if a column of `needed` is missing.
    """
    with reading(path):
        table = pd.read_parquet(path)
        for column in (*RUN_COLUMNS, *needed):
            if column not in table:
                raise ValueError(f"without the column {column!r}")
        parts = {}
        for (policy, seed), part in table.groupby(RUN_COLUMNS, sort=False):
            parts[str(policy), int(str(seed))] = part.drop(columns=RUN_COLUMNS).reset_index(drop=True)
        return parts


def _lookup(tables: Mapping[tuple[str, int], pd.DataFrame], key: tuple[str, int], path: Path) -> pd.DataFrame:
    with reading(path):
        if key not in tables:
            raise ValueError(f"no rows of {key[0]}, seed {key[1]}")
        return tables[key]


def _by_step(table: pd.DataFrame, column: str) -> dict[int, np.ndarray]:
    """Return the column of `_rewards_table` as one array (P, G) per step."""
    arrays = {}
    for step, rows in table.groupby("step"):
        arrays[int(str(step))] = rows.pivot(index="prompt", columns="rollout", values=column).to_numpy()
    return arrays


_PASSED_COLUMNS = ("split", "prompt_id", "pair_id", "problem_id", "family", "correct")


def write_variants(studies: Mapping[str, Study], folder: Path) -> None:
    """Write the records of an ablation, which has one study per variant.

    Only whether each rollout is correct and the metrics by step are kept, no texts, scores or single rewards.
    """
    (folder / VARIANTS).unlink(missing_ok=True)
    passed: list[pd.DataFrame] = []
    metrics: list[pd.DataFrame] = []
    description = {}
    for variant, study in studies.items():
        for table in _rollout_tables(study):
            columns = [column for column in (*RUN_COLUMNS, *_PASSED_COLUMNS) if column in table]
            passed.append(table[columns].assign(variant=variant))
        metrics += [table.assign(variant=variant) for table in _metrics_tables(study)]
        options = {baseline: dict(study.options(baseline)) for baseline in study.baselines}
        description[variant] = {
            "threshold": study.threshold,
            "ks": list(study.ks),
            **_settings_of(study),
            "baselines": options,
        }
    _write_table(folder / PASSED, pd.concat(passed, ignore_index=True))
    _write_table(folder / METRICS, pd.concat(metrics, ignore_index=True))
    write_json(folder / VARIANTS, description)


def read_variants(folder: Path) -> dict[str, Study]:
    """Read what `write_variants` wrote. Raises DataError if a file is missing or damaged."""
    with reading(folder / VARIANTS) as path:
        description = read_json(path)
    passed, metrics = _read_by_variant(folder / PASSED), _read_by_variant(folder / METRICS)
    studies = {}
    with reading(folder / VARIANTS):
        for variant, rollouts in passed.items():
            values = description[variant]
            bases = {seed: table for (policy, seed), table in rollouts.items() if policy == BASE}
            runs = [
                Run(
                    policy,
                    seed,
                    metrics=table,
                    rewards={},
                    rollouts=rollouts[policy, seed],
                    lengths={},
                    options=dict(values["baselines"][policy]),
                )
                for (policy, seed), table in metrics[variant].items()
            ]
            threshold, ks = float(values["threshold"]), list(values["ks"])
            settings = _settings(values, len(bases))
            studies[variant] = Study(bases, runs, threshold, ks, pd.DataFrame(), **settings)
    return studies


def _read_by_variant(path: Path) -> dict[str, dict[tuple[str, int], pd.DataFrame]]:
    """Read a table of `write_variants`: variant -> policy and seed -> table, in the order written.

    Variants may log different metrics, so columns that are null in a run are dropped from its table.
    """
    with reading(path):
        tables: dict[str, dict[tuple[str, int], pd.DataFrame]] = {}
        for (variant, policy, seed), part in pd.read_parquet(path).groupby(
            ["variant", *RUN_COLUMNS], sort=False
        ):
            table = part.drop(columns=["variant", *RUN_COLUMNS]).dropna(axis=1, how="all")
            tables.setdefault(str(variant), {})[str(policy), int(str(seed))] = table
        return tables


def study_folder() -> Path:
    """Return the results folder that notebooks open.

    It is the folder in CORPO_STUDY, or the newest study in the folder `results` of the
    current folder or of its parent. Raises DataError if there is no study.
    """
    if chosen := os.environ.get("CORPO_STUDY"):
        return Path(chosen)
    is_here = (Path.cwd() / "results").is_dir()
    return newest_study((Path.cwd() if is_here else Path.cwd().parent) / "results")


def newest_study(results: Path) -> Path:
    """Return the results folder that was written last. Raises DataError if there is no study.

    A clone writes all folders in the same minute. Then the order of their times means nothing, and the folder
    `study` is taken.
    """
    written = {path.parent.parent: path.stat().st_mtime for path in results.glob(f"*/{STUDY}")}
    if not written:
        raise DataError(f"{results}: no finished study in it; run `make reproduce` first")
    newest = max(written, key=written.__getitem__)
    committed = results / "study"
    if committed in written and written[newest] - written[committed] < _MINUTE:
        return committed
    return newest
