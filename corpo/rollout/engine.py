"""What a rollout engine is: prompts in, groups of completions with the log-probs they were sampled at out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rollouts:
    """G completions for each of P prompts, right-padded to T tokens."""

    prompt_ids: list[list[int]]
    completion_ids_PGT: Tensor  # long; the end-of-sequence token included
    mask_PGT: Tensor  # bool; true up to and including the end of sequence, or the token that completes a stop string
    logprobs_PGT: Tensor  # float32, at the sampling temperature; 0 where masked
    texts_PG: list[list[str]]

    def of(self, prompts: Sequence[int]) -> Rollouts:
        """The groups of some prompts, by index."""
        at = list(prompts)
        texts, ids = [self.texts_PG[p] for p in at], [self.prompt_ids[p] for p in at]
        return Rollouts(ids, self.completion_ids_PGT[at], self.mask_PGT[at], self.logprobs_PGT[at], texts)

    def to(self, device: torch.device) -> Rollouts:
        ids_PGT, mask_PGT, logprobs_PGT = (
            tensor.to(device) for tensor in (self.completion_ids_PGT, self.mask_PGT, self.logprobs_PGT)
        )
        return Rollouts(self.prompt_ids, ids_PGT, mask_PGT, logprobs_PGT, self.texts_PG)

    @property
    def lengths_PG(self) -> Tensor:
        return self.mask_PGT.sum(-1)


class RolloutEngine(Protocol):
    """Anything that samples groups.

    A prompt's rollouts depend on the seed and on its number (of `numbers`, by default its place) and not on what else is in the batch:
    several processes that share a batch out, or a run that goes on after a kill, sample what one would in one go.
    """

    max_new_tokens: int

    def sync(self) -> None:
        """Take over the trainer's weights: called after every update and every resume."""

    def generate(
        self,
        prompts: Sequence[str],
        group: int,
        seed: int,
        numbers: Sequence[int] | None = None,
        advance: Callable[..., None] | None = None,
    ) -> Rollouts: ...

    def close(self) -> None:
        """Give back what it holds; it samples no more."""
