"""Attention for a prompt whose key-value pairs are shared by its G rollouts, for training.

A row holds a prompt and, behind it, the tokens of all its rollouts; `Tree` says which token belongs to
which rollout. Prompt keys are read once per group, and the keys of a rollout by that rollout only. On a
GPU, `corpo.policy.tree_attention_flex` computes this. On a CPU this module does: it computes the scores
of a few rollouts at a time, in the forward pass and again in the backward pass, so that memory grows
linearly with tokens. Sampling has a token per rollout at a time and uses `corpo.policy.group_cache`.

P prompts, G rollouts per prompt, g rollouts of a block, T completion tokens, U completion tokens as keys
(U = T), S prompt tokens, M = S + U keys, C tokens behind the prompt, W tokens of a row
(W = S + C), H query heads = h key-value heads x r query heads each, R = T r query rows of a rollout, D head
size.
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
BLOCK = 2**22  # float32 scores that are in memory at once
FLEX_DEVICES = {"cuda"}  # types of devices on which FlexAttention computes the tree


def uses_flex(device: torch.device) -> bool:
    """Return whether FlexAttention computes the tree on this device. Its rows need a certain length."""
    return device.type in FLEX_DEVICES


@dataclass(frozen=True)
class Tree:
    """The places of the rollouts' tokens behind the prompt. Indices of padding are arbitrary."""

    index_PGT: Tensor  # place among the C tokens of each token of a rollout
    real_PGT: Tensor  # bool: the rollout has this token
    slot_PC: Tensor  # the inverse of `index_PGT`, an index into (G, T) flattened
    real_PC: Tensor  # bool: the token belongs to a rollout

    @classmethod
    def packed(cls, rollout_PC: Tensor, step_PC: Tensor, real_PC: Tensor, group: int) -> Tree:
        """Make a tree in which token n of a row is token `step_PC` of rollout `rollout_PC`, or padding."""
        length = int(step_PC.max()) + 1
        slot_PC = rollout_PC * length + step_PC
        prompts, width = slot_PC.shape
        index_PC = torch.arange(width, device=slot_PC.device).expand(prompts, -1)
        # Padding goes to an extra slot behind the last one, which is cut off.
        indices = torch.zeros(prompts, group * length + 1, dtype=torch.long, device=slot_PC.device)
        real = torch.zeros_like(indices, dtype=torch.bool)
        target = torch.where(real_PC, slot_PC, group * length)
        shape = (prompts, group, length)
        index_PGT = indices.scatter(1, target, index_PC)[:, :-1].view(shape)
        real_PGT = real.scatter(1, target, real_PC)[:, :-1].view(shape)
        return cls(index_PGT, real_PGT, slot_PC, real_PC)


