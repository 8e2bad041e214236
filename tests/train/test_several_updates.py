"""Tests of several updates per batch: minibatches, importance ratios, and a comparison with TRL."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from corpo.config import LossConfig, ModelConfig, TrainConfig
from corpo.policy.load import load_policy
from corpo.rollout import Rollouts
from corpo.rollout.hf import SharedPrefixEngine
from corpo.task import OrdinalReward, render_prompt
from corpo.tasks.verify import VerifyTask
from corpo.train.loss import is_ratio_limited
from corpo.train.minibatches import NO_UPDATE, combine_updates, minibatches_of
from corpo.train.rl import PolicyGradientTrainer
from tests.command import ROOT
from tests.train.tiny_trainer import example_pairs, tiny_trainer, weights_of

CLIP = LossConfig(ppo_clip=0.2)


def _random_batch(trainer: PolicyGradientTrainer) -> tuple[Rollouts, Tensor]:
    """Return eight groups of rollouts with random advantages."""
    rollouts = trainer.engine.generate([render_prompt(pair) for pair in example_pairs(4)], 4, seed=0)
    return rollouts, torch.randn(8, 4, generator=torch.Generator().manual_seed(1))


def _assert_same_weights(
    left: PolicyGradientTrainer, right: PolicyGradientTrainer, tolerance: float = 0.0
) -> None:
    weights = weights_of(right)
    for name, value in weights_of(left).items():
        torch.testing.assert_close(value, weights[name], atol=tolerance, rtol=0)


# --- minibatches ---


def test_minibatches_hold_each_prompt_once_and_keep_pairs_together() -> None:
    minibatches = minibatches_of(24, 3, "seed", bundle=2)
    assert [len(minibatch) for minibatch in minibatches] == [8, 8, 8]
    assert sorted(chain(*minibatches)) == list(range(24))
    for minibatch in minibatches:
        assert minibatch == sorted(minibatch)
        assert all(index ^ 1 in minibatch for index in minibatch), "both orders of a pair"


def test_minibatches_differ_between_seeds_and_a_single_one_is_the_batch() -> None:
    assert minibatches_of(24, 3, "a", 2) == minibatches_of(24, 3, "a", 2)
    assert len({str(minibatches_of(24, 3, seed, 2)) for seed in "abcd"}) == 4
    assert minibatches_of(6, 1, "a", 2) == [[0, 1, 2, 3, 4, 5]]


def test_processes_have_equal_shares_of_each_minibatch() -> None:
    for minibatch in minibatches_of(24, 3, "seed", bundle=2):
        assert [len(set(minibatch) & set(share)) for share in (range(12), range(12, 24))] == [4, 4]


def test_metrics_of_a_step_are_means_over_the_updates_taken() -> None:
    values = dict.fromkeys(NO_UPDATE, 1.0)
    metrics = combine_updates([values, NO_UPDATE, dict.fromkeys(NO_UPDATE, 2.0)])
    exceptions = {"mismatch_kl": 1.0, "ratio_max": 2.0, "update_norm": 3.0}
    assert metrics == {name: exceptions.get(name, 1.5) for name in NO_UPDATE}
    assert combine_updates([NO_UPDATE]) == NO_UPDATE
    assert combine_updates([values]) == values


# --- configuration ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"minibatches": 3, "loss": CLIP},
            r"^train\.minibatches=3: twice this number must divide train\.pro",
        ),
        ({"minibatches": 0}, r"^train\.minibatches=0: must be at least 1"),
        ({"epochs": 0}, r"^train\.epochs=0: must be at least 1"),
        (
            {"epochs": 2},
            r"^train\.minibatches=1, train\.epochs=2: several .*; set train\.loss\.ppo_clip, such",
        ),
        ({"minibatches": 2, "loss": LossConfig(kl=0.1)}, r"^train\.minibatches=2, train\.epochs=1: several"),
    ],
)
def test_settings_without_meaning_are_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        TrainConfig(prompts_per_step=32, **options)
    assert "\n" not in str(refused.value)


def test_several_updates_are_accepted_with_a_limit_on_the_ratio() -> None:
    assert TrainConfig(minibatches=4, epochs=2, loss=CLIP).updates_per_step == 8
    assert TrainConfig(epochs=2, loss=LossConfig(importance_ratio_cap=2.0)).updates_per_step == 2
    assert TrainConfig().updates_per_step == 1


# --- updates ---


def test_limited_ratios_by_hand() -> None:
    ratio_PGT = torch.tensor([[[0.5, 1.0, 1.5], [0.5, 1.0, 1.5], [0.5, 1.0, 1.5]]])
    advantages_PG = torch.tensor([[1.0, -1.0, 0.0]])
    clipped = is_ratio_limited(ratio_PGT, advantages_PG, CLIP)
    assert clipped.tolist() == [[[False, False, True], [True, False, False], [False] * 3]]
    capped = is_ratio_limited(ratio_PGT, advantages_PG, LossConfig(importance_ratio_cap=1.2))
    assert capped.tolist() == [[[False, False, True]] * 3]
    assert not is_ratio_limited(ratio_PGT, advantages_PG, LossConfig()).any()


def test_one_update_per_batch_is_a_plain_update_with_the_log_probs_of_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer, plain = tiny_trainer(loss=CLIP), tiny_trainer(loss=CLIP)
    rollouts, advantages_PG = _random_batch(trainer)
    monkeypatch.setattr(trainer, "_with_trainer_logprobs", None)
    metrics = trainer.learn(rollouts, advantages_PG, range(8), lr=1e-3, step=1)
    assert metrics == plain.update(rollouts, advantages_PG, lr=1e-3)
    assert metrics["clip_fraction"] == 0
    assert trainer.num_updates == 1
    _assert_same_weights(trainer, plain)


def test_each_minibatch_is_an_update_of_its_own() -> None:
    """Compare with updates on batches that hold the groups of one minibatch only."""
    loss = LossConfig(ppo_clip=0.02, aggregation="token_mean")
    options = {"minibatches": 2, "epochs": 2, "prompts_per_step": 8, "loss": loss}
    trainer, plain = tiny_trainer(**options), tiny_trainer(**options)
    rollouts, advantages_PG = _random_batch(trainer)
    metrics = trainer.learn(rollouts, advantages_PG, range(8), lr=1e-3, step=3)
    assert trainer.num_updates == 4
    assert 0 < metrics["clip_fraction"] < 1
    assert metrics["approx_kl"] > 0
    with torch.no_grad():
        sampled_PGT, _ = plain.logprobs(plain.compute, rollouts)
    rollouts = replace(rollouts, logprobs_PGT=sampled_PGT)
    losses = []
    for epoch in range(2):
        for groups in minibatches_of(8, 2, f"minibatches/0/3/{epoch}", 2):
            losses.append(plain.update(rollouts.of(groups), advantages_PG[groups], lr=1e-3)["loss"])
    assert metrics["loss"] == pytest.approx(sum(losses) / 4, abs=1e-6)
    _assert_same_weights(trainer, plain, tolerance=2e-5)


def test_clip_uses_the_trainer_and_cap_uses_the_engine() -> None:
    """Shift the log-probs of the engine by 0.1, as a less accurate engine would."""
    measured = {}
    for name, loss in {"clip": CLIP, "cap": LossConfig(importance_ratio_cap=2.0)}.items():
        trainer = tiny_trainer(epochs=2, loss=loss)
        rollouts, advantages_PG = _random_batch(trainer)
        shifted_PGT = (rollouts.logprobs_PGT + 0.1).masked_fill(~rollouts.mask_PGT, 0.0)
        rollouts = replace(rollouts, logprobs_PGT=shifted_PGT)
        measured[name] = trainer.learn(rollouts, advantages_PG, range(8), lr=0.0, step=1)
    for metrics in measured.values():
        assert metrics["mismatch_kl"] == pytest.approx(0.1, abs=1e-4)
    assert measured["clip"]["ratio_mean"] == pytest.approx(1, abs=1e-4)
    assert measured["cap"]["ratio_mean"] == pytest.approx(math.exp(-0.1), abs=1e-4)


def test_minibatch_of_zero_advantages_is_skipped() -> None:
    trainer = tiny_trainer(minibatches=4, prompts_per_step=8, loss=CLIP)
    rollouts, advantages_PG = _random_batch(trainer)
    advantages_PG[2:] = 0
    metrics = trainer.learn(rollouts, advantages_PG, range(8), lr=1e-3, step=1)
    assert trainer.num_updates == 1
    assert metrics["grad_norm"] > 0
    metrics = trainer.learn(rollouts, torch.zeros(8, 4), range(8), lr=1e-3, step=1)
    assert trainer.num_updates == 1
    assert metrics["update_norm"] == 0
    assert math.isnan(metrics["mismatch_kl"])


# --- comparison with TRL ---


@dataclass
class TrlUpdate:
    """The numbers of one update of TRL, and the weights with which it computed them."""

    inputs: dict[str, Any]
    weights: dict[str, Tensor]
    gradients: dict[str, Tensor]
    loss: float
    clip_fraction: float
    entropy: float


def _two_epochs_of_trl(folder: Path, loss_type: str) -> list[TrlUpdate]:
    """Train TRL's GRPOTrainer for one batch of eight completions and two epochs."""
    trl = pytest.importorskip("trl", reason="TRL is not installed: pip install -e .[trl]")
    from datasets import Dataset

    updates: list[TrlUpdate] = []

    class RecordingTrainer(trl.GRPOTrainer):  # type: ignore[misc]
        def training_step(self, model: Any, *args: Any, **kwargs: Any) -> Any:
            weights = {name: value.detach().clone() for name, value in model.named_parameters()}
            loss = super().training_step(model, *args, **kwargs)
            gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
            logged = self._metrics["train"]
            clip_fraction, entropy = logged["clip_ratio/region_mean"][-1], logged["entropy"][-1]
            updates.append(TrlUpdate(self.batch, weights, gradients, float(loss), clip_fraction, entropy))
            return loss

        def _compute_loss(self, model: Any, inputs: Any) -> Any:
            self.batch = inputs
            return super()._compute_loss(model, inputs)

    model, tokenizer = load_policy(ModelConfig(), str(ROOT / "data/nano_base"))
    rewards = [-1.0, -1.0, -1.0, -0.2, -1.0, -0.6, 0.6, 1.0]
    config = trl.GRPOConfig(
        output_dir=str(folder),
        num_iterations=2,
        epsilon=0.2,
        loss_type=loss_type,
        scale_rewards="none",
        beta=0.0,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=4,
        max_steps=2,
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = RecordingTrainer(
        model=model,
        reward_funcs=lambda completions, **_: rewards,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": ["one", "two"]}),
        processing_class=tokenizer,
    )
    trainer.train()
    return updates


class _WeightReplay:
    """An optimizer that records gradients and steps to given weights."""

    def __init__(self, model: torch.nn.Module, weights: list[dict[str, Tensor]]) -> None:
        self.model, self.weights = model, weights
        self.gradients: list[dict[str, Tensor]] = []

    @torch.no_grad()
    def step(self, lr: float, max_grad_norm: float) -> dict[str, float]:
        gradients = {}
        for name, parameter in self.model.named_parameters():
            assert parameter.grad is not None
            gradients[name] = parameter.grad.clone()
            parameter.grad = None
        self.gradients.append(gradients)
        if len(self.gradients) < len(self.weights):
            for name, parameter in self.model.named_parameters():
                parameter.copy_(self.weights[len(self.gradients)][name])
        return {"grad_norm": 0.0, "update_norm": 0.0}


def _rollouts_of_trl(inputs: dict[str, Any]) -> Rollouts:
    """Return TRL's completions as groups of one. The log-probs of the engine are wrong on purpose."""
    prompt_ids = []
    for ids, mask in zip(inputs["prompt_ids"], inputs["prompt_mask"].bool(), strict=True):
        prompt_ids.append(ids[mask].tolist())
    mask_PGT = inputs["completion_mask"].bool()[:, None]
    wrong_logprobs_PGT = torch.full(mask_PGT.shape, -1.0).masked_fill(~mask_PGT, 0.0)
    texts = [[""]] * len(prompt_ids)
    return Rollouts(prompt_ids, inputs["completion_ids"][:, None], mask_PGT, wrong_logprobs_PGT, texts)


@pytest.mark.parametrize(
    ("loss_type", "aggregation"),
    [("dr_grpo", "constant"), ("grpo", "sequence_mean"), ("bnpo", "token_mean")],
)
def test_two_epochs_give_the_losses_and_gradients_of_trl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss_type: str, aggregation: str
) -> None:
    first, second = _two_epochs_of_trl(tmp_path, loss_type)
    assert 0.1 < second.clip_fraction < 0.9, "the clip acts in the second epoch only"
    assert first.clip_fraction == 0
    model, tokenizer = load_policy(ModelConfig(), str(ROOT / "data/nano_base"))
    engine = SharedPrefixEngine(model, tokenizer, max_new_tokens=4)
    loss = LossConfig(ppo_clip=0.2, aggregation=aggregation)
    config = TrainConfig(epochs=2, prompts_per_step=8, loss=loss)
    trainer = PolicyGradientTrainer(
        model,
        tokenizer,
        engine,
        task=VerifyTask(OrdinalReward()),
        baseline="grpo",
        options={},
        render=render_prompt,
        config=config,
        seed=0,
    )
    replay = _WeightReplay(model, [first.weights, second.weights])
    trainer.optimizer = replay  # type: ignore[assignment]
    updates, update = [], trainer.update

    def recorded_update(*args: Any) -> dict[str, float]:
        updates.append(update(*args))
        return updates[-1]

    monkeypatch.setattr(trainer, "update", recorded_update)
    trainer.learn(
        _rollouts_of_trl(first.inputs), first.inputs["advantages"][:, None], range(8), lr=0.0, step=1
    )
    for metrics, gradients, expected in zip(updates, replay.gradients, (first, second), strict=True):
        assert metrics["loss"] == pytest.approx(expected.loss, rel=1e-4, abs=1e-6)
        assert metrics["clip_fraction"] == pytest.approx(expected.clip_fraction, abs=1e-6)
        assert metrics["entropy"] == pytest.approx(expected.entropy, rel=1e-4)
        for name, gradient in expected.gradients.items():
            scale = float(gradient.abs().max())
            torch.testing.assert_close(gradients[name], gradient, atol=1e-4 * scale, rtol=0, msg=name)
