"""Runs one batch of untrusted programs. Started fresh by `corpo.data.execution.sandbox`, standard library only, never imported.

Reads messages from standard input, each a length (8 bytes, big-endian) and JSON: first the limits, then one program at a time, so that no
program finds another one, or the tests of another one, in the memory that it is forked with. Writes one JSON line per program: a list
with one text per call, "=" and what came of it, or "!" and why nothing did. What a call is depends on the program's mode:

- function: the arguments of `entry`, an expression over what the program defines; gives the canonical repr of the value
- stream: the standard input of one run of the whole program; gives its standard output
- script: the source of a test that stands in `entry`, a script run after the program. A test either hands over a value, which is compared
  elsewhere, or reports by itself that it passed

Expected values of functions and streams never come here, nor do those of tests that hand over a value: no program can find them, and to
report a value it has to know it. A test that reports by itself holds what it expects, in the process of the program. It reports through a
closure, over a random nonce that no global name leads to, from a namespace that is not the program's; a report with another nonce, out of
turn or beyond the tests condemns the program ("!tampered"). What that cannot stop: code that walks Python's frames or its memory, finds
closure and nonce, and reports such a test as passed itself.

A program's process has no privileges, no open file but its own pipe, and starts threads but no processes (seccomp); where the kernel has
Landlock it reads Python and the system's libraries, writes an empty folder, signals only itself, and reaches no TCP port. Where a kernel
lets it start processes, processor time and processes are counted over all of them, and all are killed in the end.
"""

import ast
import atexit
import builtins
import contextlib
import ctypes
import errno
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

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
MAX_OUTPUT_BYTES = 1 << 20  # bytes of results per program
MOST_ITEMS = 20_000  # values within one result
MOST_PROCESSES = 16  # of one program, at a look
LOOK = 0.1  # seconds between two looks at what a program has started
FILE_SIZE = 1 << 20
LIBC = ctypes.CDLL(None, use_errno=True)

# --- what comes of a call ------------------------------------------------------------------------------------------------

PLAIN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)
VIEWS: tuple[type, ...] = (type({}.keys()), type({}.items()))  # equal to a set of the same items


def encode(value: Any, left: list[int]) -> str:
    """Canonical text of a plain value, or of one that equals a plain value because its class takes equality from there."""
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("value too large")
    kind = plain_kind(value)
    if kind is int and int.bit_length(value) > 4000:
        raise ValueError("value too large")
    if kind is list or kind is tuple:
        inner = ", ".join([encode(item, left) for item in kind.__iter__(value)])
        return (
            "[" + inner + "]"
            if kind is list
            else "(" + inner + ("," if kind.__len__(value) == 1 else "") + ")"
        )
    if kind is dict:
        return (
            "{"
            + ", ".join(
                sorted([encode(key, left) + ": " + encode(item, left) for key, item in dict.items(value)])
            )
            + "}"
        )
    if kind is set or kind is frozenset:
        inner = ", ".join(sorted([encode(item, left) for item in value]))
        return "frozenset({" + inner + "})" if kind is frozenset else "{" + inner + "}" if inner else "set()"
    return kind.__repr__(value)


def plain_kind(value: Any) -> Any:
    """The plain type that a value is compared as. Raises TypeError where its class compares in a way of its own."""
    kind = type(value)
    if value is None or kind in PLAIN:
        return kind
    if kind in VIEWS:
        return set
    for base in PLAIN:
        if issubclass(kind, base) and (
            kind.__eq__ is base.__eq__ or (kind.__module__ == "collections" and base is dict)
        ):  # Counter, OrderedDict
            return base
    raise TypeError("not a plain value")


class Speaker:
    """Writes reports down the pipe, numbered, each behind the nonce; holds what it needs, lest a program replaces it. Forked copies are mute."""

    def __init__(
        self,
        out: int,
        nonce: str,
        _write: Any = os.write,
        _dumps: Any = json.dumps,
        _info: Any = sys.exc_info,
        _pid: Any = os.getpid,
    ) -> None:
        me = _pid()

        def say(at: int | None, text: str) -> None:
            if _pid() == me:
                _write(out, (nonce + _dumps([at, text]) + "\n").encode())

        def value(at: int, found: Any) -> None:
            try:
                text = "=" + encode(found, [MOST_ITEMS])
            except EXCEPTIONS:
                text = "!not a value"
            say(at, text)

        self.say, self.value = say, value
        self.end = lambda text: say(None, text)  # of this call and all that follow
        self.passed = lambda at: say(at, "=True")
        self.failed = lambda at: say(at, "!" + _info()[0].__name__)