def use_tree_attention(model: PreTrainedModel) -> None:
    """Switch the model to this module's attention.

    `model(..., tree=tree, attention_mask=prompt_mask)` then follows the tree, and `model(...,
    decoding=cache)` attends to a group cache. Without either argument the model works as with "sdpa".
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
    """Compute attention behind the interface of transformers.

    Takes query (P, H, W, D), key and value (P, h, W, D). Returns the output (P, W, H, D). With a tree,
    `attention_mask` is the mask of the prompt, (P, 1, S, S); in decoding it is (P, 1, 1, S). Its last row
    marks the prompt tokens that completions see.
    """
    if tree is None and decoding is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return out, None
    assert attention_mask is not None
    if getattr(module, "sliding_window", None) or options.get("softcap") or options.get("dropout"):
        raise ValueError(
            f"{type(module).__name__}: sliding windows, soft caps and dropout are not supported "
            "in grouped attention"
        )
    if decoding is not None:
        layer = decoding.layers[module.layer_idx]
        return layer.attend(query, attention_mask[:, :, -1], options["scaling"]), None
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
    """The attention of the completions' tokens.

    It takes query (P, H, C, D), key and value (P, h, W, D) and the prompt's mask (P, 1, S), and returns
    (P, C, H, D).
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask_P1S: Tensor, tree: Tree, scaling: float
    ) -> Tensor:
        parts = _Parts(query, key, value, mask_P1S, tree, scaling)
        out_PhGTrD = torch.empty_like(parts.query_PhGTrD)
        for block in parts.blocks():
            p_prompt, p_own = parts.probabilities(block)
            out = out_PhGTrD[:, :, block]
            out.copy_((p_prompt @ parts.value_PhSD).view(out.shape))
            out += (p_own @ parts.own_value_PhGUD[:, :, block]).view(out.shape)
        ctx.save_for_backward(query, key, value, mask_P1S)
        ctx.tree, ctx.scaling = tree, scaling
        return parts.packed(out_PhGTrD)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask_P1S = ctx.saved_tensors
        tree = ctx.tree
        parts = _Parts(query, key, value, mask_P1S, tree, ctx.scaling)
        width = mask_P1S.shape[-1]
        d_out_PhGTrD = parts.by_rollout(grads[0].transpose(1, 2), tree.index_PGT)
        d_out_PhGTrD = d_out_PhGTrD * tree.real_PGT[:, None, :, :, None, None]
        d_query_PhGTrD = torch.empty_like(d_out_PhGTrD)
        d_key_PhSD, d_value_PhSD = torch.zeros_like(parts.key_PhSD), torch.zeros_like(parts.key_PhSD)
        d_own_key, d_own_value = torch.empty_like(parts.own_key_PhGUD), torch.empty_like(parts.own_key_PhGUD)
        for block in parts.blocks():
            p_prompt, p_own = parts.probabilities(block)
            q_prompt, q_own = parts.queries(parts.query_PhGTrD, block)
            d_prompt, d_own = parts.queries(d_out_PhGTrD, block)
            d_value_PhSD += p_prompt.mT @ d_prompt
            d_own_value[:, :, block] = p_own.mT @ d_own
            s_prompt, s_own = parts.d_scores(
                p_prompt,
                p_own,
                d_prompt @ parts.value_PhSD.mT,
                d_own @ parts.own_value_PhGUD[:, :, block].mT,
                d_out_PhGTrD[:, :, block].shape,
            )
            d_query = d_query_PhGTrD[:, :, block]
            d_query.copy_((s_prompt @ parts.key_PhSD).view(d_query.shape))
            d_query += (s_own @ parts.own_key_PhGUD[:, :, block]).view(d_query.shape)
            d_key_PhSD += s_prompt.mT @ q_prompt
            d_own_key[:, :, block] = s_own.mT @ q_own
        d_query = parts.packed(d_query_PhGTrD) * tree.real_PC[:, :, None, None]
        d_key, d_value = torch.zeros_like(key), torch.zeros_like(value)
        d_key[:, :, :width], d_value[:, :, :width] = d_key_PhSD, d_value_PhSD
        d_key[:, :, width:], d_value[:, :, width:] = (
            parts.packed_keys(d_own_key),
            parts.packed_keys(d_own_value),
        )
        return d_query.transpose(1, 2), d_key, d_value, None, None, None


