"""A run that is asked to stop, that finds its newest checkpoint damaged, or that runs out of disk, loses nothing that was kept."""

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

from corpo.cli.hydra_app import app
from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.errors import StorageError
from corpo.utils.files import append_jsonl, read_jsonl, write_atomically, write_text
from corpo.utils.signals import Stopped, stoppable
from tests.train.test_rl import _learner, _metrics, _pairs, _weights


def _signalled(
    learner: PolicyGradientTrainer, step: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> PolicyGradientTrainer:
    work = learner.step

    def at(pairs: Any, now: int) -> Any:
        if now == step:
            os.kill(os.getpid(), number)
        return work(pairs, now)

    monkeypatch.setattr(learner, "step", at)
    return learner


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_run_after_its_step_and_the_rest_is_the_same(
    number: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    undisturbed = _learner(checkpoint_every=4)
    undisturbed.train(_pairs(4), _pairs(1), whole)
    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(Stopped) as stopped:
        _signalled(_learner(checkpoint_every=4), 2, number, monkeypatch).train(_pairs(4), _pairs(1), cut)
    assert stopped.value.exit_code == code
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == handlers
    kept = load_latest(cut)
    assert kept is not None
    assert kept.step == 2
    resumed = _learner(checkpoint_every=4)
    resumed.train(_pairs(4), _pairs(1), cut)
    assert _metrics(cut) == _metrics(whole)
    assert all(torch.equal(value, _weights(resumed)[name]) for name, value in _weights(undisturbed).items())


def test_the_second_signal_does_not_wait() -> None:
    with stoppable() as asked:
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked() == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("error", "code"), [(Stopped(signal.SIGTERM), 143), (KeyboardInterrupt(), 130)])
def test_the_exit_code_says_which(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(config: Any) -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["experiments.train", f"hydra.run.dir={tmp_path}"])
    with pytest.raises(SystemExit) as stopped:
        app(run, lambda config: [])
    assert stopped.value.code == code


@pytest.mark.parametrize(
    "damage", ["truncated", "a bit", "gone", "no record", "a list", "cut record", "empty record"]
)
def test_a_damaged_checkpoint_leaves_the_one_before(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, Checkpoint(step, {"x": torch.full((3,), float(step))}, {"seen": step}))
    weights, record = tmp_path / "step-000002.safetensors", tmp_path / "step-000002.json"
    data = weights.read_bytes()
    {
        "truncated": lambda: weights.write_bytes(data[:-1]),
        "a bit": lambda: weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1])),
        "gone": weights.unlink,
        "no record": record.unlink,
        "a list": lambda: record.write_text("[]"),
        "cut record": lambda: record.write_text(record.read_text()[:20]),
        "empty record": lambda: record.write_text(""),
    }[damage]()
    found = load_latest(tmp_path)
    assert found is not None
    assert (found.step, found.meta, found.tensors["x"].tolist()) == (1, {"seen": 1}, [1.0] * 3)
    assert ("step-000002.safetensors is damaged" in caplog.text) is (damage != "no record")


def _full(number: int) -> Any:
    def write(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "make the folder writable")]
)
def test_a_disk_that_takes_nothing_leaves_the_last_good_state(
    number: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "kept", "good")
    save_checkpoint(tmp_path, Checkpoint(1, {"x": torch.ones(3)}, {}))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _full(number))
        for write in (
            lambda: write_text(tmp_path / "kept", "bad"),
            lambda: save_checkpoint(tmp_path, Checkpoint(2, {"x": torch.zeros(3)}, {})),
        ):
            with pytest.raises(StorageError, match=advice) as stopped:
                write()
            assert "\n" not in str(stopped.value)
    assert (tmp_path / "kept").read_text() == "good"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "kept",
        "step-000001.json",
        "step-000001.safetensors",
    ]
    found = load_latest(tmp_path)
    assert found is not None
    assert found.step == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_as_libraries_tell_it() -> None:
    with pytest.raises(StorageError, match="No space left on device"):
        append_jsonl(Path("/dev/full"), {"a": "b"})


def test_what_is_wrong_with_the_value_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "x", lambda beside: 1 / 0)
    with pytest.raises(ValueError, match="invalid"):
        write_atomically(tmp_path / "x", lambda beside: save_file({"x": 1}, beside))
    assert read_jsonl(tmp_path / "x") == []
    assert not list(tmp_path.iterdir())
