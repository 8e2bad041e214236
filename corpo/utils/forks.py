"""Compute the parts of a job side by side in forks of this process, which see its objects as they are."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from corpo.utils.errors import ProcessKilledError

Part = TypeVar("Part")
Result = TypeVar("Result")

PR_SET_PDEATHSIG = 1

_compute_of: dict[str, Callable[[Any], Any]] = {}  # in a fork: what it computes


def can_fork() -> bool:
    """Return whether forks are safe. On macOS, libraries of the system do not work in a fork."""
    return sys.platform == "linux"


def map_in_forks(
    compute: Callable[[Part], Result], parts: Sequence[Part], num_processes: int
) -> Iterator[Result]:
    """Yield the results of the parts, in the order of the parts, each computed in a fork of this process.

    Parts and results are pickled, `compute` is not. A fork computes on one thread. No other thread of this
    process may hold a lock that `compute` needs. Nothing is forked if one process is enough or `can_fork()`
    is false. Raises ProcessKilledError if a fork is killed.
    """
    if num_processes < 2 or len(parts) < 2 or not can_fork():
        yield from map(compute, parts)
        return
    pool = ProcessPoolExecutor(
        min(num_processes, len(parts)),
        mp_context=multiprocessing.get_context("fork"),
        initializer=_begin,
        initargs=(compute, os.getpid()),
    )
    with pool:
        try:
            with warnings.catch_warnings():
                # Python warns of forks of a process with threads, whatever the threads do.
                warnings.simplefilter("ignore", DeprecationWarning)
                futures = [pool.submit(_compute, part) for part in parts]
            for future in futures:
                yield future.result()
        except BrokenProcessPool:
            raise ProcessKilledError(
                "a process that computed a part of this stage was killed, probably for lack of memory; "
                "free memory and repeat the command, which resumes"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(compute: Callable[[Any], Any], parent: int) -> None:
    """Prepare a fork. It ends with its parent, which handles interrupts."""
    import torch

    _compute_of["fork"] = compute
    torch.set_num_threads(1)  # the threads of OpenMP are not in the fork, and it would wait for them for ever
    # A thread of the parent that draws a live bar may hold the lock of its console.
    logging.basicConfig(format="%(message)s", force=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent ended before the request


def _compute(part: Any) -> Any:
    return _compute_of["fork"](part)
