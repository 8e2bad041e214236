"""Log-probs in chunks equal those of whole logits."""

from __future__ import annotations

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from corpo.policy import logprobs
from corpo.policy.logprobs import output_weight, token_logprobs


def test_logprobs_and_entropy_from_hidden_states_are_those_of_whole_logits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hidden_NE, weight_VE = torch.randn(7, 5), torch.randn(11, 5)
    ids_N, logprob_slope_N, entropy_slope_N = torch.randint(0, 11, (7,)), torch.randn(7), torch.randn(7)
    monkeypatch.setattr(logprobs, "CHUNK_BYTES", 2 * 4 * 11)  # four chunks
    monkeypatch.setattr(logprobs, "KEPT_BYTES", 5 * 4 * 11)  # two of which are kept
    results = []
    for is_chunked in (True, False):
        hidden, weight = hidden_NE.clone().requires_grad_(), weight_VE.clone().requires_grad_()
        if is_chunked:
            logprobs_N, entropy_N = token_logprobs(hidden, weight, ids_N, 0.6)
        else:
            logp_NV = torch.log_softmax(hidden @ weight.T / 0.6, -1)
            logprobs_N = logp_NV.gather(1, ids_N[:, None]).squeeze(1)
            entropy_N = -(logp_NV.exp() * logp_NV).sum(-1)
        (logprobs_N @ logprob_slope_N + entropy_N @ entropy_slope_N).backward()
        results.append([logprobs_N, entropy_N, hidden.grad, weight.grad])
    for chunked, whole in zip(*results, strict=True):
        torch.testing.assert_close(chunked, whole, atol=1e-5, rtol=1e-5)


def test_a_head_that_is_more_than_a_product_is_refused() -> None:
    config = Gemma2Config(
        vocab_size=8,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        head_dim=8,
    )
    with pytest.raises(ValueError, match="final_logit_softcapping"):
        output_weight(Gemma2ForCausalLM(config))
