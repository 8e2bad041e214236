"""Being asked to stop: a run ends at its next step boundary, with a checkpoint there."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


class Stopped(KeyboardInterrupt):
    """A run ended because a signal asked it to; what it did is kept."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number  # 130 for Ctrl-C, 143 for SIGTERM, as shells have it


@contextmanager
def stoppable() -> Iterator[Callable[[], int]]:
    """Within it the first Ctrl-C or SIGTERM is noted, and the second interrupts. Yields what tells the noted signal's number, 0 for none.

    Signals reach Python's main thread only: in another one nothing is noted.
    """
    asked = 0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = number
        log.warning(
            "%s: stopping after this step, with a checkpoint; again to stop at once",
            signal.Signals(number).name,
        )

    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
