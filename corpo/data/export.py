"""Pairs in the layout that verl reads, and TRL too: a conversation a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from corpo.task import Pair, render_prompt


def conversation_rows(pairs: Iterable[tuple[str, Pair]], style: str) -> list[dict[str, Any]]:
    """One row a prompt; verl's validation reports by `data_source`, which is the split."""
    return [
        {
            "data_source": split,
            "prompt": [{"role": "user", "content": render_prompt(pair, style)}],
            "ability": str(pair.problem.domain),
            "reward_model": {"style": "rule", "ground_truth": {"a": pair.a.correct, "b": pair.b.correct}},
            "extra_info": {"index": at, "pair_id": pair.id, "problem_id": pair.problem.id},
        }
        for at, (split, pair) in enumerate(pairs)
    ]
