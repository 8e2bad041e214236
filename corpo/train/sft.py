"""The warm start: supervised fine-tuning that stands in for a pretrained reasoner.

It teaches the response format and a fallible skill. Besides the response, the policy learns to predict the prompt (weighted by
`prompt_weight`): a model that expects the right program notices the wrong one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.config import WarmStartConfig
from corpo.data.pairing.drawing import draw_pairs
from corpo.data.types import LabelledProblem
from corpo.policy.logprobs import hidden_states, output_weight, token_logprobs
from corpo.rollout.hf import SharedPrefixEngine
from corpo.task import Domain, Kind, Pair, Verdict, parse_response
from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint
from corpo.train.demonstrations import Demonstration, Demonstrator
from corpo.train.optimizer import MasterAdamW
from corpo.utils.errors import NonFiniteError
from corpo.utils.files import append_jsonl, read_jsonl, write_jsonl
from corpo.utils.progress import progress
from corpo.utils.signals import Stopped, stoppable

DEV_GROUP = 4  # rollouts a pair: what the curve is drawn from


def learning_rate(config: WarmStartConfig, step: int) -> float:
    """Linear warm-up, constant, linear decay to zero at the last step."""
    rise = min(1.0, (step + 1) / config.warmup_steps)
    fall = min(1.0, (config.steps - step) / (config.decay_share * config.steps))
    return config.lr * min(rise, fall)


def is_dev(problem: LabelledProblem) -> bool:
    """One warm-start problem in twelve is held back to draw the curve on."""
    return int(hashlib.sha256(problem.id.encode()).hexdigest(), 16) % 12 == 0


def warm_start(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[LabelledProblem],
    demonstrator: Demonstrator,
    config: WarmStartConfig,
    max_new_tokens: int,
    folder: Path,
) -> list[dict[str, float]]:
    """Train in place, checkpointed in `folder` and resumed from there. Returns the curve (one record per evaluation).

    Raises Stopped, with a checkpoint of the step that was done, where a signal asks to end.
    """
    shown = [problem for problem in problems if not is_dev(problem)]
    dev = dev_pairs([problem for problem in problems if is_dev(problem)], config.dev_pairs, config.seed)
    optimizer = MasterAdamW(model, weight_decay=config.weight_decay)
    if model.device.type == "cpu":
        model.set_attn_implementation(
            "eager"
        )  # on short rows its backward pass is faster than the fused kernel's
    metrics = folder / "metrics.jsonl"
    start = 0
    recent: list[dict[str, float]] = []  # steps since the last point of the curve
    if (checkpoint := load_latest(folder)) is not None:
        optimizer.load(checkpoint.tensors)
        start, recent = checkpoint.step, checkpoint.meta.get("recent", [])
    write_jsonl(metrics, [record for record in read_jsonl(metrics) if record["step"] <= start])
    with stoppable() as asked, progress("warm start", config.steps, start) as advance:
        for step in range(start, config.steps):
            # Each step draws from its own stream, so that a resumed run sees what an uninterrupted one would.
            batch = demonstrator.batch(shown, config.pairs, Random(f"{config.seed}/{step}"))
            prompt_weight = (
                config.prompt_weight if config.prompt_steps is None or step < config.prompt_steps else 0.0
            )
            losses = _step(model, tokenizer, batch, prompt_weight, config.micro_batches)
            try:
                recent.append({**losses, **optimizer.step(learning_rate(config, step), config.max_grad_norm)})
            except NonFiniteError as error:
                raise NonFiniteError(
                    f"warm start, step {step + 1}: {error}; lower warm_start.lr; the same command goes on from the checkpoint before"
                ) from None
            advance(note=f"loss {losses['response_loss']:.3f}")
            done = step + 1
            if done % config.evaluate_every == 0 or done == config.steps:
                means = {name: sum(one[name] for one in recent) / len(recent) for name in recent[0]}
                engine = SharedPrefixEngine(model, tokenizer, max_new_tokens)
                append_jsonl(
                    metrics, {"step": done, **means, **dev_accuracy(engine, dev, demonstrator, config.seed)}
                )
                recent.clear()
            if (stop := asked()) or not recent:
                save_checkpoint(folder, Checkpoint(done, optimizer.state(), {"recent": recent}))
            if stop and done < config.steps:
                raise Stopped(stop)
    return read_jsonl(metrics)


def _step(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch: list[Demonstration],
    prompt_weight: float,
    micro_batches: int,
) -> dict[str, float]:
    """Gradients of one batch, in micro-batches of like length. Returns mean losses per token (nats)."""
    encode = lambda texts: tokenizer(texts, add_special_tokens=False)["input_ids"]
    prompts, responses = encode([d.prompt for d in batch]), encode([d.response for d in batch])
    rows = sorted(
        (
            (prompt, [*response, tokenizer.eos_token_id])
            for prompt, response in zip(prompts, responses, strict=True)
        ),
        key=lambda row: len(row[0]) + len(row[1]),
    )
    prompt_tokens = sum(len(prompt) - 1 for prompt, _ in rows)
    response_tokens = sum(len(response) for _, response in rows)
    totals = torch.zeros(2)
    size = -(-len(rows) // micro_batches)
    for start in range(0, len(rows), size):
        ids_BL, prompt_BL, response_BL = _right_pad(rows[start : start + size], tokenizer.pad_token_id)
        learned_BL = response_BL[:, 1:] | (prompt_BL[:, 1:] & (prompt_weight > 0))
        hidden_NH = hidden_states(model, input_ids=ids_BL[:, :-1])[learned_BL]
        logprobs_N, _ = token_logprobs(hidden_NH, output_weight(model), ids_BL[:, 1:][learned_BL])
        answers_N = response_BL[:, 1:][learned_BL]
        prompt_loss = -logprobs_N[~answers_N].sum() / prompt_tokens
        response_loss = -logprobs_N[answers_N].sum() / response_tokens
        (response_loss + prompt_weight * prompt_loss).backward()
        totals += torch.stack([prompt_loss.detach(), response_loss.detach()])
    return {"prompt_loss": float(totals[0]), "response_loss": float(totals[1])}


def _right_pad(rows: Sequence[tuple[list[int], list[int]]], pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, and masks of prompt and response tokens, all (B, L)."""
    longest = max(len(prompt) + len(response) for prompt, response in rows)
    ids_BL = torch.full((len(rows), longest), pad_id)
    prompt_BL = torch.zeros(len(rows), longest, dtype=torch.bool)
    response_BL = torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, (prompt, response) in enumerate(rows):
        end = len(prompt) + len(response)
        ids_BL[i, :end] = torch.tensor(prompt + response)
        prompt_BL[i, : len(prompt)] = True
        response_BL[i, len(prompt) : end] = True
    return ids_BL, prompt_BL, response_BL


