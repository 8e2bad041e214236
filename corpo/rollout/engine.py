"""The interface of rollout engines, which take prompts and return groups of completions with log-probs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Rollouts:
    """G completions for each of P prompts, right-padded to T tokens.

    A completion includes its end-of-sequence token. `mask_PGT` is true up to and including that token, or
    the token that completes a stop string. Log-probs are float32, at the sampling temperature, and 0
    where masked.

    If each candidate has a prompt of its own (`SeparatePromptsEngine`), the second half of T holds the
    completions of `second_prompt_ids`, right-padded, too.
    """

    prompt_ids: list[list[int]]
    completion_ids_PGT: Tensor
    mask_PGT: Tensor
    logprobs_PGT: Tensor
    texts_PG: list[list[str]]
    second_prompt_ids: list[list[int]] | None = None

    @property
    def parts(self) -> list[Rollouts]:
        """Return rollouts of one prompt each, whose completions follow each other in T."""
        if self.second_prompt_ids is None:
            return [self]
        middle = self.mask_PGT.shape[-1] // 2
        parts = []
        for prompt_ids, half in (
            (self.prompt_ids, slice(None, middle)),
            (self.second_prompt_ids, slice(middle, None)),
        ):
            parts.append(
                Rollouts(
                    prompt_ids,
                    self.completion_ids_PGT[..., half],
                    self.mask_PGT[..., half],
                    self.logprobs_PGT[..., half],
                    self.texts_PG,
                )
            )
        return parts

    def of(self, prompts: Sequence[int]) -> Rollouts:
        """Return the groups of some prompts, by index."""
        indices = list(prompts)
        second_prompt_ids = None
        if self.second_prompt_ids is not None:
            second_prompt_ids = [self.second_prompt_ids[p] for p in indices]
        return Rollouts(
            [self.prompt_ids[p] for p in indices],
            self.completion_ids_PGT[indices],
            self.mask_PGT[indices],
            self.logprobs_PGT[indices],
            [self.texts_PG[p] for p in indices],
            second_prompt_ids,
        )

    def to(self, device: torch.device) -> Rollouts:
        """Return a copy whose tensors are on `device`."""
        return Rollouts(
            self.prompt_ids,
            self.completion_ids_PGT.to(device),
            self.mask_PGT.to(device),
            self.logprobs_PGT.to(device),
            self.texts_PG,
            self.second_prompt_ids,
        )

    @property
    def lengths_PG(self) -> Tensor:
        """Return the number of tokens of each completion."""
        return self.mask_PGT.sum(-1)


def end_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids of the tokens that end a completion: of the tokenizer and of the generation config.

    Chat models often have two, one for the end of a text and one for the end of a turn.
    """
    ids = [tokenizer.eos_token_id]
    generation_config = getattr(model, "generation_config", None)
    configured = getattr(generation_config, "eos_token_id", None)
    ids += configured if isinstance(configured, list) else [configured]
    return sorted({int(index) for index in ids if index is not None})


def without_end(ids: list[int], end_ids: Sequence[int]) -> list[int]:
    """Return the tokens of a completion without the token that ended it."""
    return ids[:-1] if ids and ids[-1] in end_ids else ids


class RolloutEngine(Protocol):
    """An object that samples groups of completions.

    The rollouts of a prompt depend on the seed and on the prompt's number (from `numbers`, by default its
    position), but not on the other prompts of the batch. So several processes that share a batch, or a
    run that resumes, sample what one uninterrupted process would.
    """

    max_new_tokens: int

    def sync(self) -> None:
        """Take over the trainer's weights. The trainer calls this after each update and each resume."""

    def generate(
        self,
        prompts: Sequence[str],
        group: int,
        seed: int,
        numbers: Sequence[int] | None = None,
        advance: Callable[..., None] | None = None,
    ) -> Rollouts:
        """Sample `group` completions per prompt. `advance` is called with the number of finished prompts."""
        ...

    def close(self) -> None:
        """Release what the engine holds. It cannot sample afterwards."""
