"""Tests of the advantage estimators and the reward in verl's own code. verl needs its own environment."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corpo.baselines import advantages
from corpo.data.export import conversation_rows
from corpo.task import INSTRUCT, Candidate, Domain, Pair, Problem

pytest.importorskip("verl", reason="verl is not installed; see docs/how_to/verl.md")

REWARDS = torch.tensor([[-1.0, -1.0, -1.0, -0.2], [-1.0, -0.6, 0.6, 1.0]])


def _batch(rewards: torch.Tensor, uids: list[str], tokens: int = 5):  # type: ignore[no-untyped-def]
    """Return a batch as verl's trainer makes it: the reward is on the last token of each response."""
    from verl import DataProto

    flat = rewards.flatten()
    lengths = 1 + torch.arange(len(flat)) % tokens
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    token_rewards = torch.zeros(len(flat), tokens)
    token_rewards[torch.arange(len(flat)), lengths - 1] = flat
    return DataProto.from_dict(
        {"token_level_rewards": token_rewards, "response_mask": mask}, {"uid": np.array(uids, dtype=object)}
    )


@pytest.mark.parametrize("baseline", ["corpo", "static"])
def test_verl_finds_the_estimator_and_gets_corpo_advantages(baseline: str) -> None:
    from verl.trainer.ppo.ray_trainer import compute_advantage

    order = [0, 4, 1, 5, 2, 6, 3, 7]  # verl balances batches: a group's rows do not stay together
    flat = REWARDS.flatten()[order]
    data = _batch(flat, ["ab"[row // 4] for row in order])
    output = compute_advantage(data, adv_estimator=baseline)
    expected = advantages(REWARDS, baseline, threshold=0.0).flatten()[order]
    torch.testing.assert_close(output.batch["advantages"], expected[:, None] * data.batch["response_mask"])
    torch.testing.assert_close(output.batch["returns"], output.batch["advantages"])


def test_grpo_of_verl_equals_ours_and_rewards_a_failure() -> None:
    from verl.trainer.ppo.ray_trainer import compute_advantage

    for std in (False, True):
        output = compute_advantage(
            _batch(REWARDS, list("aaaabbbb")), adv_estimator="grpo", norm_adv_by_std_in_grpo=std
        )
        expected = advantages(REWARDS, "grpo", std=std, eps=1e-6)
        torch.testing.assert_close(output.batch["advantages"][:, 0], expected.flatten())
        assert output.batch["advantages"][3, 0] > 0


@pytest.mark.parametrize("baseline", ["rloo", "opo", "reinforce_plus_plus_baseline"])
def test_estimators_that_verl_has_equal_ours(baseline: str) -> None:
    from verl.trainer.ppo.ray_trainer import compute_advantage

    data = _batch(REWARDS, list("aaaabbbb"))
    output = compute_advantage(data, adv_estimator=baseline)
    expected = advantages(REWARDS, baseline, lengths_PG=data.batch["response_mask"].sum(1).view(2, 4))
    torch.testing.assert_close(output.batch["advantages"][:, 0], expected.flatten(), check_dtype=False)


def test_groups_may_differ_in_size() -> None:
    from verl.trainer.ppo.ray_trainer import compute_advantage

    output = compute_advantage(_batch(torch.tensor([0.5, -0.5, 1.0]), list("aba")), adv_estimator="corpo")
    torch.testing.assert_close(output.batch["advantages"][:, 0], torch.tensor([-0.25, -0.5, 0.25]))
    output = compute_advantage(_batch(torch.tensor([0.5, -0.5, 1.0]), list("aba")), adv_estimator="quantile")
    assert output.batch["advantages"][1, 0] == 0, "a single rollout has no quantile"


def test_reward_is_a_margin_over_the_threshold() -> None:
    from corpo.plugins.verl import compute_score

    truth = {"a": True, "b": False}
    best = "<think>B adds</think> A: 10 B: 0"
    assert compute_score("train", best, truth) == {"score": 1.0, "correct": 1.0, "parseable": 1.0}
    assert compute_score("train", best, truth, levels=3, threshold=1.0)["score"] == 0.0
    assert compute_score("train", "A is right", truth) == {"score": -1.0, "correct": 0.0, "parseable": 0.0}


def test_verl_reads_the_exported_rows(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from datasets import Dataset
    from omegaconf import OmegaConf
    from transformers import AutoTokenizer
    from verl.utils.dataset.rl_dataset import RLHFDataset

    problem = Problem("p", Domain.code, "f", "t", "Return x.")
    pair = Pair(
        problem,
        Candidate("def f(x):\n    return x", True, "reference"),
        Candidate("def f(x):\n    return 0", False, "human", 2),
    )
    path = tmp_path / "train.parquet"
    Dataset.from_list(conversation_rows([("train", pair)], INSTRUCT)).to_parquet(path)
    tokenizer = AutoTokenizer.from_pretrained("data/nano_base")
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    config = OmegaConf.create(
        {"max_prompt_length": 1024, "filter_overlong_prompts": False, "cache_dir": str(tmp_path)}
    )
    row = RLHFDataset(str(path), tokenizer, config)[0]
    assert row["data_source"] == "train"
    assert dict(row["reward_model"]["ground_truth"]) == {"a": True, "b": False}
    assert "Return x." in row["raw_prompt"][0]["content"]


def test_paper_script_composes_and_verl_finds_its_reward(tmp_path) -> None:  # type: ignore[no-untyped-def]
    import os
    import subprocess
    import sys
    from pathlib import Path

    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import get_custom_reward_fn

    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATA": str(tmp_path),
    }
    process = subprocess.run(
        ["bash", "examples/verl_paper.sh", "--cfg", "job"], env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr[-2000:]
    config = OmegaConf.create(process.stdout)
    assert config.algorithm.adv_estimator == "corpo"
    reward = get_custom_reward_fn(config)
    assert reward is not None
    assert reward("train", "<think></think> A: 9 B: 0", {"a": True, "b": False})["correct"] == 1
