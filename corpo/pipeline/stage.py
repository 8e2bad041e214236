"""Stages: units of work that are done once, resumed after a kill, and shared between runs.

A stage knows its inputs, so the graph of an experiment is written once. It tells what to run and in which
order, what the dry run and the table of a sweep show, and what the provenance of a result consists of. The
folder of a stage is named by its key: a hash of its own settings and of the keys of its inputs.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from corpo.pipeline.integrity import DONE, LOCK, OWNER, check_files, read_done, write_done
from corpo.pipeline.provenance import provenance
from corpo.utils import ranks
from corpo.utils.files import hash_of, read_json, shown_path, storage, write_json
from corpo.utils.progress import CONSOLE, StageLabel, clock, stage_label

log = logging.getLogger(__name__)

# Raise the number of a stage if its code changes what it writes. Results under the old number are left alone.
VERSIONS = {"sample": 1, "data": 7, "warm_start": 4, "train": 8, "evaluate": 7}
SPEC = "spec.json"
_TITLES = 4  # of stages that were done before, which a log message names


@dataclass(frozen=True, eq=False)
class Stage:
    """A unit of work with its inputs.

    `spec` holds the settings that the result depends on, besides its inputs. `work` fills the folder that it
    receives and resumes from what it finds there. `minutes` estimates the duration for the dry run. If
    `parallel` is true, all processes that torchrun started work together; otherwise the first works and the
    others wait.
    """

    name: str
    title: str
    inputs: tuple[Stage, ...]
    spec: dict[str, Any]
    outputs: Path
    work: Callable[[Path], None]
    minutes: Callable[[], float]
    parallel: bool = False

    @cached_property
    def key(self) -> str:
        """Return the hash of everything that the result depends on."""
        inputs = {"inputs": [stage.key for stage in self.inputs]} if self.inputs else {}
        return hash_of({"stage": self.name, "version": VERSIONS[self.name], **inputs, **self.spec})

    @cached_property
    def folder(self) -> Path:
        """Return where the result is or will be."""
        return self.outputs / self.name / self.key

    @property
    def done(self) -> bool:
        """Return whether the result is complete."""
        return (self.folder / DONE).exists()

    @property
    def record(self) -> dict[str, Any]:
        """Return when, where and with which versions the result was made. Raises DataError if damaged."""
        return read_done(self.folder)

    def checked(self, name: str = "") -> Path:
        """Return the path of a file or folder of the result, by default of the whole result.

        Raises DataError if the stage is done and the content is not as the stage left it.
        """
        if self.done:
            check_files(self.folder, name)
        return self.folder / name

    def run(self) -> Path:
        """Do the work unless it is done, after the inputs that are not done.

        Return the folder of the result.
        """
        run_stages([self])
        return self.folder


def graph(targets: Iterable[Stage]) -> list[Stage]:
    """Return the targets and all their inputs, each once, inputs first."""
    ordered: dict[Path, Stage] = {}

    def visit(stage: Stage) -> None:
        if stage.folder not in ordered:
            for stage_before in stage.inputs:
                visit(stage_before)
            ordered.setdefault(stage.folder, stage)

    for target in targets:
        visit(target)
    return list(ordered.values())


def unfinished(targets: Iterable[Stage]) -> list[Stage]:
    """Return the stages that still have to run for the targets, inputs first.

    Inputs of finished stages are not needed.
    """
    needed: dict[Path, Stage] = {}

    def visit(stage: Stage) -> None:
        if not stage.done and stage.folder not in needed:
            for stage_before in stage.inputs:
                visit(stage_before)
            needed.setdefault(stage.folder, stage)

    for target in targets:
        visit(target)
    return list(needed.values())


def run_stages(targets: Iterable[Stage]) -> None:
    """Run what is not done of the targets and their inputs, and log a line for each finished stage."""
    targets = list(targets)
    stages = graph(targets)
    needed = unfinished(targets)
    _log_finished_before([stage for stage in stages if stage.done], len(stages))
    forecast = Forecast(needed)
    for stage in needed:
        label = StageLabel(stages.index(stage) + 1, len(stages), stage.title, forecast.seconds_after(stage))
        with stage_label(label):
            seconds = _run_one(stage, label)
        forecast.add(stage, seconds)


def _log_finished_before(stages: Sequence[Stage], total: int) -> None:
    if stages:
        titles = ", ".join(stage.title for stage in stages[:_TITLES])
        more = ", ..." if len(stages) > _TITLES else ""
        log.info("done before: %d of %d stages (%s%s)", len(stages), total, titles, more)


class Forecast:
    """An estimate of the time left of a run. It learns from the stages that have finished."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        """Estimate the seconds of these stages, which run in this order."""
        self.estimates = {stage.folder: 60 * stage.minutes() for stage in stages} if len(stages) > 1 else {}
        self.names = {stage.folder: stage.name for stage in stages}
        self.finished: dict[str, list[tuple[float, float]]] = {}  # seconds taken and estimated, by name

    def add(self, stage: Stage, seconds: float) -> None:
        """Record the time that a stage has taken."""
        if stage.folder in self.estimates:
            times = (seconds, self.estimates.pop(stage.folder))
            self.finished.setdefault(stage.name, []).append(times)

    def seconds_after(self, stage: Stage) -> float | None:
        """Return the seconds of the stages that have not finished, without this one. None means unknown."""
        total = 0.0
        for folder, seconds in self.estimates.items():
            if folder != stage.folder:
                total += seconds * self._slowdown(self.names[folder])
        return None if math.isnan(total) else total

    def _slowdown(self, name: str) -> float:
        """Return how much longer stages with this name took than estimated, or 1 if none has finished."""
        times = self.finished.get(name, [])
        estimated = sum(estimate for _, estimate in times)
        return sum(taken for taken, _ in times) / estimated if estimated > 0 else 1.0


def _run_one(stage: Stage, label: StageLabel) -> float:
    """Do the work of a stage. Return the seconds that it took, which are 0 for all ranks but the first."""
    if ranks.rank() > 0:
        if stage.parallel and not stage.done:
            ranks.wait_for(stage.folder / SPEC)
            stage.work(stage.folder)
        ranks.wait_for(stage.folder / DONE)
        return 0.0
    with storage(stage.folder), stage_lock(stage.folder, label.describe()):
        if stage.done:  # another process finished it while this one waited
            return 0.0
        if not CONSOLE.is_terminal:  # a terminal shows a bar instead
            log.info("%s: in %s", label.describe(), shown_path(stage.folder))
        resumed = (stage.folder / SPEC).exists()
        write_json(stage.folder / SPEC, {**stage.spec, "inputs": [before.key for before in stage.inputs]})
        started = time.time()
        stage.work(stage.folder)
        seconds = round(time.time() - started, 1)  # of a resumed stage: since its last start
        write_done(stage.folder, {"wall_seconds": seconds, "resumed": resumed, **provenance()})
    log.info("%s: done in %s (%s)", label.describe(), clock(seconds), shown_path(stage.folder))
    return seconds


@contextmanager
def stage_lock(folder: Path, title: str) -> Iterator[None]:
    """Hold the folder's lock.

    Wait while another process holds it; the system releases the lock of a dead process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s: waiting for %s, which works in %s", title, _describe_owner(folder), folder)
        lock.acquire()
    try:
        write_json(folder / OWNER, {"process": os.getpid(), "host": socket.gethostname()})
        yield
    finally:
        (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def _describe_owner(folder: Path) -> str:
    record = owner(folder)
    return "another process" if record is None else f"process {record['process']} on {record['host']}"


def owner(folder: Path) -> dict[str, Any] | None:
    """Return process and host that work in the folder of a stage, or None if nobody does.

    A killed process is recognised on its own host only.
    """
    try:
        record: dict[str, Any] = read_json(folder / OWNER)
        if record["host"] == socket.gethostname():
            os.kill(record["process"], 0)
    except (FileNotFoundError, ProcessLookupError, json.JSONDecodeError):
        return None
    except PermissionError:  # the process is alive and belongs to another user
        pass
    return record
