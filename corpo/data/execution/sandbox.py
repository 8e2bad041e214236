"""Runs untrusted programs: a fresh process a batch, a forked child a program, a time budget each.

Every batch gets a scrubbed environment, a temporary directory of its own, resource limits and, where the machine allows it,
process, network and mount namespaces. What isolation there was is recorded; asking for more than there is raises.
At either level a program starts no process, where the kernel filters system calls (seccomp, on x86-64 and Arm), and is kept from files, TCP
ports and foreign processes, where it has Landlock (Linux 5.13; ports from 6.7, signals from 6.12). Without Landlock it can do to files
whatever the user who labels can, and without namespaces to processes, too.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

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
VERSION = 4  # raise when results could differ: part of every cached label's key


class Isolation(StrEnum):
    process = "process"  # scrubbed environment, own session and directory, resource limits
    namespaces = "namespaces"  # beside these, own process, network, mount and IPC namespaces


class Mode(StrEnum):
    """What a program's calls are; see `worker.py`."""

    function = "function"  # argument tuples (plain literals) of the function that `entry` gives
    stream = "stream"  # standard inputs, one run each
    script = "script"  # sources of the tests in the script `entry`, which reports them


@dataclass(frozen=True)
class Program:
    """Source, and what to run it on."""

    source: str
    calls: tuple[Any, ...]
    mode: Mode = Mode.function
    entry: str = "f"


@functools.cache
def available_isolation() -> Isolation:
    """The strongest level that works on this machine; probed once."""
    try:
        probe = subprocess.run(
            [*_UNSHARE, sys.executable, "-I", "-S", "-c", "pass"], capture_output=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return Isolation.process
    return Isolation.namespaces if probe.returncode == 0 else Isolation.process


@dataclass
class Sandbox:
    """A program may use `cpu_seconds` of processor time for all of its calls together (for each stream), and `seconds` on the clock.

    `memory` is in bytes. `isolation=None` takes the strongest level there is. Raises SandboxError where the level asked for is not available.
    """

    isolation: Isolation | None = None
    cpu_seconds: float = 0.3
    seconds: float = 5.0
    memory: int = 512 << 20
    workers: int | None = None

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
        """One text per call of each program, in order: "=" + canonical repr, or "!" + an error class."""
        batches = [programs[start : start + _BATCH] for start in range(0, len(programs), _BATCH)]

        def work(batch: Sequence[Program]) -> list[tuple[str, ...]]:
            results = self._run_batch(batch)
            if advance:
                advance(len(batch))
            return results

        with ThreadPoolExecutor(self.workers or os.cpu_count() or 1) as pool:
            return [result for results in pool.map(work, batches) for result in results]

    def _run_batch(self, batch: Sequence[Program]) -> list[tuple[str, ...]]:
        results = self._start_worker(batch)
        if len(results) == len(batch):
            return results
        # The worker died: the first program without a result killed it. The rest get a new worker.
        victim = batch[len(results)]
        crashed = tuple("!crash" for _ in victim.calls)
        return [*results, crashed, *self._run_batch(batch[len(results) + 1 :])] if batch else []

    def _start_worker(self, batch: Sequence[Program]) -> list[tuple[str, ...]]:
        if not batch:
            return []
        limits = {"cpu_seconds": self.cpu_seconds, "seconds": self.seconds, "memory": self.memory}
        messages = [json.dumps(message).encode() for message in (limits, *map(_job, batch))]
        wrapper = _UNSHARE if self.isolation is Isolation.namespaces else ()
        with tempfile.TemporaryDirectory(prefix="corpo-sandbox-") as folder:
            process = subprocess.Popen(
                [*wrapper, sys.executable, "-I", "-S", str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={"PATH": "/usr/bin:/bin", "HOME": folder, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
                start_new_session=True,
            )
            try:
                runs = sum(len(program.calls) if program.mode is Mode.stream else 1 for program in batch)
                sent = b"".join(len(message).to_bytes(8, "big") + message for message in messages)
                out, _ = process.communicate(sent, timeout=runs * (self.seconds + 1) + 30)
            except subprocess.TimeoutExpired:
                process.kill()
                out, _ = process.communicate()
        whole, _, _ = out.decode().rpartition("\n")
        return [tuple(json.loads(line)) for line in whole.split("\n") if line]


def _job(program: Program) -> dict[str, Any]:
    calls = [repr(call) for call in program.calls] if program.mode is Mode.function else list(program.calls)
    return {"source": program.source, "calls": calls, "mode": str(program.mode), "entry": program.entry}
