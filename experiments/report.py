"""Tables, figures and report of a finished study: `python -m experiments.report experiment=study`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from corpo.config import Config
from corpo.files import hash_of, read_json, read_jsonl, write_json, write_jsonl, write_text
from corpo.report.records import Run, Study, write_study
from corpo.stages import Stage
from experiments.app import app
from experiments.datasets import CARD, data_stage, evaluated_pairs
from experiments.invocation import ROOT, command
from experiments.pipeline import ROLLOUTS, evaluate_stage, mirrors_of, train_stage, warm_start_stage


def study_runs(config: Config) -> list[Config]:
    """One config a run: every baseline of the study with every seed."""
    return [_for_baseline(config, name, seed) for seed in config.study.seeds for name in config.study.baselines]


def _for_baseline(config: Config, name: str, seed: int) -> Config:
    """This config with another baseline (at its default options, unless it is the configured one) and seed."""
    options = config.baseline.options if name == config.baseline.name else {}
    return replace(config, seed=seed, baseline=replace(config.baseline, name=name, options=options))


def study_stages(config: Config) -> list[Stage]:
    warm = [warm_start_stage(config)] if config.model.warm_start else []
    stages = [data_stage(config), *warm, evaluate_stage(config, trained=False)]
    return stages + [stage for one in study_runs(config) for stage in (train_stage(one), evaluate_stage(one, trained=True))]


def results_folder(config: Config) -> Path:
    return ROOT / config.results / config.name


def is_written(config: Config) -> bool:
    """Whether the results folder holds the report of these very stages, as they were run here, under this config."""
    folder = results_folder(config)
    if not (folder / "provenance.json").exists():
        return False
    return read_json(folder / "provenance.json") == records_of(study_stages(config)) and (folder / "config.yaml").read_text(encoding="utf-8") == dump(config)


def records_of(stages: Sequence[Stage]) -> dict[str, dict[str, object]]:
    """Key, commit, machine and wall time of every stage, by title."""
    return {stage.title: {"key": stage.key, **read_json(stage.folder / "done.json")} for stage in stages}


def dump(config: Config) -> str:
    return yaml.safe_dump(asdict(config), sort_keys=False)


def write_results(config: Config, runs: Sequence[Config]) -> Path:
    """Everything that `results/<name>/` holds, from finished stages; `provenance.json` last."""
    from corpo.data.floors import shortcut_floors
    from corpo.evaluate.run import prompt_id
    from corpo.report.claims import findings
    from corpo.report.explorer import examples
    from corpo.report.figures import write_figures
    from corpo.report.mirror import mirror_study
    from corpo.report.page import write_page, write_report
    from corpo.report.tables import differences, wide, write_tables

    folder = results_folder(config)
    evaluated = evaluated_pairs(config)
    base = _rollouts(config, trained=False)
    study = Study(base, [_run(one) for one in runs], config.reward.threshold, list(config.evaluate.ks), shortcut_floors(evaluated))
    table = write_tables(study, folder)
    figures = write_figures(study, folder / "figures")
    shutil.copyfile(data_stage(config).folder / CARD, folder / "data_card.md")
    write_text(folder / "config.yaml", dump(config))
    records = records_of(study_stages(config))
    shown, facts = findings(study, differences(study)), facts_of(config, records, command("experiments.reproduce"))
    warned = [{"run": trained.name, **record} for one, trained in zip(runs, study.runs, strict=True) for record in _warnings(one)]
    write_report(folder, config.name, shown, figures, pd.read_csv(folder / "summary.csv"), facts, warned)
    pairs = {prompt_id(number): pair for number, (_, pair) in enumerate(evaluated)}
    tables = [(k, wide(table, k)) for k in dict.fromkeys((min(study.ks), max(study.ks)))]
    read = examples(study, pairs)
    write_study(study, read, folder)
    for one, trained in zip(runs, study.runs, strict=True):
        (folder / "metrics").mkdir(exist_ok=True)
        shutil.copyfile(train_stage(one).folder / "metrics.jsonl", folder / "metrics" / f"{trained.name}.jsonl")
    write_jsonl(folder / "metrics/warnings.jsonl", warned)
    write_page(folder, config.name, shown, figures, tables, read, facts, dump(config), records)
    if config.track.to:
        mirrors = mirrors_of(config, "study", hash_of(records))
        mirror_study(study, mirrors, tables, read)
        mirrors.close()
    write_json(folder / "provenance.json", records)
    return folder


def _rollouts(config: Config, trained: bool) -> pd.DataFrame:
    return pd.read_parquet(evaluate_stage(config, trained).folder / ROLLOUTS)


def _run(config: Config) -> Run:
    folder = train_stage(config).folder
    groups = read_jsonl(folder / "groups.jsonl")
    rewards = {record["step"]: np.array(record["rewards"]) for record in groups}
    lengths = {record["step"]: np.array(record.get("lengths", np.full_like(rewards[record["step"]], np.nan))) for record in groups}
    metrics = pd.DataFrame(read_jsonl(folder / "metrics.jsonl"))
    return Run(config.baseline.name, config.seed, metrics, rewards, _rollouts(config, trained=True), lengths)


def _warnings(config: Config) -> list[dict[str, object]]:
    """Of a run's training; one that was trained before there were any has none."""
    return read_jsonl(train_stage(config).folder / "warnings.jsonl")


def facts_of(config: Config, records: dict[str, dict[str, object]], typed: str) -> dict[str, object]:
    """Where a report comes from: the command that was typed, and what its stages recorded."""
    last = list(records.values())[-1]
    resumed = [title for title, record in records.items() if record.get("resumed")]
    late = f"; resumed, so counted from their last start: {', '.join(resumed)}" if resumed else ""
    return {
        "command": f"`{typed}`",
        "configuration": "`config.yaml`",
        "seeds": ", ".join(map(str, config.study.seeds)),
        "commits of the stages": ", ".join(sorted({str(record["commit"]) for record in records.values()})),
        "hardware": f"{last['cpu']}, {last['cores']} cores, {last.get('gpu', 'no GPU')}",
        "software": f"torch {last['torch']}, transformers {last['transformers']}, Python {last['python']}",
        "wall time of all stages": f"{sum(float(str(record['wall_seconds'])) for record in records.values()) / 60:.1f} min (by stage: `provenance.json`{late})",
    }


def require(stages: Sequence[Stage]) -> None:
    """Stop with one line unless all of them are done."""
    missing = [stage.title for stage in stages if not stage.done]
    if missing:
        raise SystemExit(f"corpo: not finished yet: {', '.join(missing)}; run python -m experiments.reproduce with the same options first")


def run(config: Config) -> None:
    require(study_stages(config))
    print(write_results(config, study_runs(config)) / "report.md")


if __name__ == "__main__":
    app(run, study_stages)
