"""A progress bar for every long stage: the share that is done, the time left of it and of the whole run.

Bars and log messages share one console, so that a message appears above a live bar and never inside it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from corpo.utils import ranks

Advance = Callable[..., None]

CONSOLE = Console(stderr=True)
WIDE = 110  # columns from which a bar is long
LINE_SECONDS = 5.0  # a log has at most one line of progress in this time


@dataclass(frozen=True)
class StageLabel:
    """The stage that is running: its number and title, and an estimate of the stages after it."""

    number: int
    total: int
    title: str
    seconds_after: float | None  # None if a later stage has no estimate

    def describe(self) -> str:
        """Return number and title, such as "stage 3 of 8, train grpo seed 0"."""
        return f"stage {self.number} of {self.total}, {self.title}"


_stage: StageLabel | None = None  # set by `stage_label`; the bars of its work carry it


@contextmanager
def stage_label(label: StageLabel) -> Iterator[None]:
    """Let the bars inside the `with` block carry the number and the title of a stage."""
    global _stage
    previous, _stage = _stage, label
    try:
        yield
    finally:
        _stage = previous


class ConsoleHandler(logging.Handler):
    """A handler that prints log messages above the live bar, if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message as it is, in a line of any length."""
        CONSOLE.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(description: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Show progress on stderr and yield `advance(steps=1, note="")`. Only rank 0 prints.

    In a terminal it is a live bar, which vanishes at its end. In a log file it is a line per tenth of the
    total. `done` is the number of steps that a previous run has finished.
    """
    if ranks.rank() > 0:
        yield _no_progress
        return
    label = _labelled(description)
    if not CONSOLE.is_terminal:
        yield _line_printer(label, total, done)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=40 if CONSOLE.width >= WIDE else 10),
        MofNCompleteColumn(),
        _TimeLeft(_stage.seconds_after if _stage else None),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=CONSOLE, transient=True) as bar:
        task = bar.add_task(label, total=total, completed=done, note="")

        def advance(steps: int = 1, note: str = "") -> None:
            if note:
                bar.update(task, note=note)
            bar.update(task, advance=steps)

        yield advance


def _labelled(description: str) -> str:
    """Return the description behind the number of the stage and its title, unless it is that title."""
    if _stage is None:
        return description
    position = f"{_stage.number}/{_stage.total} {_stage.title}"
    # The title of a variant's stage ends in the description: "2 levels: train grpo seed 0".
    return position if _stage.title.endswith(description) else f"{position}: {description}"


class _TimeLeft(ProgressColumn):
    """A column with the time left of the bar and, if it is known, of the whole run."""

    def __init__(self, seconds_after: float | None) -> None:
        super().__init__()
        self.seconds_after = seconds_after

    def render(self, task: Task) -> Text:
        """Return the two times."""
        if task.time_remaining is None:
            return Text()
        return Text(_times(task.time_remaining, self.seconds_after), style="cyan")


def _times(left: float, seconds_after: float | None) -> str:
    """Return the time left of a stage and, if there are stages after it, of the run."""
    text = f"left {clock(left)}"
    return f"{text}, run {clock(left + seconds_after)}" if seconds_after else text


def _no_progress(steps: int = 1, note: str = "") -> None:
    pass


def _line_printer(description: str, total: int, done: int) -> Advance:
    """Return an `advance` that prints a line whenever another tenth of the total is finished."""
    start_time = time.monotonic()
    position, printed_tenths, printed_time = done, 10 * done // max(total, 1), start_time
    seconds_after = _stage.seconds_after if _stage else None

    def advance(steps: int = 1, note: str = "") -> None:
        nonlocal position, printed_tenths, printed_time
        position += steps
        now = time.monotonic()
        is_tenth = position > done and 10 * position // total > printed_tenths
        if not is_tenth or now - printed_time < LINE_SECONDS:
            return
        printed_tenths, printed_time = 10 * position // total, now
        spent = now - start_time
        left = spent / (position - done) * (total - position)
        line = f"{description}: {position}/{total} in {clock(spent)}, {_times(left, seconds_after)} {note}"
        CONSOLE.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)

    return advance


def clock(seconds: float) -> str:
    """Format a duration as minutes:seconds, or as hours:minutes:seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
