"""A training step of ours as groups, prompts and token budget grow: speed, share of the matmul peak, peak memory. `python -m benchmarks.speed.step`

Every row is measured in a process of its own, which does one step to warm up and one that counts. Memory is the process's peak
resident size above what it had with model, optimiser and rollouts in place.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import matplotlib
import torch

from benchmarks.speed.against_trl import NEVER, ROOT, SMOLLM2, prompts
from corpo.baselines import advantages
from corpo.config import ModelConfig, TrainConfig
from corpo.pipeline.stage import provenance
from corpo.policy.load import load_policy
from corpo.policy.packaged import unpacked
from corpo.rollout.hf import SharedPrefixEngine
from corpo.task import OrdinalReward
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.files import write_text
from corpo.utils.markdown import table

matplotlib.use("Agg")
COMPLETION, WORK = 32, 4096  # tokens of a completion; packed tokens of a step, about
GROUPS, PROMPTS, BUDGETS = (4, 8, 16, 32, 64), (128, 256, 512, 1024, 2048), (1024, 2048, 4096)
SETTINGS = (
    *((96, group, 2048) for group in GROUPS),
    *((prompt, 16, 2048) for prompt in PROMPTS),
    *((96, 16, budget) for budget in BUDGETS),
)


def measure(path: str, prompt: int, group: int, budget: int) -> dict[str, float]:
    """One row: `prompt` tokens, `group` rollouts of COMPLETION tokens, as many prompts as make WORK packed tokens."""
    model, tokenizer = load_policy(ModelConfig(), path)
    tokenizer.eos_token = NEVER
    count = max(1, round(WORK / (prompt + group * COMPLETION)))
    engine = SharedPrefixEngine(model, tokenizer, COMPLETION)
    learner = PolicyGradientTrainer(
        model,
        tokenizer,
        engine,
        OrdinalReward(),
        "corpo",
        {},
        lambda pair: "",
        TrainConfig(group_size=group, token_budget=budget),
        seed=0,
    )
    texts = prompts(tokenizer, count, prompt)
    rewards_PG = torch.rand(count, group, generator=torch.Generator().manual_seed(0))
    advantages_PG = advantages(rewards_PG, "corpo", threshold=0.5)
    engine.generate(texts[:1], group, seed=0)
    started = time.perf_counter()
    rollouts = engine.generate(texts, group, seed=0)
    sampled = time.perf_counter()
    ctypes.CDLL(None).malloc_trim(0)  # give back what sampling left free
    before = _resident()
    learner.update(rollouts, advantages_PG, lr=0.0)
    warm = time.perf_counter()
    learner.update(rollouts, advantages_PG, lr=0.0)
    done = time.perf_counter()
    chunks = list(learner._micro_batches(rollouts, range(count)))
    tokens = sum(map(len, rollouts.prompt_ids)) + int(rollouts.mask_PGT.sum())
    flops = 6 * model.num_parameters() * tokens
    return {
        "prompts": count,
        "tokens": tokens,
        "sampling": sampled - started,
        "update": done - warm,
        "micro_batch": max(
            len(chunk) * len(rollouts.prompt_ids[chunk[-1]]) + int(rollouts.mask_PGT[chunk].sum())
            for chunk in chunks
        ),
        "mfu": flops / (done - warm) / _peak_flops(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 - before,
    }


def _resident() -> float:
    """GiB of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**30


def _peak_flops() -> float:
    """Of a bf16 matrix product of the size that a layer's is, the best of several."""
    a, b = torch.randn(2048, 576).bfloat16(), torch.randn(576, 1536).bfloat16()
    best = float("inf")
    for _ in range(50):
        started = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - started)
    return 2 * 2048 * 576 * 1536 / best


