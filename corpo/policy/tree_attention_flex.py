"""Tree attention on a GPU with FlexAttention: one fused kernel that stores no scores and skips masked blocks.

A row holds the prompt, left-padded, and behind it the tokens of its rollouts, each rollout in one piece. Each
token has a segment: 0 for the prompt and g + 1 for rollout g. A token sees itself and the earlier tokens of
segment 0 and of its own segment. `corpo.policy.tree_attention` computes the same on a CPU and chooses between
the two.

P prompts, S prompt tokens, C tokens behind the prompt, W tokens of a row (W = S + C), H query heads,
h key-value heads, D head size, Z blocks of a row. W is a multiple of BLOCK, so that the kernel needs no
bounds checks and is compiled once for all lengths.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

BLOCK = 128  # tokens per block of the mask, FlexAttention's default
# Segments other than rollouts: the prompt, the padding before it and the padding behind the last rollout.
PROMPT, LEFT_PADDING, RIGHT_PADDING = 0, -1, 2**30


def tree_block_mask(prompt_mask_PS: Tensor, rollout_PC: Tensor, real_PC: Tensor) -> BlockMask:
    """Return FlexAttention's mask for rows that hold a prompt and its rollouts.

    `prompt_mask_PS` marks the tokens of the prompt. `real_PC` marks the tokens that belong to a rollout,
    and `rollout_PC` holds the rollout's index; rollouts lie in ascending order. Padding sees itself and
    the padding before it, because a softmax needs at least one key. Raises ValueError if W is not a
    multiple of BLOCK.
    """
    prompt_PS = torch.where(prompt_mask_PS, PROMPT, LEFT_PADDING)
    segment_PW = torch.cat([prompt_PS, torch.where(real_PC, rollout_PC + 1, RIGHT_PADDING)], dim=1)
    length = segment_PW.shape[1]
    if length % BLOCK:
        raise ValueError(f"a row of {length} tokens: the length must be a multiple of {BLOCK}")

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        segment = segment_PW[row, key]
        return (key <= query) & ((segment == PROMPT) | (segment == segment_PW[row, query]))

    partial_P1ZZ, full_P1ZZ = _classify_blocks(segment_PW)
    return BlockMask.from_kv_blocks(
        *_ordered(partial_P1ZZ),
        *_ordered(full_P1ZZ),
        BLOCK_SIZE=BLOCK,
        mask_mod=sees,
        seq_lengths=(length, length),
    )


def _classify_blocks(segment_PW: Tensor) -> tuple[Tensor, Tensor]:
    """Return which blocks of queries x keys are visible in part and which in full, both (P, 1, Z, Z).

    Segments are sorted within a row, so the smallest and the largest segment of a block bound what it
    contains. A block that counts as partly visible but is hidden costs time only, because the mask still
    applies in it.
    """
    low_PZ, high_PZ = segment_PW.unflatten(1, (-1, BLOCK)).aminmax(dim=2)
    query_low_PZ1, query_high_PZ1 = low_PZ[:, :, None], high_PZ[:, :, None]
    key_low_P1Z, key_high_P1Z = low_PZ[:, None], high_PZ[:, None]
    index_Z = torch.arange(low_PZ.shape[1], device=segment_PW.device)
    has_prompt_P1Z = (key_low_P1Z <= PROMPT) & (key_high_P1Z >= PROMPT)
    is_prompt_P1Z = (key_low_P1Z == PROMPT) & (key_high_P1Z == PROMPT)
    overlap_PZZ = (query_low_PZ1 <= key_high_P1Z) & (key_low_P1Z <= query_high_PZ1)
    same_PZZ = (query_low_PZ1 == key_high_P1Z) & (key_low_P1Z == query_high_PZ1)
    full_PZZ = (index_Z < index_Z[:, None]) & (is_prompt_P1Z | same_PZZ)
    visible_PZZ = (index_Z <= index_Z[:, None]) & (has_prompt_P1Z | overlap_PZZ)
    return (visible_PZZ & ~full_PZZ)[:, None], full_PZZ[:, None]


def _ordered(blocks_P1ZZ: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of true entries per row, and their columns ahead of all other columns, as int32."""
    columns_P1ZZ = blocks_P1ZZ.byte().argsort(dim=-1, descending=True, stable=True)
    return blocks_P1ZZ.sum(-1, dtype=torch.int32), columns_P1ZZ.int()


@cache
def _compiled() -> Any:
    """Return the kernel, compiled for all numbers of prompts and all lengths.

    A few cases are compiled separately: one prompt, as many prompts as blocks, each dtype, with and without
    gradients. The limit is raised because, with `fullgraph`, torch raises an error at the limit instead of
    computing dense scores.
    """
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)
    return torch.compile(flex_attention, dynamic=True, fullgraph=True)


def flex_tree_attention(
    query_PHWD: Tensor, key_PhWD: Tensor, value_PhWD: Tensor, mask: BlockMask, scaling: float
) -> Tensor:
    """Return the attention output of every token of the rows, (P, W, H, D).

    On a CPU, where only tests come here, FlexAttention runs uncompiled.
    """
    kernel = flex_attention
    if query_PHWD.device.type == "cuda" and not torch.compiler.is_compiling():
        kernel = _compiled()
    is_grouped = query_PHWD.shape[1] != key_PhWD.shape[1]
    out_PHWD: Tensor = kernel(
        query_PHWD, key_PhWD, value_PhWD, block_mask=mask, scale=scaling, enable_gqa=is_grouped
    )
    return out_PHWD.transpose(1, 2).contiguous()
