"""A sandbox that fails is no verdict: its programs run again, or the stage stops. Nothing of it is cached."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from corpo.data.execution import sandbox as sandbox_module
from corpo.data.execution.labelling import LabelCache, run_cached
from corpo.data.execution.sandbox import Isolation, Mode, Program, Sandbox, available_isolation
from corpo.utils.errors import SandboxError

LEVELS = [Isolation.process]
if available_isolation() is Isolation.namespaces:
    LEVELS.append(Isolation.namespaces)
SLOW = "import time\ndef f(x):\n    time.sleep(0.03)\n    return x + {number}"
PROGRAMS = [Program(SLOW.format(number=number), ((1,),)) for number in range(24)]
RESULTS = [(f"={1 + number}",) for number in range(24)]


_others: set[int] = set()  # processes below this one that are not of the sandbox


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_module, "_RETRY_SECONDS", (0.0, 0.05, 0.05))


@pytest.fixture(autouse=True)
def other_processes() -> None:
    """Remember what was started before the test, such as the process whose forks run commands."""
    _others.clear()
    _others.update(process for process, _ in _descendants())


def _descendants() -> list[tuple[int, int]]:
    """Return the processes of the sandbox below this one, each with its depth below it."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    processes: list[tuple[int, int]] = []
    frontier, depth = {os.getpid()}, 0
    while frontier:
        depth += 1
        frontier = {pid for pid, parent in parents.items() if parent in frontier} - _others
        processes += [(pid, depth) for pid in frontier]
    return processes


@contextmanager
def _killer(deepest: bool, kills: int) -> Iterator[list[int]]:
    """Kill a process of the sandbox again and again: the one of a program, or else the first one."""
    killed: list[int] = []
    stop = threading.Event()

    def work() -> None:
        while len(killed) < kills and not stop.wait(0.1):
            processes = sorted(_descendants(), key=lambda process: process[1], reverse=deepest)
            if processes:
                with suppress(ProcessLookupError):
                    os.kill(processes[0][0], signal.SIGKILL)
                    killed.append(processes[0][0])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("isolation", LEVELS)
@pytest.mark.parametrize("deepest", [False, True], ids=["worker", "program"])
def test_killed_processes_change_no_result(isolation: Isolation, deepest: bool) -> None:
    sandbox = Sandbox(isolation, workers=1)
    sandbox.run(PROGRAMS[:1])
    with _killer(deepest, kills=2) as killed:
        assert sandbox.run(PROGRAMS) == RESULTS
    assert killed


@pytest.mark.parametrize("isolation", LEVELS)
def test_time_in_which_all_processes_are_stopped_does_not_count(isolation: Isolation) -> None:
    """Stop a worker and its program for longer than the program may take, as a suspended machine does."""
    program = Program("import time\ndef f(x):\n    time.sleep(1.2)\n    return x", ((1,),))
    num_processes = 2 if isolation is Isolation.process else 3  # in addition, the first one of the namespaces
    stopped = threading.Event()

    def stop() -> None:
        deepest = None
        while True:
            processes = sorted(_descendants(), key=lambda process: process[1])
            if len(processes) == num_processes and processes[-1] == deepest:
                break
            deepest = processes[-1] if processes else None
            time.sleep(0.3)
        stopped.set()
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid, _ in processes:
                with suppress(ProcessLookupError):  # it has ended in the meantime
                    os.kill(pid, number)
            time.sleep(2.0 if number == signal.SIGSTOP else 0.0)

    thread = threading.Thread(target=stop)
    thread.start()
    assert Sandbox(isolation, seconds=1.9, workers=1).run([program]) == [("=1",)]
    assert stopped.is_set()
    thread.join()


def test_a_worker_that_is_always_killed_stops_the_run_and_caches_nothing(tmp_path: Path) -> None:
    cache = LabelCache(tmp_path / "labels.jsonl")
    with (
        _killer(deepest=False, kills=1000),
        pytest.raises(SandboxError, match="cannot run programs") as error,
    ):
        run_cached(PROGRAMS, Sandbox(Isolation.process, workers=1), cache)
    assert "\n" not in str(error.value)
    assert LabelCache(cache.path).known == {}


def test_a_program_that_kills_itself_has_crashed_and_is_not_cached(tmp_path: Path) -> None:
    program = Program("import os\nos.kill(os.getpid(), 9)", ((1,), (2,)))
    cache = LabelCache(tmp_path / "labels.jsonl")
    assert run_cached([program, *PROGRAMS[:1]], Sandbox(), cache) == [("!crash",) * 2, *RESULTS[:1]]
    assert list(LabelCache(cache.path).known.values()) == [list(RESULTS[0])]


