"""One progress bar for every long stage: what is done, how fast, and when it ends."""

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
    """Yield `advance(steps=1, note="")`. In a terminal a live bar; in a log a line at every tenth of the way. Only the first process speaks."""
    if ranks.rank() > 0:
        yield lambda steps=1, note="": None
        return
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _lines(description, total, done)
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


def _lines(description: str, total: int, done: int) -> Advance:
    started, at, printed = time.monotonic(), done, 10 * done // max(total, 1)

    def advance(steps: int = 1, note: str = "") -> None:
        nonlocal at, printed
        at += steps
        if at > done and 10 * at // total > printed:
            printed = 10 * at // total
            spent = time.monotonic() - started
            left = spent / (at - done) * (total - at)
            print(
                f"{description}: {at}/{total} in {_clock(spent)}, left {_clock(left)} {note}".rstrip(),
                file=sys.stderr,
                flush=True,
            )

    return advance


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
