"""Generate rollouts of a policy on evaluation items and keep each of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from corpo.rollout import RolloutEngine
from corpo.task import complete_responses
from corpo.tasks import Grade, Item, Task
from corpo.utils.files import write_atomically
from corpo.utils.progress import Advance, progress

log = logging.getLogger(__name__)

PART = 64  # prompts that are saved together


class _Response(NamedTuple):
    text: str
    num_tokens: int


def roll_out(
    items: Sequence[tuple[str, Item]],
    engine: RolloutEngine,
    render: Callable[[Any], str],
    fits: Callable[[str], bool],
    task: Task[Any],
    num_rollouts: int,
    seed: int,
    folder: Path,
    title: str,
    prefix: str = "",
) -> pd.DataFrame:
    """Return one row per rollout with its split, prompt, reward, response and the columns of the task.

    `items` are items with the names of their splits. The rollouts are saved in `folder` in parts, so that an
    interrupted evaluation continues with the next part. A prompt that `fits` rejects as too long gets empty
    responses, which count as failed. The other responses begin with the think tags that end their prompt;
    `prefix` is added to every prompt.
    """
    prompts = [render(item) + prefix for _, item in items]
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
                table = _table(numbers, [items[number] for number in numbers], responses_PG, task)
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
    items: Sequence[tuple[str, Item]],
    responses_PG: list[list[_Response]],
    task: Task[Any],
) -> pd.DataFrame:
    texts_PG = []
    for responses_G in responses_PG:
        texts_PG.append([response.text for response in responses_G])
    grades_PG = task.grade(texts_PG, [item for _, item in items])
    rows = []
    for number, (split, item), responses_G, grades_G in zip(
        numbers, items, responses_PG, grades_PG, strict=True
    ):
        columns = {"split": split, "prompt_id": prompt_id(number), **task.item_columns(item)}
        for g, (response, grade) in enumerate(zip(responses_G, grades_G, strict=True)):
            rows.append(
                {**columns, **_rollout_columns(task, response.text, grade, item), "rollout": g}
                | {"tokens": response.num_tokens, "response": response.text}
            )
    return pd.DataFrame(rows)


def _rollout_columns(task: Task[Any], text: str, grade: Grade, item: Item) -> dict[str, Any]:
    return {**task.rollout_columns(text, grade, item), "reward": grade.reward}


def prompt_id(number: int) -> str:
    """Return the identifier of the prompt with this number in the evaluation, counted from 0."""
    return f"{number:05d}"
