"""Stopping a run with Ctrl-C or SIGTERM: it ends after its current step, with a checkpoint."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


class Stopped(KeyboardInterrupt):
    """The end of a run because of a signal. The work of all finished steps is saved."""

    def __init__(self, number: int) -> None:
        """Store the exit code that shells use: 130 for Ctrl-C, 143 for SIGTERM."""
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def stoppable() -> Iterator[Callable[[], int]]:
    """Record the first Ctrl-C or SIGTERM inside the `with` block; the second one interrupts at once.

    Yields a function that returns the number of the recorded signal, or 0. Python delivers signals to its
    main thread only: in another thread nothing is recorded.
    """
    received = 0

    def record(number: int, frame: FrameType | None) -> None:
        nonlocal received
        if received:
            raise KeyboardInterrupt
        received = number
        name = signal.Signals(number).name
        log.warning("%s: stopping after this step, with a checkpoint; send it again to stop at once", name)

    is_main_thread = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if is_main_thread else ()
    previous_handlers = {number: signal.signal(number, record) for number in numbers}
    try:
        yield lambda: received
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)
