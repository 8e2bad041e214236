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
from transformers import PreTrainedModel


def left_pad(sequences: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids and mask, both (P, S), aligned at the right so that every completion starts in the same column."""
    longest = max(len(sequence) for sequence in sequences)
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


def decode_mask(mask_PS: Tensor, group: int, step: int) -> Tensor:
    """Attention of the G tokens sampled at `step` over the prompt and the cache of earlier steps, (P, 1, G, S + G*(step+1)).

    The cache grows by G columns a step: the prompt's keys and values are stored once, not G times.
    """
    own_GG = torch.eye(group, dtype=torch.bool, device=mask_PS.device)
    prompt_PGS = mask_PS[:, None, :].expand(-1, group, -1)
    history = own_GG.repeat(1, step + 1).expand(len(mask_PS), -1, -1)
    return torch.cat([prompt_PGS, history], dim=-1)[:, None]


def tree_mask(mask_PS: Tensor, rollout_PN: Tensor, step_PN: Tensor, real_PN: Tensor) -> Tensor:
    """Attention of a packed row [prompt][tokens of all completions], (P, 1, L, L).

    Token n of a row is token `step_PN` of rollout `rollout_PN`, or padding where `real_PN` is false: nothing sees that.
    """
    prompts, width = mask_PS.shape
    total = width + rollout_PN.shape[1]
    mask_P1LL = torch.zeros(prompts, 1, total, total, dtype=torch.bool, device=mask_PS.device)
    mask_P1LL[:, :, :width, :width] = prompt_mask(mask_PS)
    mask_P1LL[:, 0, width:, :width] = mask_PS[:, None, :]
    same_PNN = rollout_PN[:, :, None] == rollout_PN[:, None, :]
    earlier_PNN = step_PN[:, :, None] >= step_PN[:, None, :]
    mask_P1LL[:, 0, width:, width:] = same_PNN & earlier_PNN & real_PN[:, None, :]
    return mask_P1LL


def group_logprobs(
    model: PreTrainedModel, prompt_ids: Sequence[Sequence[int]], ids_PGT: Tensor, mask_PGT: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability of every completion token and entropy of its distribution, both (P, G, T), at the sampling temperature.

    Both are 0 where `mask_PGT` is false. No row carries the padding of its rollouts: a long one costs its own tokens only.
    """
    ids_PS, mask_PS = (tensor.to(ids_PGT.device) for tensor in left_pad(prompt_ids, 0))
    width, length = ids_PS.shape[1], ids_PGT.shape[-1]
    flat_mask = mask_PGT.flatten(1)
    longest = int(flat_mask.sum(-1).max())
    at_PN = (~flat_mask).long().sort(stable=True, dim=-1).indices[:, :longest]  # real tokens first, in order
    real_PN = flat_mask.gather(1, at_PN)
    token_PN = ids_PGT.flatten(1).gather(1, at_PN).masked_fill(~real_PN, 0)
    rollout_PN, step_PN = at_PN // length, at_PN % length
    logits = model(
        input_ids=torch.cat([ids_PS, token_PN], dim=1),
        attention_mask=tree_mask(mask_PS, rollout_PN, step_PN, real_PN),
        position_ids=torch.cat([positions(mask_PS), mask_PS.sum(-1, keepdim=True) + step_PN], dim=1),
        logits_to_keep=torch.arange(width - 1, width + longest, device=ids_PGT.device),
        use_cache=False,
    ).logits
    logp_PKV = torch.log_softmax(logits.float() / temperature, dim=-1)  # K = 1 + N: the prompt's last token, then all packed ones
    # A completion's first token is predicted by the prompt's last one, any other by the token packed before it.
    source_PN = torch.where(step_PN == 0, 0, torch.arange(longest, device=ids_PGT.device))
    logprobs_PN = logp_PKV.flatten(1).gather(1, source_PN * logp_PKV.shape[-1] + token_PN)
    entropy_PN = -(logp_PKV.exp() * logp_PKV).sum(-1).gather(1, source_PN)
    unpack = lambda values_PN: torch.zeros(flat_mask.shape, device=ids_PGT.device).scatter(1, at_PN, values_PN * real_PN).view(ids_PGT.shape)
    return unpack(logprobs_PN), unpack(entropy_PN)
