"""Log-probs out of hidden states, a chunk of tokens at a time: logits of [tokens x vocabulary] are never whole in memory.

The backward pass has the logits of the first few chunks, up to a fixed number of bytes, and multiplies the others again. N tokens,
H hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

CHUNK_BYTES = 2**26  # of float32 logits at once
KEPT_BYTES = 2**28  # of logits in the model's dtype, from the forward to the backward pass


def output_weight(model: PreTrainedModel) -> Tensor:
    """The matrix from hidden states to logits, (V, H). Raises ValueError where logits are more than a product with it."""
    head = model.get_output_embeddings()
    odd = [
        name
        for name in ("final_logit_softcapping", "logit_scale", "logits_scaling")
        if getattr(model.config, name, None)
    ]
    if head is None or getattr(head, "bias", None) is not None or odd:
        raise ValueError(
            f"{type(model).__name__}: its logits are not a plain product with the output embeddings ({', '.join(odd) or 'bias'})"
        )
    weight: Tensor = head.weight
    return weight


def hidden_states(model: PreTrainedModel, **inputs: Any) -> Tensor:
    """What the model multiplies with `output_weight`: (B, L, H)."""
    hidden_BLH: Tensor = model.base_model(**inputs, use_cache=False).last_hidden_state
    return hidden_BLH


def token_logprobs(
    hidden_NH: Tensor, weight_VH: Tensor, ids_N: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability of each token and entropy of its distribution, both float32 (N,), differentiable in both inputs."""
    logprobs_N, entropy_N = _TokenLogprobs.apply(hidden_NH, weight_VH, ids_N, temperature)
    return logprobs_N, entropy_N


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_NH: Tensor, weight_VH: Tensor, ids_N: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        logprobs_N = torch.empty(len(ids_N), device=hidden_NH.device)
        entropy_N = torch.empty_like(logprobs_N)
        buffers = _buffers(hidden_NH, weight_VH)
        room = KEPT_BYTES if any(ctx.needs_input_grad) else 0
        ctx.kept = []
        for chunk in _chunks(hidden_NH, weight_VH):
            hidden_CH = hidden_NH[chunk]
            room -= len(hidden_CH) * len(weight_VH) * hidden_NH.element_size()
            logits_CV = torch.mm(
                hidden_CH, weight_VH.T, out=None if room >= 0 else buffers[0][: len(hidden_CH)]
            )
            if room >= 0:
                ctx.kept.append(logits_CV)
            logp_CV, p_CV = _distributions(logits_CV, temperature, buffers)
            logprobs_N[chunk] = logp_CV.gather(1, ids_N[chunk, None]).squeeze(1)
            entropy_N[chunk] = -_dot(p_CV, logp_CV)
        ctx.save_for_backward(hidden_NH, weight_VH, ids_N, entropy_N)
        ctx.temperature = temperature
        return logprobs_N, entropy_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden_NH, weight_VH, ids_N, entropy_N = ctx.saved_tensors
        d_logprobs_N, d_entropy_N = grads
        with_entropy = bool(d_entropy_N.any())
        d_hidden_NH = torch.empty_like(hidden_NH)
        d_weight_VH = torch.zeros_like(weight_VH) if ctx.needs_input_grad[1] else None
        buffers = _buffers(hidden_NH, weight_VH)
        for number, chunk in enumerate(_chunks(hidden_NH, weight_VH)):
            hidden_CH = hidden_NH[chunk]
            again = number >= len(ctx.kept)
            logits_CV = (
                torch.mm(hidden_CH, weight_VH.T, out=buffers[0][: len(hidden_CH)])
                if again
                else ctx.kept[number]
            )
            logp_CV, p_CV = _distributions(logits_CV, ctx.temperature, buffers)
            # d log p_k / d z_j = [j = k] - p_j and d entropy / d z_j = -p_j (log p_j + entropy)
            slope_C1 = -d_logprobs_N[chunk, None]
            if with_entropy:
                logp_CV.add_(entropy_N[chunk, None]).mul_(-d_entropy_N[chunk, None]).add_(slope_C1)
                d_logits_CV = p_CV.mul_(logp_CV)
            else:
                d_logits_CV = p_CV.mul_(slope_C1)
            d_logits_CV.scatter_add_(1, ids_N[chunk, None], -slope_C1)
            if ctx.temperature != 1:
                d_logits_CV.div_(ctx.temperature)
            d_logits = logits_CV.copy_(d_logits_CV)
            d_hidden_NH[chunk] = d_logits @ weight_VH
            if d_weight_VH is not None:
                d_weight_VH.addmm_(d_logits.T, hidden_CH)
        ctx.kept = []
        return d_hidden_NH, d_weight_VH, None, None


def _chunks(hidden_NH: Tensor, weight_VH: Tensor) -> list[slice]:
    size = _chunk(hidden_NH, weight_VH)
    return [slice(start, start + size) for start in range(0, len(hidden_NH), size)]


def _chunk(hidden_NH: Tensor, weight_VH: Tensor) -> int:
    return max(1, min(len(hidden_NH), CHUNK_BYTES // (4 * len(weight_VH))))


def _buffers(hidden_NH: Tensor, weight_VH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits in the model's dtype, log-probs and probabilities in float32: made once, for fresh pages cost more than the arithmetic."""
    shape = (_chunk(hidden_NH, weight_VH), len(weight_VH))
    return (
        hidden_NH.new_empty(shape),
        hidden_NH.new_empty(shape, dtype=torch.float32),
        hidden_NH.new_empty(shape, dtype=torch.float32),
    )


def _distributions(
    logits_CV: Tensor, temperature: float, buffers: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and probabilities of every next token, (C, V), in the buffers."""
    _, logp_CV, p_CV = (buffer[: len(logits_CV)] for buffer in buffers)
    p_CV.copy_(logits_CV)
    if temperature != 1:
        p_CV.div_(temperature)
    torch.log_softmax(p_CV, dim=1, out=logp_CV)
    torch.exp(logp_CV, out=p_CV)
    return logp_CV, p_CV


def _dot(left_CV: Tensor, right_CV: Tensor) -> Tensor:
    """Row by row, (C,), without a product of the whole."""
    return torch.bmm(left_CV[:, None], right_CV[:, :, None]).flatten()
