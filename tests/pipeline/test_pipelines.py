"""Run all stages with `data=pipelines`, at a very small size."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from corpo.analysis.tracing import tracing
from corpo.cli.compose import load_config
from corpo.pipeline.data import CARD, data_stage, evaluated_pairs, split_pairs
from corpo.pipeline.evaluate import ROLLOUTS, evaluate_stage
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


def test_all_stages_run_with_pipelines(tmp_path: Path) -> None:
    options = [*SMALL, f"outputs={tmp_path}/outputs", f"results={tmp_path}/results"]
    run("evaluate", *options)
    config = load_config(options)
    folder = evaluate_stage(config, trained=True).folder
    card = (data_stage(config).folder / CARD).read_text()
    assert "| 4 | 1454712 | 425742 | 11139144 |" in card
    assert "wrong programs pass the example" in card
    record = read_json(warm_start_stage(config).folder / POLICY / "provenance.json")
    assert record["problems"] == "pipelines"
    assert record["curve"][-1]["step"] == 2
    rollouts = pd.read_parquet(folder / ROLLOUTS)
    assert set(rollouts["split"]) == {
        split for split, _ in split_pairs(config) if "code" in split or "math" in split
    }
    table = tracing(rollouts, [pair for _, pair in evaluated_pairs(config)])
    # With two pairs per split, the math pairs may all be of one part.
    parts = set(table["part"])
    assert {"code, long", "code, seen", "code, unseen"} <= parts
    assert parts & {"math, seen", "math, unseen"}
