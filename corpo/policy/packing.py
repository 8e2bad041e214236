"""The prompt computed once a group: a prompt and its G completions as one tree in one row.

Grouped reinforcement learning reads every prompt G times if each rollout is a row of its own. Here a row holds the prompt,
then the completions; a mask lets a completion see its prompt and itself only, and positions restart behind the prompt, so
that log-probs are those of G separate rows. P prompts, G rollouts, S prompt tokens, T completion tokens, N completion tokens
of a whole group, L = S + N.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import embedding
from transformers import PreTrainedModel

from corpo.policy.logprobs import hidden_states, output_weight, token_logprobs
from corpo.policy.tree_attention import Tree, use_tree_attention, uses_flex
from corpo.policy.tree_attention_flex import BLOCK, tree_block_mask


def left_pad(
    sequences: Sequence[Sequence[int]], pad_id: int, behind: int = 0, multiple: int = 1
) -> tuple[Tensor, Tensor]:
    """Return token ids and their mask, both (P, S), aligned at the right so that every completion starts in the same column.

    S plus the tokens `behind` the prompts is a multiple of `multiple`.
    """
    longest = max(len(sequence) for sequence in sequences)
    longest += -(longest + behind) % multiple
    ids_PS = torch.full((len(sequences), longest), pad_id, dtype=torch.long)
    mask_PS = torch.zeros((len(sequences), longest), dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        ids_PS[row, longest - len(sequence) :] = torch.as_tensor(sequence, dtype=torch.long)
        mask_PS[row, longest - len(sequence) :] = True
    return ids_PS, mask_PS


def positions(mask_PS: Tensor) -> Tensor:
    """Position of every prompt token, (P, S); padding sits at 0."""
    return (mask_PS.long().cumsum(-1) - 1).clamp(min=0)


def prompt_mask(mask_PS: Tensor) -> Tensor:
    """Causal attention within each left-padded prompt, (P, 1, S, S). Padding sees itself, for a softmax needs a key."""
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
    """Log-probability of every completion token and entropy of its distribution, both (P, G, T), at the sampling temperature.

    Both are 0 where `mask_PGT` is false. No row carries the padding of its rollouts: a long one costs its own tokens only.
    """
    flex = uses_flex(ids_PGT.device)
    flat_mask = mask_PGT.flatten(1)
    longest = int(flat_mask.sum(-1).max())
    padded = left_pad(prompt_ids, 0, behind=longest, multiple=BLOCK if flex else 1)
    ids_PS, mask_PS = (tensor.to(ids_PGT.device) for tensor in padded)
    width, length = ids_PS.shape[1], ids_PGT.shape[-1]
    at_PN = (~flat_mask).long().sort(stable=True, dim=-1).indices[:, :longest]  # real tokens first, in order
    real_PN = flat_mask.gather(1, at_PN)
    token_PN = ids_PGT.flatten(1).gather(1, at_PN).masked_fill(~real_PN, 0)
    rollout_PN, step_PN = at_PN // length, at_PN % length
    use_tree_attention(model)
    hidden_PLH = hidden_states(
        model,
        input_ids=torch.cat([ids_PS, token_PN], dim=1),
        attention_mask=prompt_mask(mask_PS),
        position_ids=torch.cat([positions(mask_PS), mask_PS.sum(-1, keepdim=True) + step_PN], dim=1),
        tree=tree_block_mask(mask_PS, rollout_PN, real_PN)
        if flex
        else Tree.packed(rollout_PN, step_PN, real_PN, mask_PGT.shape[1]),
    )
    # A completion's first token is predicted by the prompt's last one, any other by the token packed before it.
    source_PN = torch.where(step_PN == 0, width - 1, width - 1 + torch.arange(longest, device=ids_PGT.device))
    first_P1 = torch.arange(len(ids_PS), device=ids_PGT.device)[:, None] * hidden_PLH.shape[1]
    # Looked up and not indexed: on several threads the gradient of an index adds what G rollouts take from one place in no fixed order.
    hidden_NH = embedding((first_P1 + source_PN)[real_PN], hidden_PLH.flatten(0, 1))
    logprobs_N, entropy_N = token_logprobs(hidden_NH, output_weight(model), token_PN[real_PN], temperature)
    zeros_PGT = torch.zeros(mask_PGT.shape, device=ids_PGT.device)
    return zeros_PGT.masked_scatter(mask_PGT, logprobs_N), zeros_PGT.masked_scatter(
        mask_PGT, entropy_N
    )  # packed in this order
