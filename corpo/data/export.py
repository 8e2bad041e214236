"""Export pairs as conversations for verl and TRL, and as a data set folder for the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from corpo.data.store import data_set, pair_rows, write_rows
from corpo.task import Pair, render_prompt
from corpo.utils.files import write_text

_HUB_LICENCES = {"MIT": "mit", "Apache-2.0": "apache-2.0", "CC BY 4.0": "cc-by-4.0"}


def conversation_rows(pairs: Iterable[tuple[str, Pair]], style: str) -> list[dict[str, Any]]:
    """Return one row per prompt, in verl's format. verl reports validation by `data_source`, the split."""
    return [
        {
            "data_source": split,
            "prompt": [{"role": "user", "content": render_prompt(pair, style)}],
            "ability": str(pair.problem.domain),
            "reward_model": {"style": "rule", "ground_truth": {"a": pair.a.correct, "b": pair.b.correct}},
            "extra_info": {"index": index, "pair_id": pair.id, "problem_id": pair.problem.id},
        }
        for index, (split, pair) in enumerate(pairs)
    ]


def write_hub_folder(
    folder: Path, pairs: Sequence[tuple[str, Pair]], card: str, licences: Sequence[str]
) -> None:
    """Write a folder that `load_dataset` reads and `corpo publish upload` uploads.

    It has the card with the hub's front matter in `README.md`, and each split in `data/<split>.parquet`.
    """
    splits = list(dict.fromkeys(split for split, _ in pairs))
    rows = pair_rows(pairs)
    types = data_set(rows).features  # of all rows, because a column can be empty in one split
    for split in splits:
        split_rows = [row for row in rows if row["split"] == split]
        write_rows(folder / f"data/{split}.parquet", split_rows, types)
    files = [{"split": split, "path": f"data/{split}.parquet"} for split in splits]
    front_matter = {
        "license": _hub_licence(licences),
        "task_categories": ["text-classification"],
        "tags": ["corpo", "verifier", "code"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    write_text(folder / "README.md", f"---\n{yaml.safe_dump(front_matter, sort_keys=False)}---\n\n{card}")


def _hub_licence(licences: Sequence[str]) -> str:
    """Return the hub's name of the licence that all sources share, or "other" if they differ."""
    different = set(licences)
    return _HUB_LICENCES.get(different.pop(), "other") if len(different) == 1 else "other"
