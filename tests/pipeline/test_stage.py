"""Stages: their keys, their order, what runs and what is skipped, and their wall times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from corpo.pipeline import stage as stage_module
from corpo.pipeline.stage import Forecast, Stage, graph, run_stages, unfinished
from corpo.utils.files import read_json
from corpo.utils.progress import progress


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


def test_log_has_a_line_per_finished_stage_and_one_for_those_before(
    pipeline: dict[str, Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline["warm_start"].run()
    messages: list[str] = []
    # Not by caplog: a job that ran in this process before may have changed the logging of all modules.
    monkeypatch.setattr(stage_module.log, "info", lambda message, *values: messages.append(message % values))
    pipeline["evaluate"].run()
    finished = [message for message in messages if ": in " not in message]
    assert finished[0] == "done before: 2 of 4 stages (data, warm_start)"
    assert finished[1].startswith("stage 3 of 4, train: done in 0:00 (")
    assert finished[2].startswith("stage 4 of 4, evaluate: done in 0:00 (")
    assert len(finished) == 3


def test_bars_carry_the_number_and_the_title_of_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("corpo.utils.progress.LINE_SECONDS", 0.0)

    def work(folder: Path) -> None:
        with progress("train grpo seed 0", 10) as advance:
            advance(5, note="pass@1 0.50")
        with progress("merging", 10) as advance:
            advance(5)

    data = make_stage("data", tmp_path)
    train = replace(make_stage("train", tmp_path, (data,), work=work), title="2 levels: train grpo seed 0")
    evaluate = make_stage("evaluate", tmp_path, (train,))
    evaluate.run()
    first, second = [line for line in capsys.readouterr().err.splitlines() if "5/10" in line]
    assert first.startswith("2/3 2 levels: train grpo seed 0: 5/10 in 0:00, left 0:00, run ")
    assert first.endswith(" pass@1 0.50")
    assert second.startswith("2/3 2 levels: train grpo seed 0: merging: 5/10")


def test_forecast_learns_from_finished_stages(tmp_path: Path) -> None:
    first, second = make_stage("train", tmp_path, setting=1), make_stage("train", tmp_path, setting=2)
    evaluate = make_stage("evaluate", tmp_path)
    forecast = Forecast([first, second, evaluate])  # each is estimated to take a minute
    assert forecast.seconds_after(first) == 120
    forecast.add(first, 30.0)  # half of the estimate, so that other trainings take half, too
    assert forecast.seconds_after(evaluate) == 30
    assert forecast.seconds_after(second) == 60, "an evaluation has not finished"
    forecast.add(second, 90.0)
    assert forecast.seconds_after(evaluate) == 0
    unknown = replace(evaluate, minutes=lambda: float("nan"))
    assert Forecast([first, unknown]).seconds_after(first) is None


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
