"""Decoding on a GPU: the kernels of a step are captured as a CUDA graph and replayed for each token.

Launching the hundreds of small kernels of a step takes several times as long as running them. A graph
repeats the same kernels on the same memory, so everything that changes from step to step is a tensor that
keeps its place. The graph is captured again when finished groups leave the batch and when the window of
the cache grows.

P prompts, G rollouts per prompt, S prompt tokens, T completion tokens, V vocabulary.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from corpo.policy.group_cache import StaticGroupCache

log = logging.getLogger(__name__)

FIRST_WINDOW = 64  # completion tokens that the first graph attends to; a full window doubles
CHECK_EVERY = 8  # steps between checks for finished rollouts, each of which waits for the GPU


def draw(logp_PGV: Tensor, uniform_PG: Tensor) -> Tensor:
    """Draw one token per rollout, (P, G), by inverting the cumulative distribution at a uniform number.

    It takes one random number per rollout; torch.multinomial takes V.
    """
    below_PGV = logp_PGV.exp().cumsum(-1, dtype=torch.float64)
    # The first token whose cumulative probability exceeds the number. Its own probability is never 0.
    return torch.searchsorted(below_PGV, uniform_PG[..., None] * below_PGV[..., -1:], right=True).squeeze(-1)


@dataclass
class Rows:
    """The rollouts of the prompts that are still being sampled."""

    prompt_P: Tensor  # the index of each row's prompt in the batch
    prompt_mask_PS: Tensor
    uniforms_PGT: Tensor
    token_PG: Tensor  # the newest token
    done_PG: Tensor
    ids_PGT: Tensor
    mask_PGT: Tensor
    logprobs_PGT: Tensor

    @classmethod
    def new(cls, prompt_mask_PS: Tensor, uniforms_PGT: Tensor, pad: int) -> Rows:
        """Return rows without any token."""
        device, shape = uniforms_PGT.device, uniforms_PGT.shape
        return cls(
            prompt_P=torch.arange(shape[0], device=device),
            prompt_mask_PS=prompt_mask_PS,
            uniforms_PGT=uniforms_PGT,
            token_PG=torch.full(shape[:2], pad, device=device),
            done_PG=torch.zeros(shape[:2], dtype=torch.bool, device=device),
            ids_PGT=torch.full(shape, pad, device=device),
            mask_PGT=torch.zeros(shape, dtype=torch.bool, device=device),
            logprobs_PGT=torch.zeros(shape, device=device),
        )

    def select(self, index: Tensor) -> Rows:
        """Return some of the rows, by index."""
        return Rows(**{name: tensor[index] for name, tensor in vars(self).items()})


class GraphDecoder:
    """A decoder for a batch whose prompts are in the cache. Without CUDA it runs the same step uncaptured."""

    def __init__(
        self,
        model: PreTrainedModel,
        cache: StaticGroupCache,
        rows: Rows,
        temperature: float,
        pad: int,
        end_ids: Sequence[int],
        is_stopped: Callable[[Tensor], Tensor] | None,
    ) -> None:
        self.model, self.cache, self.rows = model, cache, rows
        self.temperature, self.pad, self.is_stopped = temperature, pad, is_stopped
        self.end_ids = torch.tensor(end_ids, device=rows.done_PG.device)
        self.outputs = (rows.ids_PGT, rows.mask_PGT, rows.logprobs_PGT)
        self.captures = rows.done_PG.device.type == "cuda"
        self.graph: torch.cuda.CUDAGraph | None = None
        self.count_1 = torch.zeros_like(cache.slots.step_1)  # tokens that each rollout has so far

    def run(self, logits_PGV: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sample from the logits after the prompts on. Return ids, mask and log-probs, all (P, G, T)."""
        self._record(logits_PGV)
        max_tokens = self.rows.ids_PGT.shape[2]
        for count in range(1, max_tokens):
            if self.is_stopped or count % CHECK_EVERY == 0:
                unfinished = self._unfinished(count)
                if not len(unfinished):
                    break
                if 2 * len(unfinished) <= len(self.rows.prompt_P):
                    self._keep(unfinished)
            if count > self.cache.slots.window:
                self.graph = None
                self.cache.slots.resize(min(2 * self.cache.slots.window, max_tokens))
            self._advance()
        self._save()
        return self.outputs

    def _unfinished(self, count: int) -> Tensor:
        """Return the indices of rows with a rollout that has not ended."""
        rows = self.rows
        if self.is_stopped:
            rows.done_PG |= self.is_stopped(rows.ids_PGT[..., :count])
        return (~rows.done_PG.all(dim=1)).nonzero().flatten()

    def _keep(self, index: Tensor) -> None:
        """Continue with some of the rows only."""
        self._save()
        self.graph = None
        self.rows = self.rows.select(index)
        self.cache.batch_select_indices(index)

    def _save(self) -> None:
        """Copy the rows to the outputs."""
        rows = self.rows
        for output, part in zip(self.outputs, (rows.ids_PGT, rows.mask_PGT, rows.logprobs_PGT), strict=True):
            if output is not part:
                output[rows.prompt_P] = part

    def _advance(self) -> None:
        """Do one step by replaying the graph, or directly if these rows and this window have no graph yet."""
        if self.graph is not None:
            self.graph.replay()
            return
        # The first step also allocates library handles and buffers, which is not allowed during a capture.
        self._step()
        if self.captures:
            try:
                self.graph = self._captured()
            except RuntimeError as error:
                log.warning("decoding continues without a CUDA graph, several times slower: %s", error)
                self.captures = False

    def _captured(self) -> torch.cuda.CUDAGraph:
        """Capture the kernels of a step without running them."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._step()
        return graph

    def _step(self) -> None:
        """Feed the newest token of every rollout to the model and sample the next one."""
        rows = self.rows
        self.cache.slots.step_1.copy_(self.count_1 - 1)
        position_P1 = rows.prompt_mask_PS.sum(-1, keepdim=True) + self.cache.slots.step_1
        logits_PGV = self.model(
            input_ids=rows.token_PG,
            attention_mask=rows.prompt_mask_PS[:, None, None],
            position_ids=position_P1.expand(-1, rows.token_PG.shape[1]),
            past_key_values=self.cache,
            decoding=self.cache,
        ).logits
        self._record(logits_PGV)

    def _record(self, logits_PGV: Tensor) -> None:
        """Draw one token per rollout and store it. Rollouts that have ended get padding."""
        rows, count_1 = self.rows, self.count_1
        logp_PGV = torch.log_softmax(logits_PGV.float() / self.temperature, dim=-1)
        uniform_PG = rows.uniforms_PGT.index_select(2, count_1).squeeze(2)
        token_PG = draw(logp_PGV, uniform_PG).masked_fill(rows.done_PG, self.pad)
        logprob_PG = logp_PGV.gather(-1, token_PG[..., None]).squeeze(-1).masked_fill(rows.done_PG, 0.0)
        rows.token_PG.copy_(token_PG)
        rows.ids_PGT.index_copy_(2, count_1, token_PG[..., None])
        rows.mask_PGT.index_copy_(2, count_1, ~rows.done_PG[..., None])
        rows.logprobs_PGT.index_copy_(2, count_1, logprob_PG[..., None])
        rows.done_PG |= (token_PG[..., None] == self.end_ids).any(dim=-1)
        self.count_1 += 1
