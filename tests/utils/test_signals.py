"""Tests of signals, damaged checkpoints and full disks: nothing that was saved is lost."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from corpo.cli.hydra_app import Job, run_job
from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.errors import StorageError
from corpo.utils.files import append_jsonl, read_jsonl, write_atomically, write_text
from corpo.utils.signals import Stopped, stoppable
from tests.train.tiny_trainer import example_pairs, metrics_without_seconds, tiny_trainer, weights_of


def _send_signal_at(
    trainer: PolicyGradientTrainer, signal_step: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the process receive a signal at the beginning of a step."""
    original_step = trainer.step

    def step_with_signal(pairs: Any, step: int) -> Any:
        if step == signal_step:
            os.kill(os.getpid(), number)
        return original_step(pairs, step)

    monkeypatch.setattr(trainer, "step", step_with_signal)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_stops_a_run_after_its_step_and_resuming_equals_no_stop(
    number: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    undisturbed = tiny_trainer(checkpoint_every=4)
    undisturbed.train(example_pairs(4), example_pairs(1), whole)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    stopped_trainer = tiny_trainer(checkpoint_every=4)
    _send_signal_at(stopped_trainer, 2, number, monkeypatch)
    with pytest.raises(Stopped) as stopped:
        stopped_trainer.train(example_pairs(4), example_pairs(1), cut)
    assert stopped.value.exit_code == code
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    checkpoint = load_latest(cut)
    assert checkpoint is not None
    assert checkpoint.step == 2
    resumed = tiny_trainer(checkpoint_every=4)
    resumed.train(example_pairs(4), example_pairs(1), cut)
    assert metrics_without_seconds(cut) == metrics_without_seconds(whole)
    assert all(
        torch.equal(value, weights_of(resumed)[name]) for name, value in weights_of(undisturbed).items()
    )


def test_second_signal_interrupts_at_once() -> None:
    with stoppable() as received_signal:
        os.kill(os.getpid(), signal.SIGTERM)
        assert received_signal() == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("error", "code"), [(Stopped(signal.SIGTERM), 143), (KeyboardInterrupt(), 130)])
def test_exit_code_depends_on_the_signal(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(config: Any) -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["corpo"])  # run_job replaces the arguments
    with pytest.raises(SystemExit) as stopped:
        run_job(Job("train", run, lambda config: []), [f"hydra.run.dir={tmp_path}"])
    assert stopped.value.code == code


@pytest.mark.parametrize(
    "damage",
    ["truncated", "flipped bit", "missing", "no record", "list record", "cut record", "empty record"],
)
def test_damaged_checkpoint_is_skipped(damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, Checkpoint(step, {"x": torch.full((3,), float(step))}, {"seen": step}))
    _damage(tmp_path / "step-000002.safetensors", tmp_path / "step-000002.json", damage)
    checkpoint = load_latest(tmp_path)
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.meta) == (1, {"seen": 1})
    assert checkpoint.tensors["x"].tolist() == [1.0] * 3
    assert ("step-000002.safetensors is damaged" in caplog.text) is (damage != "no record")


def _damage(weights: Path, record: Path, damage: str) -> None:
    data, text = weights.read_bytes(), record.read_text()
    if damage == "truncated":
        weights.write_bytes(data[:-1])
    elif damage == "flipped bit":
        weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "missing":
        weights.unlink()
    elif damage == "no record":
        record.unlink()
    else:
        texts = {"list record": "[]", "cut record": text[:20], "empty record": ""}
        record.write_text(texts[damage])


def _failing_write(number: int) -> Any:
    def write(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "make the folder writable")]
)
def test_failed_write_leaves_the_previous_files(
    number: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "kept", "good")
    save_checkpoint(tmp_path, Checkpoint(1, {"x": torch.ones(3)}, {}))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _failing_write(number))
        with pytest.raises(StorageError, match=advice) as failed_text:
            write_text(tmp_path / "kept", "bad")
        with pytest.raises(StorageError, match=advice) as failed_checkpoint:
            save_checkpoint(tmp_path, Checkpoint(2, {"x": torch.zeros(3)}, {}))
    assert "\n" not in str(failed_text.value)
    assert "\n" not in str(failed_checkpoint.value)
    assert (tmp_path / "kept").read_text() == "good"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "kept",
        "step-000001.json",
        "step-000001.safetensors",
    ]
    checkpoint = load_latest(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_full_disk_raises_storage_error() -> None:
    with pytest.raises(StorageError, match="No space left on device"):
        append_jsonl(Path("/dev/full"), {"a": "b"})


def test_other_errors_are_not_translated(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "x", lambda path: 1 / 0)
    with pytest.raises(ValueError, match="invalid"):
        write_atomically(tmp_path / "x", lambda path: save_file({"x": 1}, path))
    assert read_jsonl(tmp_path / "x") == []
    assert not list(tmp_path.iterdir())
