"""Runs one batch of untrusted programs. Started fresh by `corpo.data.sandbox`, standard library only, never imported.

Reads one JSON job from standard input; writes one JSON line per program: a list with one text per call, "=" and what came of it, or
"!" and why nothing did. What a call is depends on the program's mode:

- function: the arguments of `entry`, an expression over what the program defines; gives the canonical repr of the value
- stream: the standard input of one run of the whole program; gives its standard output
- script: the source of a test that stands in `entry`, a script run after the program, which reports each of its tests in turn

Expected values of functions and streams never come here, so no program can find them. A script holds its own.
"""

import ast
import atexit
import builtins
import contextlib
import ctypes
import functools
import json
import os
import resource
import select
import signal
import struct
import sys
import threading
import time
from typing import Any

PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446  # system calls, numbered alike on all architectures
LANDLOCK_ABI = 3  # the first that knows of truncation
WRITE_FILE = 1 << 1 | 1 << 14  # and truncate
WRITES = WRITE_FILE | sum(1 << right for right in range(4, 14))  # and remove, make and move
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
    if kind is set and value:
        return "{" + ", ".join(_sorted([encode(item, left) for item in value])) + "}"
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


def confine() -> None:
    """From now on this process and its children write beneath the working directory alone, where the kernel has Landlock."""
    libc = ctypes.CDLL(None)
    if libc.syscall(LANDLOCK_CREATE, None, 0, 1) < LANDLOCK_ABI:
        return
    rights = struct.pack("Q", WRITES)
    rules = libc.syscall(LANDLOCK_CREATE, rights, len(rights), 0)
    for path, allowed in ((".", WRITES), (os.devnull, WRITE_FILE)):
        libc.syscall(LANDLOCK_ADD, rules, 1, struct.pack("=Qi", allowed, os.open(path, os.O_PATH)), 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.syscall(LANDLOCK_RESTRICT, rules, 0)


EXCEPTIONS = (Exception, RecursionError, MemoryError, SystemExit, KeyboardInterrupt)


class NotAProgram(Exception):
    """It is not Python, or defines no such thing as the tests want."""


class Speaker:
    """Writes results down the pipe; holds what it needs, lest a program replaces it."""

    def __init__(self, out: int, _write: Any = os.write, _dumps: Any = json.dumps, _info: Any = sys.exc_info) -> None:
        self.say = lambda text: _write(out, (_dumps(text) + "\n").encode())
        self.passed = lambda: self.say("=True")
        self.failed = lambda: self.say("!" + _info()[0].__name__)


def define(source: str, entry: str, scope: dict[str, Any]) -> None:
    """Run a program so that it defines what the tests use. Raises NotAProgram where it cannot or lacks `entry`, else what it raises."""
    try:
        code = compile(source, "<candidate>", "exec")
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte or half a surrogate pair
        raise NotAProgram from error
    exec(code, scope)
    if entry and entry.partition(".")[0].partition("(")[0] not in scope:
        raise NotAProgram


def run_function(source: str, entry: str, calls: list[str], speaker: Speaker) -> None:
    """Every call's text, one after the other, so that a late crash keeps the early ones."""
    arguments = [ast.literal_eval(call) for call in calls]  # before the program runs: each call has objects of its own
    get, exceptions, say = compile(entry, "<entry>", "eval"), EXCEPTIONS, speaker.say
    scope: dict[str, Any] = {"__name__": "candidate"}
    try:
        define(source, entry, scope)
    except NotAProgram:
        return say("!not a program")
    except exceptions as error:
        return say("!" + type(error).__name__)
    for args in arguments:
        try:
            value = eval(get, scope)(*args)
        except exceptions as error:
            say("!" + type(error).__name__)
            continue
        try:
            say("=" + encode(value, [MOST_ITEMS]))
        except exceptions:
            say("!not a value")


def run_script(source: str, entry: str, calls: list[str], speaker: Speaker) -> None:
    """The script's tests report themselves; where it breaks off between two tests, that is the next one's failure.

    They have names of their own, lest the program finds the reporters among its globals. They run as a main program, so that tests behind
    `if __name__ == "__main__"` are not skipped, which would pass them.
    """
    scope: dict[str, Any] = {"__name__": "candidate"}
    try:
        define(source, "", scope)
    except NotAProgram:
        return speaker.say("!not a program")
    except EXCEPTIONS as error:
        return speaker.say("!" + type(error).__name__)
    try:
        exec(compile(entry, "<tests>", "exec"), {**scope, "__name__": "__main__", "__passed__": speaker.passed, "__failed__": speaker.failed})
    except EXCEPTIONS as error:
        speaker.say("!" + type(error).__name__)


def run_stream(given: int, taken: int, source: str, entry: str, calls: list[str], speaker: Speaker) -> None:
    """One run on two open files, as a process of its own would be run; the parent reads what it wrote."""
    os.dup2(given, 0)
    os.dup2(taken, 1)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    exceptions, say = EXCEPTIONS, speaker.say
    try:
        try:
            define(source, "", {"__name__": "__main__"})
        except SystemExit as end:
            if end.code:
                raise
        finish()
    except NotAProgram:
        say("!not a program")
    except exceptions as error:
        say("!" + type(error).__name__)
    else:
        say("=")


def finish() -> None:
    """What an interpreter does at its end: it waits for threads, runs exit handlers and flushes."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.__stdout__):
        if stream and not stream.closed:
            stream.flush()


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


def judge(program: dict[str, Any], memory: int, cpu_seconds: float, seconds: float) -> list[str]:
    """One text a call. A program that reads a stream is started anew for each, until it runs out of time."""
    limits = (memory, cpu_seconds, seconds)
    if program["mode"] != "stream":
        return fork({"function": run_function, "script": run_script}[program["mode"]], program, program["calls"], *limits)
    texts: list[str] = []
    for text in program["calls"]:
        if texts and texts[-1] in ("!timeout", "!not a program"):
            texts.append(texts[-1])
            continue
        # Files without a name: no program can put another file in their place.
        with open(os.memfd_create("in"), "w+b") as given, open(os.memfd_create("out"), "w+b") as taken:
            given.write(text.encode(errors="replace"))
            given.seek(0)
            [said] = fork(functools.partial(run_stream, given.fileno(), taken.fileno()), program, [text], *limits)
            if said == "=":
                taken.seek(0)
                said += taken.read(MOST_OUTPUT).decode(errors="replace")
        texts.append(said)
    return texts


def fork(run: Any, program: dict[str, Any], calls: list[str], memory: int, cpu_seconds: float, seconds: float) -> list[str]:
    """Run a program in a child and a directory of its own; whatever is left of it afterwards is killed."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.close(read_end)
            os.makedirs(str(os.getpid()), exist_ok=True)
            os.chdir(str(os.getpid()))
            confine()
            limit(memory, cpu_seconds)
            run(program["source"], program["entry"], calls, Speaker(write_end))
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
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # which `-S` leaves out, and short programs end with
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for program in job["programs"]:
        texts = judge(program, job["memory"], job["cpu_seconds"], job["seconds"])
        os.write(out, (json.dumps(texts) + "\n").encode())


main()
