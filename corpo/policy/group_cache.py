"""The key-value cache of a group that is being sampled: the prompt's once, each rollout's own in a buffer that is written in place.

P prompts, G rollouts, S prompt tokens, K tokens that a rollout has so far, H heads = h key-value heads x R, D head size.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class GroupCache(Cache):
    """First filled with the prompts, a row each; then with one token of every rollout at a time, G a row, at most `room` times."""

    def __init__(self, room: int) -> None:
        super().__init__(layer_class_to_replicate=partial(_GroupLayer, room))


class _GroupLayer(DynamicLayer):
    is_initialized: bool
    keys: Tensor  # of the prompt
    values: Tensor

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.steps = room, 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Of the prompt (P, h, S, D) or of the newest tokens (P, h, G, D), which are given back as they came: `attend` has the others."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = key_states.contiguous(), value_states.contiguous()
        else:
            if not self.steps:
                prompts, heads, group, size = key_states.shape
                self.own_key_PhGTD = key_states.new_empty(prompts, heads, group, self.room, size)
                self.own_value_PhGTD = torch.empty_like(self.own_key_PhGTD)
            self.own_key_PhGTD[..., self.steps, :] = key_states
            self.own_value_PhGTD[..., self.steps, :] = value_states
            self.steps += 1
        return key_states, value_states

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)
        if self.steps:
            self.own_key_PhGTD, self.own_value_PhGTD = (
                self.own_key_PhGTD[indices],
                self.own_value_PhGTD[indices],
            )

    def attend(self, query_PHGD: Tensor, mask_P1S: Tensor, scaling: float) -> Tensor:
        """What the newest token of every rollout sees, itself included: (P, G, H, D)."""
        prompts, _, group, size = query_PHGD.shape
        own_key_PhGKD, own_value_PhGKD = (
            self.own_key_PhGTD[..., : self.steps, :],
            self.own_value_PhGTD[..., : self.steps, :],
        )
        query_PhGRD = query_PHGD.view(prompts, self.keys.shape[1], -1, group, size).transpose(2, 3)
        to_prompt = (query_PhGRD.flatten(2, 3) @ self.keys.mT).masked_fill_(~mask_P1S[:, None], float("-inf"))
        to_own_PhGRK = query_PhGRD @ own_key_PhGKD.mT
        scores_PhGRW = (
            torch.cat([to_prompt.view(*to_own_PhGRK.shape[:-1], -1), to_own_PhGRK], dim=-1)
            .float()
            .mul_(scaling)
        )
        p_PhGRW = torch.softmax(scores_PhGRW, dim=-1).to(query_PHGD.dtype)
        p_prompt, p_own = p_PhGRW.split([self.keys.shape[2], self.steps], dim=-1)
        out_PhGRD = (p_prompt.flatten(2, 3) @ self.values).view(query_PhGRD.shape) + p_own @ own_value_PhGKD
        return out_PhGRD.transpose(1, 2).flatten(2, 3)
