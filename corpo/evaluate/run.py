"""Roll a policy out on evaluation pairs and keep every rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from corpo.files import write_atomically
from corpo.progress import progress
from corpo.rollout import RolloutEngine, Rollouts
from corpo.rollout.judge import judge
from corpo.task import Pair, Reward, Verdict

PART = 64  # prompts between two savings


def roll_out(
    pairs: Sequence[tuple[str, Pair]],
    engine: RolloutEngine,
    render: Callable[[Pair], str],
    reward: Reward,
    group: int,
    seed: int,
    folder: Path,
    title: str,
) -> pd.DataFrame:
    """One row per rollout: split, prompt, labels, scores, reward, response. `swapped` tells a pair's two orders apart.

    Kept in `folder` part by part, and gone on with from there.
    """
    prompts = [render(pair) for _, pair in pairs]
    by_length = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))  # an engine pads neighbours little
    parts = {folder / f"part-{start:06d}.parquet": by_length[start : start + PART] for start in range(0, len(prompts), PART)}
    with progress(title, len(prompts), sum(len(numbers) for path, numbers in parts.items() if path.exists())) as advance:
        for path, numbers in parts.items():
            if not path.exists():
                rollouts = engine.generate([prompts[number] for number in numbers], group, seed, numbers, advance)
                write_atomically(path, _table(numbers, [pairs[number] for number in numbers], rollouts, reward).to_parquet)
    return pd.concat([pd.read_parquet(path) for path in parts]).sort_values(["prompt_id", "rollout"], ignore_index=True)


def _table(numbers: Sequence[int], pairs: Sequence[tuple[str, Pair]], rollouts: Rollouts, reward: Reward) -> pd.DataFrame:
    judged = judge(rollouts.texts_PG, [pair for _, pair in pairs], reward)
    rows = []
    for at, (number, (split, pair)) in enumerate(zip(numbers, pairs, strict=True)):
        for g, (verdict, text) in enumerate(zip(judged.verdicts_PG[at], rollouts.texts_PG[at], strict=True)):
            rows.append(
                {
                    "split": split,
                    "prompt_id": prompt_id(number),
                    "pair_id": pair.id,
                    "swapped": pair.a.text > pair.b.text,
                    "problem_id": pair.problem.id,
                    "family": pair.problem.family,
                    "kind": str(pair.kind),
                    "label_a": pair.a.correct,
                    "label_b": pair.b.correct,
                    "score_a": verdict.score_a if isinstance(verdict, Verdict) else float("nan"),
                    "score_b": verdict.score_b if isinstance(verdict, Verdict) else float("nan"),
                    "parsed": isinstance(verdict, Verdict),
                    "correct": isinstance(verdict, Verdict) and verdict.correct(pair.labels),
                    "reward": float(judged.rewards_PG[at, g]),
                    "rollout": g,
                    "tokens": int(rollouts.lengths_PG[at, g]),
                    "response": text,
                }
            )
    return pd.DataFrame(rows)


def prompt_id(number: int) -> str:
    """Of the prompt that was evaluated as the `number`-th, from 0."""
    return f"{number:05d}"
