"""Tests of training in two processes (gloo, FSDP2), of adapters and of recomputed activations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from corpo.config import LoraConfig, LossConfig
from corpo.policy.lora import merge_adapters
from corpo.policy.packing import group_logprobs
from corpo.task import Fault, OrdinalReward, Pair
from corpo.task.grade import Graded
from corpo.tasks import verify
from corpo.train.distributed import init_distributed
from corpo.utils import ranks
from tests.ranks import run_ranks
from tests.train.tiny_trainer import example_pairs, metrics_without_seconds, tiny_trainer

SETTINGS = {
    "paper": {},
    "token_mean": {
        "loss": LossConfig(aggregation="token_mean", entropy=0.01),
        "filter_zero_advantage_groups": True,
        "token_budget": 150,
    },
    "several_updates": {
        "minibatches": 2,
        "epochs": 2,
        "loss": LossConfig(ppo_clip=0.05, kl=0.01),
        "gradient_checkpointing": True,
    },
    # Each minibatch is a single pair, so that one of two processes has no part of it.
    "small_minibatches": {"minibatches": 4, "epochs": 2, "loss": LossConfig(importance_ratio_cap=2.0)},
    "adapters": {"lora": LoraConfig(rank=4), "gradient_checkpointing": True},
}


def grade_by_length(texts_PG: list[list[str]], pairs: list[Pair], reward: OrdinalReward) -> Graded:
    """Reward a response by its length, because the responses of an untrained policy have no verdict."""
    faults, rewards = [], []
    for texts in texts_PG:
        faults.append([Fault.no_think] * len(texts))
        rewards.append([len(text) % 5 / 2 - 1 for text in texts])
    return Graded(faults, torch.tensor(rewards))


def train_on_one_rank(folder: str) -> None:
    """Train with each of the settings, as one rank; each run is interrupted once and resumed."""
    torch.set_num_threads(1)
    init_distributed()
    verify.grade = grade_by_length  # type: ignore[assignment]
    for name, setting in SETTINGS.items():
        out = Path(folder) / name
        out.mkdir(exist_ok=True)
        for steps in (2, 4):  # the second run resumes from the checkpoint of the first
            trainer = tiny_trainer(torch.float32, "corpo", prompts_per_step=8, steps=steps, **setting)
            trainer.train(example_pairs(8), example_pairs(2), out)
        trainer.save(out / "policy")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the outputs of training in one process and in two."""
    alone, together = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("together")
    _train(alone, world_size=1)
    _train(together, world_size=2)
    return alone, together


def _train(folder: Path, world_size: int) -> None:
    code = f"from tests.train.test_distributed import train_on_one_rank; train_on_one_rank({str(folder)!r})"
    run_ranks(code, world_size)


@pytest.mark.parametrize("setting", SETTINGS)
def test_two_processes_learn_what_one_process_learns(folders: tuple[Path, Path], setting: str) -> None:
    alone, together = (folder / setting for folder in folders)
    # The rollouts are the same, in the same order.
    assert (alone / "groups.jsonl").read_text() == (together / "groups.jsonl").read_text()
    records = zip(metrics_without_seconds(alone), metrics_without_seconds(together), strict=True)
    for expected, metrics in records:
        assert metrics.keys() == expected.keys()
        for name, value in expected.items():
            assert metrics[name] == (None if value is None else pytest.approx(value, rel=1e-3, abs=1e-5)), (
                name
            )
    weights = load_file(alone / "policy/model.safetensors")
    weights_of_two = load_file(together / "policy/model.safetensors")
    assert weights_of_two.keys() == weights.keys()
    for name, value in weights.items():
        torch.testing.assert_close(weights_of_two[name], value, atol=1e-4, rtol=0)
    assert (together / "rank-1-of-2").is_dir(), "each process saves its own part of the optimizer"


def test_recomputed_activations_give_the_same_update() -> None:
    weights: list[dict[str, Tensor]] = []
    for recompute in (False, True):
        trainer = tiny_trainer(gradient_checkpointing=recompute)
        rollouts = trainer.engine.generate([trainer.render(pair) for pair in example_pairs(2)], 4, seed=0)
        trainer.update(rollouts, torch.randn(4, 4, generator=torch.Generator().manual_seed(1)), lr=1e-3)
        weights.append(trainer.model.state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-6, rtol=0)


def test_only_adapters_learn_and_merge_into_an_ordinary_policy() -> None:
    trainer = tiny_trainer(lora=LoraConfig(rank=4), lr=1e-2)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    rollouts = trainer.engine.generate([trainer.render(pair) for pair in example_pairs(2)], 4, seed=0)
    trainer.update(rollouts, torch.randn(4, 4, generator=torch.Generator().manual_seed(1)), lr=1e-2)
    changed = {
        name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed
    assert all("lora_" in name for name in changed)
    with torch.no_grad():
        with_adapters_PGT, _ = trainer.logprobs(trainer.compute, rollouts)
        plain = merge_adapters(trainer.model)
        assert not any("lora" in name for name, _ in plain.named_parameters())
        merged_PGT, _ = group_logprobs(
            plain, rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT
        )
    torch.testing.assert_close(with_adapters_PGT, merged_PGT, atol=1e-4, rtol=0)


def test_shard_ranges_of_all_ranks_cover_each_index_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    indices: list[int] = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        indices += ranks.shard_range(10)
    assert indices == list(range(10))
