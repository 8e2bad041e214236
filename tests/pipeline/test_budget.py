"""The dry run's figures against what really happens."""

from __future__ import annotations

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from corpo.cli.compose import load_config
from corpo.config import BudgetConfig, Config, LoraConfig, ModelConfig, RolloutConfig, TrainConfig
from corpo.pipeline.models import model_architecture
from corpo.pipeline.plan import budget_text
from corpo.policy.load import load_policy
from corpo.policy.lora import add_lora
from corpo.pipeline import budget

SMALL_SPLIT = LlamaConfig(
    vocab_size=64,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
)


def test_the_8b_preset_has_its_published_size() -> None:
    config = load_config(["experiment=paper", "dry_run=true"])
    model = model_architecture(config)
    assert model is not None
    found = budget.step_budget(config, model)
    assert found.parameters == 8_190_735_360, "as the model card's 8.2B"
    assert found.memory < config.budget.memory_gib * 2**30
    assert "fits into" in budget_text(config, found)
    config.train.gradient_checkpointing = False
    assert "DOES NOT FIT" in budget_text(config, budget.step_budget(config, model)), (
        "long rows need recomputation"
    )


def test_kept_activations_are_those_of_a_real_forward_pass() -> None:
    fixed, a_layer = budget._kept_per_token(SMALL_SPLIT, 2)
    assert budget._SAMPLE_TOKENS * (fixed + 3 * a_layer) == pytest.approx(
        budget._kept_bytes(SMALL_SPLIT, 3, "cpu"), rel=0.01
    )
    assert a_layer > 10 * SMALL_SPLIT.hidden_size


def test_adapters_are_counted_as_peft_makes_them() -> None:
    model = LlamaForCausalLM(SMALL_SPLIT)
    expected = budget._adapter_parameters(model, 4)
    add_lora(model, LoraConfig(rank=4))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == expected


def test_devices_share_what_is_sharded_and_only_that() -> None:
    plans = [
        Config(rollout=RolloutConfig(max_rows=64), train=TrainConfig(), budget=BudgetConfig(devices=devices))
        for devices in (1, 4)
    ]
    one, four = (budget.step_budget(plan, SMALL_SPLIT) for plan in plans)
    for part in ("weights", "gradients", "optimiser: master weights and two moments, float32"):
        assert four.parts[part] == one.parts[part] / 4
    assert four.parts["whole weights to sample from"] == one.parts["weights"]
    assert four.step_seconds == one.step_seconds / 4


def test_a_model_out_of_reach_has_no_budget_and_a_known_one_its_own() -> None:
    assert budget.architecture("no/such-model", {}) is None
    model, _ = load_policy(ModelConfig(), "data/nano_base")
    config = budget.architecture("data/nano_base", {})
    assert config is not None
    assert budget.parameter_count(config) == model.num_parameters()
