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


def _advantages_with(rewards: torch.Tensor, **settings):  # type: ignore[no-untyped-def]
    """Return the advantages of verl's own call with these settings of its algorithm."""
    from verl.trainer.config import AlgoConfig
    from verl.trainer.ppo.ray_trainer import compute_advantage

    data = _batch(rewards, list("aaaabbbb"))
    config = AlgoConfig(adv_estimator="corpo", **settings)
    return compute_advantage(data, adv_estimator="corpo", config=config).batch["advantages"][:, 0]


def test_threshold_comes_from_the_settings() -> None:
    computed = _advantages_with(REWARDS, pf_ppo={"threshold": 0.5})
    torch.testing.assert_close(computed, advantages(REWARDS, "corpo", threshold=0.5).flatten())
    with pytest.raises(ValueError, match=r"algorithm\.pf_ppo\.threshold='high'"):
        _advantages_with(REWARDS, pf_ppo={"threshold": "high"})


def test_settings_that_would_undo_corpo_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    from verl.trainer.config import FilterGroupsConfig

    with pytest.raises(ValueError, match=r"algorithm\.use_kl_in_reward=True: .*turn it off"):
        _advantages_with(REWARDS, use_kl_in_reward=True)
    with caplog.at_level("WARNING"):
        for _ in range(2):
            _advantages_with(REWARDS, filter_groups=FilterGroupsConfig(enable=True))
    [record] = [record for record in caplog.records if "filter_groups" in record.getMessage()]
    assert "drops groups whose rewards are equal" in record.getMessage()


def test_threshold_that_fits_no_reward_is_warned_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check rewards in [0, 1] with threshold 0, with which the clip is never active."""
    from corpo.plugins import group_advantages, verl

    monkeypatch.setattr(group_advantages, "GROUPS_PER_REPORT", 2)
    verl._group_advantages.cache_clear()
    with caplog.at_level("WARNING"):
        _advantages_with((REWARDS + 1) / 2)
    [record] = [record for record in caplog.records if "CoRPO equals GRPO" in record.getMessage()]
    assert "algorithm.pf_ppo.threshold is 0" in record.getMessage()


def test_session_of_several_outputs_counts_once_and_metrics_are_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Check the addition to verl's trainers in verl's own `_compute_advantage`, with a queue in memory."""
    pytest.importorskip("transfer_queue", reason="verl's v1 trainer needs the package TransferQueue")
    from types import SimpleNamespace

    from omegaconf import OmegaConf
    from tensordict import TensorDict
    from verl.trainer.ppo.v1 import PPOTrainerSync, trainer_base

    from corpo.plugins.verl_trainer import with_corpo_metrics

    rewards = torch.tensor([-1.0, -1.0, -0.2, 0.0, 1.0])  # the last session has two outputs
    keys = ["a_0_0", "a_1_0", "a_2_0", "a_3_0", "a_3_1"]
    data = _batch(rewards, list("aaaaa"))
    stored = {}

    class Fields(TensorDict):
        def to_padded_tensor(self):  # type: ignore[no-untyped-def]
            return self

    def kv_batch_get(**_):  # type: ignore[no-untyped-def]
        fields = {
            "rm_scores": data.batch["token_level_rewards"],
            "response_mask": data.batch["response_mask"],
        }
        return Fields({**fields, "uid": torch.zeros(5)}, batch_size=5)

    def kv_batch_put(keys, fields, **_):  # type: ignore[no-untyped-def]
        stored.update(fields.items())

    monkeypatch.setattr(
        trainer_base, "tq", SimpleNamespace(kv_batch_get=kv_batch_get, kv_batch_put=kv_batch_put)
    )
    monkeypatch.setattr(trainer_base, "response_to_nested", lambda values, mask: values)
    trainer = object.__new__(with_corpo_metrics(PPOTrainerSync))
    algorithm = {"adv_estimator": "corpo", "use_kl_in_reward": False, "gamma": 1.0, "lam": 1.0}
    trainer.config = OmegaConf.create({"algorithm": algorithm, "actor_rollout_ref": {"rollout": {"n": 4}}})
    metrics: dict[str, float] = {}

    class KeysOfBatch:
        partition_id = "train"

        def __init__(self) -> None:
            self.keys = keys

        def __len__(self) -> int:
            return len(keys)

    trainer._compute_advantage(KeysOfBatch(), metrics)
    expected = advantages(torch.tensor([[-1.0, -1.0, -0.2, 1.0]]), "corpo", threshold=0.0)[0]
    torch.testing.assert_close(stored["advantages"][:, 0], expected[[0, 1, 2, 3, 3]])
    assert metrics["advantages/clip_active_fraction"] == 1
    assert metrics["advantages/pass_rate"] == 0.25


def test_verl_loads_the_addition_to_its_trainers_by_the_environment() -> None:
    import os
    import subprocess
    import sys

    code = "from verl.trainer.ppo.v1 import get_trainer_cls; print(get_trainer_cls('sync').__module__)"
    environment = {**os.environ, "VERL_USE_EXTERNAL_MODULES": "corpo.plugins.verl_trainer"}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert process.stdout.strip().endswith("corpo.plugins.verl_trainer"), process.stderr[-2000:]


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


def test_paper_script_composes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Check that the configuration reaches the reward, the threshold and the processes of Ray."""
    import os
    import subprocess
    import sys
    from pathlib import Path

    from omegaconf import OmegaConf
    from verl.trainer.constants_ppo import get_ppo_ray_runtime_env
    from verl.trainer.ppo.ray_trainer import compute_advantage
    from verl.trainer.ppo.reward import get_custom_reward_fn

    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATA": str(tmp_path),
    }
    command = ["bash", "examples/verl_paper.sh", "+algorithm.pf_ppo.threshold=0.5", "--cfg", "job"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-2000:]
    config = OmegaConf.create(process.stdout)

    reward = get_custom_reward_fn(config)
    assert reward is not None
    assert reward("train", "<think></think> A: 9 B: 0", {"a": True, "b": False})["correct"] == 1

    algorithm = config.algorithm
    output = compute_advantage(
        _batch(REWARDS, list("aaaabbbb")), adv_estimator=algorithm.adv_estimator, config=algorithm
    )
    expected = advantages(REWARDS, "corpo", threshold=0.5).flatten()
    torch.testing.assert_close(output.batch["advantages"][:, 0], expected)

    # verl merges the two in this way before it starts Ray.
    runtime_env = OmegaConf.merge(get_ppo_ray_runtime_env(config), config.ray_kwargs.ray_init.runtime_env)
    assert runtime_env.env_vars.VERL_USE_EXTERNAL_MODULES == "corpo.plugins.verl_trainer"
