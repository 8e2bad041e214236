"""Run untrusted programs: a fresh process per batch, a forked child per program, time and memory limits.

Every batch gets a scrubbed environment, a temporary directory of its own, resource limits and, if the
machine allows it, process, network and mount namespaces. The level of isolation is recorded with every
label. Requesting a level that is not available raises SandboxError.

At either level, a system-call filter (seccomp, on x86-64 and Arm) prevents a program from starting
processes, acting on others, opening sockets, changing attributes of files, and leaving shared memory, queues,
semaphores or keys behind. Landlock (Linux 5.13) keeps it from files. Without Landlock, a program can read and
write the files of the user who runs the sandbox. With namespaces, only Python, libraries and packages have a
name at all, and they are read-only.

A sandbox that fails says nothing about a program. Each batch runs between two runs of a canary, a program
whose value is known, and each process says that it is set up before its program runs. A batch whose worker
fails runs again, and after several failures SandboxError is raised. So nothing of it is labelled or cached.
"""

from __future__ import annotations

import base64
import functools
import json
import logging
import marshal
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

from corpo.data.execution.folders import sandbox_folder
from corpo.data.execution.packages import offered_packages, used_packages
from corpo.utils.errors import SandboxError

log = logging.getLogger(__name__)

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
VERSION = 8  # part of the key of every cached result; raise it if results could differ


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
    max_total_output: int = MIN_OUTPUT_BYTES  # bytes of the outputs of all runs on streams

    @property
    def num_shares(self) -> int:
        """Return how many times the time limit applies; see `CALLS_PER_SHARE` in `worker.py`."""
        return len(self.calls) if self.mode is Mode.stream else -(-len(self.calls) // CALLS_PER_SHARE)


@dataclass(frozen=True)
class _Run:
    """The results of a program, and whether its process was killed by another one or by itself."""

    results: tuple[str, ...]
    killed: bool


class _WorkerFailure(Exception):
    """A failure of a worker. `served` says whether its first canary had given its value."""

    def __init__(self, reason: str, served: bool = False) -> None:
        super().__init__(reason)
        self.served = served


# A program whose results are known. A worker that does not get them from it cannot label anything.
_CANARY = Program(
    "def f(x):\n    open('canary', 'w').write('1' * x)\n    return open('canary').read()", ((7,),)
)
_CANARY_RESULTS = ("='1111111'",)
_RETRY_SECONDS = (0.0, 0.5, 2.0)  # before each attempt
_RERUNS_OF_KILLED = 2
_STARTED = b"started\n"  # what the process of a program writes before it runs it, as in `worker.py`
# A number, or null for all calls that follow, and a text in quotation marks.
_REPORT = re.compile(rb'\[(\d{1,9}|null), ("[^\n]*")\]')
# A reason why a call has no value. A program chooses the names of its exceptions, which cards show.
_REASON = re.compile(r"[^\W\d][\w ]{0,59}")
CRASH = "!crash"  # the result of a program whose process ended without a word


@functools.cache
def available_isolation() -> Isolation:
    """Return the strongest level that works on this machine. A worker without programs tries it once."""
    try:
        with sandbox_folder() as folder:
            probe = subprocess.run(
                _worker_command(Isolation.namespaces, str(_WORKER)),
                input=_message(_packages()) + _message({}),
                capture_output=True,
                timeout=20,
                cwd=folder,
                env=_environment(folder),
            )
    except (OSError, subprocess.TimeoutExpired):
        return Isolation.process
    return Isolation.process if probe.returncode or probe.stdout else Isolation.namespaces


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

        `advance` receives the number of programs in each finished batch. Raises SandboxError if the sandbox
        itself fails several times.
        """
        batches = [programs[start : start + _BATCH] for start in range(0, len(programs), _BATCH)]

        def work(batch: Sequence[Program]) -> list[tuple[str, ...]]:
            results = self._run_batch(batch)
            if advance:
                advance(len(batch))
            return results

        with ThreadPoolExecutor(self.workers or os.cpu_count() or 1) as pool:
            futures = [pool.submit(work, batch) for batch in batches]
            try:
                return list(chain.from_iterable(future.result() for future in futures))
            except SandboxError:
                pool.shutdown(cancel_futures=True)
                raise

    def _run_batch(self, batch: Sequence[Program]) -> list[tuple[str, ...]]:
        """Run a batch. Programs whose processes were killed run again, because the killer may be anyone."""
        runs = self._repeat_until_served(batch)
        for index, program in enumerate(batch):
            for _ in range(_RERUNS_OF_KILLED):
                if runs[index].killed:
                    [runs[index]] = self._repeat_until_served([program])
        return [run.results for run in runs]

    def _repeat_until_served(self, batch: Sequence[Program]) -> list[_Run]:
        """Run a batch again if its worker failed, which says nothing about the programs.

        If it fails again and again, run each program with a worker of its own. Raises SandboxError if that
        fails, too.
        """
        failure = None
        for delay in _RETRY_SECONDS:
            time.sleep(delay)
            try:
                return self._serve(batch)
            except _WorkerFailure as error:
                failure = error
        assert failure is not None
        if not failure.served or len(batch) == 1:
            raise SandboxError(
                f"the sandbox cannot run programs: {failure}; free memory, processes and space in "
                f"{tempfile.gettempdir()}, raise the limits of this shell (ulimit -a), then run the same "
                "command again"
            )
        runs = []
        for program in batch:
            runs += self._repeat_until_served([program])
        return runs

    def _serve(self, batch: Sequence[Program]) -> list[_Run]:
        """Run a batch in one worker process, between two runs of the canary.

        Raises _WorkerFailure if the worker or the process of a program cannot start or dies, or if a canary
        does not give its value.
        """
        programs = [_CANARY, *batch, _CANARY]
        nonces = [os.urandom(16).hex() for _ in programs]
        out, errors, status = self._communicate(programs, nonces)
        runs: list[_Run] = []
        reason = " ".join(errors.decode(errors="replace").split())[-300:]
        try:
            output = _Output(out)
            for program, nonce in zip(programs, nonces, strict=True):
                runs.append(_read_run(output, program, nonce))
        except _WorkerFailure as error:
            reason = str(error) or reason
        served = bool(runs) and runs[0].results == _CANARY_RESULTS
        if len(runs) < len(programs) or status:
            raise _WorkerFailure(reason or f"its process ended with the status {status}", served)
        if not served or runs[-1].results != _CANARY_RESULTS:
            raise _WorkerFailure("a program whose value is known gives another one", served)
        return runs[1:-1]

    def _communicate(self, programs: Sequence[Program], nonces: Sequence[str]) -> tuple[bytes, bytes, int]:
        """Give programs to a new worker. Return its output, its errors and its exit status."""
        limits = {"cpu_seconds": self.cpu_seconds, "seconds": self.seconds, "memory": self.memory}
        parts = [_message(_packages()), _message(limits)]
        for program, nonce in zip(programs, nonces, strict=True):
            body = json.dumps({**_job(program), "nonce": nonce}).encode()
            parts += [_message(_header(program, len(body))), body]
        request = b"".join(parts)
        runs = sum(program.num_shares for program in programs)
        try:
            with sandbox_folder() as folder:
                process = subprocess.Popen(
                    _worker_command(self.isolation, str(_WORKER)),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=folder,
                    env=_environment(folder),
                    start_new_session=True,
                )
                try:
                    out, errors = process.communicate(request, timeout=runs * (self.seconds + 1) + 30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    out, errors = process.communicate()
                return out, errors, process.returncode
        except OSError as error:
            raise _WorkerFailure(f"{type(error).__name__}: {error}") from error


def configured_sandbox(isolation: str | None, cpu_seconds: float) -> Sandbox:
    """Return a sandbox with the level of `data.isolation`, and log the level.

    Programs get more wall-clock time than processor time, because the machine may be busy.
    """
    sandbox = Sandbox(Isolation(isolation) if isolation else None, cpu_seconds, seconds=5 * cpu_seconds + 15)
    if isolation is None and sandbox.isolation is Isolation.process:
        log.warning(
            "sandbox isolation: process, because this machine allows no user namespaces: "
            "programs run under resource limits only"
        )
    else:
        log.info("sandbox isolation: %s", sandbox.isolation)
    return sandbox


def _worker_command(isolation: Isolation | None, *arguments: str) -> list[str]:
    """Return the command of a Python process. It reads no files of the user and no installed packages."""
    wrapper = _UNSHARE if isolation is Isolation.namespaces else ()
    return [*wrapper, sys.executable, "-S", "-s", "-P", *arguments]


def _environment(folder: str) -> dict[str, str]:
    """Return the environment of a worker: nothing of the user's, but the libraries that Python needs."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": folder,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",  # the order of sets of texts is the same in each run
        "OPENBLAS_NUM_THREADS": "1",  # of numpy; each thread reserves memory
    }
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment


