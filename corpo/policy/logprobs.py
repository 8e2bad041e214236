"""Log-probs from hidden states, in chunks of tokens, so that the logits of all tokens are never in memory.

The forward pass keeps the logits of the first chunks, up to a fixed number of bytes. The backward pass
computes the others again. N flattened tokens, Q tokens of a chunk, E model width, V vocabulary, B rows,
W tokens of a row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

CHUNK_BYTES = 2**26  # float32 logits of one chunk
KEPT_BYTES = 2**28  # logits, in the model's dtype, that are kept for the backward pass


def output_weight(model: PreTrainedModel) -> Tensor:
    """Return the matrix that maps hidden states to logits, (V, E).

    Raises ValueError if the logits are not a plain product with it.
    """
    head = model.get_output_embeddings()
    options = ("final_logit_softcapping", "logit_scale", "logits_scaling")
    used_options = [name for name in options if getattr(model.config, name, None)]
    if head is None or getattr(head, "bias", None) is not None or used_options:
        raise ValueError(
            f"{type(model).__name__}: its logits are not a plain product with the output embeddings "
            f"({', '.join(used_options) or 'bias'})"
        )
    weight: Tensor = head.weight
    return weight


def hidden_states(model: PreTrainedModel, **inputs: Any) -> Tensor:
    """Return what the model multiplies with `output_weight`, (B, W, E)."""
    hidden_BWE: Tensor = model.base_model(**inputs, use_cache=False).last_hidden_state
    return hidden_BWE


def token_logprobs(
    hidden_NE: Tensor, weight_VE: Tensor, ids_N: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each token and the entropy of its distribution, both float32 (N,).

    Both are differentiable with respect to the hidden states and the weight.
    """
    logprobs_N, entropy_N = _TokenLogprobs.apply(hidden_NE, weight_VE, ids_N, temperature)
    return logprobs_N, entropy_N


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_NE: Tensor, weight_VE: Tensor, ids_N: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        logprobs_N = torch.empty(len(ids_N), device=hidden_NE.device)
        entropy_N = torch.empty_like(logprobs_N)
        buffers = _buffers(hidden_NE, weight_VE)
        room = KEPT_BYTES if any(ctx.needs_input_grad) else 0
        ctx.kept = []
        for chunk in _chunks(hidden_NE, weight_VE):
            hidden_QE = hidden_NE[chunk]
            room -= len(hidden_QE) * len(weight_VE) * hidden_NE.element_size()
            logits_QV = torch.mm(
                hidden_QE, weight_VE.T, out=None if room >= 0 else buffers[0][: len(hidden_QE)]
            )
            if room >= 0:
                ctx.kept.append(logits_QV)
            logp_QV, p_QV = _distributions(logits_QV, temperature, buffers)
            logprobs_N[chunk] = logp_QV.gather(1, ids_N[chunk, None]).squeeze(1)
            entropy_N[chunk] = -_dot(p_QV, logp_QV)
        ctx.save_for_backward(hidden_NE, weight_VE, ids_N, entropy_N)
        ctx.temperature = temperature
        return logprobs_N, entropy_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden_NE, weight_VE, ids_N, entropy_N = ctx.saved_tensors
        d_logprobs_N, d_entropy_N = grads
        with_entropy = bool(d_entropy_N.any())
        d_hidden_NE = torch.empty_like(hidden_NE)
        d_weight_VE = torch.zeros_like(weight_VE) if ctx.needs_input_grad[1] else None
        buffers = _buffers(hidden_NE, weight_VE)
        for index, chunk in enumerate(_chunks(hidden_NE, weight_VE)):
            hidden_QE = hidden_NE[chunk]
            if index < len(ctx.kept):
                logits_QV = ctx.kept[index]
            else:
                logits_QV = torch.mm(hidden_QE, weight_VE.T, out=buffers[0][: len(hidden_QE)])
            logp_QV, p_QV = _distributions(logits_QV, ctx.temperature, buffers)
            # d log p_k / d z_j = [j = k] - p_j and d entropy / d z_j = -p_j (log p_j + entropy)
            slope_Q1 = -d_logprobs_N[chunk, None]
            if with_entropy:
                logp_QV.add_(entropy_N[chunk, None]).mul_(-d_entropy_N[chunk, None]).add_(slope_Q1)
                d_logits_QV = p_QV.mul_(logp_QV)
            else:
                d_logits_QV = p_QV.mul_(slope_Q1)
            d_logits_QV.scatter_add_(1, ids_N[chunk, None], -slope_Q1)
            if ctx.temperature != 1:
                d_logits_QV.div_(ctx.temperature)
            d_logits = logits_QV.copy_(d_logits_QV)
            d_hidden_NE[chunk] = d_logits @ weight_VE
            if d_weight_VE is not None:
                d_weight_VE.addmm_(d_logits.T, hidden_QE)
        ctx.kept = []
        return d_hidden_NE, d_weight_VE, None, None


def _chunks(hidden_NE: Tensor, weight_VE: Tensor) -> list[slice]:
    size = _chunk_size(hidden_NE, weight_VE)
    return [slice(start, start + size) for start in range(0, len(hidden_NE), size)]


def _chunk_size(hidden_NE: Tensor, weight_VE: Tensor) -> int:
    return max(1, min(len(hidden_NE), CHUNK_BYTES // (4 * len(weight_VE))))


def _buffers(hidden_NE: Tensor, weight_VE: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return buffers for a chunk's logits (model's dtype), log-probs and probabilities (float32).

    They are allocated once, because touching new memory pages takes longer than the arithmetic.
    """
    shape = (_chunk_size(hidden_NE, weight_VE), len(weight_VE))
    return (
        hidden_NE.new_empty(shape),
        hidden_NE.new_empty(shape, dtype=torch.float32),
        hidden_NE.new_empty(shape, dtype=torch.float32),
    )


def _distributions(
    logits_QV: Tensor, temperature: float, buffers: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Write log-probabilities and probabilities of all next tokens into the buffers. Return both, (Q, V)."""
    _, logp_QV, p_QV = (buffer[: len(logits_QV)] for buffer in buffers)
    p_QV.copy_(logits_QV)
    if temperature != 1:
        p_QV.div_(temperature)
    torch.log_softmax(p_QV, dim=1, out=logp_QV)
    torch.exp(logp_QV, out=p_QV)
    return logp_QV, p_QV


def _dot(left_QV: Tensor, right_QV: Tensor) -> Tensor:
    """Return the dot product of each pair of rows, (Q,), without storing all products."""
    return torch.bmm(left_QV[:, None], right_QV[:, :, None]).flatten()
