"""Two processes (gloo, FSDP2) do what one does; adapters and recomputed activations change what they should and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from corpo.config import LoraConfig, LossConfig
from corpo.policy.lora import merged
from corpo.policy.packing import group_logprobs
from corpo.task import Fault, OrdinalReward, Pair
from corpo.task.grade import Graded
from corpo.train import reinforce
from corpo.train.distributed import init_distributed
from corpo.utils import ranks
from corpo.utils.files import read_jsonl
from tests.command import ROOT
from tests.train.test_rl import _learner, _pairs

SETTINGS = {
    "paper": {},
    "token_mean": {
        "loss": LossConfig(aggregation="token_mean", entropy=0.01),
        "filter_zero_advantage_groups": True,
        "token_budget": 150,
    },
    "adapters": {"lora": LoraConfig(rank=4), "gradient_checkpointing": True},
}


def length_judge(texts_PG: list[list[str]], pairs: list[Pair], reward: OrdinalReward) -> Graded:
    """An untrained policy never gives a verdict: so that rewards differ, these go by length."""
    return Graded(
        [[Fault.no_think] * len(texts) for texts in texts_PG],
        torch.tensor([[len(text) % 5 / 2 - 1 for text in texts] for texts in texts_PG]),
    )


def work(folder: str) -> None:
    """What each process of the test below does."""
    torch.set_num_threads(1)
    init_distributed()
    reinforce.grade = length_judge  # type: ignore[assignment]
    for name, setting in SETTINGS.items():
        out = Path(folder) / name
        out.mkdir(exist_ok=True)
        for steps in (2, 4):  # the second time it goes on from its checkpoint
            learner = _learner(torch.float32, "corpo", prompts_per_step=8, steps=steps, **setting)
            learner.train(_pairs(8), _pairs(2), out)
        learner.save(out / "policy")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    folders = []
    for size in (1, 2):
        folder = tmp_path_factory.mktemp(f"of{size}")
        folders.append(folder)
        command = [
            sys.executable,
            "-c",
            f"from tests.train.test_distributed import work; work({str(folder)!r})",
        ]
        processes = []
        for rank in range(size):
            where = {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(size),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            processes.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, **where}))
        assert [process.wait(timeout=600) for process in processes] == [0] * size
    return folders[0], folders[1]


@pytest.mark.parametrize("setting", SETTINGS)
def test_two_processes_learn_what_one_does(folders: tuple[Path, Path], setting: str) -> None:
    one, two = (folder / setting for folder in folders)
    assert (one / "groups.jsonl").read_text() == (two / "groups.jsonl").read_text(), (
        "the same rollouts, in the same order"
    )
    for alone, together in zip(
        read_jsonl(one / "metrics.jsonl"), read_jsonl(two / "metrics.jsonl"), strict=True
    ):
        assert alone.keys() == together.keys()
        for key, value in alone.items():
            if not key.endswith("seconds"):
                assert together[key] == (
                    None if value is None else pytest.approx(value, rel=1e-3, abs=1e-5)
                ), key
    weights = [load_file(folder / "policy/model.safetensors") for folder in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-4, rtol=0)
    assert (two / "rank-1-of-2").is_dir(), "each process keeps its own part of the optimiser"


def test_recomputed_activations_change_nothing() -> None:
    weights: list[dict[str, Tensor]] = []
    for recompute in (False, True):
        learner = _learner(gradient_checkpointing=recompute)
        rollouts = learner.engine.generate([learner.render(pair) for pair in _pairs(2)], 4, seed=0)
        learner.update(rollouts, torch.randn(4, 4, generator=torch.Generator().manual_seed(1)), lr=1e-3)
        weights.append(learner.model.state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-6, rtol=0)


def test_adapters_learn_alone_and_merge_into_an_ordinary_policy() -> None:
    learner = _learner(lora=LoraConfig(rank=4), lr=1e-2)
    before = {name: value.clone() for name, value in learner.model.state_dict().items()}
    rollouts = learner.engine.generate([learner.render(pair) for pair in _pairs(2)], 4, seed=0)
    learner.update(rollouts, torch.randn(4, 4, generator=torch.Generator().manual_seed(1)), lr=1e-2)
    changed = {
        name for name, value in learner.model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed
    assert all("lora_" in name for name in changed)
    with torch.no_grad():
        own, _ = learner.logprobs(learner.compute, rollouts)
        plain = merged(learner.model)
        assert not any("lora" in name for name, _ in plain.named_parameters())
        alone, _ = group_logprobs(plain, rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT)
    torch.testing.assert_close(own, alone, atol=1e-4, rtol=0)


def test_shares_cover_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    seen: list[int] = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        seen += ranks.shard_range(10)
    assert seen == list(range(10))