EXCEPTIONS = (Exception, RecursionError, MemoryError, SystemExit, KeyboardInterrupt)


class NotAProgram(Exception):
    """It is not Python, or defines no such thing as the tests want."""


# --- inside the program's process ----------------------------------------------------------------------------------------


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
    arguments = [
        ast.literal_eval(call) for call in calls
    ]  # before the program runs: each call has objects of its own
    get, exceptions = compile(entry, "<entry>", "eval"), EXCEPTIONS
    scope: dict[str, Any] = {"__name__": "candidate"}
    try:
        define(source, entry, scope)
    except NotAProgram:
        return speaker.end("!not a program")
    except exceptions as error:
        return speaker.end("!" + type(error).__name__)
    for at, args in enumerate(arguments):
        try:
            found = eval(get, scope)(*args)
        except exceptions as error:
            speaker.say(at, "!" + type(error).__name__)
        else:
            speaker.value(at, found)


def run_script(source: str, entry: str, calls: list[str], speaker: Speaker) -> None:
    """The script's tests report, each by its number; where it breaks off between two tests, that is the end of all that follow.

    They run as a main program, so that tests behind `if __name__ == "__main__"` are not skipped, which would pass them.
    """
    scope: dict[str, Any] = {"__name__": "candidate"}
    try:
        define(source, "", scope)
    except NotAProgram:
        return speaker.end("!not a program")
    except EXCEPTIONS as error:
        return speaker.end("!" + type(error).__name__)
    tests = {
        **scope,
        "__name__": "__main__",
        "__value__": speaker.value,
        "__passed__": speaker.passed,
        "__failed__": speaker.failed,
    }
    try:
        exec(compile(entry, "<tests>", "exec"), tests)
    except EXCEPTIONS as error:
        speaker.end("!" + type(error).__name__)


def run_stream(source: str, entry: str, calls: list[str], speaker: Speaker) -> None:
    """One run from standard input to standard output, which the parent made files, as a process of its own would be run; the parent reads them."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    exceptions, say, finished = EXCEPTIONS, speaker.say, finish
    try:
        try:
            define(source, "", {"__name__": "__main__"})
        except SystemExit as end:
            if end.code:
                raise
        finished()
    except NotAProgram:
        say(None, "!not a program")
    except exceptions as error:
        say(None, "!" + type(error).__name__)
    else:
        say(0, "=")


def finish() -> None:
    """What an interpreter does at its end: it waits for threads, runs exit handlers and flushes."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.__stdout__):
        if stream and not stream.closed:
            stream.flush()


RUN = {"function": run_function, "script": run_script, "stream": run_stream}

# --- confinement ---------------------------------------------------------------------------------------------------------

# Landlock's system calls and access rights (linux/landlock.h); calls of this age have one number on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_CHAR, MAKE_BLOCK = (
    1 << 0,
    1 << 1,
    1 << 2,
    1 << 3,
    1 << 6,
    1 << 11,
)
OF_FILES = (
    EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15
)  # rights that a file, not only a folder, can have
KNOWN_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # by version; 16 from 5 on
TCP, ELSEWHERE = 0b11, 0b11  # bind and connect; abstract sockets and signals beyond the domain


def ruleset(room: str) -> int | None:
    """What a program may do with files, ports and signals, as an open Landlock ruleset; None where the kernel has none."""
    version = LIBC.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return None
    rights = (1 << KNOWN_RIGHTS.get(version, 16)) - 1
    handled = struct.pack("QQQ", rights, TCP if version >= 4 else 0, ELSEWHERE if version >= 6 else 0)
    rules: int = LIBC.syscall(
        CREATE_RULESET, handled, ctypes.c_size_t(8 if version < 4 else 16 if version < 6 else 24), 0
    )
    library = os.path.dirname(os.__file__)
    modules = [
        os.path.join(library, name)
        for name in os.listdir(library)
        if name not in ("site-packages", "dist-packages")
    ]
    allowed = [
        (path, READ_FILE | READ_DIR)
        for path in (
            *modules,
            "/lib",
            "/lib64",
            "/usr/lib",
            "/etc/localtime",
            "/usr/share/zoneinfo",
            "/dev/urandom",
        )
    ]
    allowed += [
        (library, READ_DIR),
        ("/dev/null", READ_FILE | WRITE_FILE),
        (room, rights & ~(EXECUTE | MAKE_CHAR | MAKE_BLOCK)),
    ]
    for path, access in allowed:
        if os.path.exists(path):
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            access &= rights if os.path.isdir(path) else OF_FILES & rights
            LIBC.syscall(ADD_RULE, rules, 1, struct.pack("=Qi", access, fd), 0)
            os.close(fd)
    return rules


