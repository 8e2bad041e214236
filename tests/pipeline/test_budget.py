"""The budget of the dry run, compared with what really happens."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from corpo.cli.compose import load_config
from corpo.config import BudgetConfig, Config, LoraConfig, LossConfig, RolloutConfig, TrainConfig
from corpo.pipeline import budget
from corpo.pipeline.models import model_architecture, model_path
from corpo.pipeline.plan import budget_text
from corpo.policy.load import load_policy
from corpo.policy.lora import add_lora

SMALL_LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
)


def test_8b_preset_has_the_published_size_and_needs_checkpointing() -> None:
    config = load_config(["experiment=paper", "dry_run=true"])
    model = model_architecture(config)
    assert model is not None
    step = budget.step_budget(config, model)
    assert step.parameters == 8_190_735_360, "the model card says 8.2B"
    assert step.memory < config.budget.memory_gib * 2**30
    assert "fits into" in budget_text(config, step)
    config.train.gradient_checkpointing = False
    assert "DOES NOT FIT" in budget_text(config, budget.step_budget(config, model))


def test_kept_activations_are_those_of_a_real_forward_pass() -> None:
    outside_layers, per_layer = budget._kept_per_token(SMALL_LLAMA, 2)
    predicted = budget._SAMPLE_TOKENS * (outside_layers + 3 * per_layer)
    assert predicted == pytest.approx(budget._kept_bytes(SMALL_LLAMA, 3, "cpu"), rel=0.01)
    assert per_layer > 10 * SMALL_LLAMA.hidden_size


def test_adapters_are_counted_as_peft_makes_them() -> None:
    model = LlamaForCausalLM(SMALL_LLAMA)
    expected = budget._adapter_parameters(model, 4)
    add_lora(model, LoraConfig(rank=4))
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert sum(parameter.numel() for parameter in trainable) == expected


def test_devices_share_what_is_sharded_and_only_that() -> None:
    def step(devices: int) -> budget.Budget:
        config = Config(
            rollout=RolloutConfig(max_rows=64), train=TrainConfig(), budget=BudgetConfig(devices=devices)
        )
        return budget.step_budget(config, SMALL_LLAMA)

    single, four = step(1), step(4)
    for part in ("weights", "gradients", "optimizer: master weights and two moments, float32"):
        assert four.parts[part] == single.parts[part] / 4
    assert four.parts["whole weights to sample from"] == single.parts["weights"]
    assert four.step_seconds == single.step_seconds / 4


def test_epochs_multiply_the_time_of_training_only() -> None:
    def seconds(**options: Any) -> float:
        config = Config(train=TrainConfig(loss=LossConfig(ppo_clip=0.2), **options))
        return budget.step_budget(config, SMALL_LLAMA).step_seconds

    single, two, three = seconds(), seconds(epochs=2), seconds(epochs=3)
    epoch = three - two
    assert two - single == pytest.approx(epoch * (1 + 2 / 6)), "the log-probs of the trainer come on top"
    assert seconds(minibatches=2) - single == pytest.approx(epoch * 2 / 6)
    assert single > epoch, "sampling takes time, too"


def test_a_known_architecture_has_its_parameters_and_an_unknown_model_none() -> None:
    assert budget.architecture("no/such-model", {}) is None
    path = model_path(Config())
    model, _ = load_policy(Config().model, path)
    architecture = budget.architecture(path, {})
    assert architecture is not None
    assert budget.parameter_count(architecture) == model.num_parameters()
