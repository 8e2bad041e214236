"""Content-addressed stages: a folder named by a hash of what goes in. Done once, skipped ever after, worked on by one process at a time.

`done.json` says where and how long, without stages that ran within; the wall time of a resumed stage counts from its last start.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from corpo.utils import ranks
from corpo.utils.files import hash_of, read_json, storage, write_json

log = logging.getLogger(__name__)

# Raise a stage's number when its code changes what it writes: old results are then left alone and new ones made.
VERSIONS = {"sample": 1, "data": 5, "warm_start": 3, "train": 4, "evaluate": 4}


@dataclass(frozen=True)
class Stage:
    """`spec` is everything the result depends on: config and the keys of earlier stages."""

    name: str
    spec: dict[str, Any]
    outputs: Path
    title: str
    minutes: Callable[[], float]  # a rough estimate, for the dry run

    @property
    def key(self) -> str:
        return hash_of({"stage": self.name, "version": VERSIONS[self.name], **self.spec})

    @property
    def folder(self) -> Path:
        return self.outputs / self.name / self.key

    @property
    def done(self) -> bool:
        return (self.folder / "done.json").exists()

    def run(self, work: Callable[[Path], None], together: bool = False) -> Path:
        """Do the work in the stage's folder unless it is done; `work` itself resumes from what it finds there.

        Of several processes the first works and the others wait, unless they work `together`.
        """
        if self.done:
            log.info("%s: done before (%s)", self.title, self.folder)
            return self.folder
        if ranks.rank() > 0:
            if together:
                ranks.wait_for(self.folder / "spec.json")
                work(self.folder)
            ranks.wait_for(self.folder / "done.json")
            return self.folder
        asked = time.time()
        with storage(self.folder), claimed(self.folder, self.title):
            _not_of_the_outer(time.time() - asked)
            if self.done:  # by another process, while this one waited
                return self.folder
            log.info("%s: in %s", self.title, self.folder)
            resumed = (self.folder / "spec.json").exists()
            write_json(self.folder / "spec.json", self.spec)
            with _clock() as seconds:
                work(self.folder)
            write_json(
                self.folder / "done.json",
                {"wall_seconds": round(seconds(), 1), "resumed": resumed, **provenance()},
            )
        return self.folder


_within: list[
    float
] = []  # seconds that each running stage spent on stages within it or on waiting for them, the outermost first


@contextmanager
def _clock() -> Iterator[Callable[[], float]]:
    """Yields what tells how long it took, without the stages that ran within: an evaluation that trains first does not count that twice."""
    started, taken = time.time(), 0.0
    _within.append(0.0)
    try:
        yield lambda: taken
    finally:
        whole = time.time() - started
        taken = whole - _within.pop()
        _not_of_the_outer(whole)


def _not_of_the_outer(seconds: float) -> None:
    if _within:
        _within[-1] += seconds


def distinct(stages: Iterable[Stage]) -> list[Stage]:
    """Each once, in order: runs share data, warm starts and more."""
    return list({stage.folder: stage for stage in stages}.values())


@contextmanager
def claimed(folder: Path, title: str) -> Iterator[None]:
    """Have a folder to oneself; wait while another process has it. The system takes a dead process's claim away."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s: waiting for %s, which works in %s", title, _who(folder), folder)
        lock.acquire()
    try:
        write_json(folder / "owner.json", {"process": os.getpid(), "host": socket.gethostname()})
        yield
    finally:
        (folder / "owner.json").unlink(missing_ok=True)
        lock.release()


def _who(folder: Path) -> str:
    found = owner(folder)
    return "another process" if found is None else f"process {found['process']} on {found['host']}"


def owner(folder: Path) -> dict[str, Any] | None:
    """Process and host that work in a stage's folder; None where nobody does. A killed one is known as such on its own host only."""
    try:
        found: dict[str, Any] = read_json(folder / "owner.json")
        if found["host"] == socket.gethostname():
            os.kill(found["process"], 0)
    except (FileNotFoundError, ProcessLookupError, json.JSONDecodeError):
        return None
    except PermissionError:  # alive, and somebody else's
        pass
    return found


def provenance() -> dict[str, Any]:
    """Commit, machine and versions: what stands beside every figure."""
    from importlib.metadata import version

    return {
        "commit": commit(),
        "cpu": processor(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
    }


def commit() -> str:
    """The checkout's commit, marked where tracked files differ from it; "unknown" outside a checkout."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if changed else "")


def _gpu() -> str:
    torch = sys.modules.get("torch")  # a stage that did not load it did not compute on one
    if torch is None or not torch.cuda.is_available():
        return "no GPU"
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"


def processor() -> str:
    """The CPU's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
