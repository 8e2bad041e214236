"""Roll a policy out on evaluation pairs and keep every rollout."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from corpo.rollout import RolloutEngine
from corpo.task import Pair, Reward, Verdict
from corpo.task.grade import grade
from corpo.utils.files import write_atomically
from corpo.utils.progress import Advance, progress

log = logging.getLogger(__name__)

PART = 64  # prompts between two savings


def roll_out(
    pairs: Sequence[tuple[str, Pair]],
    engine: RolloutEngine,
    render: Callable[[Pair], str],
    fits: Callable[[str], bool],
    reward: Reward,
    group: int,
    seed: int,
    folder: Path,
    title: str,
) -> pd.DataFrame:
    """One row per rollout: split, prompt, labels, scores, reward, response. `swapped` tells a pair's two orders apart.

    Kept in `folder` part by part, and gone on with from there. A prompt that does not fit the model gets empty responses, which fail.
    """
    prompts = [render(pair) for _, pair in pairs]
    by_length = sorted(
        range(len(prompts)), key=lambda number: len(prompts[number])
    )  # an engine pads neighbours little
    parts = {
        folder / f"part-{start:06d}.parquet": by_length[start : start + PART]
        for start in range(0, len(prompts), PART)
    }
    with progress(
        title, len(prompts), sum(len(numbers) for path, numbers in parts.items() if path.exists())
    ) as advance:
        for path, numbers in parts.items():
            if not path.exists():
                answers_PG = _answers(engine, prompts, numbers, fits, group, seed, advance)
                write_atomically(
                    path,
                    _table(numbers, [pairs[number] for number in numbers], answers_PG, reward).to_parquet,
                )
    if too_long := sum(not fits(prompt) for prompt in prompts):
        log.warning(
            "%s: %d of %d prompts are too long for the model and count as failed",
            title,
            too_long,
            len(prompts),
        )
    return pd.concat([pd.read_parquet(path) for path in parts]).sort_values(
        ["prompt_id", "rollout"], ignore_index=True
    )


def _answers(
    engine: RolloutEngine,
    prompts: Sequence[str],
    numbers: Sequence[int],
    fits: Callable[[str], bool],
    group: int,
    seed: int,
    advance: Advance,
) -> list[list[tuple[str, int]]]:
    """A group of responses with their tokens for each of some prompts, by number; empty ones where the prompt does not fit."""
    asked = [number for number in numbers if fits(prompts[number])]
    answers = {}
    if asked:
        rollouts = engine.generate([prompts[number] for number in asked], group, seed, asked, advance)
        for number, texts, lengths in zip(
            asked, rollouts.texts_PG, rollouts.lengths_PG.tolist(), strict=True
        ):
            answers[number] = list(zip(texts, lengths, strict=True))
    advance(len(numbers) - len(asked))
    return [answers.get(number, [("", 0)] * group) for number in numbers]


def _table(
    numbers: Sequence[int],
    pairs: Sequence[tuple[str, Pair]],
    answers_PG: list[list[tuple[str, int]]],
    reward: Reward,
) -> pd.DataFrame:
    judged = grade(
        [[text for text, _ in answers] for answers in answers_PG], [pair for _, pair in pairs], reward
    )
    rows = []
    for at, (number, (split, pair)) in enumerate(zip(numbers, pairs, strict=True)):
        for g, (verdict, (text, tokens)) in enumerate(
            zip(judged.verdicts_PG[at], answers_PG[at], strict=True)
        ):
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
                    "correct": isinstance(verdict, Verdict) and verdict.is_correct(pair.labels),
                    "reward": float(judged.rewards_PG[at, g]),
                    "rollout": g,
                    "tokens": tokens,
                    "response": text,
                }
            )
    return pd.DataFrame(rows)


def prompt_id(number: int) -> str:
    """Of the prompt that was evaluated as the `number`-th, from 0."""
    return f"{number:05d}"
