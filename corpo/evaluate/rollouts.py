"""Generate rollouts of a policy on evaluation pairs and keep each of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from corpo.data.pipelines.grading import grade_traces, right_traces
from corpo.rollout import RolloutEngine
from corpo.task import Fault, Pair, Reward, Verdict, complete_responses
from corpo.task.grade import grade
from corpo.utils.files import write_atomically
from corpo.utils.progress import Advance, progress

log = logging.getLogger(__name__)

PART = 64  # prompts that are saved together


class _Response(NamedTuple):
    text: str
    num_tokens: int


def roll_out(
    pairs: Sequence[tuple[str, Pair]],
    engine: RolloutEngine,
    render: Callable[[Pair], str],
    fits: Callable[[str], bool],
    reward: Reward,
    num_rollouts: int,
    seed: int,
    folder: Path,
    title: str,
    prefix: str = "",
) -> pd.DataFrame:
    """Return one row per rollout with its split, prompt, labels, scores, reward and response.

    `pairs` are pairs with the names of their splits. The column `swapped` distinguishes the two orders of a
    pair. The rollouts are saved in `folder` in parts, so that an interrupted evaluation continues with the
    next part. A prompt that `fits` rejects as too long gets empty responses, which count as failed. The other
    responses begin with the think tags that end their prompt; `prefix` is added to every prompt.
    """
    prompts = [render(pair) + prefix for _, pair in pairs]
    # Prompts of similar length are generated together, because they need little padding.
    by_length = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    parts = {}
    for start in range(0, len(prompts), PART):
        parts[folder / f"part-{start:06d}.parquet"] = by_length[start : start + PART]
    num_done = sum(len(numbers) for path, numbers in parts.items() if path.exists())
    with progress(title, len(prompts), num_done) as advance:
        for path, numbers in parts.items():
            if not path.exists():
                responses_PG = _responses(
                    engine,
                    prompts,
                    numbers,
                    fits,
                    num_rollouts=num_rollouts,
                    seed=seed,
                    advance=advance,
                )
                table = _table(numbers, [pairs[number] for number in numbers], responses_PG, reward)
                write_atomically(path, table.to_parquet)
    num_too_long = sum(not fits(prompt) for prompt in prompts)
    if num_too_long:
        log.warning(
            "%s: %d of %d prompts are too long for the model and count as failed",
            title,
            num_too_long,
            len(prompts),
        )
    table = pd.concat([pd.read_parquet(path) for path in parts])
    return table.sort_values(["prompt_id", "rollout"], ignore_index=True)


def _responses(
    engine: RolloutEngine,
    prompts: Sequence[str],
    numbers: Sequence[int],
    fits: Callable[[str], bool],
    num_rollouts: int,
    seed: int,
    advance: Advance,
) -> list[list[_Response]]:
    """Return the responses to the prompts with these numbers; empty ones for prompts that do not fit."""
    fitting_numbers = [number for number in numbers if fits(prompts[number])]
    responses = {number: [_Response("", 0)] * num_rollouts for number in numbers}
    if fitting_numbers:
        texts = [prompts[number] for number in fitting_numbers]
        rollouts = engine.generate(texts, num_rollouts, seed, fitting_numbers, advance)
        lengths_PG = rollouts.lengths_PG.tolist()
        for number, texts_G, lengths_G in zip(fitting_numbers, rollouts.texts_PG, lengths_PG, strict=True):
            [responses_G] = complete_responses([prompts[number]], [texts_G])
            responses[number] = list(map(_Response, responses_G, lengths_G))
    advance(len(numbers) - len(fitting_numbers))
    return [responses[number] for number in numbers]


def _table(
    numbers: Sequence[int],
    pairs: Sequence[tuple[str, Pair]],
    responses_PG: list[list[_Response]],
    reward: Reward,
) -> pd.DataFrame:
    texts_PG = []
    for responses_G in responses_PG:
        texts_PG.append([response.text for response in responses_G])
    graded = grade(texts_PG, [pair for _, pair in pairs], reward)
    rewards_PG = graded.rewards_PG.tolist()
    rows = []
    for p, (number, (split, pair)) in enumerate(zip(numbers, pairs, strict=True)):
        columns = pair_columns(number, split, pair)
        wanted = right_traces(pair)
        for g, response in enumerate(responses_PG[p]):
            scored = verdict_columns(graded.verdicts_PG[p][g], pair)
            scores = (scored["score_a"], scored["score_b"])
            traced, follows = grade_traces(response.text, wanted, scores)
            rows.append(
                {
                    **columns,
                    **scored,
                    "traced": traced,
                    "follows": follows,
                    "reward": rewards_PG[p][g],
                    "rollout": g,
                    "tokens": response.num_tokens,
                    "response": response.text,
                }
            )
    return pd.DataFrame(rows)


def pair_columns(number: int, split: str, pair: Pair) -> dict[str, object]:
    """Return the columns of the pair with this number in the evaluation, counted from 0."""
    return {
        "split": split,
        "prompt_id": prompt_id(number),
        "pair_id": pair.id,
        "swapped": pair.is_swapped,
        "problem_id": pair.problem.id,
        "family": pair.problem.family,
        "kind": str(pair.kind),
        "label_a": pair.a.correct,
        "label_b": pair.b.correct,
    }


def verdict_columns(verdict: Verdict | Fault, pair: Pair) -> dict[str, float]:
    """Return the columns of a verdict; the scores are NaN if the response could not be parsed."""
    if not isinstance(verdict, Verdict):
        return {"score_a": float("nan"), "score_b": float("nan"), "parsed": False, "correct": False}
    return {
        "score_a": verdict.score_a,
        "score_b": verdict.score_b,
        "parsed": True,
        "correct": verdict.is_correct(pair.labels),
    }


def prompt_id(number: int) -> str:
    """Return the identifier of the prompt with this number in the evaluation, counted from 0."""
    return f"{number:05d}"
