"""Runs one batch of untrusted programs. Started fresh by `corpo.data.sandbox`, standard library only, never imported.

Reads one JSON job from standard input; writes one JSON line per program: a list with one text per call, "=" and the canonical
repr of a value, or "!" and why there is none. Expected values never come here, so no program can find them.
"""

import ast
import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
MOST_OUTPUT = 1 << 20  # bytes of results per program
MOST_ITEMS = 20_000  # values within one result
FILE_SIZE = 1 << 20


def encode(value: Any, left: list[int], _type: Any = type, _repr: Any = repr, _len: Any = len, _sorted: Any = sorted) -> Any:
    """Canonical text of a plain value. Only exact built-in types: their repr runs none of the program's code."""
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("value too large")
    kind = _type(value)
    if value is None or kind is bool or kind is float or kind is str:
        return _repr(value)
    if kind is int:
        if value.bit_length() > 4000:
            raise ValueError("value too large")
        return _repr(value)
    if kind is list or kind is tuple:
        inner = ", ".join([encode(item, left) for item in value])
        return "[" + inner + "]" if kind is list else "(" + inner + ("," if _len(value) == 1 else "") + ")"
    if kind is dict:
        return "{" + ", ".join(_sorted([encode(key, left) + ": " + encode(item, left) for key, item in value.items()])) + "}"
    raise TypeError("not a plain value")


def limit(memory: int, cpu_seconds: float) -> None:
    # The timer counts this program's own work, so a busy machine fails nobody; the wall clock is the worker's to watch.
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    for what, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, int(cpu_seconds) + 1),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 64),
    ):
        resource.setrlimit(what, (value, value))


def run(source: str, calls: list[str], out: int) -> None:
    """In the child: every call's text, one after the other, so that a late crash keeps the early ones."""
    arguments = [ast.literal_eval(call) for call in calls]  # before the program runs: each call has objects of its own
    write, dumps, exceptions = os.write, json.dumps, (Exception, RecursionError, MemoryError, SystemExit, KeyboardInterrupt)

    def say(text: str) -> None:
        write(out, (dumps(text) + "\n").encode())

    try:
        scope: dict[str, Any] = {"__name__": "candidate"}
        exec(compile(source, "<candidate>", "exec"), scope)
        function = scope["f"]
    except SyntaxError:
        return say("!not a program")
    except KeyError:
        return say("!not a program")
    except exceptions as error:
        return say("!" + type(error).__name__)
    for args in arguments:
        try:
            value = function(*args)
        except exceptions as error:
            say("!" + type(error).__name__)
            continue
        try:
            say("=" + encode(value, [MOST_ITEMS]))
        except exceptions:
            say("!not a value")


def descendants() -> list[int]:
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parents[int(entry)] = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue  # ended while we looked
    found, frontier = [], [os.getpid()]
    while frontier:
        frontier = [pid for pid, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def sweep(child: int) -> int:
    """Kill the child and whatever it started, even what left its session, and reap it all. Returns the child's own end."""
    status = 0
    with contextlib.suppress(ProcessLookupError):  # already gone, or it left its group: the descendants are next
        os.killpg(child, signal.SIGKILL)
    while True:
        for pid in descendants():
            with contextlib.suppress(ProcessLookupError):  # ended between the look and the kill
                os.kill(pid, signal.SIGKILL)
        try:
            while True:
                pid, ended = os.waitpid(-1, 0)
                status = ended if pid == child else status
        except ChildProcessError:
            if not descendants():
                return status


def judge(source: str, calls: list[str], memory: int, cpu_seconds: float, seconds: float) -> list[str]:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.close(read_end)
            limit(memory, cpu_seconds)
            run(source, calls, write_end)
        finally:
            os._exit(0)
    os.close(write_end)
    deadline = time.monotonic() + seconds
    data, end = b"", "crash"
    while True:
        ready, _, _ = select.select([read_end], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            end = "timeout"
            break
        chunk = os.read(read_end, 1 << 16)
        if not chunk:
            break
        data += chunk
        if len(data) > MOST_OUTPUT:
            end = "output limit"
            break
    os.close(read_end)
    status = sweep(child)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGXCPU):
        end = "timeout"
    texts = []
    for line in data.decode(errors="replace").split("\n")[:-1]:
        try:
            text = json.loads(line)
        except ValueError:
            text = "!not a value"
        texts.append(text if isinstance(text, str) and text[:1] in ("=", "!") else "!not a value")
    if texts[:1] == ["!not a program"] or (len(texts) == 1 and texts[0].startswith("!") and len(calls) != 1 and end == "crash"):
        return [texts[0]] * len(calls)  # it failed before the first call
    return (texts + ["!" + end] * len(calls))[: len(calls)]


def main() -> None:
    job = json.load(sys.stdin)
    out = os.dup(1)
    os.set_inheritable(out, False)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for source, calls in job["programs"]:
        texts = judge(source, calls, job["memory"], job["cpu_seconds"], job["seconds"])
        os.write(out, (json.dumps(texts) + "\n").encode())


main()
