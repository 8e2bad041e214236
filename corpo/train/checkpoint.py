"""Checkpoints: tensors in safetensors, the rest in JSON with the tensors' hash. The last good one is always kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from corpo.utils.files import file_hash, read_json, write_atomically, write_json

log = logging.getLogger(__name__)

KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    step: int
    tensors: dict[str, Tensor]
    meta: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write one checkpoint and drop all but the newest `KEEP`; its JSON is written last and makes it count."""
    stem = folder / f"step-{checkpoint.step:06d}"
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    weights = stem.with_suffix(".safetensors")
    write_atomically(weights, lambda beside: save_file(tensors, beside))
    write_json(
        stem.with_suffix(".json"),
        {"step": checkpoint.step, "sha256": file_hash(weights), "meta": checkpoint.meta},
    )
    for old in sorted(folder.glob("step-*.json"))[:-KEEP]:
        old.unlink()
        old.with_suffix(".safetensors").unlink(missing_ok=True)


def load_latest(folder: Path, until: int | None = None) -> Checkpoint | None:
    """The newest whole checkpoint (at most of step `until`), or None. A damaged one is passed over with a warning that names it."""
    for record in sorted(folder.glob("step-*.json"), reverse=True):
        if until is not None and int(record.stem.removeprefix("step-")) > until:
            continue
        weights = record.with_suffix(".safetensors")
        try:
            described = read_json(record)
            intact = weights.exists() and file_hash(weights) == described["sha256"]
        except (ValueError, KeyError, TypeError):
            intact = False
        if intact:
            return Checkpoint(described["step"], load_file(weights), described["meta"])
        log.warning("%s is damaged or incomplete: going on from the checkpoint before it", weights)
    return None
