"""Compute the parts of a batch side by side on the cores of a CPU, with the same bits on any number of them.

torch itself splits each operation over the cores. The threads then wait for the slowest of them after each
operation, so one busy process beside them holds up all of them. The number of threads also decides the order
of the sums of an operation, and so their rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from corpo.utils import ranks

Part = TypeVar("Part")
Result = TypeVar("Result")


def is_parallel(device: torch.device) -> bool:
    """Return whether parts are computed side by side: on a CPU, unless several processes train together.

    Several processes exchange weights and gradients in every part, so the order of the parts is fixed.
    """
    return device.type == "cpu" and ranks.world_size() == 1


def map_parallel(
    compute: Callable[[Part], Result],
    parts: Sequence[Part],
    device: torch.device,
    max_workers: int | None = None,
) -> Iterator[Result]:
    """Yield the results of the parts, in the order of the parts.

    If `is_parallel(device)`, up to `max_workers` cores compute one part each at the same time, and each
    operation runs on one thread. Otherwise the parts are computed one after the other. The parts should be
    sorted from short to long. `compute` runs in other threads, so it must itself switch gradients off if none
    are wanted.
    """
    if not is_parallel(device):
        yield from map(compute, parts)
        return
    num_workers = min(torch.get_num_threads(), max_workers or len(parts) or 1)
    wave = 2 * num_workers  # not all parts, because each result may hold gradients of its own
    with single_threaded(), ThreadPoolExecutor(num_workers) as pool:
        for start in range(0, len(parts), wave):
            # The longest come first, so that the workers finish at nearly the same time.
            results = list(pool.map(compute, reversed(parts[start : start + wave])))
            yield from reversed(results)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let torch compute each operation on one thread."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
