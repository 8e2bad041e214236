"""A prompt computed once per group gives the log-probs and gradients of G separate rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from corpo.config import LossConfig
from corpo.policy import logprobs, tree_attention
from corpo.policy.packing import group_logprobs
from corpo.rollout import Rollouts
from corpo.rollout.hf import SharedPrefixEngine
from corpo.train.loss import policy_loss, token_weights
from tests.sharpened_policy import TEXTS, sharpened_engine


@pytest.fixture(scope="module", params=[False, True], ids=["own keys per head", "heads share keys"])
def engine(request: pytest.FixtureRequest) -> SharedPrefixEngine:
    return sharpened_engine(max_new_tokens=9, rows=8, share_keys=request.param)


@pytest.fixture(scope="module")
def rollouts(engine: SharedPrefixEngine) -> Rollouts:
    rollouts = engine.generate(TEXTS, group=4, seed=1)
    assert len(rollouts.lengths_PG.unique()) > 2, "packing needs rollouts of different lengths"
    return rollouts


def _separate_rows(model: PreTrainedModel, rollouts: Rollouts, temperature: float = 1.0) -> Tensor:
    """Return log-probs computed with one row per rollout, without padding and packing."""
    rows = []
    for prompt, group in zip(rollouts.prompt_ids, rollouts.completion_ids_PGT, strict=True):
        for completion in group:
            ids = torch.cat([torch.tensor(prompt), completion])[None]
            logp = torch.log_softmax(model(input_ids=ids).logits.float() / temperature, -1)
            rows.append(logp[0, len(prompt) - 1 : -1].gather(-1, completion[:, None]).squeeze(-1))
    return torch.stack(rows).view(rollouts.completion_ids_PGT.shape)


def _packed(model: PreTrainedModel, rollouts: Rollouts, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    return group_logprobs(
        model, rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT, temperature
    )


def _gradients(model: PreTrainedModel) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_packed_logprobs_equal_separate_rows(
    engine: SharedPrefixEngine, rollouts: Rollouts, temperature: float
) -> None:
    packed_PGT, entropy_PGT = _packed(engine.model, rollouts, temperature)
    separate_PGT = _separate_rows(engine.model, rollouts, temperature)
    mask_PGT = rollouts.mask_PGT
    torch.testing.assert_close(packed_PGT[mask_PGT], separate_PGT[mask_PGT], atol=1e-4, rtol=0)
    assert bool((entropy_PGT >= 0).all())
    assert bool((packed_PGT[~mask_PGT] == 0).all())


def test_rollouts_carry_the_logprobs_they_were_sampled_at(
    engine: SharedPrefixEngine, rollouts: Rollouts
) -> None:
    separate_PGT = _separate_rows(engine.model, rollouts)
    mask_PGT = rollouts.mask_PGT
    torch.testing.assert_close(rollouts.logprobs_PGT[mask_PGT], separate_PGT[mask_PGT], atol=1e-4, rtol=0)
    assert bool((rollouts.logprobs_PGT[~mask_PGT] == 0).all())


def test_packed_gradients_equal_separate_rows(engine: SharedPrefixEngine, rollouts: Rollouts) -> None:
    advantages_PG = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    num_tokens = int(rollouts.mask_PGT.sum())
    weights_PGT = token_weights(rollouts.mask_PGT, "token_sum", rollouts=12, tokens=num_tokens, max_tokens=9)
    gradients = []
    for is_packed in (True, False):
        engine.model.zero_grad()
        if is_packed:
            logprobs_PGT, entropy_PGT = _packed(engine.model, rollouts)
        else:
            logprobs_PGT = _separate_rows(engine.model, rollouts)
            entropy_PGT = torch.zeros_like(logprobs_PGT)
        loss = policy_loss(
            logprobs_PGT=logprobs_PGT,
            entropy_PGT=entropy_PGT,
            advantages_PG=advantages_PG,
            weights_PGT=weights_PGT,
            sampled_logprobs_PGT=rollouts.logprobs_PGT,
            reference_logprobs_PGT=None,
            config=LossConfig(),
        )
        loss.backward()
        gradients.append(_gradients(engine.model))
    for packed, separate in zip(*gradients, strict=True):
        torch.testing.assert_close(packed, separate, atol=1e-4, rtol=1e-3)


def test_blocks_of_rollouts_and_chunks_of_tokens_change_nothing(
    engine: SharedPrefixEngine, rollouts: Rollouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> list[Tensor]:
        engine.model.zero_grad()
        logprobs_PGT, entropy_PGT = _packed(engine.model, rollouts, 0.7)
        (logprobs_PGT.sum() + entropy_PGT.sum()).backward()
        return [logprobs_PGT, entropy_PGT, *_gradients(engine.model)]

    whole = run()
    vocabulary = engine.model.config.vocab_size
    monkeypatch.setattr(tree_attention, "BLOCK", 1)
    monkeypatch.setattr(logprobs, "CHUNK_BYTES", 3 * 4 * vocabulary)
    monkeypatch.setattr(logprobs, "KEPT_BYTES", 4 * 4 * vocabulary)
    for value, reference in zip(run(), whole, strict=True):
        torch.testing.assert_close(value, reference, atol=1e-4, rtol=1e-3)


def test_gradients_on_two_threads_are_repeatable_to_the_bit(engine: SharedPrefixEngine) -> None:
    prompts, group, steps = 3, 16, 32
    ids_PGT = torch.randint(3, 300, (prompts, group, steps), generator=torch.Generator().manual_seed(0))
    mask_PGT = torch.ones_like(ids_PGT, dtype=torch.bool)
    prompt_ids = [engine.tokenizer(text)["input_ids"] for text in TEXTS]
    weight = engine.model.model.layers[-1].mlp.down_proj.weight
    gradients: list[Tensor] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for _ in range(40):
            logprobs_PGT, _ = group_logprobs(engine.model, prompt_ids, ids_PGT, mask_PGT)
            gradients += torch.autograd.grad(logprobs_PGT.square().sum(), [weight])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(gradients[0], gradient) for gradient in gradients)
