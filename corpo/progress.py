"""One progress bar for every long stage: what is done, how fast, and when it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[..., None]


@contextmanager
def progress(description: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Yield `advance(steps=1, note="")`. In a terminal a live bar; in a log a line at the start and at the end."""
    console = Console(file=sys.stderr)
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
