"""Sweeps: each job a process of its own whichever launcher starts it, done ones skipped, a failed one alone with its failure.

The jobs of a sweep leave a note each in its folder; what they are doing is read from the folders of their stages, wherever they run.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra.errors import HydraException
from rich.console import Console
from rich.live import Live
from rich.table import Table

from corpo.config import Config
from corpo.pipeline.stage import Stage, owner
from corpo.utils.files import hash_of, read_json, read_jsonl, write_json

LOG, FAILED = "log.txt", "failed.json"  # of a job, in the folder of its last stage
OBJECTIVE = "validation/pass@1"  # never an evaluation split
REFRESH = 2.0  # seconds
STOPPED = (130, 143)  # the exit codes of a job that was asked to stop, and left a checkpoint


class JobFailed(HydraException):
    """One job of a sweep did not finish; the others go on."""


def note(sweep: Path, overrides: Sequence[str], config: Config, stages: Sequence[Stage]) -> None:
    """Let the table know of a job."""
    record = {
        "overrides": list(overrides),
        "folders": [str(stage.folder) for stage in stages],
        "steps": config.train.steps,
    }
    write_json(sweep / f"{hash_of(list(overrides))}.json", record)


def run_job(module: str, overrides: Sequence[str], stages: Sequence[Stage], where: Path) -> float | None:
    """Run one job as a process of its own unless its stages are done; its last objective. Raises JobFailed where it ended badly."""
    last = stages[-1].folder
    if not all(stage.done for stage in stages):
        last.mkdir(parents=True, exist_ok=True)
        (last / FAILED).unlink(missing_ok=True)
        with open(last / LOG, "a", encoding="utf-8") as log:
            code = subprocess.run(
                [sys.executable, "-m", module, *overrides], cwd=where, stdout=log, stderr=log
            ).returncode
        if code:
            if code not in STOPPED:
                write_json(last / FAILED, {"exit_code": code})
            raise JobFailed(f"{' '.join(overrides)}: exit code {code}; {last / LOG} says why")
    return _objective([stage.folder for stage in stages])


def _objective(folders: Sequence[Path]) -> float | None:
    """The last validation accuracy of the last training among a job's stages."""
    curves = [_curve(folder) for folder in folders if folder.parent.name == "train"]
    return curves[-1][-1] if curves and curves[-1] else None


def _curve(folder: Path) -> list[float]:
    return [record[OBJECTIVE] for record in read_jsonl(folder / "metrics.jsonl") if OBJECTIVE in record]


@dataclass(frozen=True)
class Status:
    """What one job is doing."""

    name: str
    state: str  # waiting, running, stopped, failed, done
    detail: str
    left: float | None  # seconds of training
    best: float | None

    def line(self) -> str:
        return f"{self.name}: {self.state} {self.detail}".rstrip()


def status(sweep: Path) -> list[Status]:
    """Of every job, in the order of their overrides."""
    notes = [read_json(path) for path in sweep.glob("*.json")]
    varied = _varied([record["overrides"] for record in notes])
    return [
        _status(" ".join(o for o in record["overrides"] if o in varied), record)
        for record in sorted(notes, key=lambda record: record["overrides"])
    ]


def _varied(jobs: Sequence[Sequence[str]]) -> set[str]:
    """The overrides that not all jobs share."""
    every = set.intersection(*map(set, jobs)) if len(jobs) > 1 else set()
    return {override for job in jobs for override in job} - every


def _status(name: str, record: dict[str, object]) -> Status:
    folders = [Path(folder) for folder in record["folders"]]  # type: ignore[attr-defined]
    done = sum((folder / "done.json").exists() for folder in folders)
    best = max(
        (value for folder in folders if folder.parent.name == "train" for value in _curve(folder)),
        default=None,
    )
    if done == len(folders):
        return Status(name, "done", "", None, best)
    if (folders[-1] / FAILED).exists():
        return Status(name, "failed", f"see {folders[-1] / LOG}", None, best)
    now = next(folder for folder in folders if not (folder / "done.json").exists())
    stage = f"{now.parent.name}, {done} of {len(folders)} stages done"
    if owner(now) is None:
        return Status(
            name, "stopped" if now.exists() and (now / "spec.json").exists() else "waiting", stage, None, best
        )
    metrics = read_jsonl(now / "metrics.jsonl") if now.parent.name == "train" else []
    if not metrics:
        return Status(name, "running", stage, None, best)
    steps = int(str(record["steps"]))
    recent = metrics[-10:]
    left = (
        (steps - metrics[-1]["step"])
        * sum(one["rollout_seconds"] + one["update_seconds"] for one in recent)
        / len(recent)
    )
    return Status(name, "running", f"step {metrics[-1]['step']} of {steps}", left, best)


_COLOURS = {"waiting": "dim", "running": "cyan", "stopped": "yellow", "failed": "red", "done": "green"}


def table(jobs: Sequence[Status]) -> Table:
    """As it is shown while a sweep runs and at its end."""
    counts = {state: sum(job.state == state for job in jobs) for state in _COLOURS}
    title = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("job", "state", "", "left", f"best {OBJECTIVE}"):
        drawn.add_column(column, justify="right" if column in ("left", f"best {OBJECTIVE}") else "left")
    for job in jobs:
        left = f"{int(job.left) // 60}:{int(job.left) % 60:02d}" if job.left is not None else ""
        drawn.add_row(
            job.name,
            f"[{_COLOURS[job.state]}]{job.state}",
            job.detail,
            left,
            f"{job.best:.3f}" if job.best is not None else "",
        )
    return drawn


@contextmanager
def watch(sweep: Path) -> Iterator[None]:
    """The live table in a terminal; in a log, a line whenever a job changes its state, and the table at the end."""
    console = Console(file=sys.stderr)
    stop = threading.Event()

    def live() -> None:
        with Live(table(status(sweep)), console=console, refresh_per_second=1) as view:
            while not stop.wait(REFRESH):
                view.update(table(status(sweep)))
            view.update(table(status(sweep)))

    def lines() -> None:
        seen: dict[str, str] = {}
        while True:
            over = stop.wait(REFRESH)
            for job in status(sweep):
                if seen.get(job.name) != job.state:
                    seen[job.name] = job.state
                    if job.state != "waiting":
                        print(job.line(), file=sys.stderr, flush=True)
            if over:
                break
        Console(file=sys.stderr, width=160).print(table(status(sweep)))

    watcher = threading.Thread(target=live if console.is_terminal else lines, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def new_sweep(outputs: Path, arguments: Sequence[str]) -> Path:
    """An empty folder for the notes of the sweep that these arguments name: the same one when it is started again."""
    folder = outputs / "sweeps" / hash_of(list(arguments))
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    return folder