# Numbers of clone, fork and vfork, and the architecture's mark (linux/audit.h); clone3, whose flags a filter cannot see, is as if it were not there.
ARCHITECTURES = {"x86_64": (0xC000003E, (56, 57, 58)), "aarch64": (0xC00000B7, (220, -1, -1))}
CLONE3, CLONE_THREAD, ALLOW, REFUSE = 435, 0x10000, 0x7FFF0000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def forbid_processes() -> None:
    """Threads may be started, processes not: a seccomp filter, which binds root, too (RLIMIT_NPROC does not). Without one where the kernel has none."""
    if (machine := os.uname().machine) not in ARCHITECTURES:
        return
    mark, (clone, fork, vfork) = ARCHITECTURES[machine]
    steps = (
        (LOAD, 0, 0, 4),  # the architecture
        (EQUAL, 1, 0, mark),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
        (LOAD, 0, 0, 0),  # the call's number
        (AT_LEAST, 6, 0, 1 << 30),  # x86's third set of numbers
        (EQUAL, 4, 0, CLONE3),
        (EQUAL, 4, 0, fork & 0xFFFFFFFF),
        (EQUAL, 3, 0, vfork & 0xFFFFFFFF),
        (EQUAL, 3, 0, clone),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE | errno.ENOSYS),
        (RETURN, 0, 0, REFUSE | errno.EAGAIN),
        (LOAD, 0, 0, 16),  # clone's flags
        (ANY_BIT, 0, 1, CLONE_THREAD),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE | errno.EAGAIN),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    LIBC.prctl(PR_SET_SECCOMP, 2, struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)), 0, 0)


def confine(keep: int, rules: int | None, memory: int, cpu_seconds: float) -> None:
    """No privileges, no files, no open descriptor but `keep` and the standard streams, limited resources; dies with the worker."""
    os.setsid()
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if rules is not None and LIBC.syscall(RESTRICT_SELF, rules, 0):
        os._exit(1)  # no result is better than one without the confinement
    forbid_processes()
    LIBC.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
    os.closerange(3, keep)
    os.closerange(keep + 1, 256)
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


# --- outside: watching, sweeping up --------------------------------------------------------------------------------------


def descendants() -> dict[int, float]:
    """Every process below this one, and the seconds of processor time that it and its reaped children took."""
    parents: dict[int, tuple[int, float]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue  # ended while we looked
            parents[int(entry)] = int(fields[1]), sum(map(int, fields[11:15])) / TICKS
    found: dict[int, float] = {}
    frontier = {os.getpid()}
    while frontier:
        frontier = {pid for pid, (parent, _) in parents.items() if parent in frontier}
        found |= {pid: parents[pid][1] for pid in frontier}
    return found


TICKS = os.sysconf("SC_CLK_TCK")


def overspent(cpu_seconds: float) -> str | None:
    """Why a program has to end, with all that it started."""
    found = descendants()
    if len(found) > MOST_PROCESSES:
        return "process limit"
    return "timeout" if sum(found.values()) > cpu_seconds else None


def sweep(child: int) -> int:
    """Kill the child and whatever it started, even what left its session, and reap it all. Returns the child's own end."""
    status, looked = 0, False
    while True:
        try:
            while (reaped := os.waitpid(-1, os.WNOHANG))[0]:
                status = reaped[1] if reaped[0] == child else status
        except ChildProcessError:
            return status
        if looked:  # most children are about to end when their pipe closes
            with contextlib.suppress(ProcessLookupError):  # already gone, or it left its group
                os.killpg(child, signal.SIGKILL)
            for pid in (
                (-1,) if os.getpid() == 1 else descendants()
            ):  # as the first process of a namespace, all others at once
                with contextlib.suppress(ProcessLookupError):  # ended between the look and the kill
                    os.kill(pid, signal.SIGKILL)
        looked = True
        time.sleep(0.0005)


def clear(folder: str) -> None:
    """Empty a folder, however deep and whatever its permissions: what is in a folder of it moves up, so that no path grows long."""
    mark, number = os.urandom(8).hex(), 0
    while entries := list(os.scandir(folder)):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, 0o700)
            for inner in os.scandir(entry.path):
                if inner.is_dir(follow_symlinks=False):
                    os.chmod(inner.path, 0o700)
                number += 1
                os.rename(inner.path, os.path.join(folder, f"{mark}-{number}"))
            os.rmdir(entry.path)


