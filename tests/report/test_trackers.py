"""Test trackers by reading their files: event logs of TensorBoard, and an offline run of Weights & Biases."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from corpo.analysis.study import read_study
from corpo.config import TrackConfig
from corpo.report.track_study import CHARTS, track_study
from corpo.report.trackers import Trackers
from tests.command import run
from tests.synthetic_study import synthetic_study

RECORDS = [{"step": 1.0, "reward_mean": -0.5, "kl": None}, {"step": 2.0, "reward_mean": 0.25, "kl": 0.125}]
CURVES = {"grpo": pd.Series([1.0, 1.5], index=[1, 2]), "corpo": pd.Series([0.5, float("nan")], index=[1, 2])}
ROLLOUTS = pd.DataFrame({"response": ["<think>a < b</think> A: 9 B: 1"], "reward": [1.0]})
NEEDS_TRACK = "not installed; run `pip install -e .[track]`"
BLOCK_BYTES = 32768


def _track(kind: str, folder: Path) -> None:
    """Track a run of two steps with a table and a chart."""
    config = TrackConfig(trackers=[kind], wandb_mode="offline")
    settings = {"train": {"lr": 0.5}, "plugins": []}
    trackers = Trackers(config, folder, "study", "corpo-seed0", "0123abcd", settings)
    for record in RECORDS:
        trackers.log_step(record)
    trackers.log_table("rollouts", ROLLOUTS)
    trackers.log_chart("advantage ratio", CURVES)
    trackers.close()


def _events(folder: Path) -> Any:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=f"tensorboard is {NEEDS_TRACK}"
    )
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return events


def _scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in _events(folder).Scalars(tag)]


def test_tensorboard_log_holds_each_record_once_after_a_restart(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason=f"tensorboard is {NEEDS_TRACK}")
    for _ in range(2):  # a resumed run fills the log again from its records
        _track("tensorboard", tmp_path)
    [folder] = (tmp_path / "tensorboard/study").iterdir()
    assert folder.name.startswith("corpo-seed0-")
    assert _scalars(folder, "reward_mean") == [(1, -0.5), (2, 0.25)]
    assert _scalars(folder, "kl") == [(2, 0.125)]
    assert _scalars(folder / "grpo", "figures/advantage ratio") == [(1, 1.0), (2, 1.5)]
    assert _scalars(folder / "corpo", "figures/advantage ratio") == [(1, 0.5)]
    [event] = _events(folder).Tensors("rollouts/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    assert "&lt;think&gt;a &lt; b" in text, "a response is shown as text, not as markup"


def _leveldb_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a .wandb file, which is a LevelDB log.

    The log consists of blocks of 32 KiB. Each part of a record has a checksum, a length and a type.
    """
    data, position, record = path.read_bytes(), 7, b""
    while position < len(data):
        remaining = BLOCK_BYTES - position % BLOCK_BYTES
        if remaining < 7:
            position += remaining
            continue
        length, kind = struct.unpack("<HB", data[position + 4 : position + 7])
        record += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or its last part
            yield record
            record = b""


def _offline_run(folder: Path) -> tuple[Path, dict[str, Any], list[dict[str, Any]]]:
    """Return folder, settings and history of the only offline run.

    Waits for the process that writes the file, because it ends a moment after the run.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    [log] = folder.glob("wandb/offline-run-*/run-*.wandb")
    deadline = time.time() + 60
    records: list[Any] = []
    while not (records and records[-1].HasField("exit")) and time.time() < deadline:
        time.sleep(0.1)
        records = [Record.FromString(data) for data in _leveldb_records(log)]
    [run_record] = [record.run for record in records if record.HasField("run")]
    settings = {
        "group": run_record.run_group,
        "name": run_record.display_name,
        "id": run_record.run_id,
        "project": run_record.project,
    }
    history = [_history_row(record.history) for record in records if record.HasField("history")]
    return log.parent, settings, history


def _history_row(history: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in history.item}


def test_offline_wandb_run_is_complete_and_replaces_the_earlier_one(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason=f"wandb is {NEEDS_TRACK}")
    for _ in range(2):
        _track("wandb", tmp_path)
    folder, settings, history = _offline_run(tmp_path)
    assert settings == {"group": "study", "name": "corpo-seed0", "id": "0123abcd", "project": "corpo"}
    assert [row["reward_mean"] for row in history if "reward_mean" in row] == [-0.5, 0.25]
    assert [row["kl"] for row in history if "kl" in row] == [0.125]
    [table] = folder.glob("files/media/table/rollouts_*.json")
    assert json.loads(table.read_text())["data"] == ROLLOUTS.to_numpy().tolist()
    assert list(folder.glob("files/media/table/figures/*.json")), "data of the chart, which wandb draws"


class RecordingTracker:
    """A tracker that keeps what it is given."""

    def __init__(self) -> None:
        self.tables: dict[str, pd.DataFrame] = {}
        self.charts: dict[str, list[str]] = {}

    def log_step(self, record: Any) -> None:
        raise AssertionError("a study logs charts and tables only")

    def log_table(self, name: str, rows: pd.DataFrame) -> None:
        self.tables[name] = rows

    def log_chart(self, name: str, curves: Any) -> None:
        self.charts[name] = list(curves)

    def close(self) -> None:
        pass


def test_track_study_logs_a_chart_per_metric_and_a_row_per_rollout() -> None:
    rollout = {"response": "r", "correct": False, "reward": -1.0, "advantages": {"grpo": 0.5, "corpo": -1.0}}
    example = {
        "split": "s",
        "kind": "both_wrong",
        "problem": "p",
        "statement": "t",
        "candidates": [{"text": "a"}, {"text": "b"}],
        "policies": [{"name": "base", "rollouts": [rollout, rollout]}],
    }
    tracker = RecordingTracker()
    track_study(synthetic_study(1, 0.0), tracker, [(1, pd.DataFrame({"base": [1.0]}))], [example])
    assert set(tracker.charts) == set(CHARTS)
    assert set(tracker.tables) == {"pass@1", "rollouts"}
    rows = tracker.tables["rollouts"]
    assert len(rows) == 2
    assert list(rows[["A", "B", "policy", "advantage of corpo"]].iloc[0]) == ["a", "b", "base", -1.0]


def test_finished_study_can_be_tracked_later(where: list[str], results: Path) -> None:
    pytest.importorskip("tensorboard", reason=f"tensorboard is {NEEDS_TRACK}")
    output = run("report", "--track", *where, "track=tensorboard").stdout
    folder = Path(output.removeprefix("tracked in ").strip()) / "tensorboard/tiny"
    folders = {path.name.rpartition("-")[0]: path for path in folder.iterdir()}  # names without the key
    assert set(folders) == {"grpo-seed0", "static-seed0", "corpo-seed0", "study"}
    tags = {f"figures/{name}" for name in CHARTS}
    for baseline in ("grpo", "static", "corpo"):
        [trained] = read_study(results)[0].of(baseline)
        expected = list(zip(trained.metrics["step"], trained.metrics["reward_mean"], strict=True))
        scalars = _scalars(folders[f"{baseline}-seed0"], "reward_mean")
        assert [step for step, _ in scalars] == [step for step, _ in expected]
        assert [value for _, value in scalars] == pytest.approx([value for _, value in expected])
        assert tags >= set(_events(folders["study"] / baseline).Tags()["scalars"]) > set()
    assert "track=tensorboard" in run("report", "--track", *where, code=2).stderr
