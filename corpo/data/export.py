"""Pairs for others: conversations for verl and TRL, and a folder that the hub shows as a data set with a card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset

from corpo.data.store import pair_rows, write_rows
from corpo.task import Pair, render_prompt
from corpo.utils.files import write_text


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


def write_hub_folder(
    folder: Path, pairs: Sequence[tuple[str, Pair]], card: str, licences: Sequence[str]
) -> None:
    """`README.md`, the card under the hub's front matter, and `data/<split>.parquet`: what `load_dataset` reads and `corpo push` uploads."""
    splits = list(dict.fromkeys(split for split, _ in pairs))
    rows = pair_rows(pairs)
    types = Dataset.from_list(
        rows
    ).features  # of all rows: a column that is empty in one split has the others' type
    for split in splits:
        write_rows(folder / f"data/{split}.parquet", [row for row in rows if row["split"] == split], types)
    files = [{"split": split, "path": f"data/{split}.parquet"} for split in splits]
    head = {
        "license": _licence(licences),
        "task_categories": ["text-classification"],
        "tags": ["corpo", "verifier", "code"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    write_text(folder / "README.md", f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{card}")


def _licence(licences: Sequence[str]) -> str:
    """The hub's name of the one licence that all sources have, else "other": the card lists them."""
    [name, *more] = dict.fromkeys(licences)
    return (
        "other"
        if more
        else {"MIT": "mit", "Apache-2.0": "apache-2.0", "CC BY 4.0": "cc-by-4.0"}.get(name, "other")
    )
