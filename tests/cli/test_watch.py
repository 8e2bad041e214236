"""`corpo watch`: the curves of running and of finished trainings."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from corpo.cli import watch
from corpo.cli.main import main
from corpo.utils.files import append_jsonl, write_json


def make_training(folder: Path, key: str, steps: int, is_running: bool, baseline: str = "grpo") -> Path:
    stage = folder / "train" / key
    write_json(stage / "spec.json", {"baseline": {"name": baseline}, "seed": 1, "train": {"steps": 20}})
    for step in range(1, steps + 1):
        record = {
            "step": step,
            "reward_mean": -0.5 + 0.1 * step,
            "pass_rate": 0.1 * step,
            "failed_positive_fraction": None if step == 1 else 0.1 / step,
            "count_ratio": 1.0,
            "rollout_seconds": 1.0,
            "update_seconds": 2.0,
        }
        append_jsonl(stage / "metrics.jsonl", record)
    if is_running:
        write_json(stage / "owner.json", {"process": os.getpid(), "host": socket.gethostname()})
    return stage


def test_running_trainings_are_shown_with_their_curves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_training(tmp_path, "finished", 20, is_running=False)
    make_training(tmp_path, "running", 4, is_running=True, baseline="corpo")
    (tmp_path / "tracking/tensorboard").mkdir(parents=True)
    main(["watch", str(tmp_path)])
    output = capsys.readouterr().out
    assert "corpo seed 1: step 4 of 20, 3.0 s a step, left 0:48" in output
    assert "grpo seed 1" not in output
    lines = {line.split("  ")[1].strip(): line.split() for line in output.splitlines() if line[:2] == "  "}
    assert lines["reward"][1:] == ["-0.40", "▁▃▆█", "-0.10"]
    assert lines["pass@1"][1:] == ["10.0%", "▁▃▆█", "40.0%"]
    assert lines["rewarded failures"][2:] == ["5.0%", "█▃▁", "2.5%"], "the undefined value has no bar"
    assert "tensorboard --logdir" in output
    assert max(map(len, output.splitlines()[1:4])) <= 80


def test_without_a_running_training_the_newest_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = make_training(tmp_path, "old", 20, is_running=False, baseline="static")
    os.utime(old / "metrics.jsonl", (1, 1))
    make_training(tmp_path, "new", 20, is_running=False)
    main(["watch", str(tmp_path)])
    output = capsys.readouterr().out
    assert "nothing; 0 stages are finished" in " ".join(output.split())  # a long path wraps the line
    assert "grpo seed 1: step 20 of 20\n" in output
    assert "static" not in output
    assert "track=tensorboard" in output


def test_a_missing_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["watch", str(tmp_path / "nowhere")])
    assert "give the folder of the stages" in capsys.readouterr().err


@pytest.mark.parametrize(("values", "bars"), [([1, 2], "▁█"), ([3, 3, 3], "▁▁▁"), ([0, 0, 4, 4], "▁█")])
def test_sparkline_averages_neighbours(values: list[float], bars: str) -> None:
    width = 2 if len(values) == 4 else 40
    assert watch.sparkline(values, width) == bars