def _packages() -> list[dict[str, Any]]:
    return [asdict(package) for package in offered_packages()]


def _message(value: Any) -> bytes:
    data = json.dumps(value).encode()
    return len(data).to_bytes(8, "big") + data


def _header(program: Program, size: int) -> dict[str, Any]:
    """Return what the worker itself reads of a program; its process reads the body of `size` bytes."""
    return {
        "mode": str(program.mode),
        "calls": len(program.calls),
        "max_output": program.max_output,
        "max_total_output": program.max_total_output,
        "packages": used_packages(program.source + program.entry),
        "size": size,
    }


class _Output:
    """A reader of a worker's output: lines of JSON, some of which are followed by as many bytes as they say.

    The bytes come from a program. Its reports are untrusted, and so is its standard output.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def next(self) -> tuple[str, Any]:
        """Return the name and the value of the next record. Raises _WorkerFailure if there is none."""
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise _WorkerFailure("")
        [(name, value)] = json.loads(self.data[self.position : end]).items()
        self.position = end + 1
        if name == "failed":
            raise _WorkerFailure(value)
        if name in ("reports", "output"):
            start, self.position = self.position, self.position + value
            value = self.data[start : self.position]
        return name, value

    def run(self, num_calls: int, nonce: str) -> tuple[list[str], int]:
        """Return the results of one process and its status. Raises _WorkerFailure if it did not start."""
        reports = []
        while (record := self.next())[0] == "reports":
            reports.append(record[1])
        end, status = record[1]
        data = b"".join(reports)
        if not data.startswith(_STARTED):
            reason = " ".join(data.decode(errors="replace").split())[-300:]
            raise _WorkerFailure(reason or f"the process of a program did not start (status {status})")
        return read_reports(data.removeprefix(_STARTED), nonce.encode(), num_calls, end), status


def _read_run(output: _Output, program: Program, nonce: str) -> _Run:
    """Read the results of one program."""
    num_calls = len(program.calls)
    if program.mode is not Mode.stream:
        results, status = output.run(num_calls, nonce)
        return _Run(tuple(results), _was_killed(results, status))
    results, killed = [], False
    while len(results) < num_calls:
        [result], status = output.run(1, nonce)
        text = output.next()[1].decode(errors="replace")
        killed = killed or _was_killed([result], status)
        if result == CRASH and status == 0:
            result = "="  # the program ended its process itself, with os._exit(0)
        if result == "!timeout":  # the worker leaves out the runs that follow
            return _Run((*results, *[result] * (num_calls - len(results))), killed)
        results.append(result + text if result == "=" else result)
    return _Run(tuple(results), killed)


def _was_killed(results: Sequence[str], status: int) -> bool:
    return CRASH in results and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def read_reports(data: bytes, nonce: bytes, num_calls: int, end: str) -> list[str]:
    """Return the texts that a program reported in turn, and `end` for the calls that it did not reach."""
    texts: list[str] = []
    for line in data.split(b"\n")[:-1]:
        index, text = _read_report(line, nonce)
        if index is None:
            texts = texts[: num_calls - 1]  # an error after the last call is that call's
            return texts + [text] * (num_calls - len(texts))
        if len(texts) == num_calls or index != len(texts):
            return ["!tampered"] * num_calls
        texts.append(text)
    return texts + [end] * (num_calls - len(texts))


def _read_report(line: bytes, nonce: bytes) -> tuple[int | None, str]:
    """Return the number of a call and its text. The number is -1 if the line is no report."""
    report = _REPORT.fullmatch(line.removeprefix(nonce))
    if not line.startswith(nonce) or report is None:
        return -1, ""
    index = None if report[1] == b"null" else int(report[1])
    try:
        text = str(json.loads(report[2]))
    except ValueError:
        return -1, ""
    if text[:1] not in ("=", "!"):
        return -1, ""
    if text[0] == "=" and not text.isprintable():
        return -1, ""  # canonical texts have no line breaks, control characters and halves of characters
    if text[0] == "!" and not _REASON.fullmatch(text[1:]):
        return index, "!Exception"
    return index, text


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
    }
