"""Delete the folders that killed processes have left, and no others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpo.data.execution import folders
from corpo.data.execution.folders import LOCK, delete_abandoned_folders, sandbox_folder
from corpo.data.execution.sandbox import Program, Sandbox

_HOLD = """
import sys, time
from corpo.data.execution.folders import sandbox_folder
with sandbox_folder() as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def _owner(temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that uses a folder. Return both."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_the_folder_of_a_killed_process_is_deleted_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    living, its_folder = _owner(tmp_path)
    killed, left_folder = _owner(tmp_path)
    killed.kill()
    killed.wait()
    try:
        assert {its_folder, left_folder} == set(tmp_path.iterdir())
        delete_abandoned_folders(str(tmp_path))
        assert list(tmp_path.iterdir()) == [its_folder]
    finally:
        living.kill()
        living.wait()


def test_only_folders_of_the_same_user_with_a_lock_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, temporary, target = folders._prefix(), tmp_path / "temporary", tmp_path / "target"
    target.mkdir()
    (target / LOCK).touch()
    (temporary / f"{prefix}new").mkdir(parents=True)  # as just before its lock is made
    (temporary / f"{prefix}link").symlink_to(target)
    (temporary / f"{prefix}file").touch()
    (temporary / f"{prefix}old").mkdir()
    (temporary / f"{prefix}old" / LOCK).symlink_to(target / LOCK)
    (temporary / "other").mkdir()
    (temporary / "other" / LOCK).touch()
    names = sorted(path.name for path in temporary.iterdir())
    delete_abandoned_folders(str(temporary))
    assert sorted(path.name for path in temporary.iterdir()) == names
    (temporary / f"{prefix}new" / LOCK).touch()
    with monkeypatch.context() as other_user:
        other_user.setattr(os, "geteuid", lambda: os.getuid() + 1)
        delete_abandoned_folders(str(temporary))
    assert sorted(path.name for path in temporary.iterdir()) == names
    delete_abandoned_folders(str(temporary))
    assert sorted(path.name for path in temporary.iterdir()) == sorted({*names} - {f"{prefix}new"})
    assert (target / LOCK).exists()


def test_a_folder_is_deleted_however_deep_and_locked_it_is(tmp_path: Path) -> None:
    folder = tmp_path / f"{folders._prefix()}deep"
    folder.mkdir()
    (folder / LOCK).touch()
    previous = os.getcwd()
    os.chdir(folder)
    try:
        for _ in range(3000):
            os.mkdir("d", 0o700)
            os.chdir("d")
        os.mkdir("locked", 0)
    finally:
        os.chdir(previous)
    delete_abandoned_folders(str(tmp_path))
    assert not folder.exists()


def test_a_folder_stays_while_a_worker_uses_it_whose_owner_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import time\ndef f():\n    open('ready', 'w')\n    time.sleep(1.5)"
    code = (
        "from corpo.data.execution.sandbox import Isolation, Program, Sandbox\n"
        f"Sandbox(Isolation.process, workers=1).run([Program({program!r}, ((),))])"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    owner = subprocess.Popen([sys.executable, "-c", code], env=environment)
    while not list(tmp_path.glob("*/room/ready")):
        assert owner.poll() is None
        time.sleep(0.01)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    [folder] = tmp_path.iterdir()
    delete_abandoned_folders(str(tmp_path))
    assert (folder / "room/ready").exists()
    while folder.exists():  # until the worker has noticed that its owner is gone
        delete_abandoned_folders(str(tmp_path))
        time.sleep(0.05)


def test_the_first_sandbox_of_a_process_deletes_abandoned_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / f"{folders._prefix()}left"
    left.mkdir()
    (left / LOCK).touch()
    assert Sandbox().run([Program("def f(x):\n    return x", ((1,),))]) == [("=1",)]
    assert not list(tmp_path.iterdir())
    with sandbox_folder() as folder:
        assert [str(path) for path in tmp_path.iterdir()] == [folder]
