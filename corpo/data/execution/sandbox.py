"""Run untrusted programs: a fresh process per batch, a forked child per program, time and memory limits.

Every batch gets a scrubbed environment, a temporary directory of its own, resource limits and, if the
machine allows it, process, network and mount namespaces. The level of isolation is recorded with every
label. Requesting a level that is not available raises SandboxError.

At either level, a system-call filter (seccomp, on x86-64 and Arm) prevents a program from starting
processes. Landlock (Linux 5.13) keeps it from files, TCP ports (from 6.7) and signals to other processes
(from 6.12). Without Landlock, a program has the file permissions of the user who runs the sandbox. Without
namespaces as well, it can also act on the processes of that user.
"""

from __future__ import annotations

import base64
import functools
import json
import marshal
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

from corpo.data.execution.packages import offered_packages, used_packages
from corpo.utils.errors import SandboxError

_WORKER = Path(__file__).with_name("worker.py")
_UNSHARE = (
    "unshare",
    "--user",
    "--map-root-user",
    "--pid",
    "--fork",
    "--kill-child",
    "--net",
    "--mount-proc",
    "--ipc",
)
_BATCH = 48
MIN_OUTPUT_BYTES = 1 << 20
CALLS_PER_SHARE = 50  # as in `worker.py`
VERSION = 5  # part of the key of every cached result; raise it if results could differ


class Isolation(StrEnum):
    """A level of isolation."""

    process = "process"  # scrubbed environment, own session and directory, resource limits
    namespaces = "namespaces"  # in addition, own process, network, mount and IPC namespaces


class Mode(StrEnum):
    """The kind of a program's calls; see `worker.py`."""

    function = "function"  # argument tuples (plain literals) for the function that `entry` gives
    stream = "stream"  # standard inputs, one run each
    script = "script"  # sources of the tests in the script `entry`, which reports them


@dataclass(frozen=True)
class Program:
    """The source of a program and the calls to run it on."""

    source: str
    calls: tuple[Any, ...]
    mode: Mode = Mode.function
    entry: str = "f"
    max_output: int = MIN_OUTPUT_BYTES  # bytes of all results, or of the output of a run on a stream

    @property
    def num_shares(self) -> int:
        """Return how many times the time limit applies; see `CALLS_PER_SHARE` in `worker.py`."""
        return len(self.calls) if self.mode is Mode.stream else -(-len(self.calls) // CALLS_PER_SHARE)


@functools.cache
def available_isolation() -> Isolation:
    """Return the strongest level that works on this machine. The probe runs once."""
    try:
        probe = subprocess.run(
            [*_UNSHARE, sys.executable, "-I", "-S", "-c", "pass"], capture_output=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return Isolation.process
    return Isolation.namespaces if probe.returncode == 0 else Isolation.process


@dataclass
class Sandbox:
    """A sandbox with limits per program.

    Raises SandboxError if the requested level of isolation is not available.
    """

    isolation: Isolation | None = None  # None takes the strongest available level
    cpu_seconds: float = 0.3  # processor time for all calls together, or for each run on a stream
    seconds: float = 5.0  # wall-clock time for the same
    memory: int = 512 << 20  # bytes
    workers: int | None = None  # batches that run in parallel; None takes the number of processors

    def __post_init__(self) -> None:
        available = available_isolation()
        if self.isolation is Isolation.namespaces and available is Isolation.process:
            raise SandboxError(
                "data.isolation=namespaces: this machine does not allow user namespaces (unshare failed); "
                "set data.isolation=process to accept resource limits only"
            )
        self.isolation = self.isolation or available

    def run(
        self, programs: Sequence[Program], advance: Callable[[int], None] | None = None
    ) -> list[tuple[str, ...]]:
        """Run programs and return one text per call of each: "=" + canonical repr, or "!" + an error class.

        `advance` receives the number of programs in each finished batch.
        """
        batches = [programs[start : start + _BATCH] for start in range(0, len(programs), _BATCH)]

        def work(batch: Sequence[Program]) -> list[tuple[str, ...]]:
            results = self._run_batch(batch)
            if advance:
                advance(len(batch))
            return results

        with ThreadPoolExecutor(self.workers or os.cpu_count() or 1) as pool:
            return list(chain.from_iterable(pool.map(work, batches)))

    def _run_batch(self, batch: Sequence[Program]) -> list[tuple[str, ...]]:
        """Run a batch; a program that kills the worker is labelled, and the rest continue in a new worker."""
        results = self._start_worker(batch)
        if len(results) == len(batch):
            return results
        # The first program without a result killed the worker.
        victim = batch[len(results)]
        crashed = tuple("!crash" for _ in victim.calls)
        return [*results, crashed, *self._run_batch(batch[len(results) + 1 :])] if batch else []

    def _start_worker(self, batch: Sequence[Program]) -> list[tuple[str, ...]]:
        """Run a batch in one worker process, and return the results of the programs that it finished."""
        if not batch:
            return []
        limits = {"cpu_seconds": self.cpu_seconds, "seconds": self.seconds, "memory": self.memory}
        packages = [asdict(package) for package in offered_packages()]
        messages = [json.dumps(message).encode() for message in (packages, limits, *map(_job, batch))]
        wrapper = _UNSHARE if self.isolation is Isolation.namespaces else ()
        with tempfile.TemporaryDirectory(prefix="corpo-sandbox-") as folder:
            process = subprocess.Popen(
                [*wrapper, sys.executable, "-I", "-S", str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={
                    "PATH": "/usr/bin:/bin",
                    "HOME": folder,
                    "LANG": "C.UTF-8",
                    "PYTHONHASHSEED": "0",
                    "OPENBLAS_NUM_THREADS": "1",  # of numpy; each thread reserves memory
                },
                start_new_session=True,
            )
            try:
                runs = sum(program.num_shares for program in batch)
                request = b"".join(len(message).to_bytes(8, "big") + message for message in messages)
                out, _ = process.communicate(request, timeout=runs * (self.seconds + 1) + 30)
            except subprocess.TimeoutExpired:
                process.kill()
                out, _ = process.communicate()
        whole, _, _ = out.decode().rpartition("\n")
        return [tuple(json.loads(line)) for line in whole.split("\n") if line]


def _job(program: Program) -> dict[str, Any]:
    """Return a program as the worker reads it."""
    calls = list(program.calls)
    if program.mode is Mode.function:
        calls = [base64.b64encode(marshal.dumps(call)).decode() for call in calls]
    return {
        "source": program.source,
        "calls": calls,
        "mode": str(program.mode),
        "entry": program.entry,
        "max_output": program.max_output,
        "packages": used_packages(program.source + program.entry),
    }
