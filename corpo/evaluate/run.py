"""Roll a policy out on evaluation pairs and keep every rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from corpo.progress import progress
from corpo.rollout import RolloutEngine
from corpo.rollout.judge import judge
from corpo.task import Pair, Reward, Verdict


def roll_out(
    pairs: Sequence[tuple[str, Pair]], engine: RolloutEngine, render: Callable[[Pair], str], reward: Reward, group: int, seed: int, title: str
) -> pd.DataFrame:
    """One row per rollout: split, prompt, labels, scores, reward, response. `swapped` tells a pair's two orders apart."""
    with progress(title, len(pairs)) as advance:
        rollouts = engine.generate([render(pair) for _, pair in pairs], group, seed, advance=advance)
    judged = judge(rollouts.texts_PG, [pair for _, pair in pairs], reward)
    rows = []
    for number, (split, pair) in enumerate(pairs):
        for g in range(group):
            verdict, text = judged.verdicts_PG[number][g], rollouts.texts_PG[number][g]
            parsed = isinstance(verdict, Verdict)
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
                    "parsed": parsed,
                    "correct": isinstance(verdict, Verdict) and verdict.correct(pair.labels),
                    "reward": float(judged.rewards_PG[number, g]),
                    "rollout": g,
                    "response": text,
                }
            )
    return pd.DataFrame(rows)


def prompt_id(number: int) -> str:
    """Of the prompt that was evaluated as the `number`-th, from 0."""
    return f"{number:05d}"
