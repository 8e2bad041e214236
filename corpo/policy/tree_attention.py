"""Attention over a prompt that its G rollouts share: prompt keys are read once a group, own keys by their rollout only.

A row holds a prompt and, behind it, the tokens of all its rollouts in any order; `Tree` says which is whose. Nothing of size
(row x row) is built: scores are computed for a block of rollouts at a time, and again in the backward pass, so that memory grows
with tokens. P prompts, G rollouts, T tokens of a rollout (K: the same as keys), N tokens behind the prompt, S prompt tokens,
H heads = h key-value heads x R, D head size, W = S + K. Sampling, a token a rollout at a time, is `corpo.policy.group_cache`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from corpo.policy.group_cache import GroupCache, StaticGroupCache
from corpo.policy.tree_attention_flex import flex_tree_attention

NAME = "corpo_tree"
BLOCK = 2**22  # scores in float32 at once
FLEX_DEVICES = {"cuda"}  # device types on which FlexAttention computes the tree; this file's own code does on all others


def uses_flex(device: torch.device) -> bool:
    """Return whether the tree attention of this device is FlexAttention's, whose rows have a length of their own."""
    return device.type in FLEX_DEVICES


@dataclass(frozen=True)
class Tree:
    """Where each rollout's tokens lie behind the prompt."""

    at_PGT: Tensor  # index among the N tokens; any where there is none
    real_PGT: Tensor  # bool: there is one
    slot_PN: Tensor  # the inverse of `at_PGT`, an index into (G, T) flattened; any for padding
    real_PN: Tensor  # bool: a token that belongs to a rollout

    @classmethod
    def packed(cls, rollout_PN: Tensor, step_PN: Tensor, real_PN: Tensor, group: int) -> Tree:
        """Token n of a row is token `step_PN` of rollout `rollout_PN`, or padding."""
        length = int(step_PN.max()) + 1
        slot_PN = rollout_PN * length + step_PN
        prompts, width = slot_PN.shape
        at_PN = torch.arange(width, device=slot_PN.device).expand(prompts, -1)
        # Padding is sent to a slot beyond the last, which is cut off.
        index = torch.zeros(prompts, group * length + 1, dtype=torch.long, device=slot_PN.device)
        real = torch.zeros_like(index, dtype=torch.bool)
        target = torch.where(real_PN, slot_PN, group * length)
        shape = (prompts, group, length)
        at_PGT = index.scatter(1, target, at_PN)[:, :-1].view(shape)
        real_PGT = real.scatter(1, target, real_PN)[:, :-1].view(shape)
        return cls(at_PGT, real_PGT, slot_PN, real_PN)


def use_tree_attention(model: PreTrainedModel) -> None:
    """From now on `model(..., tree=Tree(...), attention_mask=prompt mask)` attends along the tree, and `decoding=past_key_values`
    along the groups of that cache; without either as sdpa does.
    """
    if model.config._attn_implementation != NAME:
        model.set_attn_implementation(NAME)


