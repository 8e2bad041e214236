"""Export the built pairs: conversations for verl and TRL, and a folder with a card for the hub."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.config import Config
from corpo.pipeline.data import CARD, data_stage, require_pairs, split_pairs
from corpo.task import INSTRUCT

if TYPE_CHECKING:
    from corpo.task import Pair

log = logging.getLogger(__name__)


def export_pairs(config: Config) -> list[Path]:
    """Write the conversations of each split and the hub folder next to the built pairs.

    The conversations explain the response format, because a chat model does not know it. Return what was
    written. Raises ConfigError if the task has no pairs.
    """
    require_pairs(config)
    from corpo.data.build_sources import licences
    from corpo.data.export import conversation_rows, write_hub_folder
    from corpo.data.store import write_rows

    folder = data_stage(config).run()
    pairs = split_pairs(config)
    written = []
    for name, rows in _exported_splits(pairs).items():
        path = folder / f"conversations-{INSTRUCT}" / f"{name}.parquet"
        write_rows(path, conversation_rows(rows, INSTRUCT))
        written.append(path)
    left_out = Counter(split for split, _ in pairs if _file_of(split) is None)
    for split, count in left_out.items():
        log.warning("left out %d pairs of %s, which are for learning curves only", count, split)
    card = data_stage(config).checked(CARD).read_text(encoding="utf-8")
    write_hub_folder(folder / "hub", pairs, card, list(licences(config.data).values()) or ["MIT"])
    return [*written, folder / "hub"]


def _exported_splits(pairs: Sequence[tuple[str, Pair]]) -> dict[str, list[tuple[str, Pair]]]:
    """Return the pairs by the name of their file.

    All evaluation splits share one file. Splits without pairs are left out.
    """
    by_file: dict[str, list[tuple[str, Pair]]] = {}
    for split, pair in pairs:
        if (name := _file_of(split)) is not None:
            by_file.setdefault(name, []).append((split, pair))
    return by_file


def _file_of(split: str) -> str | None:
    """Return the name of the file of a split, or None if it is not exported as conversations."""
    from corpo.data.pairing.splits import TRAIN, VALIDATION, is_evaluation

    if is_evaluation(split):
        return "evaluation"
    return split if split in (TRAIN, VALIDATION) else None
