"""The policy-gradient loop: sample groups, reward them, subtract a baseline, take one step.

Departures from the paper, all *our choice* because it does not state them: model, group size, batch, learning rate, gradient
clipping. Each batch holds both orders of its pairs, so that "the first one is right" earns nothing on average.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.baselines import advantage_stats, advantages, check_baseline
from corpo.config import TrainConfig
from corpo.policy.load import accelerator
from corpo.policy.lora import add_lora, merged
from corpo.policy.packing import group_logprobs
from corpo.rollout import RolloutEngine, Rollouts
from corpo.task import Kind, Pair, Reward
from corpo.task.grade import grade
from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint
from corpo.train.distributed import (
    all_gather,
    all_reduce_max,
    all_reduce_min,
    all_reduce_sum,
    gather_weights_into,
    shard,
)
from corpo.train.health import at_step, collapsed, require_finite, state_is_finite
from corpo.train.loss import policy_loss, token_weights
from corpo.train.optimizer import MasterAdamW
from corpo.utils import ranks
from corpo.utils.errors import NonFiniteError, StorageError
from corpo.utils.files import append_jsonl, hash_of, read_jsonl, write_jsonl
from corpo.utils.progress import progress
from corpo.utils.signals import Stopped, stoppable

log = logging.getLogger(__name__)

Render = Callable[[Pair], str]


@dataclass
class PolicyGradientTrainer:
    """Everything one run needs; `train` mutates the model, which the engine samples from.

    Of several processes each has a part of every batch's prompts. The weights that learn are then a sharded copy, written back into
    `model` after every update.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    engine: RolloutEngine
    reward: Reward
    baseline: str
    options: dict[str, Any]
    render: Render
    config: TrainConfig
    seed: int
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_baseline(self.baseline, self.options, self.config.group_size)
        self.reference = copy.deepcopy(self.model).eval().requires_grad_(False)
        if self.config.lora.rank:
            add_lora(self.model, self.config.lora)
        self.learning = self.model
        self.compute: Callable[..., tuple[Tensor, Tensor]] = partial(group_logprobs, self.model)
        if ranks.world_size() > 1:
            self.learning = copy.deepcopy(self.model).to(accelerator())
            self.compute = shard(self.learning, group_logprobs)
        if self.config.gradient_checkpointing:
            self.learning.gradient_checkpointing_enable({"use_reentrant": False})
            self.learning.train()  # transformers computes layers again in this mode only
        self.optimizer = MasterAdamW(self.learning, weight_decay=self.config.weight_decay)

    def train(
        self,
        pairs: Sequence[Pair],
        validation: Sequence[Pair],
        folder: Path,
        tell: Callable[[dict[str, Any]], None] = lambda record: None,
    ) -> None:
        """Run to the last step, going on from the newest checkpoint in `folder`; metrics by step, and warnings, go to JSONL files there.

        `tell` hears of every step's metrics, first of those that were done before. Raises NonFiniteError where a number of a step is none; the
        step before it is kept as a checkpoint; Stopped, with a checkpoint of the step that was done, where a signal asks to end.
        """
        metrics, groups, warnings = (folder / f"{name}.jsonl" for name in ("metrics", "groups", "warnings"))
        first = ranks.rank() == 0
        checkpoints = (
            folder / f"rank-{ranks.rank()}-of-{ranks.world_size()}" if ranks.world_size() > 1 else folder
        )
        newest = load_latest(checkpoints)
        start = all_reduce_min(
            newest.step if newest else 0
        )  # of all processes: a kill may have come between their checkpoints
        if start:
            checkpoint = load_latest(checkpoints, start)
            if (
                checkpoint is None or checkpoint.step != start
            ):  # another process's is damaged: this one cannot go on from elsewhere
                raise StorageError(
                    f"{checkpoints}: no whole checkpoint of step {start}, from which the other processes go on; delete {folder} to begin anew"
                )
            self.optimizer.load(checkpoint.tensors)
            self._sync_engine()
        if first:
            for path in (metrics, groups, warnings):  # steps after the checkpoint are done again
                write_jsonl(path, [record for record in read_jsonl(path) if record["step"] <= start])
        history, warned = read_jsonl(metrics), {record["name"] for record in read_jsonl(warnings)}
        for record in history if first else ():
            tell(record)
        with (
            stoppable() as asked,
            progress(f"train {self.baseline} seed {self.seed}", self.config.steps, start) as advance,
        ):
            for step in range(start + 1, self.config.steps + 1):
                try:
                    record, rewards_PG, lengths_PG = self.step(
                        batch_at(pairs, self.config.prompts_per_step, step, self.seed), step
                    )
                except NonFiniteError as error:
                    self._keep(checkpoints, step - 1)
                    raise at_step(error, step) from None
                if step % self.config.validate_every == 0 or step == self.config.steps:
                    record |= self.validate(validation)
                if first:
                    told = {"step": step, **_without_nan(record)}
                    append_jsonl(metrics, told)
                    tell(told)
                    history.append(told)
                    for one in collapsed(history, self.baseline):
                        if one.name not in warned:
                            warned.add(one.name)
                            append_jsonl(warnings, {"step": one.step, "name": one.name, "text": one.text})
                            log.warning(
                                "step %d of %s seed %d: warning %s: %s",
                                one.step,
                                self.baseline,
                                self.seed,
                                one.name,
                                one.text,
                            )
                    rewards = [[round(r, 4) for r in row] for row in rewards_PG.tolist()]
                    append_jsonl(groups, {"step": step, "rewards": rewards, "lengths": lengths_PG.tolist()})
                stop = all_reduce_max(asked())  # of all processes, so that all end at one step
                if stop or step % self.config.checkpoint_every == 0 or step == self.config.steps:
                    self._keep(checkpoints, step)
                advance(note=f"pass@1 {record['pass_rate']:.2f}")
                if stop and step < self.config.steps:
                    raise Stopped(stop)

    def _keep(self, folder: Path, step: int) -> None:
        """Save this process's state as that of a finished step. Raises NonFiniteError, and saves nothing, where it is not finite."""
        state = self.optimizer.state()
        if not state_is_finite(state):
            raise NonFiniteError(
                f"the weights after step {step} are not finite: nothing was saved, and the checkpoint before stands; lower train.lr"
            )
        if step:
            save_checkpoint(folder, Checkpoint(step, state, {}))

    def step(self, pairs: Sequence[Pair], step: int) -> tuple[dict[str, float], Tensor, Tensor]:
        """One batch: rollouts, rewards, advantages, one update. Returns metrics, rewards_PG and lengths_PG."""
        started = time.perf_counter()
        numbers = ranks.shard_range(len(pairs))
        mine = [pairs[number] for number in numbers]
        rollouts = self.engine.generate(
            [self.render(pair) for pair in mine],
            self.config.group_size,
            _seed("rollout", self.seed, step),
            numbers,
        )
        sampled = time.perf_counter()
        judged = grade(rollouts.texts_PG, mine, self.reward)
        names = [f"pair {pair.id}" for pair in mine]
        require_finite("the reward", judged.rewards_PG, prompts=names)
        require_finite("the engine's log-prob", rollouts.logprobs_PGT, rollouts.mask_PGT, names)
        rewards_PG, lengths_PG = all_gather(judged.rewards_PG), all_gather(rollouts.lengths_PG)
        batch_advantages_PG = advantages(
            rewards_PG, self.baseline, threshold=self.reward.threshold, lengths_PG=lengths_PG, **self.options
        )
        advantages_PG = batch_advantages_PG[numbers.start : numbers.stop]
        lr = self.config.lr * min(1.0, step / self.config.warmup_steps)
        update = self.update(rollouts, advantages_PG, lr, names)
        self._sync_engine()
        record = {
            **advantage_stats(rewards_PG, batch_advantages_PG, self.reward.threshold),
            **update,
            "unparseable": float(all_reduce_sum(torch.tensor(judged.unparseable)) / ranks.world_size()),
            "tokens_mean": float(all_reduce_sum(rollouts.lengths_PG.float().mean()) / ranks.world_size()),
            "lr": lr,
            "rollout_seconds": sampled - started,
            "update_seconds": time.perf_counter() - sampled,
        }
        return record, rewards_PG, lengths_PG

    def _sync_engine(self) -> None:
        """Let the engine sample from what was learned."""
        if self.learning is not self.model:
            gather_weights_into(self.learning, self.model)
        self.engine.sync()

    def save(self, folder: Path) -> None:
        """The whole policy, adapters merged, as an ordinary folder of transformers."""
        if ranks.rank() == 0:
            merged(self.model).save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    def update(
        self, rollouts: Rollouts, advantages_PG: Tensor, lr: float, names: Sequence[str] = ()
    ) -> dict[str, float]:
        """One optimiser step on this process's groups of a batch, in micro-batches by token budget.

        Raises NonFiniteError where an advantage, a log-prob, the loss or the gradient is not finite; no weight has changed then. `names` tell
        the prompts apart in it.
        """
        require_finite("the advantage", advantages_PG, prompts=names)
        config = self.config.loss
        speaks_P = (advantages_PG != 0).any(dim=1)
        # A silent group has no policy gradient: it is only run through the model where the loss has other terms.
        keep = [p for p in range(len(advantages_PG)) if bool(speaks_P[p]) or config.kl or config.entropy]
        if not all_reduce_max(len(keep)):
            return {
                "loss": 0.0,
                "entropy": math.nan,
                "mismatch_kl": math.nan,
                "ratio_max": math.nan,
                "grad_norm": 0.0,
                "update_norm": 0.0,
            }
        if self.config.filter_zero_advantage_groups and all_reduce_max(int(speaks_P.sum())):
            keep = [p for p in keep if bool(speaks_P[p])]
        counted = keep if self.config.filter_zero_advantage_groups else list(range(len(advantages_PG)))
        counts = all_reduce_sum(
            torch.tensor([len(counted) * advantages_PG.shape[1], int(rollouts.mask_PGT[counted].sum())])
        )
        weights_PGT = torch.zeros(rollouts.mask_PGT.shape)
        weights_PGT[counted] = token_weights(
            rollouts.mask_PGT[counted],
            config.aggregation,
            rollouts=int(counts[0]),
            tokens=int(counts[1]),
            max_tokens=self.engine.max_new_tokens,
        )
        device = self.learning.device
        if config.kl:
            self.reference.to(device)
        sums = torch.zeros(4)  # loss, entropy, distance between engine and trainer, tokens
        ratio_max = 0.0
        chunks = list(self._micro_batches(rollouts, keep))
        # Sharded weights are gathered by all processes at once: who has fewer chunks goes along with a group that counts for nothing.
        for chunk, counts_for in [(chunk, 1.0) for chunk in chunks] + [([0], 0.0)] * (
            all_reduce_max(len(chunks)) - len(chunks)
        ):
            part = rollouts.of(chunk).to(device)
            logprobs_PGT, entropy_PGT = self.logprobs(self.compute, part)
            reference_PGT = None
            if config.kl:
                with torch.no_grad():
                    reference_PGT, _ = self.logprobs(partial(group_logprobs, self.reference), part)
            require_finite(
                "the log-prob",
                logprobs_PGT.detach(),
                part.mask_PGT,
                [names[p] for p in chunk] if names else (),
            )
            loss = policy_loss(
                logprobs_PGT,
                entropy_PGT,
                advantages_PG[chunk].to(device),
                counts_for * weights_PGT[chunk].to(device),
                part.logprobs_PGT,
                reference_PGT,
                config,
            )
            require_finite(
                f"the loss of the groups of {', '.join(names[p] for p in chunk)}" if names else "the loss",
                loss.detach(),
            )
            loss.backward()
            gap_PGT = part.logprobs_PGT - logprobs_PGT.detach()
            sums += (
                counts_for
                * torch.stack(
                    [loss.detach(), entropy_PGT.detach().sum(), gap_PGT.sum(), part.mask_PGT.sum()]
                ).cpu()
            )
            ratio_max = max(ratio_max, counts_for * float((-gap_PGT).max().exp()))
        loss_sum, entropy, mismatch, tokens = all_reduce_sum(sums).tolist()
        norms = self.optimizer.step(lr, self.config.max_grad_norm)
        return {
            "loss": loss_sum,
            "entropy": entropy / tokens,
            "mismatch_kl": mismatch / tokens,  # k1 estimate of KL(engine || trainer), nats a token
            "ratio_max": float(
                all_gather(torch.tensor([ratio_max])).max()
            ),  # the largest importance ratio of a token, before truncation
            **norms,
        }

    def logprobs(
        self, compute: Callable[..., tuple[Tensor, Tensor]], rollouts: Rollouts
    ) -> tuple[Tensor, Tensor]:
        """Log-probs and entropies of the rollouts, (P, G, T)."""
        return compute(rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT, self.temperature)

    def _micro_batches(self, rollouts: Rollouts, keep: Sequence[int]) -> Iterator[list[int]]:
        """Prompts of like length, as many as fit the token budget when packed with their groups."""
        widths = [
            len(ids) + int(tokens)
            for ids, tokens in zip(rollouts.prompt_ids, rollouts.lengths_PG.sum(1), strict=True)
        ]
        chunk: list[int] = []
        for p in sorted(keep, key=lambda p: widths[p]):
            if chunk and (len(chunk) + 1) * widths[p] > self.config.token_budget:
                yield chunk
                chunk = []
            chunk.append(p)
        if chunk:
            yield chunk

    @torch.no_grad()
    def validate(self, pairs: Sequence[Pair]) -> dict[str, float]:
        """pass@1 on validation pairs of each kind; on those with exactly one correct candidate together, `validation/pass@1`, the mean reward, and
        how far the policy has gone from the warm start (nats a rollout).
        """
        numbers = ranks.shard_range(len(pairs))
        mine = [pairs[number] for number in numbers]
        rollouts = self.engine.generate(
            [self.render(pair) for pair in mine],
            self.config.validation_rollouts,
            _seed("validation", 0, 0),
            numbers,
        )
        judged = grade(rollouts.texts_PG, mine, self.reward)
        start = partial(group_logprobs, self.reference.to(self.learning.device))
        gone_P = rollouts.logprobs_PGT.sum((1, 2))
        for chunk in self._micro_batches(rollouts, range(len(mine))):
            gone_P[chunk] -= (
                self.logprobs(start, rollouts.of(chunk).to(self.learning.device))[0].sum((1, 2)).cpu()
            )
        if not self.config.loss.kl:
            self.reference.to("cpu")  # where memory is plenty, until it is needed again
        passed_P = (judged.rewards_PG >= self.reward.threshold).float().mean(1)
        measured_4P = torch.stack(
            [
                passed_P,
                judged.rewards_PG.mean(1),
                gone_P / self.config.validation_rollouts,
                torch.ones(len(mine)),
            ]
        )
        sums_K4 = all_reduce_sum(
            torch.stack([measured_4P[:, [pair.kind is kind for pair in mine]].sum(1) for kind in Kind])
        )
        by_kind = {
            f"validation/pass@1/{kind}": float(sums[0] / sums[3])
            for kind, sums in zip(Kind, sums_K4, strict=True)
            if sums[3]
        }
        mixed = sums_K4[[kind in (Kind.first_correct, Kind.second_correct) for kind in Kind]].sum(0)
        names = ("validation/pass@1", "validation/reward", "validation/kl_from_start")
        return {**dict(zip(names, (mixed[:3] / mixed[3]).tolist(), strict=True)), **by_kind}


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
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in record.items()
    }