class _Parts:
    """Queries, keys and values sorted by rollout, and the probabilities over prompt keys and own keys."""

    def __init__(
        self, query: Tensor, key: Tensor, value: Tensor, mask_P1S: Tensor, tree: Tree, scaling: float
    ) -> None:
        width = mask_P1S.shape[-1]
        self.tree, self.scaling, self.heads = tree, scaling, key.shape[1]
        self.hidden_P11S = ~mask_P1S[:, None]
        self.key_PhSD, self.value_PhSD = key[:, :, :width], value[:, :, :width]
        self.query_PhGTrD = self.by_rollout(query, tree.index_PGT)
        self.own_key_PhGUD = self.by_rollout(key[:, :, width:], tree.index_PGT).squeeze(4)
        self.own_value_PhGUD = self.by_rollout(value[:, :, width:], tree.index_PGT).squeeze(4)
        step = torch.arange(tree.index_PGT.shape[2], device=query.device)
        self.later_T1U = (step[None] > step[:, None])[:, None]

    def by_rollout(self, tokens_PHCD: Tensor, index_PGT: Tensor) -> Tensor:
        """Sort packed tokens (P, H, C, D) by rollout, (P, h, G, T, r, D)."""
        prompts, group, steps = index_PGT.shape
        row = torch.arange(prompts, device=index_PGT.device)[:, None]
        picked = tokens_PHCD.transpose(1, 2)[row, index_PGT.flatten(1)]
        return (
            picked.view(prompts, group, steps, self.heads, -1, picked.shape[-1])
            .permute(0, 3, 1, 2, 4, 5)
            .contiguous()
        )

    def packed(self, by_rollout_PhGTrD: Tensor) -> Tensor:
        """Undo `by_rollout`: take (P, h, G, T, r, D), return packed tokens (P, C, H, D)."""
        prompts, heads, group, steps, repeat, size = by_rollout_PhGTrD.shape
        flat = by_rollout_PhGTrD.permute(0, 2, 3, 1, 4, 5).reshape(
            prompts, group * steps, heads * repeat, size
        )
        return flat[torch.arange(prompts, device=flat.device)[:, None], self.tree.slot_PC]

    def packed_keys(self, own_PhGUD: Tensor) -> Tensor:
        """Pack keys (P, h, G, U, D) into (P, h, C, D), with 0 for padding."""
        return (self.packed(own_PhGUD.unsqueeze(4)) * self.tree.real_PC[:, :, None, None]).transpose(1, 2)

    def blocks(self) -> Iterator[slice]:
        """Yield slices of rollouts whose scores fit in `BLOCK`."""
        prompts, heads, group, steps, repeat, _ = self.query_PhGTrD.shape
        scores_per_rollout = prompts * heads * steps * repeat * (self.key_PhSD.shape[2] + steps)
        size = max(1, BLOCK // scores_per_rollout)
        return (slice(start, start + size) for start in range(0, group, size))

    @staticmethod
    def queries(tokens_PhGTrD: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        """Return a block of rollouts as one matrix, for prompt keys, and as one matrix each, for own keys."""
        chosen = tokens_PhGTrD[:, :, block]
        return chosen.flatten(2, 4), chosen.flatten(3, 4)

    def probabilities(self, block: slice) -> tuple[Tensor, Tensor]:
        """Return a block's probabilities of prompt keys (P, h, gR, S) and own keys (P, h, g, R, U)."""
        q_prompt, q_own = self.queries(self.query_PhGTrD, block)
        prompts, heads, group, rows, _ = q_own.shape
        steps, width = len(self.later_T1U), self.key_PhSD.shape[2]
        scores_PhgRM = torch.empty(prompts, heads, group, rows, width + steps, device=q_own.device)
        to_prompt = (q_prompt @ self.key_PhSD.mT).masked_fill_(self.hidden_P11S, float("-inf"))
        scores_PhgRM[..., :width] = to_prompt.view(prompts, heads, group, rows, width)
        to_own = (
            (q_own @ self.own_key_PhGUD[:, :, block].mT)
            .view(prompts, heads, group, steps, -1, steps)
            .masked_fill_(self.later_T1U, float("-inf"))
        )
        scores_PhgRM[..., width:] = to_own.view(prompts, heads, group, rows, steps)
        p_PhgRM = torch.softmax(scores_PhgRM.mul_(self.scaling), dim=-1).to(q_own.dtype)
        return p_PhgRM[..., :width].flatten(2, 3), p_PhgRM[..., width:].contiguous()

    def d_scores(
        self, p_prompt: Tensor, p_own: Tensor, d_p_prompt: Tensor, d_p_own: Tensor, shape: torch.Size
    ) -> tuple[Tensor, Tensor]:
        """Return the gradients of the scores of both parts, from those of the probabilities."""
        prompts, heads, group, steps, repeat, _ = shape
        rows = (prompts, heads, group, steps * repeat, -1)
        p_prompt, d_p_prompt = p_prompt.view(rows), d_p_prompt.view(rows)
        inner = (p_prompt * d_p_prompt).sum(-1, dtype=torch.float32, keepdim=True)
        inner += (p_own * d_p_own).sum(-1, dtype=torch.float32, keepdim=True)
        inner = inner.to(p_own.dtype)
        s_prompt = p_prompt * (d_p_prompt - inner) * self.scaling
        s_own = p_own * (d_p_own - inner) * self.scaling
        return s_prompt.flatten(2, 3), s_own
