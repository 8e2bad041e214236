"""Export the built pairs: conversations for verl and TRL, and a folder with a card for the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.config import Config
from corpo.pipeline.data import CARD, data_stage, split_pairs

if TYPE_CHECKING:
    from corpo.task import Pair


def export_pairs(config: Config) -> list[Path]:
    """Write the conversations of each split and the hub folder next to the built pairs.

    Return what was written.
    """
    from corpo.data.build_sources import licences
    from corpo.data.export import conversation_rows, write_hub_folder
    from corpo.data.store import write_rows

    folder = data_stage(config).run()
    pairs = split_pairs(config)
    written = []
    for name, rows in _exported_splits(pairs).items():
        path = folder / f"conversations-{config.model.style}" / f"{name}.parquet"
        write_rows(path, conversation_rows(rows, config.model.style))
        written.append(path)
    card = (folder / CARD).read_text(encoding="utf-8")
    write_hub_folder(folder / "hub", pairs, card, list(licences(config.data).values()) or ["MIT"])
    return [*written, folder / "hub"]


def _exported_splits(pairs: Sequence[tuple[str, Pair]]) -> dict[str, list[tuple[str, Pair]]]:
    """Return the pairs by the name of their file.

    All evaluation splits share one file. Splits without pairs are left out.
    """
    from corpo.data.pairing.splits import TRAIN, VALIDATION, is_evaluation

    by_file: dict[str, list[tuple[str, Pair]]] = {}
    for split, pair in pairs:
        name = "evaluation" if is_evaluation(split) else split
        if name in (TRAIN, VALIDATION, "evaluation"):
            by_file.setdefault(name, []).append((split, pair))
    return by_file
