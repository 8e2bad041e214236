"""A progress bar for every long stage: the share that is done, the time spent and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from corpo.utils import ranks

Advance = Callable[..., None]


@contextmanager
def progress(description: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Show progress on stderr and yield `advance(steps=1, note="")`. Only rank 0 prints.

    In a terminal it is a live bar. In a log file it is one line per tenth of the total. `done` is the number
    of steps that a previous run has finished.
    """
    if ranks.rank() > 0:
        yield _no_progress
        return
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _line_printer(description, total, done)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=total, completed=done, note="")

        def advance(steps: int = 1, note: str = "") -> None:
            if note:
                bar.update(task, note=note)
            bar.update(task, advance=steps)

        yield advance


def _no_progress(steps: int = 1, note: str = "") -> None:
    pass


def _line_printer(description: str, total: int, done: int) -> Advance:
    """Return an `advance` that prints a line whenever another tenth of the total is finished."""
    start_time = time.monotonic()
    position, printed_tenths = done, 10 * done // max(total, 1)

    def advance(steps: int = 1, note: str = "") -> None:
        nonlocal position, printed_tenths
        position += steps
        if position <= done or 10 * position // total <= printed_tenths:
            return
        printed_tenths = 10 * position // total
        spent = time.monotonic() - start_time
        left = spent / (position - done) * (total - position)
        line = f"{description}: {position}/{total} in {_clock(spent)}, left {_clock(left)} {note}"
        print(line.rstrip(), file=sys.stderr, flush=True)

    return advance


def _clock(seconds: float) -> str:
    """Format a duration as minutes:seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
