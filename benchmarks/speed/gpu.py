"""Measure the GPU paths: correctness, training step, decoding, whole step.

    python -m benchmarks.speed.gpu PART --out FOLDER

`benchmarks/gpu.sh` runs all parts on a machine with a GPU. Each part writes FOLDER/PART.json after every
measurement, so that a part that is cut off loses nothing. `python -m benchmarks.speed.gpu page --out FOLDER`
makes results/bench/gpu.md from the files.

Models have random weights, because speed does not depend on them. P prompts, G rollouts per prompt, S prompt
tokens, T completion tokens, N rollouts of all prompts, W tokens of a row.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import gc
import json
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from corpo.baselines import advantages
from corpo.config import TrainConfig
from corpo.pipeline.provenance import provenance
from corpo.policy import tree_attention
from corpo.policy.logprobs import hidden_states, output_weight, token_logprobs
from corpo.policy.packing import group_logprobs
from corpo.rollout.hf import SharedPrefixEngine
from corpo.task import OrdinalReward
from corpo.tasks.verify import VerifyTask
from corpo.train.optimizer import MasterAdamW
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.files import write_text

DATASHEET_TERAFLOPS = 989  # dense bf16 of an H100 or H200 SXM, by the vendor's datasheet
ROW_TOKENS = 16_384  # tokens of a micro-batch of padded rows: more do not fit beside the largest model
TOKEN_BUDGET = 32_768  # of the whole step
PATHS = ("flex", "padded", "tree")


# --- models and inputs ---


def shaped_model(
    width: int,
    layers: int,
    heads: int,
    kv_heads: int,
    mlp: int,
    vocabulary: int,
    head_size: int | None = None,
) -> LlamaConfig:
    """Return the configuration of a Llama with tied embeddings."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_size or width // heads,
        intermediate_size=mlp,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )


MODELS = {
    "nano 60M": shaped_model(width=640, layers=12, heads=10, kv_heads=10, mlp=1728, vocabulary=1536),
    "Llama 135M": shaped_model(width=576, layers=30, heads=9, kv_heads=3, mlp=1536, vocabulary=49152),
    "Llama 0.6B": shaped_model(
        width=1024, layers=28, heads=16, kv_heads=8, mlp=3072, vocabulary=151_936, head_size=128
    ),
}
TINY_MODELS = {
    "tiny": shaped_model(width=32, layers=2, heads=2, kv_heads=1, mlp=64, vocabulary=128),
}
# Prompt tokens, completion tokens, prompts and rollouts of the micro-batch of a training step.
STEP_SHAPES = ((96, 128, 16, 16), (512, 512, 4, 16), (512, 2048, 1, 16))
TINY_STEP_SHAPES = ((10, 20, 2, 3),)
# Prompts, rollouts, prompt tokens and completion tokens that are decoded at once.
DECODE_SHAPES = ((32, 16, 96, 128), (8, 16, 512, 512))
TINY_DECODE_SHAPES = ((2, 3, 10, 12),)


