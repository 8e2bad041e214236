"""The warm start: supervised fine-tuning on demonstrations, instead of the pretrained reasoner of the paper.

It teaches the response format and an imperfect skill. The policy also learns to predict the prompt, with
the weight `prompt_weight`, because a model that can predict correct programs gives wrong ones a low
probability.

Shape letters beside those of CONTRIBUTING.md: B rows of a micro-batch, W tokens of the longest row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.config import WarmStartConfig
from corpo.policy.cores import map_parallel
from corpo.policy.logprobs import hidden_states, output_weight, token_logprobs
from corpo.rollout.hf import SharedPrefixEngine
from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint
from corpo.train.demonstrations import Demonstration
from corpo.train.optimizer import MasterAdamW, add_gradients
from corpo.train.teachers import Teacher
from corpo.utils.errors import NonFiniteError
from corpo.utils.files import append_jsonl, read_jsonl, write_jsonl
from corpo.utils.progress import progress
from corpo.utils.signals import Stopped, stoppable


def learning_rate(config: WarmStartConfig, step: int) -> float:
    """Return the learning rate of a step (from 0): linear warm-up, constant, linear decay to zero."""
    rise = min(1.0, (step + 1) / config.warmup_steps)
    fall = min(1.0, (config.steps - step) / (config.decay_share * config.steps))
    return config.lr * min(rise, fall)


def warm_start(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    teacher: Teacher,
    config: WarmStartConfig,
    max_new_tokens: int,
    folder: Path,
    title: str = "warm start",
) -> list[dict[str, float]]:
    """Train the model in place, resuming from the newest checkpoint in `folder`.

    `title` names the run in the progress bar.

    Returns the learning curve, one record per `config.evaluate_every` steps. Raises Stopped, after saving the
    current step, if the process receives Ctrl-C or SIGTERM.
    """
    weights_V = token_weights(tokenizer, teacher.weighted_texts, config.verdict_weight).to(model.device)
    optimizer = MasterAdamW(model, weight_decay=config.weight_decay)
    if model.device.type == "cpu":
        # Its backward pass is faster on short rows than that of the fused kernel.
        model.set_attn_implementation("eager")
    metrics = folder / "metrics.jsonl"
    start, recent = _resume(folder, optimizer)
    write_jsonl(metrics, [record for record in read_jsonl(metrics) if record["step"] <= start])
    backward = partial(_backward, model, tokenizer, weights_V=weights_V)

    with (
        ThreadPoolExecutor(1) as ahead,
        stoppable() as received_signal,
        progress(title, config.steps, start) as advance,
    ):
        upcoming = ahead.submit(teacher.batch, config, start)
        for step in range(start, config.steps):
            batch = upcoming.result()
            upcoming = ahead.submit(
                teacher.batch, config, step + 1
            )  # while the gradients of this step are computed
            losses = backward(batch, _prompt_weight(config, step), config.micro_batches)
            recent.append({**losses, **_update(optimizer, config, step)})
            advance(note=f"loss {losses['response_loss']:.3f}")
            num_done = step + 1
            if num_done % config.evaluate_every == 0 or num_done == config.steps:
                accuracy = _accuracy(model, tokenizer, teacher, config, max_new_tokens)
                append_jsonl(metrics, {"step": num_done, **_means(recent), **accuracy})
                recent.clear()
            signal = received_signal()
            if signal or not recent:
                save_checkpoint(folder, Checkpoint(num_done, optimizer.state(), {"recent": recent}))
            if signal and num_done < config.steps:
                raise Stopped(signal)
    return read_jsonl(metrics)


def _resume(folder: Path, optimizer: MasterAdamW) -> tuple[int, list[dict[str, float]]]:
    """Return the number of finished steps, and the metrics of the steps since the last point of the curve."""
    checkpoint = load_latest(folder)
    if checkpoint is None:
        return 0, []
    optimizer.load(checkpoint.tensors)
    return checkpoint.step, checkpoint.meta.get("recent", [])


def _accuracy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    teacher: Teacher,
    config: WarmStartConfig,
    max_new_tokens: int,
) -> dict[str, float]:
    """Return the accuracy on what the teacher holds out."""
    attention = model.config._attn_implementation
    accuracy = teacher.accuracy(SharedPrefixEngine(model, tokenizer, max_new_tokens), config)
    model.set_attn_implementation(attention)  # sampling has switched to another implementation
    return accuracy


def token_weights(tokenizer: PreTrainedTokenizerBase, weighted_texts: Sequence[str], weight: float) -> Tensor:
    """Return the weight of each token of the vocabulary (V): `weight` for `weighted_texts`, 1 for others."""
    vocabulary = tokenizer.get_vocab()
    weights_V = torch.ones(max(vocabulary.values()) + 1)
    for text in weighted_texts:
        if text in vocabulary:
            weights_V[vocabulary[text]] = weight
    return weights_V


def _prompt_weight(config: WarmStartConfig, step: int) -> float:
    is_learned = config.prompt_steps is None or step < config.prompt_steps
    return config.prompt_weight if is_learned else 0.0


def _update(optimizer: MasterAdamW, config: WarmStartConfig, step: int) -> dict[str, float]:
    """Take one optimizer step. Return the norms of gradient and update."""
    try:
        return optimizer.step(learning_rate(config, step), config.max_grad_norm)
    except NonFiniteError as error:
        raise NonFiniteError(
            f"warm start, step {step + 1}: {error}; lower warm_start.lr; "
            "the same command resumes from the previous checkpoint"
        ) from None


def _means(records: Sequence[dict[str, float]]) -> dict[str, float]:
    means = {}
    for name in records[0]:
        means[name] = sum(record[name] for record in records) / len(records)
    return means


def _backward(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch: list[Demonstration],
    prompt_weight: float,
    micro_batches: int,
    weights_V: Tensor,
) -> dict[str, float]:
    """Compute the gradients of one batch in micro-batches. Return mean losses per token (nats).

    The gradients are added in the order of the micro-batches, so that their rounding does not depend on the
    number of cores. `weights_V` are the weights of response tokens in the gradient. The returned losses
    ignore them.
    """
    rows = _encoded_rows(tokenizer, batch)
    num_tokens = torch.tensor(
        [sum(len(prompt) - 1 for prompt, _ in rows), sum(len(response) for _, response in rows)]
    )
    size = math.ceil(len(rows) / micro_batches)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    compute = partial(
        _gradients,
        model,
        parameters,
        pad_id=tokenizer.pad_token_id,
        prompt_weight=prompt_weight,
        weights_V=weights_V,
        num_tokens=num_tokens,
    )
    totals = torch.zeros(2)
    # The parts go from short to long, and the longest are computed first.
    results = list(map_parallel(compute, parts[::-1], model.device))
    for losses, gradients in reversed(results):
        totals += losses
        add_gradients(parameters, gradients)
    return {"prompt_loss": float(totals[0]), "response_loss": float(totals[1])}


def _gradients(
    model: PreTrainedModel,
    parameters: Sequence[Tensor],
    rows: Sequence[Row],
    *,
    pad_id: int,
    prompt_weight: float,
    weights_V: Tensor,
    num_tokens: Tensor,
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    """Return the losses of prompts and responses, (2), and the gradients of the parameters, of a micro-batch.

    The gradient is None for parameters that texts do not use, such as those for images. `num_tokens` are the
    tokens of the prompts and of the responses of the whole batch, by which losses are divided.
    """
    ids_BW, is_prompt_BW, is_response_BW = (tensor.to(model.device) for tensor in _right_pad(rows, pad_id))
    prompt_tokens, response_tokens = num_tokens.tolist()
    is_learned_BW = is_response_BW[:, 1:] | (is_prompt_BW[:, 1:] & (prompt_weight > 0))
    hidden_NE = hidden_states(model, input_ids=ids_BW[:, :-1])[is_learned_BW]
    logprobs_N, _ = token_logprobs(hidden_NE, output_weight(model), ids_BW[:, 1:][is_learned_BW])
    is_response_N = is_response_BW[:, 1:][is_learned_BW]
    prompt_loss = -logprobs_N[~is_response_N].sum() / prompt_tokens
    response_loss = -logprobs_N[is_response_N].sum() / response_tokens
    weighted_N = logprobs_N * weights_V[ids_BW[:, 1:][is_learned_BW]]
    weighted_loss = -weighted_N[is_response_N].sum() / response_tokens
    gradients = torch.autograd.grad(
        weighted_loss + prompt_weight * prompt_loss, parameters, allow_unused=True
    )
    return torch.stack([prompt_loss.detach(), response_loss.detach()]).cpu(), gradients


Row = tuple[list[int], list[int]]  # token ids of a prompt and of its response


def _encoded_rows(tokenizer: PreTrainedTokenizerBase, batch: Sequence[Demonstration]) -> list[Row]:
    """Tokenize the demonstrations, append the end-of-sequence token to each response, and sort by length."""
    prompts = tokenizer([d.prompt for d in batch], add_special_tokens=False)["input_ids"]
    responses = tokenizer([d.response for d in batch], add_special_tokens=False)["input_ids"]
    rows = []
    for prompt, response in zip(prompts, responses, strict=True):
        rows.append((prompt, [*response, tokenizer.eos_token_id]))
    return sorted(rows, key=_num_tokens)


def _num_tokens(row: Row) -> int:
    return len(row[0]) + len(row[1])


def _right_pad(rows: Sequence[Row], pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return token ids and the masks of prompt and response tokens, all (B, W)."""
    width = max(map(_num_tokens, rows))
    ids_BW = torch.full((len(rows), width), pad_id)
    is_prompt_BW = torch.zeros(len(rows), width, dtype=torch.bool)
    is_response_BW = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, (prompt, response) in enumerate(rows):
        end = len(prompt) + len(response)
        ids_BW[i, :end] = torch.tensor(prompt + response)
        is_prompt_BW[i, : len(prompt)] = True
        is_response_BW[i, len(prompt) : end] = True
    return ids_BW, is_prompt_BW, is_response_BW
