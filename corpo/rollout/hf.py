"""Rollouts with any transformers model. Each prompt is prefilled once, and its G rollouts share the cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.policy.cores import is_parallel, map_in_processes
from corpo.policy.group_cache import GroupCache, StaticGroupCache, StaticSlots
from corpo.policy.packing import left_pad, positions, prompt_mask
from corpo.policy.tree_attention import use_tree_attention
from corpo.rollout.engine import Rollouts, end_token_ids, without_end
from corpo.rollout.graph_decoder import FIRST_WINDOW, GraphDecoder, Rows, draw

CHUNKS = 4  # of the prompts of a batch on a CPU


@dataclass
class SharedPrefixEngine:
    """An engine that samples from the trainer's own model.

    It samples from the full distribution: top-k or top-p would bias the policy gradient. `rows` is the
    number of rollouts decoded at once; it bounds memory. `stop` lists strings that end a rollout.
    `static` decodes with tensors that keep their place, which CUDA graphs need; None does so on GPUs.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_new_tokens: int
    temperature: float = 1.0
    rows: int = 1024
    stop: Sequence[str] = ()
    static: bool | None = None

    def sync(self) -> None:
        """Do nothing, because the engine samples from the trainer's own weights."""

    def close(self) -> None:
        """Do nothing, because the engine holds nothing but the model."""

    def generate(
        self,
        prompts: Sequence[str],
        group: int,
        seed: int,
        numbers: Sequence[int] | None = None,
        advance: Callable[..., None] | None = None,
    ) -> Rollouts:
        """Sample `group` completions per prompt; see `RolloutEngine`."""
        numbers = numbers or range(len(prompts))
        prompt_ids: list[list[int]] = self.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        training = self.model.training
        self.model.eval()
        use_tree_attention(self.model)
        batch = self._chunk_size(len(prompts), group)
        # Prompts of similar length are sampled together, because they need little padding.
        by_length = sorted(range(len(prompts)), key=lambda p: len(prompt_ids[p]), reverse=True)
        shape = (len(prompts), group, self.max_new_tokens)
        ids_PGT = torch.full(shape, self._pad_id, dtype=torch.long)
        mask_PGT = torch.zeros(shape, dtype=torch.bool)
        logprobs_PGT = torch.zeros(shape)
        chunks = [by_length[start : start + batch] for start in range(0, len(by_length), batch)]

        def sample(chunk: list[int]) -> list[np.ndarray]:
            uniforms_PGT = self._uniforms(seed, [numbers[p] for p in chunk], group)
            sampled = self._sample([prompt_ids[p] for p in chunk], uniforms_PGT)
            return [tensor.cpu().numpy() for tensor in sampled]

        sampled = map_in_processes(sample, chunks, self.model.device, max_workers=CHUNKS)
        for chunk, arrays in zip(chunks, sampled, strict=True):
            ids_PGT[chunk], mask_PGT[chunk], logprobs_PGT[chunk] = map(torch.from_numpy, arrays)
            if advance:
                advance(len(chunk))
        self.model.train(training)
        return self._to_rollouts(prompt_ids, ids_PGT, mask_PGT, logprobs_PGT)

    def _chunk_size(self, num_prompts: int, group: int) -> int:
        """Return the number of prompts that are sampled together.

        On a CPU, `CHUNKS` chunks are in memory at once, one per core. Their number does not depend on that of
        the cores, because the rounding of log-probs depends on the size of a chunk.
        """
        prompts_in_memory = max(1, self.rows // group)
        if not is_parallel(self.model.device):
            return prompts_in_memory
        return max(1, min(prompts_in_memory // CHUNKS, math.ceil(num_prompts / CHUNKS)))

    @property
    def _pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    @property
    def _end_ids(self) -> list[int]:
        return end_token_ids(self.model, self.tokenizer)

    def _uniforms(self, seed: int, numbers: Sequence[int], group: int) -> Tensor:
        """Draw the uniform numbers (P, G, T) that determine all tokens, with one generator per prompt."""
        shape = (group, self.max_new_tokens)
        uniforms = []
        for number in numbers:
            generator = torch.Generator().manual_seed(seed + number)
            uniforms.append(torch.rand(shape, dtype=torch.float64, generator=generator))
        return torch.stack(uniforms)

    @torch.no_grad()
    def _sample(self, prompt_ids: list[list[int]], uniforms_PGT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return completion ids, the mask of real ones, and their log-probs, all (P, G, T)."""
        device = self.model.device
        uniforms_PGT = uniforms_PGT.to(device)
        ids_PS, mask_PS = (tensor.to(device) for tensor in left_pad(prompt_ids, self._pad_id))
        cache = self._new_cache(device)
        logits_PGV = self.model(
            input_ids=ids_PS,
            attention_mask=prompt_mask(mask_PS),
            position_ids=positions(mask_PS),
            past_key_values=cache,
            logits_to_keep=1,
        ).logits.expand(-1, uniforms_PGT.shape[1], -1)
        if isinstance(cache, GroupCache):
            return self._decode(cache, logits_PGV, mask_PS, uniforms_PGT)
        decoder = GraphDecoder(
            self.model,
            cache,
            Rows.new(mask_PS, uniforms_PGT, self._pad_id),
            temperature=self.temperature,
            pad=self._pad_id,
            end_ids=self._end_ids,
            is_stopped=self._ends_with_stop if self.stop else None,
        )
        return decoder.run(logits_PGV)

    def _new_cache(self, device: torch.device) -> GroupCache | StaticGroupCache:
        is_static = device.type == "cuda" if self.static is None else self.static
        if not is_static:
            return GroupCache(self.max_new_tokens)
        slots = StaticSlots(min(FIRST_WINDOW, self.max_new_tokens), device)
        return StaticGroupCache(self.max_new_tokens, slots)

    def _decode(
        self, cache: GroupCache, logits_PGV: Tensor, mask_PS: Tensor, uniforms_PGT: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sample token by token, given the logits after the prompts. Return what `_sample` returns."""
        device, shape = uniforms_PGT.device, uniforms_PGT.shape
        ids_PGT = torch.full(shape, self._pad_id, dtype=torch.long, device=device)
        mask_PGT = torch.zeros(shape, dtype=torch.bool, device=device)
        logprobs_PGT = torch.zeros(shape, device=device)
        done_PG = torch.zeros(shape[:2], dtype=torch.bool, device=device)
        end_ids = torch.tensor(self._end_ids, device=device)
        active_prompts = torch.arange(shape[0], device=device)  # the prompts that are still in the batch
        for step in range(self.max_new_tokens):
            logp_PGV = torch.log_softmax(logits_PGV.float() / self.temperature, dim=-1)
            token_PG = draw(logp_PGV, uniforms_PGT[active_prompts, :, step]).masked_fill(
                done_PG, self._pad_id
            )
            ids_PGT[active_prompts, :, step] = token_PG
            mask_PGT[active_prompts, :, step] = ~done_PG
            logprobs_PG = logp_PGV.gather(-1, token_PG[..., None]).squeeze(-1)
            logprobs_PGT[active_prompts, :, step] = logprobs_PG.masked_fill(done_PG, 0.0)
            done_PG = done_PG | torch.isin(token_PG, end_ids)
            if self.stop:
                done_PG = done_PG | self._ends_with_stop(ids_PGT[active_prompts, :, : step + 1])
            unfinished = (~done_PG.all(dim=1)).nonzero().flatten()
            if step + 1 == self.max_new_tokens or not len(unfinished):
                break
            # Drop finished groups, so that a few long rollouts do not keep them in the batch.
            if 2 * len(unfinished) <= len(active_prompts):
                active_prompts, mask_PS = active_prompts[unfinished], mask_PS[unfinished]
                token_PG, done_PG = token_PG[unfinished], done_PG[unfinished]
                cache.batch_select_indices(unfinished)
            logits_PGV = self.model(
                input_ids=token_PG,
                attention_mask=mask_PS[:, None, None],
                position_ids=(mask_PS.sum(-1, keepdim=True) + step).expand(-1, shape[1]),
                past_key_values=cache,
                decoding=cache,
            ).logits
        return ids_PGT, mask_PGT, logprobs_PGT

    def _ends_with_stop(self, ids_PGT: Tensor) -> Tensor:
        """Return whether the last tokens of each rollout contain a stop string, (P, G)."""
        num_tokens = max(len(text.encode()) for text in self.stop)  # a token has at least one byte
        texts = self.tokenizer.batch_decode(ids_PGT[..., -num_tokens:].flatten(0, 1))
        is_stopped = [self._contains_stop(text) for text in texts]
        return torch.tensor(is_stopped, device=ids_PGT.device).view(ids_PGT.shape[:2])

    def _contains_stop(self, text: str) -> bool:
        return any(stop in text for stop in self.stop)

    def _to_rollouts(
        self, prompt_ids: list[list[int]], ids_PGT: Tensor, mask_PGT: Tensor, logprobs_PGT: Tensor
    ) -> Rollouts:
        """Cut the padding that all completions share, and decode the texts."""
        length, group = int(mask_PGT.sum(-1).max()), ids_PGT.shape[1]
        rows = zip(ids_PGT.flatten(0, 1), mask_PGT.flatten(0, 1), strict=True)
        end_ids = self._end_ids
        texts = self.tokenizer.batch_decode(
            [without_end(ids[mask].tolist(), end_ids) for ids, mask in rows], skip_special_tokens=True
        )
        texts_PG = [texts[start : start + group] for start in range(0, len(texts), group)]
        return Rollouts(
            prompt_ids, ids_PGT[..., :length], mask_PGT[..., :length], logprobs_PGT[..., :length], texts_PG
        )
