"""Check what the stages write about `data=pipelines`, in the tiny experiment."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from corpo.cli.compose import load_config
from corpo.pipeline.data import CARD, data_stage, split_pairs
from corpo.pipeline.evaluate import ROLLOUTS, evaluate_stage
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
    rollouts = pd.read_parquet(evaluate_stage(config, trained=True).folder / ROLLOUTS)
    splits = {split for split, _ in split_pairs(config)}
    assert set(rollouts["split"]) == {split for split in splits if split.startswith(("code", "math"))}
    parts = {family.rpartition("_")[0] for family in rollouts["family"]}
    assert parts == {"code_seen", "code_unseen", "math_seen", "math_unseen"}
    assert rollouts["traced"].between(0, 1).all()


def test_a_warm_start_with_traces_of_the_bank_is_refused() -> None:
    config = load_config(["data=smollm2", "model=nano_new"])
    with pytest.raises(ConfigError, match=r"choose warm_start\.rationale=rewrite"):
        warm_start_stage(config)
