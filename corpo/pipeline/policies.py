"""Evaluate finished policies beside the base, and write their table to the results folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.config import Config, ModelConfig
from corpo.pipeline.data import CARD, PAGE, SHEET, data_stage
from corpo.pipeline.evaluate import ROLLOUTS, evaluate_stage
from corpo.pipeline.models import model_path
from corpo.pipeline.provenance import typed_command
from corpo.pipeline.stage import Stage, graph
from corpo.pipeline.study import config_yaml, results_folder, shortcuts, stage_records, task_fields
from corpo.pipeline.train import train_stage
from corpo.tasks import is_verify, task_of
from corpo.utils.errors import DataError, ModelError
from corpo.utils.files import write_json, write_text

if TYPE_CHECKING:
    import pandas as pd


def evaluations(config: Config) -> dict[str, tuple[Config, bool]]:
    """Return, by the name of each policy, its config and whether the policy that it trains is meant.

    Without `evaluate.policies` these are the base and the policy of this config. On real problems, these are
    the model alone, unless the policy of this config is trained already. Raises ModelError if a folder is
    missing.
    """
    if not config.evaluate.policies:
        both = {"base": (config, False), config.baseline.name: (config, True)}
        return {"base": (config, False)} if _is_alone(config) else both
    by_name = {"base": (config, False)}
    for name, path in config.evaluate.policies.items():
        policy_config = replace(config, model=replace(config.model, path=path, warm_start=False))
        if not Path(model_path(policy_config)).is_dir():
            raise ModelError(
                f"evaluate.policies.{name}={path}: no such folder; "
                "give the policy/ folder that training wrote"
            )
        by_name[name] = (policy_config, False)
    return by_name


def _is_alone(config: Config) -> bool:
    """Check that real problems are evaluated with a model from which nothing is trained here."""
    return bool(config.data.sources) and not train_stage(config).done


def writes_results(config: Config) -> bool:
    """Check that an evaluation has a results folder of its own: of given policies, or on real problems."""
    return bool(config.evaluate.policies or config.data.sources)


def evaluation_stages(config: Config) -> list[Stage]:
    """Return the evaluation stages.

    Raises DataError if the results folder already holds a study, and ModelError if the model is the shipped
    one, which knows its own problems only.
    """
    folder = results_folder(config)
    if writes_results(config) and (folder / "records").is_dir():
        raise DataError(f"name={config.name}: {folder} holds a study; give this evaluation a name of its own")
    if config.data.sources and not config.evaluate.policies and config.model.path == ModelConfig.path:
        raise ModelError(
            f"model.path={config.model.path}: the shipped policy knows its own problems only; choose a model "
            "for these, such as model=smollm2_135m or model.path=FOLDER"
        )
    return [evaluate_stage(policy_config, trained) for policy_config, trained in evaluations(config).values()]


def read_rollouts(config: Config) -> dict[str, pd.DataFrame]:
    """Return the rollouts of every evaluated policy, by its name."""
    import pandas as pd

    tables = {}
    for (name, _), stage in zip(evaluations(config).items(), evaluation_stages(config), strict=True):
        tables[name] = pd.read_parquet(stage.checked(ROLLOUTS))
    return tables


def write_evaluation(config: Config, tables: dict[str, pd.DataFrame]) -> Path:
    """Write `results/<name>/` for finished policies: table, comparisons, data card, report and provenance."""
    import pandas as pd

    from corpo.analysis.compare import write_comparisons
    from corpo.analysis.study import Run, Study
    from corpo.report.render import facts_of
    from corpo.report.tables import write_tables
    from corpo.utils.markdown import table

    folder = results_folder(config)
    runs = []
    for name, rollouts in tables.items():
        if name != "base":
            runs.append(Run(name, config.seed, pd.DataFrame(), {}, rollouts, {}))
    study = Study(
        {0: tables["base"]},
        runs,
        threshold=task_of(config).threshold,
        ks=list(config.evaluate.ks),
        shortcuts=shortcuts(config),
        **task_fields(config),
    )
    write_tables(study, folder, has_paper_splits=False)
    if runs:
        write_comparisons(study, folder)
    data = f"pairs of `{config.data.file}`" if config.data.file else "[the data](data_card.md)"
    has_page = is_verify(config) and not config.data.file
    page = f" ([page]({PAGE}))" if has_page else ""
    if not config.data.file:
        write_data_card(config, folder)
    records = stage_records(graph(evaluation_stages(config)))
    facts = facts_of(records, typed_command("evaluate"), [config.seed])
    policies = [(name, policy.model.path) for name, (policy, _) in evaluations(config).items()]
    results_table = (folder / "table.md").read_text(encoding="utf-8")
    report = f"""# {config.name}

Policies are evaluated on {data}{page} that they were not trained on.

{results_table}

{table(("policy", "folder"), policies)}

{table(("what", "value"), list(facts.items()))}
"""
    write_text(folder / "report.md", report)
    if has_page:
        shutil.copyfile(data_stage(config).checked(PAGE), folder / PAGE)
    write_text(folder / "config.yaml", config_yaml(config))
    write_json(folder / "provenance.json", records)
    return folder


def write_data_card(config: Config, folder: Path) -> None:
    """Write `data_card.md` with the configuration and the stages that made it and, for pairs, plots."""
    stage = data_stage(config)
    folder.mkdir(parents=True, exist_ok=True)
    card = stage.checked(CARD).read_text(encoding="utf-8")
    if is_verify(config):
        card = f"{card.rstrip()}\n\n![Plots of the data set](data_sheet.png)\n"
        shutil.copyfile(stage.checked(SHEET), folder / "data_sheet.png")
    write_text(folder / "data_card.md", card)
    write_text(folder / "config.yaml", config_yaml(config))
    write_json(folder / "provenance.json", stage_records(graph([stage])))
