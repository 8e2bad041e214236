"""A study on noisy synthetic records, for tests of its analysis and of its figures."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pandas as pd
import torch

from corpo.analysis.study import MEMORY, Run, Study
from corpo.baselines import advantages
from corpo.data.pairing.splits import OUT_OF_DOMAIN

SPLITS = ("code_first_correct", "code_second_correct", *OUT_OF_DOMAIN)
LABELS = {
    "first_correct": (True, False),
    "second_correct": (False, True),
    "both_wrong": (False, False),
    "both_correct": (True, True),
}
_WRONG_SIDES = ((True, False), (False, True))
REWARDS = [-1.0, -0.6, -0.2, 0.2, 0.6, 1.0]


@cache  # many tests need the same one, and none changes it
def synthetic_study(seeds: int, shift: float) -> Study:
    """Return runs of GRPO, static and CoRPO; CoRPO passes `shift` more of the rollouts on every split."""
    rng = np.random.default_rng(3)
    prompts = list(itertools.product(SPLITS, range(40)))
    difficulty_P = rng.uniform(0.2, 0.6, len(prompts))
    runs = []
    for seed in range(seeds):
        for baseline in ("grpo", "static", "corpo"):
            rewards = {step: rng.choice(REWARDS, (8, 8)) for step in range(1, 13)}
            rows = []
            for step, rewards_PG in rewards.items():
                rows.append(_metrics(rng, seed, baseline, step, rewards_PG))
            gain = shift if baseline == "corpo" else 0.0
            rollouts = _rollouts(rng, prompts, difficulty_P + gain)
            runs.append(Run(baseline, seed, pd.DataFrame(rows), rewards, rollouts, rewards))
    shortcuts = {"split": SPLITS, "prompts": 40, "problems": 40, "length": 0.5, "words": 0.5}
    bases = {0: _rollouts(rng, prompts, difficulty_P)}
    floors = {MEMORY: _rollouts(rng, prompts, np.full(len(prompts), 0.25))}
    return Study(bases, runs, 0.0, [1, 16], pd.DataFrame(shortcuts), floors)


def _rollouts(
    rng: np.random.Generator, prompts: list[tuple[str, int]], pass_rate_P: np.ndarray
) -> pd.DataFrame:
    """Return 16 rollouts per prompt. A wrong verdict has the wrong score for A or for B."""
    correct_PG = rng.random((len(prompts), 16)) < pass_rate_P[:, None]
    wrong_sides_PG = rng.integers(len(_WRONG_SIDES), size=correct_PG.shape)
    rows = []
    for index, (split, problem) in enumerate(prompts):
        prompt = {
            "prompt_id": f"{index:05d}",
            "split": split,
            "pair_id": index,
            "problem_id": f"{split[:4]}{problem}",
            "family": "f",
            "kind": split[5:],
            "parsed": True,
        }
        labels = LABELS[split[5:]]
        for correct, sides in zip(correct_PG[index], wrong_sides_PG[index], strict=True):
            scores = []
            for label, is_wrong in zip(labels, _WRONG_SIDES[sides], strict=True):
                scores.append(9 if label is not (is_wrong and not correct) else 1)
            verdict = {"score_a": scores[0], "score_b": scores[1], "label_a": labels[0], "label_b": labels[1]}
            rows.append({**prompt, **verdict, "correct": correct, "reward": 0.0})
    return pd.DataFrame(rows)


def _metrics(
    rng: np.random.Generator, seed: int, baseline: str, step: int, rewards_PG: np.ndarray
) -> dict[str, float]:
    """Return the metrics of one training step."""
    advantages_PG = advantages(torch.tensor(rewards_PG), baseline, threshold=0.0).numpy()
    return {
        "step": step,
        "failed_positive_fraction": (advantages_PG[rewards_PG < 0] > 0).mean(),
        "pass_rate": (rewards_PG >= 0).mean(),
        "zero_advantage_fraction": 0.0,
        "tokens_mean": 10.0,
        "lr": 0.1,
        "positive_count": (advantages_PG > 0).sum(),
        "negative_count": (advantages_PG < 0).sum(),
        "clip_active_fraction": (rewards_PG.mean(1) < 0).mean(),
        "update_norm": rng.normal(1, 0.001),
        "grad_norm": rng.normal(1, 0.001),
        "update_seconds": rng.normal(1, 0.001),
        "validation/pass@1": 0.5 + rng.normal(0, 0.01),
        "validation/kl_from_start": 2.0 + seed / 100,
        **_validation(seed, step),
        **_failures(rewards_PG, advantages_PG),
    }


def _validation(seed: int, step: int) -> dict[str, float]:
    """Return measures of validation that grow or fall by step and differ by seed."""
    progress, offset = step / 12, seed / 100
    return {
        "validation/pass@1/unseen": 0.4 + 0.1 * progress + offset,
        "validation/pass@1/both_correct": 0.3 - 0.2 * progress + offset,
        "validation/pass@1/both_wrong": 0.4 - 0.1 * progress + offset,
        "validation/pass@1/math": 0.5 + 0.1 * progress + offset,
        "validation/auc_a": 0.7 + 0.1 * progress + offset,
        "validation/auc_b": 0.6 + 0.1 * progress + offset,
        "validation/auc_a/unseen": 0.6 + 0.1 * progress + offset,
        "validation/auc_b/unseen": 0.5 + 0.1 * progress + offset,
        "validation/auc_a/homogeneous": 0.6 + 0.1 * progress + offset,
        "validation/auc_b/homogeneous": 0.5 + 0.1 * progress + offset,
        "validation/exactly_one": 0.5 + 0.3 * progress + offset,
        "validation/traced": 0.6 + 0.2 * progress + offset,
        "validation/follows": 0.9,
    }


def _failures(rewards_PG: np.ndarray, advantages_PG: np.ndarray) -> dict[str, float]:
    """Return the failures by verdict, as if each of the rewards below 0 belonged to one verdict."""
    counts: dict[str, float] = {"failed_unparseable": 0, "rewarded_unparseable": 0}
    for verdict, reward in (("swapped", -1.0), ("both_wrong", -0.6), ("both_correct", -0.2)):
        has_verdict_PG = rewards_PG == reward
        counts[f"failed_{verdict}"] = has_verdict_PG.sum()
        counts[f"rewarded_{verdict}"] = (has_verdict_PG & (advantages_PG > 0)).sum()
    return counts
