"""Tests of CorpoTrainer in real training steps of TRL, on the shipped policy.

B completions of a batch, F reward functions.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from packaging.version import Version

from corpo.baselines import advantages
from corpo.config import ModelConfig
from corpo.policy.load import load_policy
from tests.command import ROOT
from tests.ranks import run_ranks

trl = pytest.importorskip("trl", reason="TRL is not installed: pip install -e .[trl]")

BASE = str(ROOT / "data/nano_base")
# A group in which a failure is merely less bad than its group, and one in which some succeed.
REWARDS = torch.tensor([[-1.0, -1.0, -1.0, -0.2], [-1.0, -0.6, 0.6, 1.0]])


def _trained(
    tmp_path: Path, kind: type[Any], rewards: torch.Tensor = REWARDS, **options: Any
) -> tuple[torch.Tensor, Any]:
    """Train one step on two prompts. Return the advantages that were learned from, and the trainer.

    Options that TRL's config knows are passed to it, others to the trainer.
    """
    from datasets import Dataset

    model, tokenizer = load_policy(ModelConfig(), BASE)
    learned: list[torch.Tensor] = []
    config_type = trl.RLOOConfig if kind is trl.RLOOTrainer else trl.GRPOConfig
    config_options: dict[str, Any] = {} if config_type is trl.RLOOConfig else {"scale_rewards": "none"}
    for name in list(options):
        if name in config_type.__dataclass_fields__:
            config_options[name] = options.pop(name)

    class RecordingTrainer(kind):  # type: ignore[misc]
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            output = super()._generate_and_score_completions(inputs)
            learned.append(output["advantages"].clone())
            self.lengths = output["completion_mask"].sum(1)
            return output

    trainer = RecordingTrainer(
        model=model,
        reward_funcs=lambda completions, **_: rewards.flatten().tolist(),
        args=config_type(**_config_options(tmp_path, rewards) | config_options),
        train_dataset=Dataset.from_dict({"prompt": ["one", "two"]}),
        processing_class=tokenizer,
        **options,
    )
    trainer.train()
    return learned[0].view(rewards.shape), trainer


def _config_options(folder: Path, rewards: torch.Tensor) -> dict[str, Any]:
    """Return the options of one step of training on a CPU, on groups of rewards of this shape."""
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": rewards.numel(),
        "num_generations": rewards.shape[1],
        "max_completion_length": 4,
        "max_steps": 1,
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "save_strategy": "no",
        "shuffle_dataset": False,
        "disable_tqdm": True,
        "logging_steps": 1,
    }


def test_trainer_uses_corpo_advantages_and_never_rewards_a_failure(tmp_path: Path) -> None:
    from corpo.plugins.trl import CorpoTrainer

    plain, _ = _trained(tmp_path, trl.GRPOTrainer)
    assert plain[0, 3] > 0, "plain GRPO rewards a failed completion"
    learned_PG, trainer = _trained(tmp_path, CorpoTrainer, threshold=0.0)
    torch.testing.assert_close(learned_PG, advantages(REWARDS, "corpo", threshold=0.0))
    assert not (learned_PG[REWARDS < 0] > 0).any()
    torch.testing.assert_close(torch.tensor(list(trainer._logs["advantages"])), learned_PG.flatten())
    logged = next(
        record for record in trainer.state.log_history if "advantages/clip_active_fraction" in record
    )
    assert logged["advantages/failed_positive_fraction"] == 0
    assert logged["advantages/clip_active_fraction"] == 0.5


def test_grpo_equals_that_of_trl(tmp_path: Path) -> None:
    from corpo.plugins.trl import CorpoTrainer

    plain, _ = _trained(tmp_path, trl.GRPOTrainer)
    learned_PG, _ = _trained(tmp_path, CorpoTrainer, threshold=0.0, baseline="grpo")
    torch.testing.assert_close(learned_PG, plain)
    plain, _ = _trained(tmp_path, trl.GRPOTrainer, scale_rewards="group")
    learned_PG, _ = _trained(
        tmp_path, CorpoTrainer, threshold=0.0, baseline="grpo", options={"std": True, "eps": 1e-4}
    )
    torch.testing.assert_close(learned_PG, plain)


def test_rloo_equals_that_of_trl(tmp_path: Path) -> None:
    from corpo.plugins.trl import CorpoTrainer

    plain, _ = _trained(tmp_path, trl.RLOOTrainer, beta=0.0)
    learned_PG, _ = _trained(tmp_path, CorpoTrainer, threshold=0.0, baseline="rloo")
    torch.testing.assert_close(learned_PG, plain)


def test_baseline_that_needs_lengths_receives_them(tmp_path: Path) -> None:
    from corpo.plugins.trl import CorpoTrainer

    learned_PG, trainer = _trained(tmp_path, CorpoTrainer, threshold=0.0, baseline="opo")
    lengths_PG = trainer.lengths.view(REWARDS.shape)
    mean_P1 = (lengths_PG * REWARDS).sum(1, keepdim=True) / lengths_PG.sum(1, keepdim=True)
    torch.testing.assert_close(learned_PG, REWARDS - mean_P1)


def test_completion_without_a_reward_gets_advantage_zero(tmp_path: Path) -> None:
    from corpo.plugins.trl import CorpoTrainer

    rewards_PG = REWARDS.clone()
    rewards_PG[1, 0] = torch.nan
    learned_PG, _ = _trained(tmp_path, CorpoTrainer, rewards_PG, threshold=0.0, baseline="grpo")
    assert learned_PG[1, 0] == 0
    if Version(trl.__version__) >= Version("1.7"):  # before, TRL took a missing reward for 0
        plain, _ = _trained(tmp_path, trl.GRPOTrainer, rewards_PG)
        torch.testing.assert_close(learned_PG, plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale_rewards": "group", "threshold": 0.0}, "scale_rewards"),
        ({"threshold": 0.0, "baseline": "reinforce"}, "'reinforce' is unknown"),
        ({"threshold": None}, "threshold=None: give the smallest reward of a correct response"),
    ],
)
def test_settings_that_would_change_the_advantages_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    from corpo.plugins.trl import CorpoTrainer

    with pytest.raises(ValueError, match=message):
        _trained(tmp_path, CorpoTrainer, **options)


def test_weights_and_missing_rewards_of_several_functions() -> None:
    from corpo.plugins.trl import weighted_rewards

    nan = torch.nan
    rewards_BF = torch.tensor([[1.0, 2.0], [1.0, nan], [nan, 2.0], [nan, nan]])
    total_B = weighted_rewards(rewards_BF, torch.tensor([1.0, 0.5]))
    torch.testing.assert_close(total_B, torch.tensor([2.0, 1.0, 1.0, nan]), equal_nan=True)


def train_on_one_rank(folder: str) -> None:
    """Train as one of two processes that share a single group, and save the advantages of this process."""
    from corpo.plugins.trl import CorpoTrainer

    rank = int(os.environ["RANK"])
    out = Path(folder) / str(rank)
    learned_PG, trainer = _trained(out, CorpoTrainer, REWARDS[[rank]], threshold=0.0, num_generations=8)
    torch.save((learned_PG, trainer._advantages.is_logging), out.with_suffix(".pt"))


def test_two_processes_share_a_group(tmp_path: Path) -> None:
    code = f"from tests.plugins.test_trl import train_on_one_rank; train_on_one_rank({str(tmp_path)!r})"
    run_ranks(code, world_size=2)
    first, is_first_logging = torch.load(tmp_path / "0.pt")
    second, is_second_logging = torch.load(tmp_path / "1.pt")
    expected = advantages(REWARDS.view(1, 8), "corpo", threshold=0.0)
    torch.testing.assert_close(torch.cat([first, second], dim=1), expected)
    assert (is_first_logging, is_second_logging) == (True, False), "each message appears once"


def test_reward_function_may_be_asynchronous_and_other_configs_are_refused() -> None:
    from corpo.plugins.trl import CorpoTrainer, _refuse_other_config

    class AsyncVerifier:
        async def __call__(self, completions: list[Any], **_: Any) -> list[float]:
            return [0.0] * len(completions)

    _refuse_other_config(AsyncVerifier())  # its name says nothing about the trainer
    with pytest.raises(ValueError, match="RLOOConfig: CorpoTrainer is a GRPOTrainer; use GRPOConfig"):
        CorpoTrainer(args=object.__new__(trl.RLOOConfig), threshold=0.0)


def test_asynchronous_trainer_is_refused() -> None:
    config_module = pytest.importorskip(
        "trl.experimental.async_grpo", reason="TRL cannot import it; it may need aiohttp"
    )
    from corpo.plugins.trl import CorpoTrainer

    config = object.__new__(config_module.AsyncGRPOConfig)  # its own checks want a GPU
    with pytest.raises(ValueError, match=r"AsyncGRPOConfig: .*use GRPOConfig"):
        CorpoTrainer(args=config, threshold=0.0)


def test_threshold_that_fits_no_reward_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Check rewards in [0, 1] with threshold 0, with which the clip is never active."""
    from corpo.plugins import group_advantages
    from corpo.plugins.trl import CorpoTrainer

    monkeypatch.setattr(group_advantages, "GROUPS_PER_REPORT", 2)
    with caplog.at_level("WARNING", logger=group_advantages.__name__):
        _trained(tmp_path, CorpoTrainer, (REWARDS + 1) / 2, threshold=0.0)
    [record] = [record for record in caplog.records if record.name == group_advantages.__name__]
    assert "CoRPO equals GRPO in this run" in record.getMessage()
