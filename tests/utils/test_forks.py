"""Parts of a job are computed in forks, in order, and nothing is left of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from corpo.utils import forks
from corpo.utils.errors import ProcessKilledError
from corpo.utils.forks import can_fork, map_in_forks

LINUX = pytest.mark.skipif(not can_fork(), reason="forks are used on Linux only")


@LINUX
def test_processes_compute_side_by_side_and_results_come_in_order() -> None:
    meeting = multiprocessing.get_context("fork").Barrier(3, timeout=30)

    def meet(part: int) -> tuple[int, int]:
        meeting.wait()
        return part, os.getpid()

    results = list(map_in_forks(meet, range(6), 3))
    assert [part for part, _ in results] == list(range(6))
    processes = {process for _, process in results}
    assert len(processes) == 3
    assert os.getpid() not in processes


@LINUX
def test_a_killed_fork_stops_the_stage_with_one_line() -> None:
    def die(part: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return part

    with pytest.raises(ProcessKilledError, match=r"killed.*memory.*resumes"):
        list(map_in_forks(die, range(4), 2))


@LINUX
def test_forks_compute_with_torch_after_this_process_did_on_several_threads() -> None:
    large = torch.ones(1000, 1000)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert float((large @ large).sum()) == 1e9
        results = list(
            map_in_forks(lambda part: float((large + part).sum() + (large @ large).sum()), (0, 1), 2)
        )
    finally:
        torch.set_num_threads(threads)
    assert results == [1e6 + 1e9, 2e6 + 1e9]


@LINUX
def test_an_error_of_a_part_is_raised_and_the_rest_is_not_begun(tmp_path: Path) -> None:
    def fail(part: int) -> None:
        (tmp_path / f"{part}").touch()
        if part == 0:
            raise ValueError("part 0")
        time.sleep(0.2)

    with pytest.raises(ValueError, match="part 0"):
        list(map_in_forks(fail, range(100), 2))
    assert len(list(tmp_path.iterdir())) < 10


def test_where_forks_are_not_safe_this_process_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "can_fork", lambda: False)
    assert list(map_in_forks(lambda part: (part, os.getpid()), range(2), 2)) == [
        (0, os.getpid()),
        (1, os.getpid()),
    ]


@LINUX
def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    def sleep(part: int) -> None:
        (tmp_path / f"{os.getpid()}").touch()
        time.sleep(60)

    def parent() -> None:
        list(map_in_forks(sleep, range(2), 2))

    process = multiprocessing.get_context("fork").Process(target=parent)
    process.start()
    _wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    process.kill()
    process.join()
    for file in tmp_path.iterdir():
        _wait_until(lambda number=int(file.name): not _is_alive(number))


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_alive(process: int) -> bool:
    """Return whether the process runs. One that ended may wait to be collected by the init process."""
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False
