"""Evaluate policies: the one that this config trains, or finished ones on data that nobody trained on.

    corpo evaluate baseline=corpo
    corpo evaluate data=real name=on_real +evaluate.policies.corpo=outputs/train/0123456789ab/policy

Both evaluate the base (model=) as well. With `evaluate.policies` the table, the data card and their provenance are written to results/<name>/.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.evaluate.metrics import summarise
from corpo.pipeline.data import evaluated_pairs
from corpo.pipeline.models import model_path
from corpo.pipeline.stage import Stage
from corpo.pipeline.study import dump, records_of, results_folder
from corpo.pipeline.train import ROLLOUTS, evaluate_policy, evaluate_stage, start_stages, train_stage
from corpo.utils.errors import DataError, ModelError
from corpo.utils.paths import command
from experiments.data import write_card


def evaluations(config: Config) -> dict[str, tuple[Config, bool]]:
    """By the policy's name, the config to evaluate with, and whether its own trained policy is meant."""
    if not config.evaluate.policies:
        return {"base": (config, False), config.baseline.name: (config, True)}
    named = {}
    for name, path in config.evaluate.policies.items():
        mine = replace(config, model=replace(config.model, path=path, warm_start=False))
        if not Path(model_path(mine)).is_dir():
            raise ModelError(
                f"evaluate.policies.{name}={path}: no such folder; give the policy/ folder that training wrote"
            )
        named[name] = (mine, False)
    return {"base": (config, False), **named}


def stages(config: Config) -> list[Stage]:
    if config.evaluate.policies and (results_folder(config) / "records").is_dir():
        raise DataError(
            f"name={config.name}: {results_folder(config)} holds a study; give this evaluation a name of its own"
        )
    trained = [train_stage(one) for one, own in evaluations(config).values() if own]
    before = [stage for stage in start_stages(config) if stage.name != "data" or not config.data.file]
    return [*before, *trained, *(evaluate_stage(one, own) for one, own in evaluations(config).values())]


def run(config: Config) -> None:
    tables = {}
    for name, (one, own) in evaluations(config).items():
        folder = evaluate_policy(one, own)
        tables[name] = pd.read_parquet(folder / ROLLOUTS)
        summary = summarise(tables[name], config.evaluate.ks)
        print(f"\n{evaluate_stage(one, own).title}: {folder / ROLLOUTS}")
        print(
            summary[["split", "prompts", *(f"pass@{k}" for k in config.evaluate.ks), "unparseable"]]
            .round(3)
            .to_string(index=False)
        )
    if config.evaluate.policies:
        print(f"\ntable: {write_evaluation(config, tables) / 'table.md'}")


def write_evaluation(config: Config, tables: dict[str, pd.DataFrame]) -> Path:
    """`results/<name>/` of finished policies: table, card and sheet of the data, report and provenance."""
    from corpo.analysis.compare import write_comparisons
    from corpo.analysis.study import Run, Study
    from corpo.evaluate.shortcut_floors import shortcut_floors
    from corpo.report.render import facts_of
    from corpo.report.tables import write_tables
    from corpo.utils.files import write_json, write_text
    from corpo.utils.markdown import table

    folder = results_folder(config)
    runs = [
        Run(name, config.seed, pd.DataFrame(), {}, rollouts, {})
        for name, rollouts in tables.items()
        if name != "base"
    ]
    shortcuts = shortcut_floors(evaluated_pairs(config))
    study = Study({0: tables["base"]}, runs, config.reward.threshold, list(config.evaluate.ks), shortcuts)
    write_tables(study, folder, replicates=False)
    write_comparisons(study, folder)
    about = f"pairs of `{config.data.file}`" if config.data.file else "[the data](data_card.md)"
    if not config.data.file:
        write_card(config, folder)
    records = records_of(stages(config))
    facts = facts_of(records, command("experiments.evaluate"), [config.seed])
    policies = [(name, one.model.path) for name, (one, _) in evaluations(config).items()]
    text = f"# {config.name}\n\nPolicies on {about} that they were not trained on.\n\n{(folder / 'table.md').read_text(encoding='utf-8')}\n"
    write_text(
        folder / "report.md",
        f"{text}\n{table(('policy', 'folder'), policies)}\n\n{table(('what', 'value'), list(facts.items()))}\n",
    )
    write_text(folder / "config.yaml", dump(config))
    write_json(folder / "provenance.json", records)
    return folder


if __name__ == "__main__":
    app(run, stages)