def new_model(config: LlamaConfig, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    """Return a model with random weights."""
    torch.manual_seed(0)
    return LlamaForCausalLM(copy.deepcopy(config)).to(device, dtype)


def random_tokens(vocabulary: int, *shape: int) -> Tensor:
    return torch.randint(0, vocabulary, shape, generator=torch.Generator().manual_seed(0))


class NumberTokenizer:
    """A tokenizer of texts that are token numbers. Nothing ends a completion."""

    pad_token_id, eos_token_id = 0, -1

    def __call__(self, texts: list[str], add_special_tokens: bool = False) -> dict[str, list[list[int]]]:
        return {"input_ids": [list(map(int, text.split())) for text in texts]}

    def batch_decode(self, rows: Sequence[Any], skip_special_tokens: bool = True) -> list[str]:
        return [""] * len(rows)


# --- the three ways to compute log-probs ---


@contextmanager
def attention_path(path: str, device: torch.device) -> Any:
    """Let `group_logprobs` take FlexAttention or the scores in blocks."""
    before = tree_attention.FLEX_DEVICES
    tree_attention.FLEX_DEVICES = {device.type} if path == "flex" else set()
    try:
        yield
    finally:
        tree_attention.FLEX_DEVICES = before


def packed(model: PreTrainedModel, prompt_ids: list[list[int]], ids_PGT: Tensor) -> Tensor:
    """Return log-probs with one row per group."""
    return group_logprobs(model, prompt_ids, ids_PGT, torch.ones_like(ids_PGT, dtype=torch.bool))[0]


def padded(model: PreTrainedModel, prompt_ids: list[list[int]], ids_PGT: Tensor) -> Tensor:
    """Return log-probs with one row per rollout, prompts of one length, causal SDPA without a mask."""
    model.set_attn_implementation("sdpa")
    group, length = ids_PGT.shape[1:]
    prompt_PS = torch.tensor(prompt_ids, device=ids_PGT.device)
    ids_NW = torch.cat([prompt_PS.repeat_interleave(group, 0), ids_PGT.flatten(0, 1)], dim=1)
    hidden = hidden_states(model, input_ids=ids_NW)[:, -length - 1 : -1]
    logprobs, _ = token_logprobs(hidden.flatten(0, 1), output_weight(model), ids_NW[:, -length:].flatten())
    return logprobs.view(ids_PGT.shape)


def train_pass(model: PreTrainedModel, path: str, prompt_ids: list[list[int]], ids_PGT: Tensor) -> None:
    """Do forward and backward, of padded rows in micro-batches of ROW_TOKENS."""
    if path != "padded":
        packed(model, prompt_ids, ids_PGT).sum().backward()
        return
    row = len(prompt_ids[0]) + ids_PGT.shape[2]
    rollouts = max(1, min(ids_PGT.shape[1], ROW_TOKENS // row))
    prompts = max(1, ROW_TOKENS // (row * rollouts))
    for p in range(0, len(prompt_ids), prompts):
        for g in range(0, ids_PGT.shape[1], rollouts):
            part = ids_PGT[p : p + prompts, g : g + rollouts]
            padded(model, prompt_ids[p : p + prompts], part).sum().backward()


# --- measuring ---


class Record:
    """The measurements of a part, written to a file after each."""

    def __init__(self, part: str, options: argparse.Namespace) -> None:
        self.path = Path(options.out) / f"{part}.json"
        self.deadline = time.monotonic() + options.seconds
        self.content: dict[str, Any] = {"part": part, "tiny": options.tiny, **provenance(), "rows": []}
        self._write()

    def add(self, row: dict[str, Any], work: Callable[[], dict[str, Any]]) -> None:
        """Measure one thing unless the time is over. An error is recorded and stops no other measurement."""
        if time.monotonic() > self.deadline:
            row = {**row, "skipped": "the time of this part was over"}
        else:
            started = time.monotonic()
            try:
                row = {**row, **work()}
            except Exception as error:
                row = {**row, "error": f"{type(error).__name__}: {str(error)[:600]}"}
            row["spent"] = round(time.monotonic() - started, 1)
        self.content["rows"].append(row)
        print(json.dumps(row), flush=True)
        self._write()
        free_memory()

    def _write(self) -> None:
        write_text(self.path, json.dumps(self.content, indent=1) + "\n")


def free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def seconds_of(work: Callable[[], object], repeats: int) -> list[float]:
    """Return the seconds of each repeat, after one that warms up."""
    seconds = []
    for _ in range(repeats + 1):
        _synchronize()
        started = time.perf_counter()
        work()
        _synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _peak_gib() -> float | None:
    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None


# --- part: equality ---


def equality(options: argparse.Namespace, device: torch.device) -> None:
    """Compare each path with separate rows in float64, and static decoding with the eager loop."""
    record = Record("equality", options)
    head_shapes = {
        "4 heads of 32": (4, 4, 32),
        "9 over 3 heads of 64": (9, 3, 64),
        "4 over 2 heads of 128": (4, 2, 128),
    }
    for name, (heads, kv_heads, size) in head_shapes.items():
        config = shaped_model(
            width=heads * size,
            layers=2,
            heads=heads,
            kv_heads=kv_heads,
            mlp=256,
            vocabulary=512,
            head_size=size,
        )
        for dtype in (torch.float32, torch.bfloat16):
            about = {"heads": name, "dtype": str(dtype).removeprefix("torch.")}
            record.add(about, partial(errors_of_paths, config, device, dtype))
            record.add(
                {**about, "decoding": "static against eager"}, partial(decoding_agrees, config, device, dtype)
            )


def errors_of_paths(config: LlamaConfig, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Return the relative errors, ||x - reference|| / ||reference||, of log-probs and gradients."""
    generator = torch.Generator().manual_seed(1)
    prompt_ids = [torch.randint(0, 512, (n,), generator=generator).tolist() for n in (37, 150, 5)]
    ids_PGT = torch.randint(0, 512, (3, 5, 200), generator=generator).to(device)
    lengths_PG = torch.randint(1, 201, (3, 5), generator=generator).to(device)
    mask_PGT = torch.arange(200, device=device) < lengths_PG[..., None]
    slope_PGT = torch.randn(ids_PGT.shape, generator=generator).to(device) * mask_PGT
    model = new_model(config, device, dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)  # sharper attention
    reference = _with_gradients(
        copy.deepcopy(model).double(), _separate_rows, prompt_ids, ids_PGT, mask_PGT, slope_PGT
    )
    result: dict[str, Any] = {}
    for path in ("flex", "tree"):
        if path == "flex" and device.type == "cpu":
            continue  # its backward pass is not implemented on CPUs
        with attention_path(path, device):
            values = _with_gradients(model, _group_rows, prompt_ids, ids_PGT, mask_PGT, slope_PGT)
        result[path] = _relative_errors(values, reference)
    values = _with_gradients(model, _separate_rows, prompt_ids, ids_PGT, mask_PGT, slope_PGT)
    result["separate rows"] = _relative_errors(values, reference)
    return result


def _group_rows(
    model: PreTrainedModel, prompt_ids: list[list[int]], ids_PGT: Tensor, mask_PGT: Tensor
) -> Tensor:
    return group_logprobs(model, prompt_ids, ids_PGT, mask_PGT)[0]


def _separate_rows(
    model: PreTrainedModel, prompt_ids: list[list[int]], ids_PGT: Tensor, mask_PGT: Tensor
) -> Tensor:
    """Return log-probs with a row per rollout, one row at a time, through whole logits."""
    model.set_attn_implementation("sdpa")
    rows = []
    for prompt, group in zip(prompt_ids, ids_PGT, strict=True):
        for completion in group:
            ids = torch.cat([torch.tensor(prompt, device=completion.device), completion])[None]
            logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
            logp = torch.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), -1)
            rows.append(logp.gather(-1, completion[:, None]).squeeze(-1))
    return torch.stack(rows).view(ids_PGT.shape) * mask_PGT


def _with_gradients(
    model: PreTrainedModel,
    compute: Callable[..., Tensor],
    prompt_ids: list[list[int]],
    ids_PGT: Tensor,
    mask_PGT: Tensor,
    slope_PGT: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return log-probs and the gradient of their weighted sum, flat, both in float64."""
    model.zero_grad()
    logprobs_PGT = compute(model, prompt_ids, ids_PGT, mask_PGT)
    (logprobs_PGT * slope_PGT).sum().backward()
    gradients = [p.grad.double().flatten() for p in model.parameters() if p.grad is not None]
    return logprobs_PGT.detach().double(), torch.cat(gradients)


def _relative_errors(values: tuple[Tensor, Tensor], reference: tuple[Tensor, Tensor]) -> dict[str, float]:
    names = ("logprobs", "gradient")
    pairs = zip(names, values, reference, strict=True)
    return {name: float((value - exact).norm() / exact.norm()) for name, value, exact in pairs}


def decoding_agrees(config: LlamaConfig, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Return the share of tokens that static and eager decoding both sample, and the largest log-prob gap.

    After a first different token a rollout goes its own way, so only tokens up to there are compared.
    """
    model = new_model(config, device, dtype)
    prompts = [" ".join(map(str, random_tokens(512, length).tolist())) for length in (37, 150, 5)]
    engine = SharedPrefixEngine(model, NumberTokenizer(), max_new_tokens=150, static=False)
    eager = engine.generate(prompts, group=5, seed=0)
    static = dataclasses.replace(engine, static=True).generate(prompts, group=5, seed=0)
    same = (eager.completion_ids_PGT == static.completion_ids_PGT).int().cumprod(-1).bool()
    gap = (eager.logprobs_PGT - static.logprobs_PGT).abs()[same]
    return {"same_tokens": float(same.float().mean()), "largest_gap": float(gap.max())}


# --- part: training step ---


def steps(
    options: argparse.Namespace, device: torch.device, part: str = "steps", paths: Sequence[str] = PATHS
) -> None:
    """Measure forward and backward of a micro-batch: seconds, tokens, MFU, peak memory."""
    record = Record(part, options)
    record.add({"matmul": "8192 x 8192 x 8192, bf16"}, partial(matmul_teraflops, device, options.tiny))
    models = TINY_MODELS if options.tiny else MODELS
    shapes = TINY_STEP_SHAPES if options.tiny else STEP_SHAPES
    dtype = torch.bfloat16
    for path in paths:
        for name, config in models.items():
            for shape in shapes:
                prompt, completion, prompts, group = shape
                if name == "Llama 0.6B":  # a group of 16 x 2,048 tokens does not fit beside its activations
                    group = 8
                about = {"model": name, "path": path, "S": prompt, "T": completion, "P": prompts, "G": group}
                repeats = 1 if path == "tree" else options.repeats
                record.add(about, partial(measure_step, config, about, device, dtype, repeats))


def compiled(options: argparse.Namespace, device: torch.device) -> None:
    """Measure what compiling each layer of the model adds to FlexAttention."""
    steps(options, device, "compiled", ("compiled",))


def measure_step(
    config: LlamaConfig, about: dict[str, Any], device: torch.device, dtype: torch.dtype, repeats: int
) -> dict[str, Any]:
    """Measure one path. MFU is 6 x parameters x tokens of this path, over time and the datasheet's peak."""
    path, prompts, group, prompt, completion = (about[key] for key in ("path", "P", "G", "S", "T"))
    model = new_model(config, device, dtype)
    prompt_ids = random_tokens(config.vocab_size, prompts, prompt).tolist()
    ids_PGT = random_tokens(config.vocab_size, prompts, group, completion).to(device)
    if path == "compiled":
        if device.type == "cpu":
            return {"error": "FlexAttention has no backward pass on CPUs"}
        for layer in model.model.layers:
            layer.compile(dynamic=True)
    elif path == "flex" and device.type == "cpu":
        return {"error": "FlexAttention has no backward pass on CPUs"}

    def work() -> None:
        model.zero_grad()
        train_pass(model, path, prompt_ids, ids_PGT)

    started = time.perf_counter()
    with attention_path("flex" if path == "compiled" else path, device):
        seconds = seconds_of(work, repeats)
    warm_up = time.perf_counter() - started - sum(seconds)
    rows = group * (prompt + completion) if path == "padded" else prompt + group * completion
    tokens = prompts * rows
    flops = 6 * model.num_parameters() * tokens
    return {
        "seconds": median(seconds),
        "range": [min(seconds), max(seconds)],
        "warm_up": round(warm_up, 1),
        "tokens": tokens,
        "completion_tokens_per_second": prompts * group * completion / median(seconds),
        "parameters": model.num_parameters(),
        "mfu": flops / median(seconds) / (DATASHEET_TERAFLOPS * 1e12),
        "peak_gib": _peak_gib(),
    }


def matmul_teraflops(device: torch.device, tiny: bool) -> dict[str, Any]:
    """Return the rate of a large bf16 matrix product of random numbers: what this card reaches."""
    size = 256 if tiny else 8192
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = seconds_of(lambda: [a @ b for _ in range(10)], 3)
    return {"teraflops": 10 * 2 * size**3 / median(seconds) / 1e12}


# --- part: decoding ---


def decode(options: argparse.Namespace, device: torch.device) -> None:
    """Measure tokens per second of whole `generate` calls: captured graphs against the eager loop."""
    record = Record("decode", options)
    models = TINY_MODELS if options.tiny else MODELS
    for shape in TINY_DECODE_SHAPES if options.tiny else DECODE_SHAPES:
        prompts, group, prompt, completion = shape
        for name, config in models.items():
            for static in (True, False):
                about = {
                    "model": name,
                    "static": static,
                    "P": prompts,
                    "G": group,
                    "S": prompt,
                    "T": completion,
                }
                record.add(about, partial(measure_decoding, config, about, device, 2 if static else 1))


def measure_decoding(
    config: LlamaConfig, about: dict[str, Any], device: torch.device, repeats: int
) -> dict[str, Any]:
    prompts, group, prompt, completion = (about[key] for key in ("P", "G", "S", "T"))
    model = new_model(config, device, torch.bfloat16)
    engine = SharedPrefixEngine(model, NumberTokenizer(), completion, static=about["static"])
    texts = number_texts(config.vocab_size, prompts, prompt)
    seconds = seconds_of(lambda: engine.generate(texts, group, seed=0), repeats)
    tokens = prompts * group * completion
    return {
        "seconds": median(seconds),
        "tokens_per_second": tokens / median(seconds),
        "milliseconds_per_token_step": 1000 * median(seconds) / completion,
        "peak_gib": _peak_gib(),
    }


def number_texts(vocabulary: int, prompts: int, length: int) -> list[str]:
    return [" ".join(map(str, row)) for row in random_tokens(vocabulary, prompts, length).tolist()]


# --- part: whole step ---


def whole(options: argparse.Namespace, device: torch.device) -> None:
    """Measure rollouts and update of a step of 32 prompts x 16 rollouts, with new and with earlier paths."""
    record = Record("whole", options)
    names = ["tiny"] if options.tiny else ["nano 60M", "Llama 135M"]
    prompts, group, prompt, completion = (2, 4, 10, 12) if options.tiny else (32, 16, 96, 128)
    for name in names:
        for new in (True, False):
            about = {"model": name, "new": new, "P": prompts, "G": group, "S": prompt, "T": completion}
            record.add(about, partial(measure_whole_step, {**TINY_MODELS, **MODELS}[name], about, device))


def measure_whole_step(config: LlamaConfig, about: dict[str, Any], device: torch.device) -> dict[str, Any]:
    prompts, group, prompt, completion = (about[key] for key in ("P", "G", "S", "T"))
    model = new_model(config, device, torch.bfloat16)
    engine = SharedPrefixEngine(model, NumberTokenizer(), completion, static=about["new"])
    train = TrainConfig(prompts_per_step=prompts, group_size=group, lr=1e-6, token_budget=TOKEN_BUDGET)
    learner = PolicyGradientTrainer(
        model,
        engine.tokenizer,
        engine,
        task=VerifyTask(OrdinalReward()),
        baseline="corpo",
        options={},
        render=lambda pair: "",
        config=train,
        seed=0,
    )
    texts = number_texts(config.vocab_size, prompts, prompt)
    generator = torch.Generator().manual_seed(0)
    parts: dict[str, list[float]] = {"rollouts": [], "update": []}
    path = "flex" if about["new"] and device.type == "cuda" else "tree"
    with attention_path(path, device):
        for step in range(4):
            _synchronize()
            started = time.perf_counter()
            rollouts = engine.generate(texts, group, seed=step)
            _synchronize()
            sampled = time.perf_counter()
            rewards_PG = torch.rand(prompts, group, generator=generator)
            learner.update(rollouts, advantages(rewards_PG, "corpo", threshold=0.5), lr=1e-6)
            _synchronize()
            parts["rollouts"].append(sampled - started)
            parts["update"].append(time.perf_counter() - sampled)
    optimizer = MasterAdamW(model)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    _synchronize()
    started = time.perf_counter()
    optimizer.step(0.0, 1.0)
    _synchronize()
    return {
        **{f"{name}_seconds": median(seconds[1:]) for name, seconds in parts.items()},
        "optimizer_seconds": time.perf_counter() - started,
        "peak_gib": _peak_gib(),
    }


PARTS = {"equality": equality, "steps": steps, "decode": decode, "whole": whole, "compiled": compiled}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=(*PARTS, "page"))
    parser.add_argument("--out", type=Path, help="the folder of the JSON files")
    parser.add_argument("--commit", help="of the page: what was measured, if the machine had no git")
    parser.add_argument(
        "--seconds", type=float, default=600, help="start no further measurement after this time"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--tiny", action="store_true", help="sizes that a CPU runs in seconds; figures mean nothing"
    )
    options = parser.parse_args()
    if options.part == "page":
        from benchmarks.speed.gpu_page import collect, write_page

        if options.out:
            collect(options.out, options.commit)
        print(write_page())
        return
    options.out = options.out or Path("outputs/gpu")
    options.out.mkdir(parents=True, exist_ok=True)
    torch._dynamo.config.recompile_limit = 64  # several models in one process
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    PARTS[options.part](options, device)


if __name__ == "__main__":
    main()
