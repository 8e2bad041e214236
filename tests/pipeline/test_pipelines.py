"""Check what the stages write about `data=pipelines`, in the tiny experiment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from corpo.analysis.study import EXACTLY_ONE, MEMORY, NO_TRACE, read_records
from corpo.cli.compose import load_config
from corpo.pipeline.data import CARD, TAUGHT, data_stage, split_pairs
from corpo.pipeline.evaluate import ROLLOUTS, evaluate_stage
from corpo.pipeline.study import has_floors, study_stages
from corpo.pipeline.train import train_stage
from corpo.pipeline.warm_start import warm_start_stage
from corpo.utils.errors import ConfigError
from corpo.utils.files import read_json


def test_the_stages_describe_pipelines(where: list[str], results: Path) -> None:
    config = load_config(where)
    card = (data_stage(config).folder / CARD).read_text()
    assert "| 4 | 1454712 | 425742 | 11139144 |" in card
    assert "wrong programs pass the example" in card
    record = read_json(Path(config.model.path) / "provenance.json")
    assert record["problems"] == "pipelines"
    assert record["curve"][-1]["step"] == config.warm_start.steps
    assert record["second_curve"][-1]["step"] == config.warm_start.second_steps
    rollouts = pd.read_parquet(evaluate_stage(config, trained=True).folder / ROLLOUTS)
    splits = {split for split, _ in split_pairs(config)}
    assert set(rollouts["split"]) == {split for split in splits if split.startswith(("code", "math"))}
    parts = {family.rpartition("_")[0] for family in rollouts["family"]}
    assert parts == {"code_seen", "code_unseen", "math_seen", "math_unseen"}
    assert rollouts["traced"].between(0, 1).all()


def test_a_study_measures_skill_beside_floors(where: list[str], results: Path) -> None:
    config = load_config(where)
    taught = pd.read_parquet(data_stage(config).folder / TAUGHT)
    assert (taught["correct"] <= taught["seen"]).all()
    rollouts = pd.read_parquet(evaluate_stage(config, trained=False).folder / ROLLOUTS)
    without_thought = evaluate_stage(config, trained=False, with_thought=False)
    responses = pd.read_parquet(without_thought.folder / ROLLOUTS)
    assert len(responses) == 4 * rollouts["prompt_id"].nunique()
    assert responses["response"].str.startswith("<think></think>").all()
    assert (responses["traced"] == 0).all()

    study = read_records(results).study
    assert list(study.floors) == [MEMORY, NO_TRACE, EXACTLY_ONE]
    assert len(study.floors[NO_TRACE]) == len(responses)
    skill = pd.read_csv(results / "skill.csv")
    assert list(skill["policy"].unique()) == [
        MEMORY,
        NO_TRACE,
        EXACTLY_ONE,
        "base",
        "grpo",
        "static",
        "corpo",
    ]
    assert {"code, long", "code, seen", "code, unseen"} <= set(skill["part"])
    for report in ("report.md", "report.html"):
        assert "Does the policy verify?" in (results / report).read_text()
    assert (results / "figures/skill.png").exists()


def test_the_key_of_training_does_not_depend_on_which_rollouts_are_kept() -> None:
    config = load_config([])
    other_rollouts = replace(config, train=replace(config.train, keep_rollouts_every=1))
    assert train_stage(other_rollouts).key == train_stage(config).key
    other_lr = replace(config, train=replace(config.train, lr=1.0))
    assert train_stage(other_lr).key != train_stage(config).key


def test_only_studies_of_pipelines_have_floors(where: list[str]) -> None:
    config = load_config(where)
    assert has_floors(config)
    assert not has_floors(load_config(["data=smollm2"]))
    assert not has_floors(replace(config, data=replace(config.data, file="pairs.jsonl")))
    assert "evaluate base without thought" in [stage.title for stage in study_stages(config)]


def test_a_warm_start_with_traces_of_the_bank_is_refused() -> None:
    config = load_config(["data=smollm2", "model=nano_new"])
    with pytest.raises(ConfigError, match=r"choose warm_start\.rationale=rewrite"):
        warm_start_stage(config)
