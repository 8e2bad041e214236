"""Sweeps: every job in a process of its own, whichever launcher starts it. Finished jobs are skipped.

Each job leaves a note in the folder of the sweep. What the jobs are doing is read from the folders of their
stages, on whatever machine they run. If a job fails, the others continue.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from rich.console import Console
from rich.live import Live
from rich.table import Table

from corpo.config import Config
from corpo.pipeline.integrity import DONE, LOG
from corpo.pipeline.stage import SPEC, Stage, graph, owner
from corpo.utils.files import hash_of, read_json, read_jsonl, write_json

FAILED = "failed.json"  # of a job, in the folder of its last stage, beside its log
OBJECTIVE = "validation/pass@1"  # never an evaluation split
REFRESH_SECONDS = 2.0
STOPPED_CODES = (130, 143)  # the exit codes of a job that was asked to stop and left a checkpoint


class JobFailed(HydraException):
    """A job of a sweep did not finish. The other jobs continue."""


def new_sweep(outputs: Path, arguments: Sequence[str]) -> Path:
    """Return an empty folder for the notes of a sweep. The same arguments get the same folder."""
    folder = outputs / "sweeps" / hash_of(list(arguments))
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    return folder


def add_job(sweep: Path, overrides: Sequence[str], config: Config, targets: Sequence[Stage]) -> None:
    """Write the note of a job, from which the table shows its state."""
    folders = [str(stage.folder) for stage in graph(targets)]
    record = {"overrides": list(overrides), "folders": folders, "steps": config.train.steps}
    write_json(sweep / f"{hash_of(list(overrides))}.json", record)


def run_in_process(
    command: str, overrides: Sequence[str], targets: Sequence[Stage], folder: Path
) -> float | None:
    """Run one job in a process of its own unless its stages are done. Return its last objective.

    Raises JobFailed if the process fails.
    """
    last = targets[-1].folder
    if not all(stage.done for stage in targets):
        last.mkdir(parents=True, exist_ok=True)
        (last / FAILED).unlink(missing_ok=True)
        with open(last / LOG, "a", encoding="utf-8") as log:
            process = job_process(command, overrides)
            code = subprocess.run(process, cwd=folder, stdout=log, stderr=log).returncode
        if code:
            if code not in STOPPED_CODES:
                write_json(last / FAILED, {"exit_code": code})
            raise JobFailed(f"{' '.join(overrides)}: exit code {code}; see {last / LOG}")
    return _last_objective([stage.folder for stage in graph(targets)])


def job_process(command: str, overrides: Sequence[str]) -> list[str]:
    """Return the arguments of the process that runs one job."""
    return [sys.executable, "-m", "corpo", command, *overrides]


def _last_objective(folders: Sequence[Path]) -> float | None:
    """Return the last validation accuracy of the last training among some stages."""
    curves = [_curve(folder) for folder in folders if folder.parent.name == "train"]
    return curves[-1][-1] if curves and curves[-1] else None


def _curve(folder: Path) -> list[float]:
    metrics = read_jsonl(folder / "metrics.jsonl")
    return [record[OBJECTIVE] for record in metrics if OBJECTIVE in record]


# --- the table ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JobStatus:
    """The state of one job."""

    name: str
    state: str  # waiting, running, stopped, failed or done
    detail: str
    seconds_left: float | None  # of training
    best: float | None

    def line(self) -> str:
        """Return the state in one line."""
        return f"{self.name}: {self.state} {self.detail}".rstrip()


def sweep_status(sweep: Path) -> list[JobStatus]:
    """Return the state of every job, in the order of their options."""
    notes = [read_json(path) for path in sweep.glob("*.json")]
    notes.sort(key=lambda record: record["overrides"])
    varied = _varied_overrides([record["overrides"] for record in notes])
    statuses = []
    for record in notes:
        name = [override for override in record["overrides"] if override in varied]
        statuses.append(_job_status(" ".join(name), record))
    return statuses


def _varied_overrides(jobs: Sequence[Sequence[str]]) -> set[str]:
    """Return the options that not all jobs share."""
    shared = set.intersection(*map(set, jobs)) if len(jobs) > 1 else set()
    return set().union(*jobs) - shared


def _job_status(name: str, record: dict[str, Any]) -> JobStatus:
    folders = [Path(folder) for folder in record["folders"]]
    best = _best_objective(folders)
    if (folders[-1] / DONE).exists():
        return JobStatus(name, "done", "", None, best)
    if (folders[-1] / FAILED).exists():
        return JobStatus(name, "failed", f"see {folders[-1] / LOG}", None, best)
    done = sum((folder / DONE).exists() for folder in folders)
    current = next(folder for folder in folders if not (folder / DONE).exists())
    detail = f"{current.parent.name}, {done} of {len(folders)} stages done"
    if owner(current) is None:
        state = "stopped" if (current / SPEC).exists() else "waiting"
        return JobStatus(name, state, detail, None, best)
    metrics = read_jsonl(current / "metrics.jsonl") if current.parent.name == "train" else []
    if not metrics:
        return JobStatus(name, "running", detail, None, best)
    step, steps = metrics[-1]["step"], int(record["steps"])
    recent = metrics[-10:]
    seconds_per_step = sum(row["rollout_seconds"] + row["update_seconds"] for row in recent) / len(recent)
    return JobStatus(name, "running", f"step {step} of {steps}", (steps - step) * seconds_per_step, best)


def _best_objective(folders: Sequence[Path]) -> float | None:
    values: list[float] = []
    for folder in folders:
        if folder.parent.name == "train":
            values += _curve(folder)
    return max(values, default=None)


_COLOURS = {"waiting": "dim", "running": "cyan", "stopped": "yellow", "failed": "red", "done": "green"}


def status_table(jobs: Sequence[JobStatus]) -> Table:
    """Return the table that is shown while a sweep runs and at its end."""
    counts = Counter(job.state for job in jobs)
    title = ", ".join(f"{counts[state]} {state}" for state in _COLOURS if counts[state])
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("job", "state", ""):
        table.add_column(column)
    for column in ("left", f"best {OBJECTIVE}"):
        table.add_column(column, justify="right")
    for job in jobs:
        left = ""
        if job.seconds_left is not None:
            left = f"{int(job.seconds_left) // 60}:{int(job.seconds_left) % 60:02d}"
        best = f"{job.best:.3f}" if job.best is not None else ""
        table.add_row(job.name, f"[{_COLOURS[job.state]}]{job.state}", job.detail, left, best)
    return table


@contextmanager
def watch(sweep: Path) -> Iterator[None]:
    """Show a live table in a terminal.

    In a log, print a line whenever a job changes its state, and the table at the end.
    """
    console = Console(file=sys.stderr)
    stop = threading.Event()
    show = _show_live if console.is_terminal else _show_lines
    watcher = threading.Thread(target=show, args=(sweep, console, stop), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _show_live(sweep: Path, console: Console, stop: threading.Event) -> None:
    with Live(status_table(sweep_status(sweep)), console=console, refresh_per_second=1) as view:
        while not stop.wait(REFRESH_SECONDS):
            view.update(status_table(sweep_status(sweep)))
        view.update(status_table(sweep_status(sweep)))


def _show_lines(sweep: Path, console: Console, stop: threading.Event) -> None:
    states: dict[str, str] = {}
    stopped = False
    while not stopped:
        stopped = stop.wait(REFRESH_SECONDS)
        for job in sweep_status(sweep):
            if states.get(job.name) != job.state:
                states[job.name] = job.state
                if job.state != "waiting":
                    print(job.line(), file=sys.stderr, flush=True)
    Console(file=sys.stderr, width=160).print(status_table(sweep_status(sweep)))
