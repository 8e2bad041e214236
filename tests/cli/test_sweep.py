"""Sweeps as a user runs them: killed and started again, with a failing job, over several launchers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corpo.cli.sweep import JobFailed, add_job, run_in_process, sweep_status
from corpo.config import Config
from corpo.pipeline.stage import Stage
from corpo.utils.files import write_json
from tests.command import ROOT, command, run

FOUR_JOBS = ["hydra/launcher=cores", "baseline=grpo,corpo", "seed=0,1", "train.steps=3"]


def _sweep_elsewhere(where: list[str], folder: Path) -> list[str]:
    """Return the options of a sweep with outputs of its own, in which the data is already built."""
    shutil.copytree(Path(where[1].removeprefix("outputs=")) / "data", folder / "data")
    return ["-m", where[0], f"outputs={folder}", *where[2:]]


def _finished(folder: Path) -> dict[str, int]:
    """Return the time of completion of each training, by its key."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("train/*/done.json")}


def test_a_killed_sweep_does_only_what_is_left_and_ends_the_same(where: list[str], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert "4 done" in run("train", *_sweep_elsewhere(where, whole), *FOUR_JOBS).stderr
    arguments = [*_sweep_elsewhere(where, killed), *FOUR_JOBS]
    process = subprocess.Popen(
        command("train", *arguments),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.time() + 300
    while len(_finished(killed)) < 2 and process.poll() is None:
        assert time.time() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = _finished(killed)
    assert 2 <= len(before) < 4
    assert "4 done" in run("train", *arguments).stderr
    after = _finished(killed)
    assert {key: after[key] for key in before} == before, "finished jobs were left alone"
    assert set(after) == set(_finished(whole))
    for key in after:
        for name in ("policy/model.safetensors", "groups.jsonl"):
            expected = (whole / "train" / key / name).read_bytes()
            assert (killed / "train" / key / name).read_bytes() == expected


BASELINE = """from corpo import register_baseline


@register_baseline("best")
def best(rewards_PG, threshold):
    {body}
"""


def test_a_failed_job_leaves_the_others_alone(
    where: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "mine.py"
    failing = "if rewards_PG.any():\n        raise RuntimeError('no idea')\n    return rewards_PG"
    plugin.write_text(BASELINE.format(body=failing))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    options = ["plugins=[mine]", "baseline.name=best,corpo", "train.steps=1"]
    arguments = [*_sweep_elsewhere(where, tmp_path / "outputs"), *options]
    log = run("train", *arguments, code=1).stderr
    assert re.search(r"baseline.name=best +failed", log)
    assert re.search(r"baseline.name=corpo +done", log)
    [job_log] = re.findall(r"exit code \d+; see (/\S+/log\.txt)", log)
    assert "no idea" in Path(job_log).read_text()
    plugin.write_text(BASELINE.format(body="return rewards_PG - rewards_PG.amax(dim=1, keepdim=True)"))
    assert "2 done" in run("train", *arguments).stderr


@pytest.mark.parametrize(
    ("code", "state"), [(1, "failed"), (137, "failed"), (130, "stopped"), (143, "stopped")]
)
def test_a_job_that_was_asked_to_stop_has_not_failed(
    code: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(
        "train",
        "train",
        inputs=(),
        spec={"seed": 0},
        outputs=tmp_path,
        work=lambda folder: None,
        minutes=lambda: 1.0,
    )
    write_json(stage.folder / "spec.json", stage.spec)
    add_job(tmp_path / "sweep", ["seed=0"], Config(), [stage])
    process = [sys.executable, "-c", f"raise SystemExit({code})"]
    monkeypatch.setattr("corpo.cli.sweep.job_process", lambda command, overrides: process)
    with pytest.raises(JobFailed, match=str(code)):
        run_in_process("train", ["seed=0"], [stage], tmp_path)
    assert [job.state for job in sweep_status(tmp_path / "sweep")] == [state]


def test_a_search_sees_validation_accuracy_and_finds_its_trials_again(
    where: list[str], tmp_path: Path
) -> None:
    arguments = [option for option in _sweep_elsewhere(where, tmp_path) if "experiment=" not in option]
    arguments += ["experiment=tune", "data=tiny", "train=tiny", "evaluate=tiny", "hydra.sweeper.n_trials=3"]
    log = run("train", *arguments).stderr
    assert "3 done" in log
    before = _finished(tmp_path)
    accuracies = []
    for path in tmp_path.glob("train/*/metrics.jsonl"):
        accuracies.append(json.loads(path.read_text().splitlines()[-1])["validation/pass@1"])
    assert f"{max(accuracies):.3f}" in log
    run("train", *arguments)
    assert _finished(tmp_path) == before


@pytest.mark.parametrize(
    ("launcher", "module", "extra"),
    [("submitit_local", "submitit", "sweep"), ("ray_cluster", "ray", "ray")],
)
def test_a_sweep_runs_on_other_launchers_if_they_are_installed(
    where: list[str], tmp_path: Path, launcher: str, module: str, extra: str
) -> None:
    pytest.importorskip(module, reason=f"for {launcher}: pip install 'corpo-rl[{extra}]'")
    options = [f"hydra/launcher={launcher}", "seed=0,1", "train.steps=1"]
    assert "2 done" in run("train", *_sweep_elsewhere(where, tmp_path), *options).stderr
