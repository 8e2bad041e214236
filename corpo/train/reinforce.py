"""The policy-gradient loop: sample groups, reward them, subtract a baseline, take one step.

Departures from the paper, all *our choice* because it does not state them: model, group size, batch, learning rate, gradient
clipping. Each batch holds both orders of its pairs, so that "the first one is right" earns nothing on average.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.baselines import advantages, check_baseline, signal
from corpo.config import TrainConfig
from corpo.files import append_jsonl, hash_of, read_jsonl, write_jsonl
from corpo.policy.tree import group_logprobs
from corpo.progress import progress
from corpo.rollout import RolloutEngine, Rollouts
from corpo.rollout.judge import judge
from corpo.task import OrdinalReward, Pair
from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint
from corpo.train.loss import policy_loss, token_weights
from corpo.train.master import MasterAdamW

Render = Callable[[Pair], str]


@dataclass
class Learner:
    """Everything one run needs; `train` mutates the model."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    engine: RolloutEngine
    reward: OrdinalReward
    baseline: str
    options: dict[str, Any]
    render: Render
    config: TrainConfig
    seed: int
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_baseline(self.baseline, self.options, self.config.group)
        self.reference = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = MasterAdamW(self.model, weight_decay=self.config.weight_decay)

    def train(self, pairs: Sequence[Pair], validation: Sequence[Pair], folder: Path) -> None:
        """Run to the last step, going on from the newest checkpoint in `folder`; metrics by step go to JSONL files there."""
        metrics, groups = folder / "metrics.jsonl", folder / "groups.jsonl"
        start = 0
        if (checkpoint := load_latest(folder)) is not None:
            self.optimizer.load(checkpoint.tensors)
            self.engine.sync()
            start = checkpoint.step
        for path in (metrics, groups):  # steps after the checkpoint are done again
            write_jsonl(path, [record for record in read_jsonl(path) if record["step"] <= start])
        with progress(f"train {self.baseline} seed {self.seed}", self.config.steps, start) as advance:
            for step in range(start + 1, self.config.steps + 1):
                record, rewards_PG = self.step(batch_at(pairs, self.config.prompts, step, self.seed), step)
                if step % self.config.validate_every == 0 or step == self.config.steps:
                    record |= self.validate(validation)
                append_jsonl(metrics, {"step": step, **_without_nan(record)})
                append_jsonl(groups, {"step": step, "rewards": [[round(r, 4) for r in row] for row in rewards_PG.tolist()]})
                if step % self.config.checkpoint_every == 0 or step == self.config.steps:
                    save_checkpoint(folder, Checkpoint(step, self.optimizer.state(), {}))
                advance(note=f"pass@1 {record['pass_rate']:.2f}")

    def step(self, pairs: Sequence[Pair], step: int) -> tuple[dict[str, float], Tensor]:
        """One batch: rollouts, rewards, advantages, one update. Returns metrics and rewards_PG."""
        started = time.perf_counter()
        rollouts = self.engine.generate([self.render(pair) for pair in pairs], self.config.group, seed=_seed("rollout", self.seed, step))
        sampled = time.perf_counter()
        judged = judge(rollouts.texts_PG, pairs, self.reward)
        advantages_PG = advantages(judged.rewards_PG, self.baseline, threshold=self.reward.threshold, **self.options)
        lr = self.config.lr * min(1.0, step / self.config.warmup)
        update = self.update(rollouts, advantages_PG, lr)
        self.engine.sync()
        record = {
            **signal(judged.rewards_PG, advantages_PG, self.reward.threshold),
            **update,
            "unparseable": judged.unparseable,
            "tokens_mean": float(rollouts.lengths_PG.float().mean()),
            "lr": lr,
            "rollout_seconds": sampled - started,
            "update_seconds": time.perf_counter() - sampled,
        }
        return record, judged.rewards_PG

    def update(self, rollouts: Rollouts, advantages_PG: Tensor, lr: float) -> dict[str, float]:
        """One optimiser step on a batch of groups, in micro-batches by token budget."""
        config = self.config.loss
        speaks_P = (advantages_PG != 0).any(dim=1)
        # A silent group has no policy gradient: it is only run through the model where the loss has other terms.
        keep = [p for p in range(len(advantages_PG)) if bool(speaks_P[p]) or config.kl or config.entropy]
        if not keep:
            return {"loss": 0.0, "entropy": math.nan, "mismatch_kl": math.nan, "grad_norm": 0.0, "update_norm": 0.0}
        if self.config.filter_silent:
            keep = [p for p in keep if bool(speaks_P[p])] or keep
        counted = keep if self.config.filter_silent else list(range(len(advantages_PG)))
        weights_PGT = torch.zeros(rollouts.mask_PGT.shape)
        weights_PGT[counted] = token_weights(rollouts.mask_PGT[counted], config.aggregation, rollouts.mask_PGT.shape[-1])
        loss = entropy = mismatch = tokens = 0.0
        for chunk in self._micro_batches(rollouts, keep):
            part = rollouts.of(chunk)
            logprobs_PGT, entropy_PGT = self.logprobs(self.model, part)
            reference_PGT = None
            if config.kl:
                with torch.no_grad():
                    reference_PGT, _ = self.logprobs(self.reference, part)
            share = policy_loss(logprobs_PGT, entropy_PGT, advantages_PG[chunk], weights_PGT[chunk], part.logprobs_PGT, reference_PGT, config)
            share.backward()
            loss += float(share.detach())
            tokens += float(part.mask_PGT.sum())
            entropy += float(entropy_PGT.detach().sum())
            mismatch += float((part.logprobs_PGT - logprobs_PGT.detach()).sum())
        norms = self.optimizer.step(lr, self.config.clip)
        return {"loss": loss, "entropy": entropy / tokens, "mismatch_kl": mismatch / tokens, **norms}

    def logprobs(self, model: PreTrainedModel, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """Log-probs and entropies of the rollouts under a model, (P, G, T)."""
        return group_logprobs(model, rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT, self.temperature)

    def _micro_batches(self, rollouts: Rollouts, keep: Sequence[int]) -> Iterator[list[int]]:
        """Prompts of like length, as many as fit the token budget when packed with their groups."""
        widths = [len(ids) + int(tokens) for ids, tokens in zip(rollouts.prompt_ids, rollouts.lengths_PG.sum(1), strict=True)]
        chunk: list[int] = []
        for p in sorted(keep, key=lambda p: widths[p]):
            if chunk and (len(chunk) + 1) * widths[p] > self.config.token_budget:
                yield chunk
                chunk = []
            chunk.append(p)
        yield chunk

    @torch.no_grad()
    def validate(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """pass@1 and mean reward on validation pairs, and how far the policy has gone from the warm start (nats a rollout)."""
        rollouts = self.engine.generate([self.render(pair) for pair in pairs], self.config.validation_group, seed=_seed("validation", 0, 0))
        judged = judge(rollouts.texts_PG, pairs, self.reward)
        chunks = self._micro_batches(rollouts, range(len(pairs)))
        reference = sum(float(self.logprobs(self.reference, rollouts.of(chunk))[0].sum()) for chunk in chunks)
        return {
            "validation/pass@1": float((judged.rewards_PG >= self.reward.threshold).float().mean()),
            "validation/reward": float(judged.rewards_PG.mean()),
            "validation/kl_from_start": (float(rollouts.logprobs_PGT.sum()) - reference) / rollouts.lengths_PG.numel(),
        }


def batch_at(pairs: Sequence[Pair], prompts: int, step: int, seed: int) -> list[Pair]:
    """The pairs of a step (from 1), both orders of each; `pairs` holds each pair followed by its swap. Reshuffled every pass."""
    units = len(pairs) // 2
    wanted = range((step - 1) * prompts // 2, step * prompts // 2)
    order: dict[int, list[int]] = {}
    for at in wanted:
        if (epoch := at // units) not in order:
            order[epoch] = Random(f"{seed}/{epoch}").sample(range(units), units)
    chosen = [order[at // units][at % units] for at in wanted]
    return [pairs[2 * unit + swap] for unit in chosen for swap in (0, 1)]


def _seed(what: str, seed: int, step: int) -> int:
    return int(hash_of([what, seed, step], 8), 16)


def _without_nan(record: dict[str, float]) -> dict[str, float | None]:
    """JSON has no nan: an undefined ratio is written as null."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in record.items()}
