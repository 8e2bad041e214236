"""Progress bars and log messages: one console, so that a message never lands inside a live bar."""

from __future__ import annotations

import logging
from io import StringIO

import pytest
from rich.console import Console

from corpo.utils import progress as progress_module
from corpo.utils.progress import ConsoleHandler, StageLabel, clock, progress, stage_label


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """Let bars go to a terminal of 80 columns whose output is kept."""
    output = StringIO()
    console = Console(file=output, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(progress_module, "CONSOLE", console)
    return output


def test_a_message_gets_a_line_of_its_own_above_the_bar(terminal: StringIO) -> None:
    logger = logging.getLogger("tests.progress")
    handler = ConsoleHandler()
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with progress("train grpo seed 0", 10) as advance:
            advance(5, note="pass@1 0.62")
            logger.warning("SIGINT: stopping after this step [%s]", "with a checkpoint")
    finally:
        logger.removeHandler(handler)
    lines = terminal.getvalue().replace("\r", "\n").split("\n")
    [message] = [line for line in lines if "SIGINT" in line]
    assert message.split("\x1b[2K")[-1] == "SIGINT: stopping after this step [with a checkpoint]"


def test_a_live_bar_fits_into_80_columns_and_names_the_stage(terminal: StringIO) -> None:
    label = StageLabel(3, 8, "2 levels: train grpo seed 0", 300.0)
    with stage_label(label), progress("train grpo seed 0", 16) as advance:
        advance(12, note="pass@1 0.62")
    bars = [line for line in terminal.getvalue().replace("\r", "\n").split("\n") if "3/8" in line]
    assert bars
    assert "3/8 2 levels: train grpo seed 0" in bars[-1]


def test_a_log_gets_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("drawing programs", 1000) as advance:
        for _ in range(1000):
            advance()
    assert capsys.readouterr().err == "", "work of a moment needs no lines"


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (65.9, "1:05"), (3725, "1:02:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