def figure(results: dict[tuple[int, int, int], dict[str, float]], path: Path) -> None:
    """Memory by the tokens of a micro-batch, speed by group and by prompt."""
    from matplotlib import pyplot as plt

    series = {
        "G = 4 to 64": ("o", "#b2182b", [(96, g, 2048) for g in GROUPS]),
        "prompts of 128 to 2,048": ("s", "#2166ac", [(p, 16, 2048) for p in PROMPTS]),
        "token budget 1,024 to 4,096": ("^", "#4d9221", [(96, 16, b) for b in BUDGETS]),
    }
    fig, (memory, by_group, by_prompt) = plt.subplots(
        1, 3, figsize=(10, 3.2), constrained_layout=True, width_ratios=(1.4, 1, 1)
    )
    for label, (marker, colour, settings) in series.items():
        memory.plot(
            [results[at]["micro_batch"] for at in settings],
            [results[at]["memory"] for at in settings],
            marker,
            color=colour,
            label=label,
            alpha=0.8,
        )
    memory.set_xlabel("tokens of the largest micro-batch")
    memory.set_ylabel("peak memory of an update, GiB")
    memory.legend(frameon=False, fontsize="small")
    memory.set_xlim(left=0)
    speed = lambda at: results[at]["tokens"] / results[at]["update"]
    top = 1.1 * max(map(speed, results))
    for axis, label, xs, settings in (
        (by_group, "rollouts of a prompt, G", GROUPS, series["G = 4 to 64"][2]),
        (by_prompt, "prompt tokens (G = 16)", PROMPTS, series["prompts of 128 to 2,048"][2]),
    ):
        axis.plot(xs, [speed(at) for at in settings], "o-", color="#444444")
        axis.set_xscale("log", base=2)
        axis.set_xticks(xs, [f"{x:,}" for x in xs])
        axis.minorticks_off()
        axis.set_xlabel(label)
        axis.set_ylim(0, top)
    by_group.set_ylabel("packed tokens a second")
    memory.set_ylim(bottom=0)
    for axis in (memory, by_group, by_prompt):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
    fig.savefig(path, dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help="prompt,group,budget: measure one row and print it as JSON")
    parser.add_argument("--model", help="a folder or hub id (default: the packaged SmolLM2-135M)")
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/step.md")
    options = parser.parse_args()
    path = options.model or str(unpacked(SMOLLM2, ROOT / "outputs/models"))
    if options.one:
        print(json.dumps(measure(path, *map(int, options.one.split(",")))))
        return
    results: dict[tuple[int, int, int], dict[str, float]] = {}
    for setting in dict.fromkeys(SETTINGS):
        command = [
            sys.executable,
            "-m",
            "benchmarks.speed.step",
            "--model",
            path,
            "--one",
            ",".join(map(str, setting)),
        ]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        results[setting] = json.loads(done.stdout.splitlines()[-1])
        print(setting, results[setting], file=sys.stderr, flush=True)
    header = (
        "prompt",
        "G",
        "token budget",
        "prompts",
        "packed tokens",
        "rollouts/s",
        "update, s",
        "tokens/s",
        "MFU",
        "micro-batch, tokens",
        "peak memory, GiB",
    )
    rows = [
        (
            *map(str, setting),
            f"{row['prompts']:.0f}",
            f"{row['tokens']:.0f}",
            f"{row['prompts'] * setting[1] / row['sampling']:.1f}",
            f"{row['update']:.2f}",
            f"{row['tokens'] / row['update']:.0f}",
            f"{100 * row['mfu']:.0f}%",
            f"{row['micro_batch']:.0f}",
            f"{row['memory']:.2f}",
        )
        for setting, row in results.items()
    ]
    text = f"""# A training step as groups, prompts and token budget grow

{Path(path).name}, bf16, completions of {COMPLETION} tokens, one step each after one to warm up.
Memory: the process's peak above what it held before the update.
MFU: 6 x parameters x packed tokens a second, as a share of this machine's measured bf16 matmul peak.
A prompt's group is one row, and a micro-batch at least one row: where that is longer than the token budget (G = 64; prompts of 2,048) it sets the memory.
{"; ".join(f"{key} {value}" for key, value in provenance().items())}. `python -m benchmarks.speed.step`

{table(header, rows)}

![Peak memory and speed]({options.out.stem}.png)
"""
    write_text(options.out, text)
    figure(results, options.out.with_suffix(".png"))
    print(text)


if __name__ == "__main__":
    main()
