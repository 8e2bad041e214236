"""Run all stages with `data=pipelines`, at a very small size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from corpo.analysis.study import MEMORY, NO_TRACE, read_records
from corpo.cli.compose import load_config
from corpo.config import Config
from corpo.pipeline.data import CARD, TAUGHT, data_stage, split_pairs
from corpo.pipeline.evaluate import ROLLOUTS, evaluate_stage
from corpo.pipeline.study import has_floors, study_stages
from corpo.pipeline.warm_start import POLICY, warm_start_stage
from corpo.utils.files import read_json
from tests.command import run

SMALL = (
    "experiment=pipelines",
    "train=tiny",
    "train.steps=1",
    "evaluate=tiny",
    "data.pairs_per_split=2",
    "data.train_pairs=4",
    "data.validation_pairs=2",
    "data.pipelines.warm_start_problems=80",
    "data.pipelines.math_warm_start_problems=96",
    "data.pipelines.train_problems=6",
    "data.pipelines.validation_problems=6",
    "data.pipelines.evaluation_problems=4",
    "nano={vocabulary: 600, pieces: words, width: 32, layers: 1, heads: 2, mlp: 32, context: 256}",
    "warm_start.steps=2",
    "warm_start.short_steps=1",
    "warm_start.pairs=2",
    "warm_start.dev_pairs=1",
    "warm_start.warmup_steps=1",
    "rollout.max_new_tokens=40",
)


def test_a_study_runs_with_pipelines_and_measures_skill(tmp_path: Path) -> None:
    options = [
        *SMALL,
        "name=study",
        "study.seeds=[0]",
        "study.baselines=[grpo]",
        f"outputs={tmp_path}/outputs",
        f"results={tmp_path}/results",
    ]
    run("reproduce", *options)
    config = load_config(options)
    _check_data_and_warm_start(config)
    rollouts = pd.read_parquet(evaluate_stage(config, trained=False).folder / ROLLOUTS)
    evaluated = {split for split, _ in split_pairs(config) if "code" in split or "math" in split}
    assert set(rollouts["split"]) == evaluated
    assert rollouts["traced"].isin([0, 0.5, 1]).all()
    assert rollouts["follows"].isin([0, 0.5, 1]).all()

    without_thought = evaluate_stage(config, trained=False, with_thought=False)
    responses = pd.read_parquet(without_thought.folder / ROLLOUTS)
    assert len(responses) == 4 * rollouts["prompt_id"].nunique()
    assert responses["response"].str.startswith("<think></think>").all()
    assert (responses["traced"] == 0).all()

    folder = tmp_path / "results/study"
    study = read_records(folder).study
    assert list(study.floors) == [MEMORY, NO_TRACE]
    assert len(study.floors[NO_TRACE]) == len(responses)
    skill = pd.read_csv(folder / "skill.csv")
    assert list(skill["policy"].unique()) == [MEMORY, NO_TRACE, "base", "grpo"]
    # With two pairs per split, the math pairs may all be of one part.
    parts = set(skill["part"])
    assert {"code, long", "code, seen", "code, unseen"} <= parts
    assert parts & {"math, seen", "math, unseen"}
    for report in ("report.md", "report.html"):
        assert "Does the policy verify?" in (folder / report).read_text()
    assert (folder / "figures/skill.png").exists()


def _check_data_and_warm_start(config: Config) -> None:
    card = (data_stage(config).folder / CARD).read_text()
    assert "| 4 | 1454712 | 425742 | 11139144 |" in card
    assert "wrong programs pass the example" in card
    record = read_json(warm_start_stage(config).folder / POLICY / "provenance.json")
    assert record["problems"] == "pipelines"
    assert record["curve"][-1]["step"] == 2
    taught = pd.read_parquet(data_stage(config).folder / TAUGHT)
    assert (taught["correct"] <= taught["seen"]).all()


def test_only_studies_of_pipelines_have_floors() -> None:
    pipelines = load_config(SMALL)
    assert has_floors(pipelines)
    assert not has_floors(load_config(["experiment=tiny"]))
    own_pairs = replace(pipelines, data=replace(pipelines.data, file="pairs.jsonl"))
    assert not has_floors(own_pairs)
    titles = [stage.title for stage in study_stages(pipelines)]
    assert "evaluate base without thought" in titles
