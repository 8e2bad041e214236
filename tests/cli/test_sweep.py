"""Sweeps as a user runs them: killed and started again, with a job that fails, over searches and launchers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from corpo.cli.sweep import JobFailed, note, run_job, status
from corpo.config import Config
from corpo.pipeline.stage import Stage
from corpo.utils.files import write_json
from tests.command import ROOT, command, run

SIX = ["hydra/launcher=cores", "baseline=grpo,static,corpo", "seed=0,1", "train.steps=3"]


def _elsewhere(where: list[str], folder: Path) -> list[str]:
    """A sweep of the same experiment with outputs of its own, its data already built."""
    shutil.copytree(Path(where[1].removeprefix("outputs=")) / "data", folder / "data")
    return ["-m", where[0], f"outputs={folder}", *where[2:]]


def _done(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("train/*/done.json")}


def test_a_killed_sweep_does_only_what_is_left_and_ends_the_same(where: list[str], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    said = run("train", *_elsewhere(where, whole), *SIX).stderr
    assert "6 done" in said
    arguments = [*_elsewhere(where, killed), *SIX]
    started = subprocess.Popen(
        command("train", *arguments),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.time() + 300
    while len(_done(killed)) < 3 and started.poll() is None and time.time() < deadline:
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    before = _done(killed)
    assert 3 <= len(before) < 6
    assert "6 done" in run("train", *arguments).stderr
    after = _done(killed)
    assert {key: after[key] for key in before} == before, "finished jobs were left alone"
    assert set(after) == set(_done(whole))
    for key in after:
        for file in ("policy/model.safetensors", "groups.jsonl"):
            assert (whole / "train" / key / file).read_bytes() == (killed / "train" / key / file).read_bytes()


def test_a_failed_job_leaves_the_others_alone(
    where: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "mine.py"
    code = "from corpo.baselines import register_baseline\n\n\n@register_baseline('best')\ndef best(rewards_PG, threshold):\n    {}\n"
    plugin.write_text(
        code.format("if rewards_PG.any():\n        raise RuntimeError('no idea')\n    return rewards_PG")
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    arguments = [
        *_elsewhere(where, tmp_path / "outputs"),
        "plugins=[mine]",
        "baseline.name=best,corpo",
        "train.steps=1",
    ]
    said = run("train", *arguments, code=1).stderr
    assert re.search(r"baseline.name=best +failed", said)
    assert re.search(r"baseline.name=corpo +done", said)
    [log] = re.findall(r"(/\S+/log\.txt) says why", said)
    assert "no idea" in Path(log).read_text()
    plugin.write_text(code.format("return rewards_PG - rewards_PG.amax(dim=1, keepdim=True)"))
    assert "2 done" in run("train", *arguments).stderr


@pytest.mark.parametrize(
    ("code", "state"), [(1, "failed"), (137, "failed"), (130, "stopped"), (143, "stopped")]
)
def test_a_job_that_was_asked_to_stop_has_not_failed(code: int, state: str, tmp_path: Path) -> None:
    stage = Stage("train", {"seed": 0}, tmp_path, "train", lambda: 1.0)
    write_json(stage.folder / "spec.json", stage.spec)
    (tmp_path / "ending.py").write_text(f"raise SystemExit({code})")
    note(tmp_path / "sweep", ["seed=0"], Config(), [stage])
    with pytest.raises(JobFailed, match=str(code)):
        run_job("ending", ["seed=0"], [stage], tmp_path)
    assert [job.state for job in status(tmp_path / "sweep")] == [state]


def test_a_search_is_told_validation_accuracy_and_finds_its_trials_again(
    where: list[str], tmp_path: Path
) -> None:
    arguments = [a for a in _elsewhere(where, tmp_path) if not a.startswith("experiment=")]
    arguments += ["experiment=tune", "data=tiny", "train=tiny", "evaluate=tiny", "hydra.sweeper.n_trials=3"]
    said = run("train", *arguments).stderr
    assert "3 done" in said
    before = _done(tmp_path)
    accuracy = [
        json.loads(path.read_text().splitlines()[-1])["validation/pass@1"]
        for path in tmp_path.glob("train/*/metrics.jsonl")
    ]
    assert f"{max(accuracy):.3f}" in said
    run("train", *arguments)
    assert _done(tmp_path) == before


@pytest.mark.parametrize("launcher", ["submitit_local", "ray_cluster"])
def test_other_launchers(where: list[str], tmp_path: Path, launcher: str) -> None:
    module, extra = {"submitit_local": ("submitit", "sweep"), "ray_cluster": ("ray", "ray")}[launcher]
    pytest.importorskip(module, reason=f"for {launcher}: pip install -e .[{extra}]")
    arguments = [*_elsewhere(where, tmp_path), f"hydra/launcher={launcher}", "seed=0,1", "train.steps=1"]
    assert "2 done" in run("train", *arguments).stderr