def _forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    tree: Tree | BlockMask | None = None,
    decoding: GroupCache | StaticGroupCache | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface: query (P, H, L, D), key and value (P, h, L, D) -> (P, L, H, D).

    With a tree `attention_mask` is that of the prompt, (P, 1, S, S), and decoding (P, 1, 1, S); its last row is what completions see
    of the prompt.
    """
    if tree is None and decoding is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return out, None
    assert attention_mask is not None
    if getattr(module, "sliding_window", None) or options.get("softcap") or options.get("dropout"):
        raise ValueError(
            f"{type(module).__name__}: sliding windows, soft caps and dropout are not supported in grouped attention"
        )
    if decoding is not None:
        return decoding.layers[module.layer_idx].attend(
            query, attention_mask[:, :, -1], options["scaling"]
        ), None
    if isinstance(tree, BlockMask):
        return flex_tree_attention(query, key, value, tree, options["scaling"]), None
    width = attention_mask.shape[-1]
    prompt, _ = sdpa_attention_forward(
        module,
        query[:, :, :width],
        key[:, :, :width],
        value[:, :, :width],
        attention_mask,
        scaling=options["scaling"],
        is_causal=False,
    )
    completions = _Completions.apply(
        query[:, :, width:], key, value, attention_mask[:, :, -1], tree, options["scaling"]
    )
    return torch.cat([prompt, completions], dim=1), None


AttentionInterface.register(NAME, _forward)
AttentionMaskInterface.register(NAME, sdpa_mask)


class _Completions(torch.autograd.Function):
    """What the completions' queries see: query (P, H, N, D), key and value (P, h, S + N, D), mask (P, 1, S) -> (P, N, H, D)."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask_P1S: Tensor, tree: Tree, scaling: float
    ) -> Tensor:
        parts = _Parts(query, key, value, mask_P1S, tree, scaling)
        out_PhGTRD = torch.empty_like(parts.query_PhGTRD)
        for block in parts.blocks():
            p_prompt, p_own = parts.probabilities(block)
            out = out_PhGTRD[:, :, block]
            out.copy_((p_prompt @ parts.value_PhSD).view(out.shape))
            out += (p_own @ parts.own_value_PhGKD[:, :, block]).view(out.shape)
        ctx.save_for_backward(query, key, value, mask_P1S)
        ctx.tree, ctx.scaling = tree, scaling
        return parts.packed(out_PhGTRD)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask_P1S = ctx.saved_tensors
        tree = ctx.tree
        parts = _Parts(query, key, value, mask_P1S, tree, ctx.scaling)
        width = mask_P1S.shape[-1]
        d_out_PhGTRD = (
            parts.by_rollout(grads[0].transpose(1, 2), tree.at_PGT) * tree.real_PGT[:, None, :, :, None, None]
        )
        d_query_PhGTRD = torch.empty_like(d_out_PhGTRD)
        d_key_PhSD, d_value_PhSD = torch.zeros_like(parts.key_PhSD), torch.zeros_like(parts.key_PhSD)
        d_own_key, d_own_value = torch.empty_like(parts.own_key_PhGKD), torch.empty_like(parts.own_key_PhGKD)
        for block in parts.blocks():
            p_prompt, p_own = parts.probabilities(block)
            q_prompt, q_own = parts.queries(parts.query_PhGTRD, block)
            d_prompt, d_own = parts.queries(d_out_PhGTRD, block)
            d_value_PhSD += p_prompt.mT @ d_prompt
            d_own_value[:, :, block] = p_own.mT @ d_own
            s_prompt, s_own = parts.d_scores(
                p_prompt,
                p_own,
                d_prompt @ parts.value_PhSD.mT,
                d_own @ parts.own_value_PhGKD[:, :, block].mT,
                d_out_PhGTRD[:, :, block].shape,
            )
            d_query = d_query_PhGTRD[:, :, block]
            d_query.copy_((s_prompt @ parts.key_PhSD).view(d_query.shape))
            d_query += (s_own @ parts.own_key_PhGKD[:, :, block]).view(d_query.shape)
            d_key_PhSD += s_prompt.mT @ q_prompt
            d_own_key[:, :, block] = s_own.mT @ q_own
        d_query = parts.packed(d_query_PhGTRD) * tree.real_PN[:, :, None, None]
        d_key, d_value = torch.zeros_like(key), torch.zeros_like(value)
        d_key[:, :, :width], d_value[:, :, :width] = d_key_PhSD, d_value_PhSD
        d_key[:, :, width:], d_value[:, :, width:] = (
            parts.packed_keys(d_own_key),
            parts.packed_keys(d_own_value),
        )
        return d_query.transpose(1, 2), d_key, d_value, None, None, None