def judge(program: dict[str, Any], rules: int | None, limits: dict[str, Any]) -> list[str]:
    """One text a call. A program that reads a stream is started anew for each, until it runs out of time."""
    calls = program["calls"]
    if program["mode"] != "stream":
        return fork(program, calls, rules, **limits)
    texts: list[str] = []
    for text in calls:
        if texts and texts[-1] in ("!timeout", "!not a program"):
            texts.append(texts[-1])
            continue
        streams = os.memfd_create("in"), os.memfd_create("out")
        os.write(streams[0], text.encode(errors="replace"))
        os.lseek(streams[0], 0, os.SEEK_SET)
        [said] = fork(program, [text], rules, **limits, streams=streams)
        texts.append(
            said + os.pread(streams[1], MAX_OUTPUT_BYTES, 0).decode(errors="replace") if said == "=" else said
        )
        for stream in streams:
            os.close(stream)
    return texts


def fork(
    program: dict[str, Any],
    calls: list[str],
    rules: int | None,
    memory: int,
    cpu_seconds: float,
    seconds: float,
    streams: tuple[int, ...] = (),
) -> list[str]:
    """Run a program in a child of its own, on these standard streams; whatever is left of it afterwards is killed or deleted."""
    read_end, write_end = os.pipe()
    nonce = os.urandom(16).hex()
    child = os.fork()
    if child == 0:
        try:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.chdir("room")
            confine(write_end, rules, memory, cpu_seconds)
            RUN[program["mode"]](program["source"], program["entry"], calls, Speaker(write_end, nonce))
        finally:
            os._exit(0)
    os.close(write_end)
    started = look = time.monotonic()
    data, end, gone = b"", "crash", False
    while True:
        now = time.monotonic()
        if now >= started + seconds:
            end = "timeout"
            break
        if now >= look + LOOK:
            look = now
            gone = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            if excess := overspent(cpu_seconds):
                end = excess
                break
        if not select.select([read_end], [], [], 0 if gone else min(look + LOOK, started + seconds) - now)[0]:
            if gone:  # and what it left behind holds the pipe open
                break
            continue
        chunk = os.read(read_end, 1 << 16)
        if not chunk:
            break
        data += chunk
        if len(data) > MAX_OUTPUT_BYTES:
            end = "output limit"
            break
    os.close(read_end)
    status = sweep(child)
    clear("room")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGXCPU):
        end = "timeout"
    return reports(data, nonce.encode(), len(calls), "!" + end)


def reports(data: bytes, nonce: bytes, calls: int, end: str) -> list[str]:
    """The texts that a program's process reported, in turn; what it did not get to is its `end`."""
    texts: list[str] = []
    for line in data.split(b"\n")[:-1]:
        try:
            at, text = json.loads(line.removeprefix(nonce))
        except (ValueError, TypeError, RecursionError):
            at, text = -1, ""
        if (
            not line.startswith(nonce)
            or not isinstance(text, str)
            or text[:1] not in ("=", "!")
            or len(texts) == calls
            or at not in (None, len(texts))
        ):
            return ["!tampered"] * calls
        if at is None:
            return texts + [text] * (calls - len(texts))
        texts.append(text)
    return texts + [end] * (calls - len(texts))


def receive(jobs: int) -> Any:
    """The next message, or None at the end."""
    size = _exactly(jobs, 8)
    return json.loads(_exactly(jobs, int.from_bytes(size, "big"))) if size else None


def _exactly(jobs: int, size: int) -> bytes:
    """So many bytes, none read ahead; fewer at the end."""
    data = b""
    while len(data) < size and (chunk := os.read(jobs, size - len(data))):
        data += chunk
    return data


def main() -> None:
    jobs, out = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # which `-S` leaves out, and short programs end with
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.mkdir("room")
    rules, limits = ruleset("room"), receive(jobs)
    while (program := receive(jobs)) is not None:
        os.write(out, (json.dumps(judge(program, rules, limits)) + "\n").encode())


if __name__ == "__main__":
    main()
