"""Label hostile programs in the sandbox at one level of isolation, and watch what they do outside of it.

    python attack_runner.py PROGRAMS LEVEL

`benchmarks.robustness.attacks` starts this file with the package of this or of an older commit, so it needs
only what both have. It prints one line of JSON per program.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from corpo.data.execution import checks as checks_module
from corpo.data.execution.checks import CallChecks, Executable, StdioChecks, expected_results
from corpo.data.execution.labelling import compare
from corpo.data.execution.sandbox import Isolation, Program, Sandbox
from corpo.data.execution.split_asserts import split_assertions
from corpo.utils.errors import SandboxError

CHECKS: dict[str, Executable] = {
    "calls": CallChecks("f", ((1,), (2,)), (2, 3)),
    "assertions": split_assertions("assert f(1) == 2\nassert f(2) == 3"),
    "loop": split_assertions("for x in (1, 2):\n    assert f(x) == x + 1"),
    "self-reporting": split_assertions(
        "def same(a, b):\n    return a == b\nassert same(f(1), 2) and same(f(2), 3)"
    ),
    "streams": StdioChecks(("1\n", "2\n"), ("2\n", "3\n")),
}
WORKER = Path(checks_module.__file__).with_name("worker.py")
NEIGHBOUR = "NEIGHBOUR = 1\ndef g(x): return x + 1\ndef f(x): return g(x)"
UDP_PORT, ABSTRACT_SOCKET, KEY = 38391, "\0corpo-attack", "corpo-attack"
SECRET, MODE = "{1: 2, 2: 3}", 0o644
SYSTEM_V = ("shm", "msg", "sem")


@dataclass
class Outside:
    """Everything that a program must not reach: a file, a process, sockets, objects of the kernel."""

    folder: Path
    process: int
    contacts: list[str] = field(default_factory=list)

    @property
    def secret(self) -> Path:
        """Return the file that a program must not change."""
        return self.folder / "secret"

    def state(self) -> dict[str, object]:
        """Return all that a program could change or leave behind, by name."""
        state: dict[str, object] = {
            "the nice value of a process": os.getpriority(os.PRIO_PROCESS, self.process),
            "the cores of a process": sorted(os.sched_getaffinity(self.process)),
            "the scheduler of a process": os.sched_getscheduler(self.process),
            "keys": sorted(line.split()[0] for line in _lines("/proc/keys") if KEY in line),
            "the mode of the worker's file": WORKER.stat().st_mode,
            "files": sorted(str(path) for path in self.folder.rglob("*")),
            "processes": _processes(f"HOME={self.folder}"),
            "contacts": list(self.contacts),
        }
        for kind in SYSTEM_V:
            state[f"System V {kind}"] = [line.split()[1] for line in _lines(f"/proc/sysvipc/{kind}")[1:]]
        with suppress(OSError):
            status = self.secret.stat()
            state["the attributes of a file"] = [status.st_mode, status.st_mtime, os.listxattr(self.secret)]
            state["the content of a file"] = self.secret.read_text()
        return state

    def tidy(self, before: dict[str, object]) -> None:
        """Remove what a program has left, so that the next one starts from the same state."""
        for pid in _processes(f"HOME={self.folder}"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        options = {"shm": "-m", "msg": "-q", "sem": "-s"}
        after = self.state()
        for kind in SYSTEM_V:
            name = f"System V {kind}"
            for number in set(after[name]) - set(before[name]):  # type: ignore[call-overload]
                subprocess.run(["ipcrm", options[kind], number], check=False)
        for key in after["keys"]:  # type: ignore[attr-defined]
            ctypes.CDLL(None).syscall(250, 21, int(key, 16), 0, 0, 0)  # keyctl: invalidate
        while self.state()["keys"]:
            time.sleep(0.1)  # the kernel removes it soon
        if os.getuid() == 0:
            WORKER.chmod(MODE)
        self.contacts.clear()
        self.write_secret()

    def write_secret(self) -> None:
        """Write the file anew."""
        self.secret.unlink(missing_ok=True)
        self.secret.write_text(SECRET)
        self.secret.chmod(MODE)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _processes(mark: str) -> list[int]:
    """Return the processes that have this text in their environment."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to another user
            if mark.encode() in (folder / "environ").read_bytes():
                pids.append(int(folder.name))
    return pids


@contextmanager
def open_outside(folder: Path) -> Iterator[Outside]:
    """Set up what programs must not reach. Sandboxes put their folders into `folder`."""
    folder.chmod(0o777)  # permissions protect nothing here
    tempfile.tempdir = str(folder)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    unix = socket.socket(socket.AF_UNIX)
    process = subprocess.Popen(["sleep", "100000"])
    outside = Outside(folder, process.pid)

    def answer_datagrams() -> None:
        while True:
            _, address = udp.recvfrom(9)
            outside.contacts.append("UDP")
            udp.sendto(b"1", address)

    def answer_connections() -> None:
        while True:
            connection, _ = unix.accept()
            outside.contacts.append("unix socket")
            connection.send(b"1")

    udp.bind(("127.0.0.1", UDP_PORT))
    unix.bind(ABSTRACT_SOCKET)
    unix.listen()
    for answer in (answer_datagrams, answer_connections):
        threading.Thread(target=answer, daemon=True).start()
    outside.write_secret()
    try:
        yield outside
    finally:
        process.kill()
        process.wait()


def observe(source: str, sandbox: Sandbox, outside: Outside) -> dict[str, object]:
    """Label a program by each kind of checks, between two honest programs. Return what happened."""
    before = outside.state()
    honest = Program(NEIGHBOUR, ((1,), (2,)))
    programs = [checks.program(source) for checks in CHECKS.values()]
    started = time.perf_counter()
    try:
        first, *all_results, last = sandbox.run([honest, *programs, honest])
    except SandboxError as error:
        return {
            "error": f"stopped: {error}"[:80],
            "correct": [],
            "faults": ["the sandbox stopped"],
            "seconds": 0,
        }
    seconds = time.perf_counter() - started
    labels = {}
    for (name, checks), results in zip(CHECKS.items(), all_results, strict=True):
        expected = expected_results(checks, ("=2", "=3"))
        labels[name] = compare(results, expected, str(sandbox.isolation), checks.matches)
    after = outside.state()
    faults = [name for name in before if after.get(name) != before[name]]
    if not first == last == ("=2", "=3"):
        faults.append("neighbours labelled wrong")
    return {
        "error": labels["calls"].error,
        "correct": [name for name, label in labels.items() if label.correct],
        "faults": faults,
        "seconds": seconds,
    }


def main() -> None:
    programs, level = Path(sys.argv[1]), Isolation(sys.argv[2])
    sandbox = Sandbox(level, cpu_seconds=0.3, seconds=1.0, workers=1)
    with (
        tempfile.TemporaryDirectory(prefix="corpo-attacks-") as folder,
        open_outside(Path(folder)) as outside,
    ):
        for path in sorted(programs.glob("*.py")):
            source = path.read_text(errors="surrogateescape")
            source = source.replace("OUTSIDE", str(outside.folder)).replace("2999", str(outside.process))
            before = outside.state()
            record = {"program": path.stem, **observe(source, sandbox, outside)}
            print(json.dumps(record), flush=True)
            outside.tidy(before)


if __name__ == "__main__":
    main()
