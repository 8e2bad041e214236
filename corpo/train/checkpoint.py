"""Checkpoints: tensors in safetensors, and a JSON file with their SHA-256."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from corpo.utils.files import file_hash, read_json, write_atomically, write_json

log = logging.getLogger(__name__)

KEPT_CHECKPOINTS = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state after a step. `meta` holds what is not a tensor and can be written as JSON."""

    step: int
    tensors: dict[str, Tensor]
    meta: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, then delete all but the newest `KEPT_CHECKPOINTS`.

    The JSON file is written last: a checkpoint without it does not count.
    """
    stem = folder / f"step-{checkpoint.step:06d}"
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    weights = stem.with_suffix(".safetensors")
    write_atomically(weights, lambda path: save_file(tensors, path))
    write_json(
        stem.with_suffix(".json"),
        {"step": checkpoint.step, "sha256": file_hash(weights), "meta": checkpoint.meta},
    )
    for record in sorted(folder.glob("step-*.json"))[:-KEPT_CHECKPOINTS]:
        record.unlink()
        record.with_suffix(".safetensors").unlink(missing_ok=True)


def load_latest(folder: Path, max_step: int | None = None) -> Checkpoint | None:
    """Return the newest intact checkpoint, of step `max_step` at most, or None if there is none.

    A damaged checkpoint is skipped with a warning that names it.
    """
    for record in sorted(folder.glob("step-*.json"), reverse=True):
        if max_step is not None and int(record.stem.removeprefix("step-")) > max_step:
            continue
        checkpoint = _load(record)
        if checkpoint is not None:
            return checkpoint
        log.warning(
            "%s is damaged or incomplete: resuming from the checkpoint before it",
            record.with_suffix(".safetensors"),
        )
    return None


def _load(record: Path) -> Checkpoint | None:
    """Read the checkpoint of a JSON file, or return None if it is damaged or incomplete."""
    weights = record.with_suffix(".safetensors")
    try:
        description = read_json(record)
        is_intact = weights.exists() and file_hash(weights) == description["sha256"]
    except (ValueError, KeyError, TypeError):
        return None
    if not is_intact:
        return None
    return Checkpoint(description["step"], load_file(weights), description["meta"])
