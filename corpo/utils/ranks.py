"""The position of this process among those that torchrun started. A single process is rank 0 of 1.

This module does not import torch, so that the command line can use it before torch is loaded.
"""

from __future__ import annotations

import os
import time
from pathlib import Path


def rank() -> int:
    """Return the number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Return the number of this process on its machine, which is also the index of its accelerator."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def shard_range(count: int) -> range:
    """Return the indices of this rank's share of `count` items. Shares are contiguous, in rank order."""
    return range(count * rank() // world_size(), count * (rank() + 1) // world_size())


def wait_for(path: Path) -> None:
    """Wait until rank 0 has created a file or folder. If rank 0 fails, torchrun ends this process."""
    while not path.exists():
        time.sleep(0.2)