def dev_pairs(problems: Sequence[LabelledProblem], count: int, seed: int) -> list[Pair]:
    """Pairs of every domain and kind on problems that the warm start does not show."""
    pairs: list[Pair] = []
    for domain in Domain:
        source = [problem for problem in problems if problem.domain is domain]
        for kind in Kind:
            pairs += draw_pairs(source, kind, count, Random(f"{seed}/dev/{domain}/{kind}"))
    return pairs


def dev_accuracy(
    engine: SharedPrefixEngine, pairs: Sequence[Pair], demonstrator: Demonstrator, seed: int
) -> dict[str, float]:
    """pass@1 by domain and kind, and the unparseable share, over `DEV_GROUP` rollouts a pair."""
    attention = engine.model.config._attn_implementation
    rollouts = engine.generate([demonstrator.render(pair) for pair in pairs], DEV_GROUP, seed)
    engine.model.set_attn_implementation(attention)  # sampling takes another
    hits: dict[str, list[bool]] = {}
    unparseable = 0
    for pair, texts in zip(pairs, rollouts.texts_PG, strict=True):
        for text in texts:
            verdict = parse_response(text)
            parsed = isinstance(verdict, Verdict)
            unparseable += not parsed
            hits.setdefault(f"{pair.problem.domain}_{pair.kind}", []).append(
                isinstance(verdict, Verdict) and verdict.is_correct(pair.labels)
            )
    accuracy = {f"pass@1/{name}": sum(values) / len(values) for name, values in hits.items()}
    return {**accuracy, "unparseable": unparseable / (len(pairs) * DEV_GROUP)}
