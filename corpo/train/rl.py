"""The policy-gradient loop: sample groups, reward them, subtract a baseline, update the weights.

The baselines are in `corpo/baselines/paper.py`, the loss is in `corpo/train/loss.py`, and
`corpo/train/metrics.py` defines every metric. The default loss is the paper's (arXiv 2511.04439): one update
per batch, a sum over tokens, no ratio clipping and no KL term. The paper does not state the rest, which is
*our choice*:

- the model, the group size, the number of prompts per step and the number of steps;
- AdamW or SGD on float32 copies of the weights, with a linear warm-up to a constant learning rate;
- clipping of the gradient norm;
- both orders of a pair in the same batch, so that always preferring the first candidate earns nothing on
  average.

The task says what is asked and how responses are graded (`corpo/tasks/base.py`).

A zero-advantage group has no policy gradient. It is not run through the model unless the loss has a KL or an
entropy term.

**Several updates per batch.** `train.epochs` and `train.minibatches` are the passes over a batch and the
updates per pass. Advantages are computed once, on the whole batch. The weights of tokens in the loss are
normalised per minibatch, as in TRL and verl. Every update needs the importance ratio of the policy to the
policy that sampled:

- with `ppo_clip`, the trainer's own log-probs under the weights that sampled are computed before the first
  update, as in TRL and verl. The first ratio is then 1 for every engine. The log-probs of an engine in
  bfloat16 would use up a part of the range of the clip;
- with `importance_ratio_cap`, the ratio is to the log-probs with which the engine sampled. It then also
  corrects the difference between engine and trainer;
- with one update per batch, both use the log-probs of the engine.

P prompts, G rollouts per prompt, T completion tokens, M measures of a rollout in a validation.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.baselines import advantage_stats, advantages, check_baseline
from corpo.config import TrainConfig
from corpo.policy.cores import is_parallel, map_parallel
from corpo.policy.load import accelerator
from corpo.policy.lora import add_lora, merge_adapters
from corpo.policy.packing import group_logprobs
from corpo.rollout import RolloutEngine, Rollouts
from corpo.task import complete_responses
from corpo.tasks import Grade, Item, Task
from corpo.tasks.base import ItemT
from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint
from corpo.train.distributed import (
    all_gather,
    all_reduce_max,
    all_reduce_min,
    all_reduce_sum,
    gather_weights_into,
    shard,
)
from corpo.train.failures import count_failures, count_faults, require_valid_grades
from corpo.train.health import require_finite, state_is_finite, with_step
from corpo.train.loss import is_ratio_limited, policy_loss, token_weights
from corpo.train.minibatches import NO_UPDATE, combine_updates, minibatches_of
from corpo.train.optimizer import add_gradients, make_optimizer
from corpo.train.run_log import OnStep, RunLog, TrainedBatch
from corpo.utils import ranks
from corpo.utils.errors import NonFiniteError, StorageError
from corpo.utils.files import hash_of
from corpo.utils.progress import progress
from corpo.utils.signals import Stopped, stoppable

Render = Callable[[Any], str]
LogprobFunction = Callable[..., tuple[Tensor, Tensor]]

# The metrics of an update that are means over tokens, in the order in which `_loss` returns their sums.
TOKEN_MEANS = ("entropy", "mismatch_kl", "ratio_mean", "approx_kl", "clip_fraction")


@dataclass(frozen=True)
class MicroBatch:
    """Groups that are run through the model together, by index."""

    groups: list[int]
    scale: float  # of their gradient and of their metrics

    def names(self, prompt_names: Sequence[str]) -> list[str]:
        """Return the names of the groups' prompts, or nothing if prompts have no names."""
        return [prompt_names[p] for p in self.groups] if prompt_names else []


def ignore_step(metrics: dict[str, Any]) -> None:
    """Do nothing with the metrics of a step."""


