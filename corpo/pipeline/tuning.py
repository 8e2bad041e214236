"""Tuning: every baseline at every variant, compared by validation alone, with the same budget for each.

`results/<name>/` gets the scores and the choice for each baseline. No evaluation split is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from corpo.config import Config
from corpo.pipeline.provenance import typed_command
from corpo.pipeline.stage import Stage, run_stages
from corpo.pipeline.study import config_yaml, results_folder, stage_records, study_runs
from corpo.pipeline.train import train_stage
from corpo.pipeline.variants import name_variants, variants
from corpo.utils.files import read_jsonl, write_json, write_text
from corpo.utils.markdown import table

NUM_VALIDATIONS = 3  # a score is the mean of this many last validations, because a single one is noisy
SCORE = "validation/pass@1"


def tuning_runs(config: Config) -> list[tuple[str, Config]]:
    """Return each run with the name of its variant."""
    runs = []
    for name, variant in variants(config).items():
        runs += [(name, run) for run in study_runs(variant)]
    return runs


def tuning_stages(config: Config) -> list[Stage]:
    """Return the training stages of all runs."""
    stages: dict[str, list[Stage]] = {}
    for name, run in tuning_runs(config):
        stages.setdefault(name, []).append(train_stage(run))
    return name_variants(stages)


def run_tuning(config: Config) -> Path:
    """Train what is not trained and write scores, choices and a report. Return the results folder."""
    from corpo.analysis.study import CONFIG, PROVENANCE

    run_stages(tuning_stages(config))
    folder, table_of_scores = results_folder(config), scores(config)
    best = best_variants(table_of_scores)
    write_text(folder / "scores.csv", table_of_scores.round(4).to_csv(index=False))
    write_text(folder / "report.md", _report(config, table_of_scores, best))
    write_text(folder / CONFIG, config_yaml(config))
    write_json(folder / "chosen.json", best)
    records = {}
    for name, run in tuning_runs(config):
        for title, record in stage_records([train_stage(run)]).items():
            records[f"{name}: {title}"] = record
    write_json(folder / PROVENANCE, records)
    for baseline, name in best.items():
        print(f"{baseline}: {name}")
    return folder


def scores(config: Config) -> pd.DataFrame:
    """Return one row per run: baseline, variant, seed, score."""
    rows = []
    for name, run in tuning_runs(config):
        metrics = read_jsonl(train_stage(run).checked("metrics.jsonl"))
        last = [record[SCORE] for record in metrics if SCORE in record][-NUM_VALIDATIONS:]
        score = sum(last) / len(last)
        rows.append({"baseline": run.baseline.name, "variant": name, "seed": run.seed, "score": score})
    return pd.DataFrame(rows)


def best_variants(table_of_scores: pd.DataFrame) -> dict[str, str]:
    """Return for each baseline the variant with the highest mean over seeds; of equal ones, the first."""
    means = table_of_scores.groupby(["baseline", "variant"], sort=False)["score"].mean()
    baselines = dict.fromkeys(table_of_scores["baseline"])
    return {str(baseline): str(means[baseline].idxmax()) for baseline in baselines}


def _report(config: Config, table_of_scores: pd.DataFrame, best: Mapping[str, str]) -> str:
    names = list(config.study.variants)
    rows = []
    for baseline, of_baseline in table_of_scores.groupby("baseline", sort=False):
        cells = []
        for name in names:
            percent = 100 * of_baseline[of_baseline["variant"] == name]["score"]
            by_seed = ", ".join(f"{value:.1f}" for value in percent)
            cell = f"{percent.mean():.1f} ({by_seed})"
            cells.append(f"**{cell}**" if best[str(baseline)] == name else cell)
        rows.append((baseline, *cells))
    return f"""# {config.name}

{SCORE} in percent, the mean of the last {NUM_VALIDATIONS} validations: the mean over seeds and, in brackets,
each seed. The best variant of each baseline is in bold. Every baseline has the same runs. The problems of
the validation split are neither trained nor evaluated on.

{table(("baseline", *names), rows)}

Command: `{typed_command("study")}`. Stages, commits, machine and wall times: `provenance.json`.
"""
