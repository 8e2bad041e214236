"""Mirrors of a run, read back from what they left on disk: TensorBoard's events and an offline run of Weights & Biases."""

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
from corpo.report.track_study import CHARTS
from corpo.report.trackers import Trackers
from tests.command import run

RECORDS = [{"step": 1.0, "reward_mean": -0.5, "kl": None}, {"step": 2.0, "reward_mean": 0.25, "kl": 0.125}]
CURVES = {"grpo": pd.Series([1.0, 1.5], index=[1, 2]), "corpo": pd.Series([0.5, float("nan")], index=[1, 2])}
ROLLOUTS = pd.DataFrame({"response": ["<think>a < b</think> A: 9 B: 1"], "reward": [1.0]})


def _mirror(kind: str, folder: Path) -> None:
    trackers = Trackers(
        TrackConfig(to=[kind], wandb_mode="offline"),
        folder,
        "study",
        "corpo-seed0",
        "0123abcd",
        {"train": {"lr": 0.5}, "plugins": []},
    )
    for record in RECORDS:
        trackers.step(record)
    trackers.table("rollouts", ROLLOUTS)
    trackers.chart("advantage ratio", CURVES)
    trackers.close()


def _events(folder: Path) -> Any:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="for track=tensorboard: pip install -e .[track]",
    )
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return events


def _scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in _events(folder).Scalars(tag)]


def test_tensorboard_holds_what_was_recorded_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="for track=tensorboard: pip install -e .[track]")
    for _ in range(2):  # the second time as a run that goes on: filled again from its records
        _mirror("tensorboard", tmp_path)
    [folder] = (tmp_path / "tensorboard/study").iterdir()
    assert folder.name.startswith("corpo-seed0-")
    assert _scalars(folder, "reward_mean") == [(1, -0.5), (2, 0.25)]
    assert _scalars(folder, "kl") == [(2, 0.125)]
    assert _scalars(folder / "grpo", "figures/advantage ratio") == [(1, 1.0), (2, 1.5)]
    assert _scalars(folder / "corpo", "figures/advantage ratio") == [(1, 0.5)]
    [text] = [
        event.tensor_proto.string_val[0].decode()
        for event in _events(folder).Tensors("rollouts/text_summary")
    ]
    assert "&lt;think&gt;a &lt; b" in text, "a response is text, not markup"


def _logged(path: Path) -> Iterator[bytes]:
    """The records of a .wandb file, which is a LevelDB log: blocks of 32 KiB, in them parts with checksum, length and type."""
    data, at, record = path.read_bytes(), 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def _offline_run(folder: Path) -> tuple[Path, dict[str, Any], list[dict[str, Any]]]:
    """Folder, settings and history of the one offline run. The process that writes it ends a moment after the run."""
    from wandb.proto.wandb_internal_pb2 import Record

    [log] = folder.glob("wandb/offline-run-*/run-*.wandb")
    deadline = time.time() + 60
    records: list[Any] = []
    while not (records and records[-1].HasField("exit")) and time.time() < deadline:
        time.sleep(0.1)
        records = [Record.FromString(data) for data in _logged(log)]
    [run] = [record.run for record in records if record.HasField("run")]
    settings = {"group": run.run_group, "name": run.display_name, "id": run.run_id, "project": run.project}
    history = [record.history for record in records if record.HasField("history")]
    return (
        log.parent,
        settings,
        [
            {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in row.item}
            for row in history
        ],
    )


def test_an_offline_run_of_wandb_can_be_synced_later(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="for track=wandb_offline: pip install -e .[track]")
    for _ in range(2):
        _mirror("wandb", tmp_path)
    folder, settings, history = _offline_run(tmp_path)  # one run only: the second time replaced the first
    assert settings == {"group": "study", "name": "corpo-seed0", "id": "0123abcd", "project": "corpo"}
    assert [row["reward_mean"] for row in history if "reward_mean" in row] == [-0.5, 0.25]
    assert [row["kl"] for row in history if "kl" in row] == [0.125]
    [table] = folder.glob("files/media/table/rollouts_*.json")
    assert json.loads(table.read_text())["data"] == ROLLOUTS.to_numpy().tolist()
    assert list(folder.glob("files/media/table/figures/*.json")), "the chart's data, for wandb to draw"


def test_a_finished_study_is_mirrored_afterwards(where: list[str], results: Path) -> None:
    pytest.importorskip("tensorboard", reason="for track=tensorboard: pip install -e .[track]")
    said = run("track", *where, "track=tensorboard").stdout
    folder = Path(said.removeprefix("tracked in ").strip()) / "tensorboard/tiny"
    folders = {path.name.rpartition("-")[0]: path for path in folder.iterdir()}  # less the key
    assert set(folders) == {"grpo-seed0", "static-seed0", "corpo-seed0", "study"}
    for baseline in ("grpo", "static", "corpo"):
        [trained] = read_study(results)[0].of(baseline)
        records = trained.metrics.to_dict("records")
        assert _scalars(folders[f"{baseline}-seed0"], "reward_mean") == [
            (r["step"], pytest.approx(r["reward_mean"])) for r in records
        ]
        assert (
            {f"figures/{name}" for name in CHARTS}
            >= set(_events(folders["study"] / baseline).Tags()["scalars"])
            > set()
        )
    assert "track=tensorboard" in run("track", *where, code=1).stderr
