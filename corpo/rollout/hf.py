"""Rollouts with any transformers model, the prompt prefilled once a group and its key-value cache shared by all G."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.policy.group_cache import GroupCache, StaticGroupCache, StaticSlots
from corpo.policy.packing import left_pad, positions, prompt_mask
from corpo.policy.tree_attention import use_tree_attention
from corpo.rollout.engine import Rollouts
from corpo.rollout.graph_decoder import FIRST_WINDOW, GraphDecoder, Rows, draw


@dataclass
class SharedPrefixEngine:
    """Samples at `temperature` from the full distribution (no top-k or top-p: they would bias the policy gradient)."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_new_tokens: int
    temperature: float = 1.0
    rows: int = 1024  # rollouts decoded at once: bounds memory, not results' meaning
    stop: Sequence[str] = ()  # a rollout ends with these, too
    static: bool | None = None  # whether a step's tensors keep their place, for a CUDA graph; None: on GPUs

    def sync(self) -> None:
        """Nothing to do: it samples from the trainer's own weights."""

    def close(self) -> None:
        """Nothing: all that it uses is the model's."""

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[str],
        group: int,
        seed: int,
        numbers: Sequence[int] | None = None,
        advance: Callable[..., None] | None = None,
    ) -> Rollouts:
        numbers = numbers or range(len(prompts))
        prompt_ids: list[list[int]] = self.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        training = self.model.training
        self.model.eval()
        use_tree_attention(self.model)
        batch = max(1, self.rows // group)
        by_length = sorted(
            range(len(prompts)), key=lambda i: len(prompt_ids[i])
        )  # neighbours of one length pad little
        shape = (len(prompts), group, self.max_new_tokens)
        ids_PGT, mask_PGT = (
            torch.full(shape, self._pad, dtype=torch.long),
            torch.zeros(shape, dtype=torch.bool),
        )
        logprobs_PGT = torch.zeros(shape)
        for start in range(0, len(by_length), batch):
            chunk = by_length[start : start + batch]
            ids, mask, logprobs = self._sample(
                [prompt_ids[i] for i in chunk], self._uniforms(seed, [numbers[i] for i in chunk], group)
            )
            ids_PGT[chunk], mask_PGT[chunk], logprobs_PGT[chunk] = ids.cpu(), mask.cpu(), logprobs.cpu()
            if advance:
                advance(len(chunk))
        self.model.train(training)
        return self._packaged(prompt_ids, ids_PGT, mask_PGT, logprobs_PGT)

    @property
    def _pad(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    def _uniforms(self, seed: int, numbers: Sequence[int], group: int) -> Tensor:
        """What decides every token of a batch: uniform in [0, 1), (P, G, T), a stream a prompt."""
        streams = (torch.Generator().manual_seed(seed + number) for number in numbers)
        return torch.stack(
            [
                torch.rand(group, self.max_new_tokens, dtype=torch.float64, generator=stream)
                for stream in streams
            ]
        )

    def _sample(self, prompt_ids: list[list[int]], uniforms_PGT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return completion ids, which of them are real, and their log-probs, all (P, G, T)."""
        device = self.model.device
        uniforms_PGT = uniforms_PGT.to(device)
        ids_PS, mask_PS = (tensor.to(device) for tensor in left_pad(prompt_ids, self._pad))
        static = device.type == "cuda" if self.static is None else self.static
        cache: GroupCache | StaticGroupCache = GroupCache(self.max_new_tokens)
        if static:
            slots = StaticSlots(min(FIRST_WINDOW, self.max_new_tokens), device)
            cache = StaticGroupCache(self.max_new_tokens, slots)
        logits_PGV = self.model(
            input_ids=ids_PS,
            attention_mask=prompt_mask(mask_PS),
            position_ids=positions(mask_PS),
            past_key_values=cache,
            logits_to_keep=1,
        ).logits.expand(-1, uniforms_PGT.shape[1], -1)
        if isinstance(cache, GroupCache):
            return self._decode(cache, logits_PGV, mask_PS, uniforms_PGT)
        rows = Rows.new(mask_PS, uniforms_PGT, self._pad)
        is_stopped = self._stopped if self.stop else None
        eos = self.tokenizer.eos_token_id
        decoder = GraphDecoder(self.model, cache, rows, self.temperature, self._pad, eos, is_stopped)
        return decoder.run(logits_PGV)

    def _decode(
        self, cache: GroupCache, logits_PGV: Tensor, mask_PS: Tensor, uniforms_PGT: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sample token by token from the logits that follow the prompts on; returns what `_sample` does."""
        device, shape = uniforms_PGT.device, uniforms_PGT.shape
        ids_PGT = torch.full(shape, self._pad, dtype=torch.long, device=device)
        mask_PGT = torch.zeros(shape, dtype=torch.bool, device=device)
        logprobs_PGT = torch.zeros(shape, device=device)
        done_PG = torch.zeros(shape[:2], dtype=torch.bool, device=device)
        live = torch.arange(shape[0], device=device)  # the prompts that the rows below belong to
        for step in range(self.max_new_tokens):
            logp_PGV = torch.log_softmax(logits_PGV.float() / self.temperature, dim=-1)
            token_PG = draw(logp_PGV, uniforms_PGT[live, :, step]).masked_fill(done_PG, self._pad)
            ids_PGT[live, :, step] = token_PG
            mask_PGT[live, :, step] = ~done_PG
            logprobs_PG = logp_PGV.gather(-1, token_PG[..., None]).squeeze(-1)
            logprobs_PGT[live, :, step] = logprobs_PG.masked_fill(done_PG, 0.0)
            done_PG = done_PG | (token_PG == self.tokenizer.eos_token_id)
            if self.stop:
                done_PG = done_PG | self._stopped(ids_PGT[live, :, : step + 1])
            unfinished = (~done_PG.all(dim=1)).nonzero().flatten()
            if step + 1 == self.max_new_tokens or not len(unfinished):
                break
            # A few long rollouts must not keep the finished groups in the batch.
            if 2 * len(unfinished) <= len(live):
                live, mask_PS, token_PG, done_PG = (
                    tensor[unfinished] for tensor in (live, mask_PS, token_PG, done_PG)
                )
                cache.batch_select_indices(unfinished)
            logits_PGV = self.model(
                input_ids=token_PG,
                attention_mask=mask_PS[:, None, None],
                position_ids=(mask_PS.sum(-1, keepdim=True) + step).expand(-1, shape[1]),
                past_key_values=cache,
                decoding=cache,
            ).logits
        return ids_PGT, mask_PGT, logprobs_PGT

    def _stopped(self, ids_PGT: Tensor) -> Tensor:
        """Whose last token completes a stop string, (P, G)."""
        tail = max(len(text.encode()) for text in self.stop)  # a token holds at least a byte
        texts = self.tokenizer.batch_decode(ids_PGT[..., -tail:].flatten(0, 1))
        return torch.tensor(
            [any(stop in text for stop in self.stop) for text in texts], device=ids_PGT.device
        ).view(ids_PGT.shape[:2])

    def _packaged(
        self, prompt_ids: list[list[int]], ids_PGT: Tensor, mask_PGT: Tensor, logprobs_PGT: Tensor
    ) -> Rollouts:
        longest = int(mask_PGT.sum(-1).max())
        texts = self.tokenizer.batch_decode(
            [
                row[keep].tolist()
                for row, keep in zip(ids_PGT.flatten(0, 1), mask_PGT.flatten(0, 1), strict=True)
            ],
            skip_special_tokens=True,
        )
        group = ids_PGT.shape[1]
        texts_PG = [texts[i : i + group] for i in range(0, len(texts), group)]
        return Rollouts(
            prompt_ids, ids_PGT[..., :longest], mask_PGT[..., :longest], logprobs_PGT[..., :longest], texts_PG
        )
