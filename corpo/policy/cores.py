"""Compute the parts of a batch side by side on the cores of a CPU, with the same bits on any number of them.

torch can instead split each operation over the cores. The threads then wait for the slowest of them after
each operation, so that one busy neighbour holds up all of them. The order of the sums of an operation, and so
their rounding, also depends on the number of its threads.
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


def shares_out(device: torch.device) -> bool:
    """Return whether parts are computed side by side: on a CPU, unless several processes train together.

    Several processes exchange weights and gradients in every part, so the order of the parts is fixed.
    """
    return device.type == "cpu" and ranks.world_size() == 1


def side_by_side(
    compute: Callable[[Part], Result],
    parts: Sequence[Part],
    device: torch.device,
    max_workers: int | None = None,
) -> Iterator[Result]:
    """Yield the results of the parts, in the order of the parts.

    If `shares_out(device)`, each core computes a part at a time, at most `max_workers` of them, and each
    operation runs on one thread. Otherwise the parts are computed one after the other. The parts should be
    sorted from short to long. `compute` runs in other threads, so it must itself switch gradients off where
    none are wanted.
    """
    if not shares_out(device):
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
