"""The key-value cache of a group that is being sampled: one copy of the prompt's keys and values, and a buffer per rollout.

`GroupCache` grows its view of the buffers by one token per step. In `StaticGroupCache` every tensor keeps its place and its shape
and the number of the step is a tensor too, as a CUDA graph needs it.

P prompts, G rollouts per prompt, S prompt tokens, T completion tokens that the buffers hold, C completion tokens that a step looks
at, M = S + C, H query heads = h key-value heads x r query heads each, D head size.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class GroupCache(Cache):
    """A cache that is first filled with the prompts, one per row, and then with one token of each rollout per step.

    A step passes the G newest tokens of a prompt as one row. There are at most `max_tokens` steps.
    """

    def __init__(self, max_tokens: int) -> None:
        super().__init__(layer_class_to_replicate=partial(_GroupLayer, max_tokens))


class StaticSlots:
    """Which slot of the buffers a step writes, shared by the layers of a `StaticGroupCache`."""

    def __init__(self, window: int, device: torch.device) -> None:
        self.step_1 = torch.zeros(1, dtype=torch.long, device=device)
        self.resize(window)

    def resize(self, window: int) -> None:
        """Let steps look at the first `window` slots."""
        self.window = window
        self.slot_C = torch.arange(window, device=self.step_1.device)

    def hidden_C(self) -> Tensor:
        """Return which slots of the window are not written yet."""
        return self.slot_C > self.step_1


class StaticGroupCache(Cache):
    """A group cache whose tensors stay in place: a step writes slot `slots.step_1` and looks at `slots.window` slots."""

    def __init__(self, max_tokens: int, slots: StaticSlots) -> None:
        super().__init__(layer_class_to_replicate=partial(_StaticGroupLayer, max_tokens, slots))
        self.slots = slots


class _GroupLayer(DynamicLayer):
    is_initialized: bool
    keys: Tensor  # of the prompt
    values: Tensor

    def __init__(self, max_tokens: int) -> None:
        super().__init__()
        self.max_tokens, self.steps = max_tokens, 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Store the prompts' keys and values (P, h, S, D) or those of the newest tokens (P, h, G, D).

        Both are returned as they came, because `attend` reads the earlier ones from the cache.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = key_states.contiguous(), value_states.contiguous()
        else:
            if not self.steps:
                self._allocate(key_states)
            self._store(key_states, value_states)
            self.steps += 1
        return key_states, value_states

    def _allocate(self, key_states: Tensor) -> None:
        prompts, heads, group, size = key_states.shape
        self.own_key_PhGTD = key_states.new_empty(prompts, heads, group, self.max_tokens, size)
        self.own_value_PhGTD = torch.empty_like(self.own_key_PhGTD)

    def _store(self, key_states: Tensor, value_states: Tensor) -> None:
        self.own_key_PhGTD[..., self.steps, :] = key_states
        self.own_value_PhGTD[..., self.steps, :] = value_states

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep the rows of some prompts."""
        super().batch_select_indices(indices)
        if self.steps:
            self.own_key_PhGTD = self.own_key_PhGTD[indices]
            self.own_value_PhGTD = self.own_value_PhGTD[indices]

    def attend(self, query_PHGD: Tensor, mask_P1S: Tensor, scaling: float) -> Tensor:
        """Return what the newest token of every rollout sees, itself included: (P, G, H, D)."""
        return self._attend(query_PHGD, mask_P1S, scaling, self.steps, None)

    def _attend(
        self, query_PHGD: Tensor, mask_P1S: Tensor, scaling: float, window: int, hidden_C: Tensor | None
    ) -> Tensor:
        """Attend to the prompt and to the first `window` own tokens, without those that are hidden."""
        prompts, _, group, size = query_PHGD.shape
        own_key_PhGCD = self.own_key_PhGTD[..., :window, :]
        own_value_PhGCD = self.own_value_PhGTD[..., :window, :]
        query_PhGrD = query_PHGD.view(prompts, self.keys.shape[1], -1, group, size).transpose(2, 3)
        to_prompt = (query_PhGrD.flatten(2, 3) @ self.keys.mT).masked_fill_(~mask_P1S[:, None], float("-inf"))
        to_own_PhGrC = query_PhGrD @ own_key_PhGCD.mT
        if hidden_C is not None:
            to_own_PhGrC.masked_fill_(hidden_C, float("-inf"))
        to_prompt_PhGrS = to_prompt.view(*to_own_PhGrC.shape[:-1], -1)
        scores_PhGrM = torch.cat([to_prompt_PhGrS, to_own_PhGrC], dim=-1).float().mul_(scaling)
        p_PhGrM = torch.softmax(scores_PhGrM, dim=-1).to(query_PHGD.dtype)
        p_prompt, p_own = p_PhGrM.split([self.keys.shape[2], window], dim=-1)
        out_PhGrD = (p_prompt.flatten(2, 3) @ self.values).view(query_PhGrD.shape) + p_own @ own_value_PhGCD
        return out_PhGrD.transpose(1, 2).flatten(2, 3)


class _StaticGroupLayer(_GroupLayer):
    def __init__(self, max_tokens: int, slots: StaticSlots) -> None:
        super().__init__(max_tokens)
        self.slots = slots

    def _allocate(self, key_states: Tensor) -> None:
        super()._allocate(key_states)
        self.own_key_PhGTD.zero_()  # slots not written yet are multiplied by a probability of 0, and NaN times 0 is NaN
        self.own_value_PhGTD.zero_()

    def _store(self, key_states: Tensor, value_states: Tensor) -> None:
        self.own_key_PhGTD.index_copy_(3, self.slots.step_1, key_states[..., None, :])
        self.own_value_PhGTD.index_copy_(3, self.slots.step_1, value_states[..., None, :])

    def attend(self, query_PHGD: Tensor, mask_P1S: Tensor, scaling: float) -> Tensor:
        slots = self.slots
        return self._attend(query_PHGD, mask_P1S, scaling, slots.window, slots.hidden_C())
