"""Tables, figures and report of a finished study: `python -m experiments.report experiment=study`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from corpo.analysis.study import CONFIG, PAGE, PROVENANCE, Run, Study
from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.data import CARD, data_stage, evaluated_pairs
from corpo.pipeline.stage import Stage, distinct
from corpo.pipeline.train import ROLLOUTS, evaluate_stage, start_stages, trackers_of, train_stage
from corpo.utils.files import hash_of, read_json, read_jsonl, write_json, write_text
from corpo.utils.paths import ROOT, command


def study_bases(config: Config) -> list[Config]:
    """One config a policy that runs start from: the one of all seeds, or one a seed."""
    return (
        [replace(config, seed=seed) for seed in config.study.seeds]
        if config.study.own_warm_starts
        else [config]
    )


def study_runs(config: Config) -> list[Config]:
    """One config a run: every baseline of the study with every seed."""
    return [
        _for_baseline(replace(config, seed=seed), name)
        for seed in config.study.seeds
        for name in config.study.baselines
    ]


def _for_baseline(config: Config, name: str) -> Config:
    """This config with another baseline, at its own learning rate and default options, unless it is the configured one."""
    options = config.baseline.options if name == config.baseline.name else {}
    train = replace(config.train, lr=config.study.lr.get(name, config.train.lr))
    return replace(config, baseline=replace(config.baseline, name=name, options=options), train=train)


def study_stages(config: Config) -> list[Stage]:
    before = [
        stage
        for base in study_bases(config)
        for stage in (*start_stages(base), evaluate_stage(base, trained=False))
    ]
    return distinct(
        before
        + [
            stage
            for one in study_runs(config)
            for stage in (train_stage(one), evaluate_stage(one, trained=True))
        ]
    )


def results_folder(config: Config) -> Path:
    return ROOT / config.results / config.name


def is_written(config: Config) -> bool:
    """Whether the results folder holds the report of these very stages, as they were run here, under this config."""
    folder = results_folder(config)
    if not all((folder / name).exists() for name in (PROVENANCE, CONFIG, PAGE)):
        return False
    return read_json(folder / PROVENANCE) == records_of(study_stages(config)) and (folder / CONFIG).read_text(
        encoding="utf-8"
    ) == dump(config)


def records_of(stages: Sequence[Stage]) -> dict[str, dict[str, object]]:
    """Key, commit, machine and wall time of every stage, by title."""
    return {stage.title: {"key": stage.key, **read_json(stage.folder / "done.json")} for stage in stages}


def dump(config: Config) -> str:
    return yaml.safe_dump(asdict(config), sort_keys=False)


def write_results(config: Config, runs: Sequence[Config]) -> Path:
    """Everything that `results/<name>/` holds: first the records of finished stages, then what is made of them."""
    from corpo.report.render import render_results
    from corpo.report.track_study import track_study

    folder = results_folder(config)
    (folder / PAGE).unlink(missing_ok=True)  # it is written last, and says that all else is there
    gather(config, runs, folder)
    rendered = render_results(folder)
    if config.track.trackers:
        trackers = trackers_of(config, "study", hash_of(records_of(study_stages(config))))
        track_study(rendered.study, trackers, rendered.tables, rendered.examples)
        trackers.close()
    return folder


def gather(config: Config, runs: Sequence[Config], folder: Path) -> None:
    """The records of a study, out of the folders of its stages."""
    from corpo.analysis.study import write_study
    from corpo.evaluate.rollouts import prompt_id
    from corpo.report.explorer import examples

    study = read_runs(config, runs)
    pairs = {prompt_id(number): pair for number, (_, pair) in enumerate(evaluated_pairs(config))}
    warned = [
        {"run": trained.name, **record}
        for one, trained in zip(runs, study.runs, strict=True)
        for record in _warnings(one)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data_stage(config).folder / CARD, folder / "data_card.md")
    write_text(folder / CONFIG, dump(config))
    write_json(folder / PROVENANCE, records_of(study_stages(config)))
    write_study(study, examples(study, pairs), warned, command("experiments.reproduce"), folder)


def read_runs(config: Config, runs: Sequence[Config]) -> Study:
    """The study, out of the folders of its stages."""
    from corpo.evaluate.shortcut_floors import shortcut_floors

    bases = {base.seed: _rollouts(base, trained=False) for base in study_bases(config)}
    return Study(
        bases,
        [_run(one) for one in runs],
        config.reward.threshold,
        list(config.evaluate.ks),
        shortcut_floors(evaluated_pairs(config)),
    )


def _rollouts(config: Config, trained: bool) -> pd.DataFrame:
    return pd.read_parquet(evaluate_stage(config, trained).folder / ROLLOUTS)


def _run(config: Config) -> Run:
    folder = train_stage(config).folder
    groups = read_jsonl(folder / "groups.jsonl")
    rewards = {record["step"]: np.array(record["rewards"]) for record in groups}
    lengths = {
        record["step"]: np.array(record.get("lengths", np.full_like(rewards[record["step"]], np.nan)))
        for record in groups
    }
    metrics = pd.DataFrame(read_jsonl(folder / "metrics.jsonl"))
    return Run(
        config.baseline.name,
        config.seed,
        metrics,
        rewards,
        _rollouts(config, trained=True),
        lengths,
        config.baseline.options,
    )


def _warnings(config: Config) -> list[dict[str, object]]:
    """Of a run's training; one that was trained before there were any has none."""
    return read_jsonl(train_stage(config).folder / "warnings.jsonl")


def require(stages: Sequence[Stage]) -> None:
    """Stop with one line unless all of them are done."""
    missing = [stage.title for stage in stages if not stage.done]
    if missing:
        raise SystemExit(
            f"corpo: not finished yet: {', '.join(missing)}; run python -m experiments.reproduce with the same options first"
        )


def run(config: Config) -> None:
    require(study_stages(config))
    print(write_results(config, study_runs(config)) / "report.md")


if __name__ == "__main__":
    app(run, study_stages)
