"""The key-value cache during sampling: one copy of each prompt's keys and values, and a buffer per rollout.

`GroupCache` looks at one more token per step. In `StaticGroupCache` all tensors keep their place and
their shape, and the number of the step is a tensor, as a CUDA graph needs it.

P prompts, G rollouts per prompt, S prompt tokens, T completion tokens that the buffers hold, U of them that a
step looks at, M = S + U, H query heads = h key-value heads x r query heads each, D head size.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class GroupCache(Cache):
    """A cache that is filled with the prompts, one per row, and then with one token of each rollout per step.

    A step passes the G newest tokens of a prompt as one row. There are at most `max_tokens` steps.
    """

    def __init__(self, max_tokens: int) -> None:
        super().__init__(layer_class_to_replicate=partial(_GroupLayer, max_tokens))


class StaticSlots:
    """The slot of the buffers that a step writes, shared by the layers of a `StaticGroupCache`."""

    def __init__(self, window: int, device: torch.device) -> None:
        self.step_1 = torch.zeros(1, dtype=torch.long, device=device)
        self.resize(window)

    def resize(self, window: int) -> None:
        """Let steps look at the first `window` slots."""
        self.window = window
        self.slot_U = torch.arange(window, device=self.step_1.device)

    def is_empty_U(self) -> Tensor:
        """Return which slots of the window are not written yet."""
        return self.slot_U > self.step_1


class StaticGroupCache(Cache):
    """A group cache whose tensors keep their place.

    A step writes slot `slots.step_1` and looks at the first `slots.window` slots.
    """

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
        """Store the keys and values of the prompts (P, h, S, D) or of the newest tokens (P, h, G, D).

        Both are returned unchanged, because `attend` reads the earlier ones from the cache.
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
        """Keep the rows of these prompts only."""
        super().batch_select_indices(indices)
        if self.steps:
            self.own_key_PhGTD = self.own_key_PhGTD[indices]
            self.own_value_PhGTD = self.own_value_PhGTD[indices]

    def attend(self, query_PHGD: Tensor, mask_P1S: Tensor, scaling: float) -> Tensor:
        """Return the attention output of each rollout's newest token, which sees itself too, (P, G, H, D)."""
        return self._attend(query_PHGD, mask_P1S, scaling, self.steps, None)

    def _attend(
        self, query_PHGD: Tensor, mask_P1S: Tensor, scaling: float, window: int, is_empty_U: Tensor | None
    ) -> Tensor:
        """Attend to the prompt and to the slots of the window that are not empty."""
        prompts, _, group, size = query_PHGD.shape
        own_key_PhGUD = self.own_key_PhGTD[..., :window, :]
        own_value_PhGUD = self.own_value_PhGTD[..., :window, :]
        query_PhGrD = query_PHGD.view(prompts, self.keys.shape[1], -1, group, size).transpose(2, 3)
        to_prompt = (query_PhGrD.flatten(2, 3) @ self.keys.mT).masked_fill_(~mask_P1S[:, None], float("-inf"))
        to_own_PhGrU = query_PhGrD @ own_key_PhGUD.mT
        if is_empty_U is not None:
            to_own_PhGrU.masked_fill_(is_empty_U, float("-inf"))
        to_prompt_PhGrS = to_prompt.view(*to_own_PhGrU.shape[:-1], -1)
        scores_PhGrM = torch.cat([to_prompt_PhGrS, to_own_PhGrU], dim=-1).float().mul_(scaling)
        p_PhGrM = torch.softmax(scores_PhGrM, dim=-1).to(query_PHGD.dtype)
        p_prompt, p_own = p_PhGrM.split([self.keys.shape[2], window], dim=-1)
        out_PhGrD = (p_prompt.flatten(2, 3) @ self.values).view(query_PhGrD.shape) + p_own @ own_value_PhGUD
        return out_PhGrD.transpose(1, 2).flatten(2, 3)


class _StaticGroupLayer(_GroupLayer):
    def __init__(self, max_tokens: int, slots: StaticSlots) -> None:
        super().__init__(max_tokens)
        self.slots = slots

    def _allocate(self, key_states: Tensor) -> None:
        super()._allocate(key_states)
        # Empty slots are multiplied by a probability of 0, and NaN times 0 would be NaN.
        self.own_key_PhGTD.zero_()
        self.own_value_PhGTD.zero_()

    def _store(self, key_states: Tensor, value_states: Tensor) -> None:
        self.own_key_PhGTD.index_copy_(3, self.slots.step_1, key_states[..., None, :])
        self.own_value_PhGTD.index_copy_(3, self.slots.step_1, value_states[..., None, :])

    def attend(self, query_PHGD: Tensor, mask_P1S: Tensor, scaling: float) -> Tensor:
        slots = self.slots
        return self._attend(query_PHGD, mask_P1S, scaling, slots.window, slots.is_empty_U())
