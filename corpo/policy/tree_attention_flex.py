"""Tree attention on a GPU by FlexAttention: one fused kernel, scores never in memory, masked blocks skipped.

A row holds the prompt (left-padded) and, behind it, the tokens of its rollouts, each rollout in one piece. Every token has a
segment: 0 for the prompt, g + 1 for rollout g. A token sees the earlier tokens of segment 0 and of its own segment, and itself.
`corpo.policy.tree_attention` has the CPU version of the same computation and chooses between the two.

P prompts, S prompt tokens, N tokens behind the prompt, X = S + N tokens of a row, H query heads, h key-value heads, D head size,
B blocks of a row. X is a multiple of BLOCK, so that the kernel needs no bounds checks and is compiled once for all lengths.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

BLOCK = 128  # tokens of a block of the mask, FlexAttention's default
# Segments other than rollouts: those of the prompt, of the padding before it and of the padding behind the last rollout.
PROMPT, LEFT_PADDING, RIGHT_PADDING = 0, -1, 2**30


def tree_block_mask(prompt_mask_PS: Tensor, rollout_PN: Tensor, real_PN: Tensor) -> BlockMask:
    """Return FlexAttention's mask for rows of a prompt and its rollouts.

    `prompt_mask_PS` marks the prompt's tokens, `real_PN` those that belong to a rollout, and `rollout_PN` says to which.
    Rollouts have to lie in ascending order. Padding sees itself and padding before it, because a softmax needs a key.
    Raises ValueError if the length of a row is not a multiple of BLOCK.
    """
    prompt_PS = torch.where(prompt_mask_PS, PROMPT, LEFT_PADDING)
    segment_PX = torch.cat([prompt_PS, torch.where(real_PN, rollout_PN + 1, RIGHT_PADDING)], dim=1)
    length = segment_PX.shape[1]
    if length % BLOCK:
        raise ValueError(f"a row of {length} tokens: its length has to be a multiple of {BLOCK}")

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        segment = segment_PX[row, key]
        return (key <= query) & ((segment == PROMPT) | (segment == segment_PX[row, query]))

    partial_P1BB, full_P1BB = _classify_blocks(segment_PX)
    return BlockMask.from_kv_blocks(
        *_ordered(partial_P1BB),
        *_ordered(full_P1BB),
        BLOCK_SIZE=BLOCK,
        mask_mod=sees,
        seq_lengths=(length, length),
    )


def _classify_blocks(segment_PX: Tensor) -> tuple[Tensor, Tensor]:
    """Return which blocks of queries (rows) and keys (columns) are partly and which are wholly visible, both (P, 1, B, B).

    Segments are sorted within a row, so that the smallest and the largest one of a block say what it may contain. A block that is
    called partly visible although it is not visible at all costs time only: the mask is still applied inside it.
    """
    segment_PBb = segment_PX.unflatten(1, (-1, BLOCK))
    low_PB, high_PB = segment_PBb.aminmax(dim=2)
    low_PB1, high_PB1, low_P1B, high_P1B = low_PB[:, :, None], high_PB[:, :, None], low_PB[:, None], high_PB[:, None]
    number_B = torch.arange(low_PB.shape[1], device=segment_PX.device)
    earlier_BB = number_B < number_B[:, None]
    has_prompt_P1B = (low_P1B <= PROMPT) & (high_P1B >= PROMPT)
    is_prompt_P1B = (low_P1B == PROMPT) & (high_P1B == PROMPT)
    overlap_PBB = (low_PB1 <= high_P1B) & (low_P1B <= high_PB1)
    same_PBB = (low_PB1 == high_P1B) & (low_P1B == high_PB1)
    full_PBB = earlier_BB & (is_prompt_P1B | same_PBB)
    seen_PBB = (number_B <= number_B[:, None]) & (has_prompt_P1B | overlap_PBB)
    return (seen_PBB & ~full_PBB)[:, None], full_PBB[:, None]


def _ordered(blocks_P1BB: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of true entries per row of blocks, and their columns in front of all others, as int32."""
    columns_P1BB = blocks_P1BB.byte().argsort(dim=-1, descending=True, stable=True)
    return blocks_P1BB.sum(-1, dtype=torch.int32), columns_P1BB.int()


@cache
def _compiled() -> Any:
    """Return the kernel, compiled for all numbers of prompts and all lengths.

    A few cases have a compilation of their own: one prompt, as many prompts as blocks, each dtype, with and without gradients. The
    limit is raised because with `fullgraph` torch raises an error at it instead of falling back to dense scores.
    """
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)
    return torch.compile(flex_attention, dynamic=True, fullgraph=True)


def flex_tree_attention(
    query_PHXD: Tensor, key_PhXD: Tensor, value_PhXD: Tensor, mask: BlockMask, scaling: float
) -> Tensor:
    """Return what every token of the rows sees, (P, X, H, D). On a CPU (in tests) FlexAttention runs uncompiled."""
    kernel = flex_attention
    if query_PHXD.device.type == "cuda" and not torch.compiler.is_compiling():
        kernel = _compiled()
    grouped = query_PHXD.shape[1] != key_PhXD.shape[1]
    out_PHXD: Tensor = kernel(
        query_PHXD, key_PhXD, value_PhXD, block_mask=mask, scale=scaling, enable_gqa=grouped
    )
    return out_PHXD.transpose(1, 2).contiguous()