LIMITS = {  # of this shell, too low for a program
    "file size": (resource.RLIMIT_FSIZE, 1 << 19),
    "address space": (resource.RLIMIT_AS, 400 << 20),
    "open files": (resource.RLIMIT_NOFILE, 20),
}
_RUN_LIMITED = """
import resource, sys
from corpo.data.execution import sandbox
from corpo.utils.errors import SandboxError
sandbox._RETRY_SECONDS = (0.0, 0.0)
box = sandbox.Sandbox(sandbox.Isolation.process, workers=1)
resource.setrlimit({limit}, ({value}, {value}))
try:
    print(box.run([sandbox.Program("def f(x):\\n    return x + 1", ((1,),))] * 3))
except SandboxError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_of_the_shell_that_is_too_low_stops_the_run(name: str) -> None:
    limit, value = LIMITS[name]
    code = _RUN_LIMITED.format(limit=int(limit), value=value)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(
        ("refused: the sandbox cannot run programs", "[('=2',), ('=2',), ('=2',)]")
    ), done
    assert name == "open files" or "refused" in done.stdout


def test_a_python_that_cannot_start_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho error while loading shared libraries >&2\nexit 127\n")
    broken.chmod(stat.S_IRWXU)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(SandboxError, match="error while loading shared libraries"):
        Sandbox(Isolation.process).run(PROGRAMS[:1])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    with pytest.raises(SandboxError, match="FileNotFoundError"):
        Sandbox(Isolation.process).run(PROGRAMS[:1])


def test_libraries_that_python_needs_reach_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = tmp_path / "python"
    wrapper.write_text(
        f'#!/bin/sh\n[ "$LD_LIBRARY_PATH" = "{tmp_path}" ] || exit 127\nexec {sys.executable} "$@"\n'
    )
    wrapper.chmod(stat.S_IRWXU)
    monkeypatch.setattr(sys, "executable", str(wrapper))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert Sandbox(Isolation.process).run(PROGRAMS[:1]) == RESULTS[:1]


def test_a_temporary_folder_that_is_missing_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(SandboxError, match="FileNotFoundError"):
        Sandbox().run(PROGRAMS[:1])


def test_a_worker_whose_canary_gives_another_value_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_module, "_CANARY_RESULTS", ("=0",))
    with pytest.raises(SandboxError, match="whose value is known"):
        Sandbox().run(PROGRAMS[:2])


def test_the_order_of_sets_of_texts_is_the_same_in_each_run() -> None:
    program = Program(
        "print(list({'a', 'b', 'c', 'd', 'e', 'f', 'g'}), hash('corpo'))", ("",), Mode.stream, ""
    )
    results = {Sandbox().run([program])[0] for _ in range(4)}
    assert len(results) == 1


SECRET = "NEIGHBOUR_SECRET_"


def test_the_memory_of_the_worker_holds_no_program_no_call_and_no_result() -> None:
    """Look into the process from which those of programs are copied, because it may outlive them all."""
    padding = f"#{SECRET}" * 200
    programs = []
    for number in range(3):
        source = f"def f(x):\n    return x * 100\n{padding}{number}"
        programs.append(Program(source, ((SECRET,),)))
        programs.append(Program(f"print(input() * 100)\n{padding}", (SECRET * 100,), Mode.stream, ""))
    waiting = Program("import time\ntime.sleep(2)\ndef f(x):\n    return x", ((1,),))
    memories: list[bytes] = []

    def look() -> None:
        time.sleep(1.2)
        for pid, depth in _descendants():
            with suppress(OSError):
                if depth == 1 and b"worker.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    memories.append(_memory(pid))

    thread = threading.Thread(target=look)
    thread.start()
    Sandbox(Isolation.process, workers=1, cpu_seconds=3.0, seconds=10.0).run([*programs, waiting])
    thread.join()
    assert memories
    assert all(b"serve" in memory for memory in memories), "the memory of a worker was read"
    assert not any(SECRET.encode() in memory for memory in memories)


def _memory(pid: int) -> bytes:
    """Return what a process has in its writable memory."""
    data = b""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if rights.startswith("rw"):
                with suppress(OSError):
                    memory.seek(start)
                    data += memory.read(end - start)
    return data
