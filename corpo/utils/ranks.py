"""Which of several processes this one is, as torchrun says. Alone: rank 0 of 1. No torch here."""

from __future__ import annotations

import os
import time
from pathlib import Path


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """This process's number on its machine: that of its accelerator."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def shard_range(count: int) -> range:
    """The numbers of this process's part of `count` things, in order."""
    return range(count * rank() // world_size(), count * (rank() + 1) // world_size())


def wait_for(path: Path) -> None:
    """Until rank 0 has made a file or folder. Where rank 0 fails, torchrun ends this process."""
    while not path.exists():
        time.sleep(0.2)
