"""Stages: their keys, their order, what runs and what is skipped, and their wall times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from corpo.pipeline import stage as stage_module
from corpo.pipeline.stage import Stage, graph, run_stages, unfinished
from corpo.utils.files import read_json


def make_stage(
    name: str,
    folder: Path,
    inputs: tuple[Stage, ...] = (),
    setting: object = None,
    work: Callable[[Path], None] = lambda folder: None,
) -> Stage:
    return Stage(name, name, inputs, {"setting": setting}, folder, work, minutes=lambda: 1.0)


@pytest.fixture
def ran() -> list[str]:
    return []


@pytest.fixture
def pipeline(tmp_path: Path, ran: list[str]) -> dict[str, Stage]:
    """Return data, a warm start on it, a training on both, and an evaluation on data and training."""

    def record(name: str) -> Callable[[Path], None]:
        return lambda folder: ran.append(name)

    data = make_stage("data", tmp_path, work=record("data"))
    warm_start = make_stage("warm_start", tmp_path, (data,), work=record("warm_start"))
    train = make_stage("train", tmp_path, (data, warm_start), work=record("train"))
    evaluate = make_stage("evaluate", tmp_path, (data, train), work=record("evaluate"))
    return {stage.name: stage for stage in (data, warm_start, train, evaluate)}


def test_graph_lists_each_stage_once_and_inputs_first(pipeline: dict[str, Stage]) -> None:
    stages = graph([pipeline["evaluate"], pipeline["data"]])
    assert [stage.name for stage in stages] == ["data", "warm_start", "train", "evaluate"]


def test_key_depends_on_settings_and_on_inputs_of_inputs(tmp_path: Path) -> None:
    def train_on(setting: object) -> Stage:
        data = make_stage("data", tmp_path, setting=setting)
        return make_stage("train", tmp_path, (make_stage("warm_start", tmp_path, (data,)),))

    assert train_on(1).key == train_on(1).key
    assert train_on(1).key != train_on(2).key
    assert make_stage("train", tmp_path, setting=1).key != make_stage("train", tmp_path, setting=2).key
    data = make_stage("data", tmp_path)
    assert make_stage("train", tmp_path, (data,)).key != make_stage("train", tmp_path).key


def test_run_does_the_inputs_first_and_everything_once(pipeline: dict[str, Stage], ran: list[str]) -> None:
    folder = pipeline["evaluate"].run()
    assert folder == pipeline["evaluate"].folder
    assert ran == ["data", "warm_start", "train", "evaluate"]
    run_stages(pipeline.values())
    assert ran == ["data", "warm_start", "train", "evaluate"]


def test_inputs_of_a_finished_stage_are_not_needed(pipeline: dict[str, Stage], ran: list[str]) -> None:
    pipeline["train"].run()
    for name in ("data", "warm_start"):
        (pipeline[name].folder / "done.json").unlink()
    assert unfinished([pipeline["train"]]) == []
    assert [stage.name for stage in unfinished([pipeline["evaluate"]])] == ["data", "evaluate"]


def test_log_numbers_the_stages(pipeline: dict[str, Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline["train"].run()
    messages: list[str] = []
    # Not by caplog: a job that ran in this process before may have changed the logging of all modules.
    monkeypatch.setattr(stage_module.log, "info", lambda message, *values: messages.append(message % values))
    pipeline["evaluate"].run()
    assert messages[0].startswith("stage 1 of 4, data: done before")
    assert messages[3].startswith("stage 4 of 4, evaluate: in ")


def test_wall_time_counts_the_own_work_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(stage_module.time, "time", lambda: now[0])

    def take(seconds: float) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            now[0] += seconds

        return work

    data = make_stage("data", tmp_path, work=take(10.0))
    train = make_stage("train", tmp_path, (data,), work=take(7.0))
    evaluate = make_stage("evaluate", tmp_path, (data, train), work=take(3.0))
    evaluate.run()
    seconds = {}
    for stage in (data, train, evaluate):
        seconds[stage.name] = read_json(stage.folder / "done.json")["wall_seconds"]
    assert seconds == {"data": 10.0, "train": 7.0, "evaluate": 3.0}


def test_failed_stage_runs_again_and_is_marked_as_resumed(tmp_path: Path) -> None:
    attempts = []

    def fail_once(folder: Path) -> None:
        attempts.append(folder)
        if len(attempts) == 1:
            raise ValueError("lost")

    stage = make_stage("train", tmp_path, work=fail_once)
    with pytest.raises(ValueError, match="lost"):
        stage.run()
    assert not stage.done
    stage.run()
    assert read_json(stage.folder / "done.json")["resumed"] is True
