"""A tiny trainer on an untrained policy, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from corpo.config import NanoConfig, TrainConfig
from corpo.policy.nano import new_model, train_tokenizer
from corpo.rollout.hf import SharedPrefixEngine
from corpo.task import Candidate, Domain, OrdinalReward, Pair, Problem, render_prompt
from corpo.tasks.verify import VerifyTask
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.files import read_jsonl


def example_pairs(count: int) -> list[Pair]:
    """Return `count` pairs, each followed by its swapped twin."""
    pairs = []
    for i in range(count):
        problem = Problem(str(i), Domain.code, "family", "topic", f"Return {i}.")
        correct = Candidate(f"return {i}", True, "reference")
        wrong = Candidate(f"return {i + 1}", False, "constant")
        pair = Pair(problem, correct, wrong)
        pairs += [pair, pair.swapped()]
    return pairs


def reversal_pair() -> Pair:
    """Return a pair of `data=pipelines`: A reverses a list as it should, and B drops its first value."""
    problem = Problem("reversed", Domain.code, "code_seen_1", "seen", "reversed: f([1, 2]) == [2, 1]")
    correct = Candidate("def f(xs):\n    xs = xs[::-1]\n    return xs", True, "reference")
    wrong = Candidate("def f(xs):\n    xs = xs[1:]\n    return xs", False, "operator", line=2)
    return Pair(problem, correct, wrong)


def tiny_trainer(
    dtype: torch.dtype = torch.float32, baseline: str = "grpo", **options: Any
) -> PolicyGradientTrainer:
    """Return a trainer of an untrained policy; `options` are those of TrainConfig."""
    texts = [render_prompt(pair) + "<think></think> A: 9 B: 1" for pair in example_pairs(4)]
    tokenizer = train_tokenizer(texts * 5, 330)
    torch.manual_seed(0)
    model = new_model(NanoConfig(width=32, layers=2, heads=2, mlp=64), tokenizer).to(dtype)
    defaults: dict[str, Any] = {
        "steps": 4,
        "prompts_per_step": 4,
        "group_size": 4,
        "validate_every": 2,
        "checkpoint_every": 1,
        "warmup_steps": 1,
        "lr": 1e-3,
    }
    config = TrainConfig(**{**defaults, **options})
    engine = SharedPrefixEngine(model, tokenizer, max_new_tokens=6)
    return PolicyGradientTrainer(
        model,
        tokenizer,
        engine,
        task=VerifyTask(OrdinalReward()),
        baseline=baseline,
        options={},
        render=render_prompt,
        config=config,
        seed=0,
    )


def weights_of(trainer: PolicyGradientTrainer) -> dict[str, torch.Tensor]:
    """Return a copy of the weights by name."""
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def metrics_without_seconds(folder: Path) -> list[dict[str, Any]]:
    """Return the records of `metrics.jsonl` without the durations, which differ between runs."""
    records = []
    for record in read_jsonl(folder / "metrics.jsonl"):
        records.append({name: value for name, value in record.items() if not name.endswith("seconds")})
    return records
