"""The prompt computed once a group: a prompt and its G completions as one tree in one row.

Grouped reinforcement learning reads every prompt G times if each rollout is a row of its own. Here a row holds the prompt,
then the completions; a mask lets a completion see its prompt and itself only, and positions restart behind the prompt, so
that log-probs are those of G separate rows. P prompts, G rollouts, S prompt tokens, T completion tokens, L = S + G*T.
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


def tree_mask(mask_PS: Tensor, group: int, length: int) -> Tensor:
    """Attention of a packed row [prompt][completion 1]...[completion G], (P, 1, L, L)."""
    prompts, width = mask_PS.shape
    device = mask_PS.device
    total = width + group * length
    mask_P1LL = torch.zeros(prompts, 1, total, total, dtype=torch.bool, device=device)
    mask_P1LL[:, :, :width, :width] = prompt_mask(mask_PS)
    mask_P1LL[:, 0, width:, :width] = mask_PS[:, None, :]
    causal_TT = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    mask_P1LL[:, :, width:, width:] = torch.block_diag(*[causal_TT] * group)
    return mask_P1LL


def group_logprobs(
    model: PreTrainedModel, prompt_ids_PS: Tensor, mask_PS: Tensor, completion_ids_PGT: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability of every completion token and entropy of its distribution, both (P, G, T), at the sampling temperature."""
    prompts, group, length = completion_ids_PGT.shape
    width = prompt_ids_PS.shape[1]
    starts_P1 = mask_PS.sum(-1, keepdim=True)
    steps_GT = torch.arange(length, device=mask_PS.device).repeat(group)
    logits = model(
        input_ids=torch.cat([prompt_ids_PS, completion_ids_PGT.flatten(1)], dim=1),
        attention_mask=tree_mask(mask_PS, group, length),
        position_ids=torch.cat([positions(mask_PS), starts_P1 + steps_GT], dim=1),
        logits_to_keep=torch.arange(width - 1, width + group * length, device=mask_PS.device),
        use_cache=False,
    ).logits
    # The prompt's last token predicts every first token; each completion's last token predicts nothing that was sampled.
    first_PG1V = logits[:, None, :1].expand(-1, group, -1, -1)
    later_PGTV = logits[:, 1:].view(prompts, group, length, -1)[:, :, :-1]
    logp_PGTV = torch.log_softmax(torch.cat([first_PG1V, later_PGTV], dim=2).float() / temperature, dim=-1)
    logprobs_PGT = logp_PGTV.gather(-1, completion_ids_PGT[..., None]).squeeze(-1)
    entropy_PGT = -(logp_PGTV.exp() * logp_PGTV).sum(-1)
    return logprobs_PGT, entropy_PGT