@dataclass
class PolicyGradientTrainer:
    """A trainer of one policy with one baseline.

    `train` changes the model in place; the engine samples from it. With several processes (torchrun), each
    process handles its share of the prompts of every batch. The trained weights are then a sharded copy,
    which is written back into `model` after every update.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    engine: RolloutEngine
    task: Task[Any]
    baseline: str
    options: dict[str, Any]
    render: Render
    config: TrainConfig
    seed: int
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_baseline(self.baseline, self.options, self.config.group_size)
        self.reference = copy.deepcopy(self.model).eval().requires_grad_(False)  # the policy before training
        if self.config.lora.rank:
            add_lora(self.model, self.config.lora)
        self.trained_model = self.model
        self.compute: LogprobFunction = partial(group_logprobs, self.model)
        if ranks.world_size() > 1:
            self.trained_model = copy.deepcopy(self.model).to(accelerator())
            self.compute = shard(self.trained_model, group_logprobs)
        if self.config.gradient_checkpointing:
            self.trained_model.gradient_checkpointing_enable({"use_reentrant": False})
            self.trained_model.train()  # transformers recomputes activations in this mode only
        self.optimizer = make_optimizer(self.trained_model, self.config)
        self.num_updates = 0  # since this process started

    # --- the run ---

    def train(
        self,
        items: Sequence[Item],
        validation_items: Sequence[Item],
        folder: Path,
        on_step: OnStep = ignore_step,
    ) -> None:
        """Train to the last step, resuming from the newest checkpoint in `folder`.

        The records (see `RunLog`) are written to `folder`, too. `on_step` receives the metrics of each step,
        including steps finished before a restart.

        Raises NonFiniteError if a value of a step is NaN or infinite. The step before it is saved first,
        unless an earlier update of this step has already changed the weights, which is possible only with
        several updates per batch. Raises Stopped, after saving the current step, if the process receives
        Ctrl-C or SIGTERM.
        """
        checkpoints = _checkpoint_folder(folder)
        start = self._resume(checkpoints, folder)
        title = f"{self.baseline} seed {self.seed}"
        records = RunLog(folder, start, title, self.baseline, self.task, on_step)
        with (
            stoppable() as received_signal,
            progress(f"train {title}", self.config.steps, start) as advance,
        ):
            for step in range(start + 1, self.config.steps + 1):
                # The record of the first step holds the validation of the policy before training.
                validation = self.validate(validation_items) if step == 1 else {}
                batch = self._guarded_step(items, step, checkpoints)
                if step > 1 and self._is_due(step, self.config.validate_every):
                    validation = self.validate(validation_items)
                metrics = batch.metrics | validation
                records.add(step, metrics, batch.rewards_PG, batch.lengths_PG)
                if step == 1 or self._is_due(step, self.config.keep_rollouts_every):
                    records.keep_rollouts(step, batch)
                signal = all_reduce_max(received_signal())  # so that all ranks stop at the same step
                if signal or self._is_due(step, self.config.checkpoint_every):
                    self._save_checkpoint(checkpoints, step)
                advance(note=f"pass@1 {metrics['pass_rate']:.2f}")
                if signal and step < self.config.steps:
                    raise Stopped(signal)

    def _is_due(self, step: int, interval: int) -> bool:
        """Return whether a periodic action takes place at this step. The last step always counts."""
        return step % interval == 0 or step == self.config.steps

    def _guarded_step(self, items: Sequence[Item], step: int, checkpoints: Path) -> TrainedBatch:
        """Run one step. On NonFiniteError, save the step before it and raise the error with advice.

        The step before it cannot be saved if an earlier update of this step has changed the weights.
        """
        previous_updates = self.num_updates
        try:
            batch = batch_at(items, self.config.prompts_per_step, step, self.seed, self.task.bundle)
            return self.step(batch, step)
        except NonFiniteError as error:
            is_unchanged = self.num_updates == previous_updates
            if is_unchanged:
                self._save_checkpoint(checkpoints, step - 1)
            raise with_step(error, step, is_unchanged) from None

    def _resume(self, checkpoints: Path, folder: Path) -> int:
        """Load the newest step that every rank has saved. Return its number, or 0 if there is none."""
        newest = load_latest(checkpoints)
        # If a kill comes between the checkpoints of two ranks, their newest steps differ.
        start = all_reduce_min(newest.step if newest else 0)
        if not start:
            return 0
        checkpoint = load_latest(checkpoints, start)
        if checkpoint is None or checkpoint.step != start:
            raise StorageError(
                f"{checkpoints}: the checkpoint of step {start}, from which the other processes resume, is "
                f"missing or damaged; delete {folder} to train from the start"
            )
        self.optimizer.load(checkpoint.tensors)
        self._sync_engine()
        return start

    def _save_checkpoint(self, checkpoints: Path, step: int) -> None:
        """Save this rank's state after a finished step. Raise NonFiniteError if it is not finite."""
        state = self.optimizer.state()
        if not state_is_finite(state):
            raise NonFiniteError(
                f"the weights after step {step} are not finite: nothing was saved, and the previous "
                "checkpoint is unchanged; lower train.lr"
            )
        if step:
            save_checkpoint(checkpoints, Checkpoint(step, state, {}))

    def save(self, folder: Path) -> None:
        """Write the policy, with adapters merged, as an ordinary transformers folder."""
        if ranks.rank() == 0:
            merge_adapters(self.model).save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    # --- one step ---

    def step(self, items: Sequence[Item], step: int) -> TrainedBatch:
        """Sample, reward and learn from one batch."""
        start_time = time.perf_counter()
        indices = ranks.shard_range(len(items))
        local_items = [items[index] for index in indices]
        rollouts = self._sample(
            local_items, self.config.group_size, _seed("rollout", self.seed, step), indices
        )
        sampled_time = time.perf_counter()

        grades_PG = self.task.grade(rollouts.texts_PG, local_items)
        local_rewards_PG = rewards_of(grades_PG)
        prompt_names = [f"{self.task.noun} {item.id}" for item in local_items]
        require_finite("the reward", local_rewards_PG, prompts=prompt_names)
        require_valid_grades(grades_PG, self.task)
        require_finite("the engine's log-prob", rollouts.logprobs_PGT, rollouts.mask_PGT, prompt_names)
        rewards_PG, lengths_PG = all_gather(local_rewards_PG), all_gather(rollouts.lengths_PG)
        advantages_PG = advantages(
            rewards_PG,
            self.baseline,
            threshold=self.task.threshold,
            lengths_PG=lengths_PG,
            **self.options,
        )
        lr = self.config.lr * min(1.0, step / self.config.warmup_steps)
        update_metrics = self.learn(rollouts, advantages_PG, indices, lr, step, prompt_names)
        self._sync_engine()
        metrics = {
            **advantage_stats(rewards_PG, advantages_PG, self.task.threshold),
            **_sum_over_ranks(
                count_failures(grades_PG, advantages_PG[indices.start : indices.stop], self.task.failures)
            ),
            **_sum_over_ranks(count_faults(grades_PG, self.task.faults)),
            **update_metrics,
            "unparseable": _mean_over_ranks(torch.tensor(_fault_share(grades_PG))),
            "tokens_mean": _mean_over_ranks(rollouts.lengths_PG.float().mean()),
            "lr": lr,
            "rollout_seconds": sampled_time - start_time,
            "update_seconds": time.perf_counter() - sampled_time,
        }
        return TrainedBatch(metrics, rewards_PG, lengths_PG, advantages_PG, local_items, rollouts.texts_PG)

    def _sample(
        self, items: Sequence[Item], num_rollouts: int, seed: int, indices: Sequence[int]
    ) -> Rollouts:
        """Sample a group per item. `indices` are the positions of the items in the batch of all ranks."""
        prompts = [self.render(item) for item in items]
        rollouts = self.engine.generate(prompts, num_rollouts, seed, indices)
        return replace(rollouts, texts_PG=complete_responses(prompts, rollouts.texts_PG))

    def _sync_engine(self) -> None:
        """Give the engine the current weights."""
        if self.trained_model is not self.model:
            gather_weights_into(self.trained_model, self.model)
        self.engine.sync()

    # --- the updates ---

    def learn(
        self,
        rollouts: Rollouts,
        advantages_PG: Tensor,
        indices: range,
        lr: float,
        step: int,
        prompt_names: Sequence[str] = (),
    ) -> dict[str, float]:
        """Take all updates of a step. Return its metrics (see `combine_updates`).

        `advantages_PG` are those of the whole batch. `rollouts` and `prompt_names` are those of this rank,
        and `indices` are the positions of its prompts in the batch.
        """
        local_advantages_PG = advantages_PG[indices.start : indices.stop]
        recomputed_metrics = {}
        if self.config.updates_per_step > 1 and self.config.loss.ppo_clip is not None:
            rollouts, mismatch_kl = self._with_trainer_logprobs(rollouts, local_advantages_PG, prompt_names)
            recomputed_metrics["mismatch_kl"] = mismatch_kl
        updates = []
        for epoch in range(self.config.epochs):
            seed = f"minibatches/{self.seed}/{step}/{epoch}"
            for minibatch in minibatches_of(
                len(advantages_PG), self.config.minibatches, seed, self.task.bundle
            ):
                groups = [index - indices.start for index in minibatch if index in indices]
                updates.append(self.update(rollouts, local_advantages_PG, lr, prompt_names, groups))
        return {**combine_updates(updates), **recomputed_metrics}

    def _with_trainer_logprobs(
        self, rollouts: Rollouts, advantages_PG: Tensor, prompt_names: Sequence[str]
    ) -> tuple[Rollouts, float]:
        """Replace the engine's log-probs by those of the trainer, which must have the weights that sampled.

        Groups that are not run through the model keep the engine's. Returns the rollouts and the mean over
        tokens of log-prob of the engine minus log-prob of the trainer.
        """
        logprobs_PGT, totals = rollouts.logprobs_PGT.clone(), torch.zeros(2)
        groups = self._groups_to_compute(advantages_PG, range(len(advantages_PG)))
        device = self.trained_model.device
        micro_batches = self._padded_micro_batches(rollouts, groups)

        @torch.no_grad()
        def compute(micro_batch: MicroBatch) -> Tensor:
            part = rollouts.of(micro_batch.groups).to(device)
            trainer_logprobs_PGT, _ = self.logprobs(self.compute, part)
            names = micro_batch.names(prompt_names)
            require_finite("the log-prob", trainer_logprobs_PGT, part.mask_PGT, names)
            return trainer_logprobs_PGT.cpu()

        computed = map_parallel(compute, micro_batches, device)
        for micro_batch, trainer_logprobs_PGT in zip(micro_batches, computed, strict=True):
            part = rollouts.of(micro_batch.groups)
            log_ratio = (part.logprobs_PGT - trainer_logprobs_PGT).sum()
            totals += micro_batch.scale * torch.stack([log_ratio, part.mask_PGT.sum()])
            logprobs_PGT[micro_batch.groups] = trainer_logprobs_PGT
        log_ratio_sum, tokens = all_reduce_sum(totals).tolist()
        mismatch_kl = log_ratio_sum / tokens if tokens else math.nan
        return replace(rollouts, logprobs_PGT=logprobs_PGT), mismatch_kl

    def update(
        self,
        rollouts: Rollouts,
        advantages_PG: Tensor,
        lr: float,
        prompt_names: Sequence[str] = (),
        groups: Sequence[int] | None = None,
    ) -> dict[str, float]:
        """Take one optimizer step on this rank's groups. Return the metrics of the update.

        `groups` are the indices of the groups of the minibatch, by default all. `prompt_names` identify the P
        prompts in error messages. Raises NonFiniteError, before any weight changes, if an advantage, a
        log-prob, the loss or the gradient is NaN or infinite.
        """
        require_finite("the advantage", advantages_PG, prompts=prompt_names)
        minibatch = range(len(advantages_PG)) if groups is None else groups
        computed, averaged = self._select_groups(advantages_PG, minibatch)
        if not all_reduce_max(len(computed)):
            return dict(NO_UPDATE)
        weights_PGT = self._token_weights(rollouts, averaged)
        totals, ratio_max = self._accumulate_gradients(
            rollouts, advantages_PG, weights_PGT, computed, prompt_names
        )
        loss, tokens, *token_sums = all_reduce_sum(totals).tolist()
        norms = self.optimizer.step(lr, self.config.max_grad_norm)
        self.num_updates += 1
        token_means = {name: value / tokens for name, value in zip(TOKEN_MEANS, token_sums, strict=True)}
        return {
            "loss": loss,
            **token_means,
            "ratio_max": float(all_gather(torch.tensor([ratio_max])).max()),
            **norms,
        }

    def _select_groups(
        self, advantages_PG: Tensor, groups: Sequence[int]
    ) -> tuple[Sequence[int], Sequence[int]]:
        """Return the groups to run through the model, and the groups over which to average the loss."""
        computed = self._groups_to_compute(advantages_PG, groups)
        if not self.config.filter_zero_advantage_groups:
            return computed, groups
        nonzero_groups = _nonzero_advantage_groups(advantages_PG, groups)
        if all_reduce_max(len(nonzero_groups)):
            computed = nonzero_groups
        return computed, computed

    def _groups_to_compute(self, advantages_PG: Tensor, groups: Sequence[int]) -> Sequence[int]:
        """Return the groups that have a gradient.

        A zero-advantage group has no policy gradient. It is run through the model only if the loss has other
        terms.
        """
        if self.config.loss.kl or self.config.loss.entropy:
            return groups
        return _nonzero_advantage_groups(advantages_PG, groups)

    def _token_weights(self, rollouts: Rollouts, groups: Sequence[int]) -> Tensor:
        """Return the weight of each token in the loss, (P, G, T). It is 0 outside these groups."""
        averaged = list(groups)
        mask_PGT = rollouts.mask_PGT[averaged]
        counts = torch.tensor([len(averaged) * rollouts.mask_PGT.shape[1], int(mask_PGT.sum())])
        num_rollouts, num_tokens = all_reduce_sum(counts).tolist()
        weights_PGT = torch.zeros(rollouts.mask_PGT.shape)
        weights_PGT[averaged] = token_weights(
            mask_PGT,
            self.config.loss.aggregation,
            rollouts=num_rollouts,
            tokens=num_tokens,
            max_tokens=self.engine.max_new_tokens,
        )
        return weights_PGT

    def _accumulate_gradients(
        self,
        rollouts: Rollouts,
        advantages_PG: Tensor,
        weights_PGT: Tensor,
        groups: Sequence[int],
        prompt_names: Sequence[str],
    ) -> tuple[Tensor, float]:
        """Backpropagate the loss of these groups in micro-batches.

        Returns the loss, the number of tokens and the sums of `TOKEN_MEANS` in one tensor, and the largest
        importance ratio.
        """
        if self.config.loss.kl:
            self.reference.to(self.trained_model.device)
        totals, ratio_max = torch.zeros(2 + len(TOKEN_MEANS)), 0.0
        parameters = [parameter for parameter in self.trained_model.parameters() if parameter.requires_grad]
        micro_batches = self._padded_micro_batches(rollouts, groups)

        def compute(micro_batch: MicroBatch) -> tuple[Tensor, float, Sequence[Tensor | None]]:
            chunk = micro_batch.groups
            loss, chunk_totals, chunk_ratio_max = self._loss(
                rollouts.of(chunk),
                advantages_PG[chunk],
                micro_batch.scale * weights_PGT[chunk],
                micro_batch.names(prompt_names),
            )
            if is_parallel(loss.device):
                gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
                return chunk_totals, chunk_ratio_max, gradients
            loss.backward()  # FSDP reduces the gradients in the backward pass
            return chunk_totals, chunk_ratio_max, []

        computed = map_parallel(compute, micro_batches, self.trained_model.device)
        for micro_batch, (chunk_totals, chunk_ratio_max, gradients) in zip(
            micro_batches, computed, strict=True
        ):
            totals += micro_batch.scale * chunk_totals
            ratio_max = max(ratio_max, micro_batch.scale * chunk_ratio_max)
            if gradients:
                add_gradients(parameters, gradients)
        return totals, ratio_max

    def _loss(
        self, rollouts: Rollouts, advantages_PG: Tensor, weights_PGT: Tensor, prompt_names: Sequence[str]
    ) -> tuple[Tensor, Tensor, float]:
        """Return the loss of one micro-batch, and the same as `_accumulate_gradients`."""
        device = self.trained_model.device
        rollouts = rollouts.to(device)
        logprobs_PGT, entropy_PGT = self.logprobs(self.compute, rollouts)
        reference_PGT = self._reference_logprobs(rollouts) if self.config.loss.kl else None
        require_finite("the log-prob", logprobs_PGT.detach(), rollouts.mask_PGT, prompt_names)
        loss = policy_loss(
            logprobs_PGT=logprobs_PGT,
            entropy_PGT=entropy_PGT,
            advantages_PG=advantages_PG.to(device),
            weights_PGT=weights_PGT.to(device),
            sampled_logprobs_PGT=rollouts.logprobs_PGT,
            reference_logprobs_PGT=reference_PGT,
            config=self.config.loss,
        )
        groups = f" of the groups of {', '.join(prompt_names)}" if prompt_names else ""
        require_finite(f"the loss{groups}", loss.detach())
        log_ratio_PGT = rollouts.logprobs_PGT - logprobs_PGT.detach()
        ratio_PGT = (-log_ratio_PGT).exp()
        is_limited_PGT = is_ratio_limited(ratio_PGT, advantages_PG.to(device), self.config.loss)
        sums = [
            loss.detach(),
            rollouts.mask_PGT.sum(),
            entropy_PGT.detach().sum(),
            log_ratio_PGT.sum(),
            (ratio_PGT * rollouts.mask_PGT).sum(),
            (ratio_PGT - 1 + log_ratio_PGT).sum(),  # the k3 estimate; 0 where masked
            (is_limited_PGT & rollouts.mask_PGT).sum(),
        ]
        return loss, torch.stack(sums).cpu(), float((-log_ratio_PGT).max().exp())

    def logprobs(self, compute: LogprobFunction, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """Return log-probs of the completion tokens and entropies of their distributions, both (P, G, T)."""
        computed = []
        for part in rollouts.parts:
            computed.append(
                compute(part.prompt_ids, part.completion_ids_PGT, part.mask_PGT, self.temperature)
            )
        logprobs, entropies = zip(*computed, strict=True)
        return torch.cat(logprobs, dim=-1), torch.cat(entropies, dim=-1)

    @torch.no_grad()
    def _reference_logprobs(self, rollouts: Rollouts) -> Tensor:
        """Return the log-probs of the completion tokens under the policy before training, (P, G, T)."""
        return self.logprobs(partial(group_logprobs, self.reference), rollouts)[0]

    def _padded_micro_batches(self, rollouts: Rollouts, groups: Sequence[int]) -> list[MicroBatch]:
        """Return the micro-batches with the scale 1, and as many more with the scale 0 as other ranks need.

        FSDP needs all ranks in every forward pass. A rank with fewer micro-batches repeats a group with the
        scale 0.
        """
        chunks = [MicroBatch(chunk, 1.0) for chunk in self._micro_batches(rollouts, groups)]
        return chunks + [MicroBatch([0], 0.0)] * (all_reduce_max(len(chunks)) - len(chunks))

    def _micro_batches(self, rollouts: Rollouts, groups: Sequence[int]) -> Iterator[list[int]]:
        """Yield groups of similar length, by index, as many at once as fit `token_budget` when packed.

        The longest groups come first (see `map_parallel`).
        """
        widths = _packed_widths(rollouts)
        chunk: list[int] = []
        for p in sorted(groups, key=widths.__getitem__, reverse=True):
            if chunk and (len(chunk) + 1) * widths[chunk[0]] > self.config.token_budget:
                yield chunk
                chunk = []
            chunk.append(p)
        if chunk:
            yield chunk

    # --- validation ---

    @torch.no_grad()
    def validate(self, items: Sequence[Item]) -> dict[str, float]:
        """Measure the policy on held-out items. Return the metrics that begin with `validation/`."""
        indices = ranks.shard_range(len(items))
        local_items = [items[index] for index in indices]
        num_rollouts = self.config.validation_rollouts
        rollouts = self._sample(local_items, num_rollouts, _seed("validation", 0, 0), indices)
        measures_PGM = torch.zeros(len(items), num_rollouts, 2 + len(self.task.measures), dtype=torch.float64)
        measures_PGM[indices.start : indices.stop] = self._measure(rollouts.texts_PG, local_items)
        kl_P = torch.zeros(len(items))
        kl_P[indices.start : indices.stop] = self._log_ratio_to_start(rollouts) / num_rollouts
        # Other ranks hold zeros where this rank has values, so the sum over ranks holds all values.
        return self.task.validation_metrics(
            all_reduce_sum(measures_PGM).numpy(), all_reduce_sum(kl_P).numpy(), items
        )

    def _measure(self, texts_PG: Sequence[Sequence[str]], items: Sequence[Item]) -> Tensor:
        """Return "correct", "reward" and the measures of the task for each rollout, (P, G, M)."""
        measures_PGM = []
        for item, texts_G, grades_G in zip(items, texts_PG, self.task.grade(texts_PG, items), strict=True):
            measures_GM = []
            for text, grade in zip(texts_G, grades_G, strict=True):
                columns = self.task.rollout_columns(text, grade, item)
                measures = [float(columns[name]) for name in self.task.measures]
                measures_GM.append([grade.reward >= self.task.threshold, grade.reward, *measures])
            measures_PGM.append(measures_GM)
        return torch.tensor(measures_PGM, dtype=torch.float64)

    def _log_ratio_to_start(self, rollouts: Rollouts) -> Tensor:
        """Return log pi(rollout) - log pi_start(rollout), summed over the rollouts of each prompt, (P,)."""
        device = self.trained_model.device
        self.reference.to(device)
        log_ratio_P = rollouts.logprobs_PGT.sum((1, 2))
        chunks = list(self._micro_batches(rollouts, range(len(log_ratio_P))))

        def log_prob(chunk: list[int]) -> Tensor:
            return self._reference_logprobs(rollouts.of(chunk).to(device)).sum((1, 2)).cpu()

        for chunk, log_prob_P in zip(chunks, map_parallel(log_prob, chunks, device), strict=True):
            log_ratio_P[chunk] -= log_prob_P
        if not self.config.loss.kl:
            self.reference.to("cpu")  # frees accelerator memory until the next validation
        return log_ratio_P


def rewards_of(grades_PG: Sequence[Sequence[Grade]]) -> Tensor:
    """Return the rewards of some grades, (P, G), in float32."""
    rewards_PG = []
    for grades_G in grades_PG:
        rewards_PG.append([grade.reward for grade in grades_G])
    return torch.tensor(rewards_PG, dtype=torch.float32)


def _fault_share(grades_PG: Sequence[Sequence[Grade]]) -> float:
    """Return the share of responses without an answer."""
    grades = list(chain.from_iterable(grades_PG))
    return sum(bool(grade.fault) for grade in grades) / len(grades)


def batch_at(items: Sequence[ItemT], prompts: int, step: int, seed: int, bundle: int) -> list[ItemT]:
    """Return the items of a step (counted from 1). Each `bundle` consecutive items stay together.

    The order of the bundles is shuffled anew for each pass over the data.
    """
    num_bundles, bundles_per_step = len(items) // bundle, prompts // bundle
    orders: dict[int, list[int]] = {}
    batch: list[ItemT] = []
    for position in range((step - 1) * bundles_per_step, step * bundles_per_step):
        epoch, offset = divmod(position, num_bundles)
        if epoch not in orders:
            orders[epoch] = Random(f"{seed}/{epoch}").sample(range(num_bundles), num_bundles)
        start = bundle * orders[epoch][offset]
        batch += items[start : start + bundle]
    return batch


def _nonzero_advantage_groups(advantages_PG: Tensor, groups: Sequence[int]) -> list[int]:
    """Return those of the groups that have a non-zero advantage."""
    is_nonzero_P = (advantages_PG != 0).any(dim=1)
    return [p for p in groups if bool(is_nonzero_P[p])]


def _checkpoint_folder(folder: Path) -> Path:
    """Return the folder of this rank's checkpoints: `folder` itself if there is one process."""
    if ranks.world_size() == 1:
        return folder
    return folder / f"rank-{ranks.rank()}-of-{ranks.world_size()}"


def _mean_over_ranks(value: Tensor) -> float:
    return float(all_reduce_sum(value) / ranks.world_size())


def _sum_over_ranks(counts: dict[str, float]) -> dict[str, float]:
    totals = all_reduce_sum(torch.tensor(list(counts.values())))
    return dict(zip(counts, totals.tolist(), strict=True))


def _packed_widths(rollouts: Rollouts) -> list[int]:
    """Return the tokens of each prompt together with its whole group."""
    completion_tokens = rollouts.lengths_PG.sum(1).tolist()
    return [len(ids) + tokens for ids, tokens in zip(rollouts.prompt_ids, completion_tokens, strict=True)]


def _seed(purpose: str, seed: int, step: int) -> int:
    """Return a separate seed for each purpose, run and step."""
    return int(hash_of([purpose, seed, step], 8), 16)
