"""Run programs with a cache of results, and label them.

A program is correct if it gives the expected result on every call.
"""

from __future__ import annotations

import json
import logging
import operator
import platform
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from corpo.data.execution.packages import used_packages
from corpo.data.execution.sandbox import CRASH, VERSION, Program, Sandbox
from corpo.utils.errors import DataError
from corpo.utils.files import append_jsonl, complete_lines, hash_of, write_jsonl

log = logging.getLogger(__name__)

Calls = tuple[tuple[Any, ...], ...]
Job = tuple[str, Calls, tuple[str, ...]]  # a program, the calls to run it on, the expected results
Advance = Callable[[int], None]
_MAX_CACHED_CHARS = 1 << 20
CHUNK = 480  # programs between two writes of the cache


@dataclass(frozen=True)
class Label:
    """The outcome of running a candidate."""

    passed: int
    total: int
    error: str | None  # the first failure: "wrong answer", the name of an exception, "timeout", ...
    failures: tuple[tuple[int, str], ...]  # (index of the call, its result as `Sandbox.run` gives it)
    isolation: str

    @property
    def correct(self) -> bool:
        """Return whether every call passed."""
        return self.passed == self.total


class LabelCache:
    """A cache of results by content, appended to a JSONL file, so that a killed run can continue.

    Several threads and processes may share the file. Each line has a checksum. Damaged lines are dropped with
    a warning, and their programs run again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._threads, self._processes = threading.Lock(), FileLock(path.with_suffix(".lock"))
        with self._processes:
            lines = complete_lines(path, errors="replace")
            records = [record for record in map(_parse_record, lines) if record is not None]
            write_jsonl(path, records)  # drops damaged lines, and a last line that a kill cut short
        if num_damaged := len(lines) - len(records):
            log.warning("%s: dropped %d damaged lines; their programs run again", path, num_damaged)
        self.known: dict[str, list[str]] = {record["key"]: record["results"] for record in records}

    def add(self, key: str, results: Sequence[str]) -> None:
        """Add the results of one program.

        Large ones are left out, so that the program runs again. So are those of a process that ended without
        a word, because something else on the machine may have ended it.
        """
        if sum(map(len, results)) > _MAX_CACHED_CHARS or CRASH in results:
            return
        with self._threads, self._processes:
            self.known[key] = list(results)
            append_jsonl(self.path, _record(key, list(results)))


def _record(key: str, results: list[str]) -> dict[str, Any]:
    return {"key": key, "results": results, "checksum": hash_of([key, results])}


def _parse_record(line: str) -> dict[str, Any] | None:
    """Return the record in a line of the cache, or None if the line is damaged."""
    try:
        record = json.loads(line)
        is_intact = record == _record(record["key"], record["results"])
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    return record if is_intact else None


def run_cached(
    programs: Sequence[Program], sandbox: Sandbox, cache: LabelCache | None, advance: Advance | None = None
) -> list[tuple[str, ...]]:
    """Run each different program once, without those in the cache, and return the results in order."""
    keys = [_cache_key(program, sandbox) for program in programs]
    cached = cache.known if cache else {}
    known = {key: cached[key] for key in keys if key in cached}
    missing = {key: program for key, program in zip(keys, programs, strict=True) if key not in known}
    if advance:
        advance(len(programs) - len(missing))
    todo = list(missing.items())
    for start in range(0, len(todo), CHUNK):
        chunk = todo[start : start + CHUNK]
        chunk_results = sandbox.run([program for _, program in chunk], advance)
        for (key, _), results in zip(chunk, chunk_results, strict=True):
            known[key] = list(results)
            if cache:
                cache.add(key, results)
    return [tuple(known[key]) for key in keys]


def _cache_key(program: Program, sandbox: Sandbox) -> str:
    """Return the hash of everything that the results of a program depend on."""
    content = [VERSION, program.source, repr(program.calls), program.mode, program.entry]
    content += [program.max_output, program.max_total_output]
    limits = [sandbox.cpu_seconds, sandbox.seconds, sandbox.memory, sandbox.isolation]
    machine = [platform.python_implementation(), platform.python_version(), platform.machine()]
    packages = [[name, version(name)] for name in used_packages(program.source + program.entry)]
    return hash_of([*content, *limits, *machine, *packages], 32)


def expected_outputs(
    references: Sequence[tuple[str, Calls]],
    sandbox: Sandbox,
    cache: LabelCache | None,
    advance: Advance | None = None,
) -> list[tuple[str, ...]]:
    """Return the results of each reference on its calls. Raises DataError if a reference gives no value."""
    outputs = run_cached([Program(source, calls) for source, calls in references], sandbox, cache, advance)
    for (source, calls), results in zip(references, outputs, strict=True):
        for call, result in zip(calls, results, strict=True):
            if not result.startswith("="):
                raise DataError(f"reference solution fails with {result[1:]} on f{call!r}:\n{source}")
    return outputs


def label_programs(
    jobs: Sequence[Job], sandbox: Sandbox, cache: LabelCache | None, advance: Advance | None = None
) -> list[Label]:
    """Label each program. Results are compared here, so expected values never enter the sandbox."""
    outputs = run_cached([Program(source, calls) for source, calls, _ in jobs], sandbox, cache, advance)
    return [
        compare(results, expected, str(sandbox.isolation))
        for results, (_, _, expected) in zip(outputs, jobs, strict=True)
    ]


def compare(
    results: Sequence[str],
    expected: Sequence[str],
    isolation: str,
    matches: Callable[[str, str], bool] = operator.eq,
    used: Sequence[int] | None = None,
) -> Label:
    """Compare results with the expected ones, and return the label. `used` are the tests that count."""
    indices = range(len(expected)) if used is None else used
    failures = tuple(
        (index, results[index]) for index in indices if not matches(results[index], expected[index])
    )
    error = None
    if failures:
        first = failures[0][1]
        error = "wrong answer" if first.startswith("=") else first[1:]
    return Label(len(indices) - len(failures), len(indices), error, failures, isolation)