class _Parts:
    """Queries by rollout, keys and values of the prompt and of each rollout; scores of both in one softmax."""

    def __init__(
        self, query: Tensor, key: Tensor, value: Tensor, mask_P1S: Tensor, tree: Tree, scaling: float
    ) -> None:
        width = mask_P1S.shape[-1]
        self.tree, self.scaling, self.heads = tree, scaling, key.shape[1]
        self.hidden_P11S = ~mask_P1S[:, None]
        self.key_PhSD, self.value_PhSD = key[:, :, :width], value[:, :, :width]
        self.query_PhGTRD = self.by_rollout(query, tree.at_PGT)
        self.own_key_PhGKD = self.by_rollout(key[:, :, width:], tree.at_PGT).squeeze(4)
        self.own_value_PhGKD = self.by_rollout(value[:, :, width:], tree.at_PGT).squeeze(4)
        step = torch.arange(tree.at_PGT.shape[2], device=query.device)
        self.later_T1K = (step[None] > step[:, None])[:, None]

    def by_rollout(self, tokens_PHLD: Tensor, index_PGT: Tensor) -> Tensor:
        """(P, H, L, D) -> (P, h, G, T, R, D)."""
        prompts, group, steps = index_PGT.shape
        row = torch.arange(prompts, device=index_PGT.device)[:, None]
        picked = tokens_PHLD.transpose(1, 2)[row, index_PGT.flatten(1)]
        return (
            picked.view(prompts, group, steps, self.heads, -1, picked.shape[-1])
            .permute(0, 3, 1, 2, 4, 5)
            .contiguous()
        )

    def packed(self, by_rollout_PhGTRD: Tensor) -> Tensor:
        """(P, h, G, T, R, D) -> (P, N, H, D)."""
        prompts, heads, group, steps, repeat, size = by_rollout_PhGTRD.shape
        flat = by_rollout_PhGTRD.permute(0, 2, 3, 1, 4, 5).reshape(
            prompts, group * steps, heads * repeat, size
        )
        return flat[torch.arange(prompts, device=flat.device)[:, None], self.tree.slot_PN]

    def packed_keys(self, own_PhGKD: Tensor) -> Tensor:
        """(P, h, G, K, D) -> (P, h, N, D), 0 for padding."""
        return (self.packed(own_PhGKD.unsqueeze(4)) * self.tree.real_PN[:, :, None, None]).transpose(1, 2)

    def blocks(self) -> Iterator[slice]:
        """Rollouts whose scores fit `BLOCK`."""
        prompts, heads, group, steps, repeat, _ = self.query_PhGTRD.shape
        each = prompts * heads * steps * repeat * (self.key_PhSD.shape[2] + steps)
        size = max(1, BLOCK // each)
        return (slice(start, start + size) for start in range(0, group, size))

    @staticmethod
    def queries(tokens_PhGTRD: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        """Of some rollouts: all in one matrix, to meet the prompt's keys, and a matrix each, to meet their own."""
        chosen = tokens_PhGTRD[:, :, block]
        return chosen.flatten(2, 4), chosen.flatten(3, 4)

    def probabilities(self, block: slice) -> tuple[Tensor, Tensor]:
        """Of the prompt's keys (P, h, G T R, S) and of their own (P, h, G, T R, K), for a block of rollouts."""
        q_prompt, q_own = self.queries(self.query_PhGTRD, block)
        prompts, heads, group, rows, _ = q_own.shape
        steps, width = len(self.later_T1K), self.key_PhSD.shape[2]
        scores_PhgrW = torch.empty(prompts, heads, group, rows, width + steps, device=q_own.device)
        to_prompt = (q_prompt @ self.key_PhSD.mT).masked_fill_(self.hidden_P11S, float("-inf"))
        scores_PhgrW[..., :width] = to_prompt.view(prompts, heads, group, rows, width)
        to_own = (
            (q_own @ self.own_key_PhGKD[:, :, block].mT)
            .view(prompts, heads, group, steps, -1, steps)
            .masked_fill_(self.later_T1K, float("-inf"))
        )
        scores_PhgrW[..., width:] = to_own.view(prompts, heads, group, rows, steps)
        p_PhgrW = torch.softmax(scores_PhgrW.mul_(self.scaling), dim=-1).to(q_own.dtype)
        return p_PhgrW[..., :width].flatten(2, 3), p_PhgrW[..., width:].contiguous()

    def d_scores(
        self, p_prompt: Tensor, p_own: Tensor, d_p_prompt: Tensor, d_p_own: Tensor, shape: torch.Size
    ) -> tuple[Tensor, Tensor]:
        """Back through the softmax of both parts."""
        prompts, heads, group, steps, repeat, _ = shape
        as_rows = lambda part: part.view(prompts, heads, group, steps * repeat, -1)
        inner = (as_rows(p_prompt) * as_rows(d_p_prompt)).sum(-1, dtype=torch.float32, keepdim=True)
        inner += (p_own * d_p_own).sum(-1, dtype=torch.float32, keepdim=True)
        inner = inner.to(p_own.dtype)
        s_prompt = as_rows(p_prompt) * (as_rows(d_p_prompt) - inner) * self.scaling
        s_own = p_own * (d_p_own - inner) * self.scaling
        return s_prompt.flatten(2, 3), s_own
