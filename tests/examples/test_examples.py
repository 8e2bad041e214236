"""Tests that the examples run with what `make setup` installs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from corpo.baselines import BASELINES, advantages, check_baseline
from corpo.task import Fault, Verdict, build_reward
from corpo.task.reward import REWARDS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def _import(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import an example as the option `plugins` does."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return __import__(name)


def test_plain_pytorch_loop_learns_and_only_grpo_rewards_failures() -> None:
    command = [sys.executable, str(EXAMPLES / "plain_pytorch.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"(\w+) +step +(\d+): pass rate ([\d.]+), failures .* ([\d.]+)", output)
    assert [(name, step) for name, step, _, _ in lines] == [
        ("grpo", "1"),
        ("grpo", "100"),
        ("static", "1"),
        ("static", "100"),
        ("corpo", "1"),
        ("corpo", "100"),
    ]
    for name, step, pass_rate, failed_positive in lines:
        assert (float(pass_rate) > 0.9) is (step == "100")
        assert (float(failed_positive) > 0) is (name == "grpo" and step == "1")


def test_plain_pytorch_loop_imports_torch_and_corpo_only() -> None:
    text = (EXAMPLES / "plain_pytorch.py").read_text(encoding="utf-8")
    modules = re.findall(r"^(?:import|from) (\w+)", text, flags=re.MULTILINE)
    assert set(modules) == {"torch", "corpo"}


def test_own_baseline_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        _import("own_baseline", monkeypatch)
        check_baseline("median", {"share": 0.75}, group_size=4)
        advantages_PG = advantages(torch.tensor([[-1.0, -0.5, 0.5, 1.0]]), "median", share=0.75)
        torch.testing.assert_close(advantages_PG, torch.tensor([[-1.625, -1.125, -0.125, 0.375]]))
    finally:
        BASELINES.pop("median", None)


def test_own_reward_is_registered_and_separates_successes_from_failures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    try:
        _import("own_reward", monkeypatch)
        reward = build_reward("brier", levels=10, threshold=0.0, options={})
        assert reward(Verdict(10, 0), (True, False)) == 0.5
        assert reward(Fault.no_think, (True, False)) == -2.0
    finally:
        REWARDS.pop("brier", None)


def test_own_problems_become_pairs(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "experiments.data",
        "data=own",
        "data.sources.own.path=examples/own_problems",
        "data.isolation=process",
        f"outputs={tmp_path}/outputs",
        f"results={tmp_path}/results",
    ]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    match = re.search(r"pairs: +(\S+)", output.stdout + output.stderr)
    assert match
    assert Path(match[1]).is_file()


def test_trl_example_rewards_completions(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install 'corpo-rl[trl]'")
    example = _import("trl_corpo", monkeypatch)
    completions = [[{"content": "<think></think> A: 9 B: 0"}], [{"content": "no verdict"}]]
    truth = {"ground_truth": {"a": True, "b": False}}
    assert example.reward(completions, reward_model=[truth, truth]) == [1.0, -1.0]


def test_shell_example_is_valid_and_asks_for_its_data() -> None:
    script = str(EXAMPLES / "verl_corpo.sh")
    subprocess.run(["bash", "-n", script], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "DATA"}
    result = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "set DATA" in result.stderr
