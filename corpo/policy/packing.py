"""Log-probs of rollouts, with each prompt computed once per group.

Grouped reinforcement learning reads each prompt G times if every rollout is a row of its own. Here a row
holds the prompt and then the completions. A mask lets a completion see its prompt and itself only, and
positions restart behind the prompt, so that log-probs equal those of G separate rows.

P prompts, G rollouts per prompt, S prompt tokens, T completion tokens, C completion tokens of a whole group,
W tokens of a row (W = S + C), N completion tokens of all prompts, E model width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask
from torch.nn.functional import embedding
from transformers import PreTrainedModel

from corpo.policy.logprobs import hidden_states, output_weight, token_logprobs
from corpo.policy.tree_attention import Tree, use_tree_attention, uses_flex
from corpo.policy.tree_attention_flex import BLOCK, tree_block_mask


def left_pad(
    sequences: Sequence[Sequence[int]], pad_id: int, suffix: int = 0, multiple: int = 1
) -> tuple[Tensor, Tensor]:
    """Return token ids and their mask, both (P, S), aligned at the right.

    Every completion then starts in the same column. S is the smallest width for which S + `suffix` is a
    multiple of `multiple`.
    """
    width = max(len(sequence) for sequence in sequences)
    width += -(width + suffix) % multiple
    ids_PS = torch.full((len(sequences), width), pad_id, dtype=torch.long)
    mask_PS = torch.zeros((len(sequences), width), dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        ids_PS[row, width - len(sequence) :] = torch.as_tensor(sequence, dtype=torch.long)
        mask_PS[row, width - len(sequence) :] = True
    return ids_PS, mask_PS


def positions(mask_PS: Tensor) -> Tensor:
    """Return the position of each prompt token, (P, S). Padding has position 0."""
    return (mask_PS.long().cumsum(-1) - 1).clamp(min=0)


def prompt_mask(mask_PS: Tensor) -> Tensor:
    """Return the mask of causal attention within each left-padded prompt, (P, 1, S, S).

    Padding sees itself, because a softmax needs at least one key.
    """
    width = mask_PS.shape[1]
    causal_SS = torch.ones(width, width, dtype=torch.bool, device=mask_PS.device).tril()
    own_SS = torch.eye(width, dtype=torch.bool, device=mask_PS.device)
    return ((causal_SS & mask_PS[:, None, :]) | own_SS)[:, None]


def group_logprobs(
    model: PreTrainedModel,
    prompt_ids: Sequence[Sequence[int]],
    ids_PGT: Tensor,
    mask_PGT: Tensor,
    temperature: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Return the log-prob of each completion token and the entropy of its distribution, both (P, G, T).

    Both are taken at the sampling temperature and are 0 where `mask_PGT` is false. Padding of rollouts is
    left out of the rows, so a long rollout adds its own tokens only.
    """
    use_tree_attention(model)
    device, length = ids_PGT.device, ids_PGT.shape[-1]
    flat_mask = mask_PGT.flatten(1)
    num_packed = int(flat_mask.sum(-1).max())
    # Real tokens first, in their order.
    index_PC = (~flat_mask).long().sort(stable=True, dim=-1).indices[:, :num_packed]
    real_PC = flat_mask.gather(1, index_PC)
    token_PC = ids_PGT.flatten(1).gather(1, index_PC).masked_fill(~real_PC, 0)
    rollout_PC, step_PC = index_PC // length, index_PC % length
    padded = left_pad(prompt_ids, 0, suffix=num_packed, multiple=BLOCK if uses_flex(device) else 1)
    ids_PS, mask_PS = (tensor.to(device) for tensor in padded)
    hidden_PWE = hidden_states(
        model,
        input_ids=torch.cat([ids_PS, token_PC], dim=1),
        attention_mask=prompt_mask(mask_PS),
        position_ids=torch.cat([positions(mask_PS), mask_PS.sum(-1, keepdim=True) + step_PC], dim=1),
        tree=_tree(mask_PS, rollout_PC, step_PC, real_PC, mask_PGT.shape[1]),
    )
    # The first token of a completion is predicted from the last prompt token, any other from the token packed
    # before it.
    last = ids_PS.shape[1] - 1
    source_PC = torch.where(step_PC == 0, last, last + torch.arange(num_packed, device=device))
    row_P1 = torch.arange(len(ids_PS), device=device)[:, None] * hidden_PWE.shape[1]
    # A lookup instead of an index: with several threads, the gradient of an index adds what G rollouts take
    # from one place in no fixed order.
    hidden_NE = embedding((row_P1 + source_PC)[real_PC], hidden_PWE.flatten(0, 1))
    logprobs_N, entropy_N = token_logprobs(hidden_NE, output_weight(model), token_PC[real_PC], temperature)
    zeros_PGT = torch.zeros(mask_PGT.shape, device=device)
    # The tokens were packed in the order of the mask.
    return zeros_PGT.masked_scatter(mask_PGT, logprobs_N), zeros_PGT.masked_scatter(mask_PGT, entropy_N)


def _tree(
    prompt_mask_PS: Tensor, rollout_PC: Tensor, step_PC: Tensor, real_PC: Tensor, group: int
) -> Tree | BlockMask:
    """Return the structure of the rows in the form that the attention of this device takes."""
    if uses_flex(rollout_PC.device):
        return tree_block_mask(prompt_mask_PS, rollout_PC, real_PC)
    return Tree.packed(rollout_PC, step_PC, real_PC, group)
