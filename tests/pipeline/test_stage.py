"""Stages: their wall times add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpo.pipeline import stage as stages
from corpo.pipeline.stage import Stage
from corpo.utils.files import read_json


def test_a_stage_within_a_stage_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(stages.time, "time", lambda: now[0])
    data, train, evaluate = (
        Stage(name, {"of": name}, tmp_path, name, lambda: 0.0) for name in ("data", "train", "evaluate")
    )

    def takes(seconds: float, *first: Stage) -> None:
        for one in first:
            one.run(lambda _: takes(10.0, *([data] if one is train else [])))
        now[0] += seconds

    evaluate.run(lambda _: takes(3.0, train, data))
    seconds = {
        stage.name: read_json(stage.folder / "done.json")["wall_seconds"] for stage in (data, train, evaluate)
    }
    assert seconds == {"data": 10.0, "train": 10.0, "evaluate": 3.0}
    other = Stage("train", {"of": "another"}, tmp_path, "other", lambda: 0.0)
    with pytest.raises(ValueError, match="lost"):
        other.run(lambda _: (_ for _ in ()).throw(ValueError("lost")))
    assert stages._within == [], "one that fails leaves no trace"
