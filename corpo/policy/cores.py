"""Compute the parts of a batch side by side on the cores of a CPU, with the same bits on any number of them.

torch itself splits each operation over the cores. The threads then wait for the slowest of them after each
operation, so one busy process beside them holds up all of them. The number of threads also decides the order
of the sums of an operation, and so their rounding.

Gradients are computed by threads (`map_parallel`), because their operations are few and large. Rollouts are
sampled by processes (`map_in_processes`), because decoding consists of many small operations, between which
threads would wait for Python's lock.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch

from corpo.utils import ranks
from corpo.utils.forks import can_fork, map_in_forks

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
    sorted from long to short, so that the cores finish at nearly the same time. `compute` runs in other
    threads, so it must itself switch gradients off if none are wanted.
    """
    if not is_parallel(device):
        yield from map(compute, parts)
        return
    num_workers = min(torch.get_num_threads(), max_workers or len(parts) or 1)
    with single_threaded():
        yield from _in_order(_threads(num_workers), compute, parts, most_at_once=2 * num_workers)


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    """Return threads that live as long as the process.

    A thread that ends holds a lock of the matrix library for a moment. A process that is forked in this
    moment would wait for the lock for ever.
    """
    return ThreadPoolExecutor(count)


def _in_order(
    pool: Executor, compute: Callable[[Part], Result], parts: Sequence[Part], most_at_once: int
) -> Iterator[Result]:
    """Yield the results in the order of the parts, of which at most `most_at_once` are begun and not yielded.

    Each result may hold gradients of all weights, so not all parts are begun at once.
    """
    begun: deque[Future[Result]] = deque()
    try:
        for part in parts:
            if len(begun) == most_at_once:
                yield begun.popleft().result()
            begun.append(pool.submit(compute, part))
        while begun:
            yield begun.popleft().result()
    finally:  # after an error, nothing is computed any more
        for future in begun:
            future.cancel()
        wait(begun)


def map_in_processes(
    compute: Callable[[Part], Result], parts: Sequence[Part], device: torch.device, max_workers: int
) -> Iterator[Result]:
    """Do the same as `map_parallel`, with at most `max_workers` processes instead of threads.

    The processes are forks (see `corpo.utils.forks`), so they see the present weights. `compute` must not
    need gradients, and its results must be of types that pickle well, such as NumPy arrays. Threads compute
    the parts where forks are not safe.
    """
    num_workers = min(torch.get_num_threads(), max_workers)
    if not is_parallel(device) or not can_fork():
        yield from map_parallel(compute, parts, device, max_workers)
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # otherwise tokenizers prints a warning per fork
    # The threads of `map_parallel` are idle now and hold no lock that a fork needs.
    with single_threaded():
        yield from map_in_forks(compute, parts, num_workers)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let torch compute each operation on one thread."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
