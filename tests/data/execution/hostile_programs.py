"""Hostile candidates, and a scene in which to run them against the sandbox.

Each candidate is labelled by calls and by assertions, between two honest programs of the same batch.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from corpo.data.execution.checks import CallChecks, Executable, StdioChecks, expected_results
from corpo.data.execution.labelling import Label, compare
from corpo.data.execution.sandbox import Isolation, Program, Sandbox, available_isolation
from corpo.data.execution.split_asserts import split_assertions

LEVELS = [Isolation.process]
if available_isolation() is Isolation.namespaces:
    LEVELS.append(Isolation.namespaces)
RIGHT = "def f(x):\n    return x + 1"
CALLS = CallChecks("f", ((1,), (2,)), (2, 3))
ASSERTS = split_assertions("assert f(1) == 2\nassert f(2) == 3")
# These tests cannot be split, so they report by themselves.
REPORTING = split_assertions(
    "assert all(f(x) == x + 1 for x in (1, 2))\nassert all(f(x) - x == 1 for x in (3, 4))"
)
STREAMS = StdioChecks(("1\n", "2\n"), ("2\n", "3\n"))
SEARCHING = split_assertions("assert 2 in f(1) and 3 in f(2)")
UNITTEST = split_assertions("import unittest\nt = unittest.TestCase()\nt.assertEqual(f(1), 2)")
SECONDS, CPU_SECONDS = 1.0, 0.3
SECRET_MODE = 0o644


@dataclass(frozen=True)
class Hostile:
    """A program that is not correct, and the outcomes that its label may have.

    `{tree}`, `{secret}` and `{port}` in its source are filled in by the scene.
    """

    name: str
    source: str
    outcomes: tuple[str, ...]
    checks: tuple[Executable, ...] = (ASSERTS, CALLS)
    # The protection without which the program could harm or see this machine, so that it is not run: "files",
    # "names" (of files), "processes", "forks" or "calls"; see `available_protections`.
    needs: str = ""


_F = "\ndef f(x):\n    "
_EQUAL = "class E(int):\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 1\n"
# Find the object that reports results in the frames of Python.
_REPORTER = (
    "import os, sys\ndef reporter():\n    frame = sys._getframe()\n    while frame:\n"
    "        for held in [*frame.f_locals.values()]:\n"
    "            if hasattr(held, 'tested_value'): return held\n        frame = frame.f_back\n"
)
_DENIED = ("PermissionError", "FileNotFoundError")
HOSTILE_PROGRAMS: tuple[Hostile, ...] = (
    # time, memory, output
    Hostile("endless loop", "def f(x):\n    while True: pass", ("timeout",)),
    Hostile("sleep", "import time\ndef f(x):\n    time.sleep(60)", ("timeout",)),
    Hostile(
        "catastrophic regular expression",
        "import re\ndef f(x):\n    return re.match('(a+)+$', 'a' * 40 + 'b')",
        ("timeout",),
    ),
    Hostile("huge integer to compute", "def f(x):\n    return 7 ** 10 ** 9", ("timeout", "MemoryError")),
    Hostile("huge integer to report", "def f(x):\n    return 1 << 100000", ("not a value", "wrong answer")),
    Hostile("memory bomb", "def f(x):\n    return [0] * 10 ** 10", ("MemoryError",)),
    Hostile(
        "memory bomb by and by",
        "def f(x):\n    kept = []\n    while True: kept.append(bytearray(1 << 24))",
        ("MemoryError", "timeout"),
    ),
    Hostile(
        "fork bomb",
        "import os\ndef f(x):\n    while True: os.fork()",
        ("BlockingIOError", "process limit", "timeout"),
        needs="forks",
    ),
    Hostile(
        "fork bomb at import",
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        ("timeout", "process limit"),
        needs="forks",
    ),
    Hostile(
        "thread bomb",
        "import threading, time\ndef f(x):\n"
        "    while True: threading.Thread(target=time.sleep, args=(60,)).start()",
        ("RuntimeError", "timeout", "MemoryError"),
    ),
    Hostile("output flood in a value", "def f(x):\n    return 'a' * (1 << 21)", ("output limit",)),
    Hostile("output flood on a stream", "while True: print('a' * 1000)", ("OSError", "timeout"), (STREAMS,)),
    Hostile("many items", "def f(x):\n    return [0] * 100000", ("not a value", "wrong answer")),
    Hostile("deep recursion", "def f(x):\n    return f(x)", ("RecursionError",)),
    Hostile(
        "deep recursion without a limit",
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(x):\n    return f(x) + 1",
        ("crash", "MemoryError", "timeout"),
    ),
    Hostile(
        "ignoring the timer's signal",
        "import signal\nfor s in (14, 15, 24, 27): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
        ("timeout",),
    ),
    Hostile(
        "stopping the timer",
        "import signal\nsignal.setitimer(signal.ITIMER_PROF, 0)\nwhile True: pass",
        ("timeout",),
    ),
    Hostile(
        "raising its limits",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\ndef f(x): pass",
        ("ValueError", "PermissionError"),
    ),
    Hostile("stopping itself", "import os\ndef f(x):\n    os.kill(os.getpid(), 19)", ("timeout",)),
    # ends
    Hostile("sys.exit", "import sys\ndef f(x):\n    sys.exit(0)", ("SystemExit",)),
    Hostile("exit at import", "raise SystemExit(0)", ("SystemExit",)),
    Hostile("os._exit", "import os\ndef f(x):\n    os._exit(0)", ("crash",)),
    Hostile("abort", "import os\nos.abort()", ("crash",)),
    Hostile("ctypes crash", "import ctypes\ndef f(x):\n    ctypes.string_at(0)", ("crash",)),
    Hostile("closing every descriptor", "import os\ndef f(x):\n    os.closerange(0, 4096)", ("crash",)),
    Hostile(
        "kill of the parent",
        "import os\ndef f(x):\n    os.kill(os.getppid(), 9)",
        ("PermissionError", "crash"),
    ),
    Hostile("kill of its group", "import os\ndef f(x):\n    os.killpg(0, 9)", ("crash",)),
    Hostile(
        "kill of everything",
        "import os\ndef f(x):\n    os.kill(-1, 9)",
        ("PermissionError", "ProcessLookupError", "wrong answer", "crash"),
        needs="processes",
    ),
    Hostile(
        "becoming another program",
        "import os, sys\ndef f(x):\n    os.execv('/bin/true', ['true'])",
        ("PermissionError", "crash"),
    ),
    # what the harness holds
    Hostile(
        "reporting passes through frames",
        "import os, sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n"
        "        for held in [*frame.f_locals.values()]:\n"
        "            if hasattr(held, 'passed'):\n"
        "                held.passed(0), held.passed(1), os._exit(0)\n        frame = frame.f_back",
        ("wrong answer",),
    ),
    Hostile(
        "reporting passes by name",
        "import os, sys\ndef f(x):\n"
        "    passed = globals().get('__passed__') or sys._getframe(1).f_globals['__passed__']\n"
        "    passed(0), passed(1), os._exit(0)",
        ("wrong answer", "KeyError"),
    ),
    Hostile(
        "the same, of tests that report",
        "import os\ndef f(x):\n    __passed__(0), __passed__(1), os._exit(0)",
        ("NameError",),
        (REPORTING,),
    ),
    Hostile(
        "expected values from garbage collection",
        "import gc\ndef f(x):\n"
        "    texts = [v for o in gc.get_objects() if type(o) in (dict, list, tuple) for v in (o.values() "
        "if type(o) is dict else o)]\n"
        "    found = [t for t in texts if type(t) is str and 'f(1) == ' in t]\n"
        "    return eval(found[0].split('f(1) == ')[1].split()[0])",
        ("IndexError", "SyntaxError", "wrong answer"),  # it finds its own text
    ),
    Hostile(
        "a neighbour's program from memory",
        "import gc, os\ndef f(x):\n    for o in gc.get_objects():\n        if type(o) is dict:\n"
        "            for v in list(o.values()):\n"
        "                if type(v) is str and 'return x + ' + '1' in v and 'gc' not in v:\n"
        "                    space = {}\n                    exec(v, space)\n"
        "                    return space['f'](x)",
        ("wrong answer",),
    ),
    Hostile(
        "expected values from a file",
        "def f(x):\n    return eval(open({secret!r}).read())[x]",
        _DENIED,
        needs="files",
    ),
    Hostile(
        "expected values from /proc",
        "import os\ndef f(x):\n    return open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
        (*_DENIED, "OSError"),
        needs="files",
    ),
    Hostile(
        "its own descriptors from /proc",
        "import os\ndef f(x):\n    return os.listdir('/proc/self/fd')",
        _DENIED,
        needs="files",
    ),
    Hostile(
        "writing results itself",
        'import os\nfor fd in range(3, 256):\n    try: os.write(fd, b\'[0, "=2"]\\n[1, "=3"]\\n'
        '["=2", "=3"]\\n\')\n    except OSError: pass\nos._exit(0)',
        ("tampered",),
        (ASSERTS, CALLS, REPORTING),
    ),
    # what the harness uses
    Hostile(
        "patched builtins",
        "import builtins\n"
        "for n in ('repr', 'len', 'sorted', 'isinstance', 'type', 'int'): setattr(builtins, n, lambda *a: "
        "'2')" + _F + "return x",
        ("wrong answer", "not a value", "crash"),
    ),
    Hostile(
        "patched modules",
        "import ast, json, os, sys\njson.dumps = lambda *a, **k: '[0, \"=2\"]'\nos.write = lambda *a: 0\n"
        "sys.exc_info = lambda: (True, True)\n"
        "ast.literal_eval = lambda t: 2\njson.encoder.JSONEncoder.encode = lambda *a: '[0, \"=2\"]'"
        + _F
        + "return x",
        ("wrong answer", "tampered"),
    ),
    Hostile(
        "modules removed", "import sys\nsys.modules.clear()" + _F + "return x", ("wrong answer", "crash")
    ),
    Hostile(
        "no more assertions",
        "import builtins\nbuiltins.AssertionError = builtins.BaseException = ValueError" + _F + "return x",
        ("wrong answer",),
    ),
    Hostile(
        "always equal",
        "class E:\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 1"
        + _F
        + "return E()",
        ("not a value",),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "an integer that is always equal",
        "class I(int):\n    def __eq__(self, other): return True" + _F + "return I(9)",
        ("not a value",),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "an integer whose class lies",
        "class M(type):\n    def __getattribute__(self, name):\n"
        "        return int.__eq__ if name == '__eq__' else type.__getattribute__(self, name)\n"
        "    def __eq__(self, other): return True\n    def __hash__(self): return hash(int)\n"
        "class I(int, metaclass=M):\n    def __eq__(self, other): return True" + _F + "return I(9)",
        ("not a value", "wrong answer"),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "an object in the place of the function",
        "class F:\n    def __call__(self, x): return self\n    def __eq__(self, other): return True\n"
        "    def __sub__(self, other): return self\n    def __getattr__(self, name): return self\nf = F()",
        ("not a value",),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "patched all",
        "import builtins\nbuiltins.all = lambda items: True" + _F + "return x",
        ("wrong answer", "AssertionError"),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "an error named like a value", "E = type('=2', (Exception,), {})" + _F + "raise E", ("Exception",)
    ),
    Hostile("a base exception", "class E(BaseException): pass\nraise E", ("crash",)),
    Hostile("a value that cannot be copied", _F + "return lambda: x", ("not a value", "wrong answer")),
    Hostile("a generator", _F + "yield x + 1", ("not a value", "wrong answer")),
    Hostile("a list that holds itself", _F + "a = []; a.append(a); return a", ("not a value",)),
    Hostile(
        "a list nested deeply",
        _F + "a = []\n    for _ in range(100000): a = [a]\n    return a",
        ("not a value", "crash"),
    ),
    Hostile("half a character", _F + "return '\\ud800'", ("wrong answer",)),
    Hostile(
        "an object of the library that equals everything",
        "from unittest.mock import ANY" + _F + "return ANY",
        ("not a value",),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "an object behind a proxy",
        f"import weakref\n{_EQUAL}kept = E()" + _F + "return weakref.proxy(kept)",
        ("not a value", "TypeError"),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "a fraction of such objects",
        f"from fractions import Fraction\n{_EQUAL}" + _F + "y = Fraction(1)\n"
        "    y._numerator = y._denominator = E()\n    return y",
        ("not a value", "wrong answer"),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "a method with the file name of the library",
        f"exec(compile({_EQUAL!r}, '/usr/lib/python3/fractions.py', 'exec'))" + _F + "return E()",
        ("not a value",),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile("items that equal everything", _EQUAL + _F + "yield E()", ("not a value",), (SEARCHING,)),
    Hostile(
        "a function in the place of a built-in one",
        "all = lambda items: True" + _F + "return x",
        ("wrong answer", "AssertionError"),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "a tracer that skips assertions",
        "import sys\ndef trace(frame, event, argument):\n"
        "    if event == 'line' and frame.f_code.co_filename == '<tests>':\n"
        "        try: frame.f_lineno += 4\n        except ValueError: pass\n    return trace\n"
        "sys.settrace(trace)" + _F + "return x",
        ("wrong answer", "AssertionError"),
        (ASSERTS, CALLS, REPORTING),
    ),
    Hostile(
        "a class of the library with another way to find its methods",
        "import unittest\n"
        "unittest.TestCase.__getattribute__ = lambda *names: lambda *a, **k: None" + _F + "return x",
        ("AssertionError",),
        (UNITTEST,),
    ),
    # what the host reads
    Hostile(
        "a long word of digits",
        "print('1' * 1000000 + 'ex')",
        ("wrong answer",),
        (STREAMS,),
    ),
    Hostile(
        "a forged set of equal hashes",
        _REPORTER
        + "text = ', '.join(hex(n * (2 ** 61 - 1)) for n in range(1, 30000))"
        + _F
        + "reporter().report(0, '={' + text + '}'), os._exit(0)",
        ("wrong answer",),
    ),
    Hostile(
        "a forged fraction of many digits",
        _REPORTER + _F + "text = '0x1' + 'f' * 400000\n"
        "    reporter().report(0, f'=Fraction({text}, {text}1)'), os._exit(0)",
        ("wrong answer",),
    ),
    Hostile(
        "a forged text with half a character",
        _REPORTER + _F + "reporter().report(0, '=\\ud800'), os._exit(0)",
        ("tampered",),
    ),
    Hostile(
        "a forged number of a call",
        _REPORTER + _F + "cells = reporter().report.__closure__\n"
        "    nonce = next(c.cell_contents for c in cells if type(c.cell_contents) is str)\n"
        "    line = (nonce + '[' + '1' * 500000 + ', \"=2\"]\\n').encode()\n"
        "    for fd in range(3, 256):\n        try: os.write(fd, line)\n        except OSError: pass\n"
        "    os._exit(0)",
        ("tampered",),
    ),
    # what outlives it
    Hostile(
        "atexit",
        "import atexit\natexit.register(open, {tree!r} + '/left', 'w')" + _F + "return x",
        ("wrong answer",),
    ),
    Hostile(
        "a thread that outlives",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()" + _F + "return x",
        ("wrong answer",),
    ),
    Hostile(
        "a process that outlives",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\n"
        "    os._exit(0)" + _F + "return x",
        ("BlockingIOError", "wrong answer"),
    ),
    Hostile(
        "both halves of a fork answer",
        "import os\nos.fork()" + _F + "return x",
        ("BlockingIOError", "wrong answer"),
    ),
    # the machine
    Hostile(
        "looking for a file outside",
        "import os" + _F + "return os.stat({secret!r}).st_size and x",
        _DENIED,
        needs="names",
    ),
    Hostile(
        "looking for the user's files",
        "import os" + _F + "return len(os.listdir('/etc')) and x",
        _DENIED,
        needs="files",
    ),
    Hostile(
        "files without end",
        "import os\ni = 0\nopen('a', 'w')\nwhile True:\n    i += 1\n    os.link('a', f'l{i}')\n"
        "    os.symlink('a', f's{i}')\n    os.mkdir(f'd{i}')\n    os.mkfifo(f'p{i}')",
        ("timeout", "OSError", "output limit"),
        (CALLS,),
    ),
    Hostile(
        "a disk that is filled",
        "i = 0\nwhile True:\n    i += 1\n    open(str(i), 'wb').write(bytes(1 << 20))",
        ("timeout", "OSError", "output limit"),
        (CALLS,),
    ),
    Hostile(
        "its own memory from /proc",
        "import re\ndef f(x):\n    memory = open('/proc/self/mem', 'rb')\n    return memory.read(1) and x",
        (*_DENIED, "OSError"),
        needs="files",
    ),
    Hostile("standard error without end", "import os\nwhile True: os.write(2, bytes(1 << 20))", ("timeout",)),
    Hostile(
        "an alarm that raises anywhere",
        "import signal\ndef ring(*a): raise SystemExit(0)\nsignal.signal(14, ring)\n"
        "signal.setitimer(0, 0.001, 0.001)" + _F + "return x",
        ("SystemExit", "wrong answer", "crash", "tampered", "not a program"),
        (ASSERTS, CALLS, STREAMS),
    ),
    Hostile("writing outside", "open({tree!r} + '/left', 'w')" + _F + "return x", _DENIED, needs="files"),
    Hostile(
        "writing to shared folders",
        "open('/tmp/corpo-left', 'w')" + _F + "return x",
        (*_DENIED, "OSError"),  # if Python lies below /tmp, which is then there and read-only
        needs="files",
    ),
    Hostile(
        "deleting the working tree",
        "import shutil\nshutil.rmtree({tree!r})" + _F + "return x",
        _DENIED,
        needs="files",
    ),
    Hostile(
        "deleting what it stands in",
        "import shutil, os\nshutil.rmtree(os.getcwd(), True)" + _F + "return x",
        ("wrong answer",),
    ),
    Hostile(
        "folders nested deeply and locked",
        "import os\nfor _ in range(1500):\n    os.mkdir('d'); os.chdir('d')\nos.mkdir('e')\nos.chmod('.', 0)"
        + _F
        + "return x",
        ("wrong answer", "timeout", "PermissionError", "output limit"),
    ),
    Hostile(
        "modules left for others",
        "for n in ('ast', 'json', 'os', 'signal'): open(n + '.py', 'w').write('1 / 0')" + _F + "return x",
        ("wrong answer",),
    ),
    Hostile(
        "an import with side effects",
        "open('mine.py', 'w').write('import builtins; builtins.len = None')\n"
        "import sys; sys.path.insert(0, '.')\nimport mine" + _F + "return len([x])",
        ("TypeError",),
    ),
    Hostile(
        "reading the environment",
        "import os" + _F + "return int(os.environ['CORPO_SECRET']) + x",
        ("KeyError",),
    ),
    Hostile("standard input", _F + "return int(input())", ("EOFError",)),
    Hostile(
        "connecting",
        "import socket" + _F + "return len(socket.create_connection(('127.0.0.1', {port}), 1).recv(1)) + x",
        ("PermissionError", "OSError", "ConnectionRefusedError"),
        needs="files",
    ),
    Hostile(
        "listening",
        "import socket\ns = socket.create_server(('127.0.0.1', 0))" + _F + "return x",
        ("PermissionError", "wrong answer"),
    ),
    Hostile(
        "system calls for privileges",
        "import ctypes\nc = ctypes.CDLL(None)\n"
        "c.setuid(0), c.mount(b'x', b'/usr', b'tmpfs', 0, 0), c.umount(b'/proc')" + _F + "return x",
        ("wrong answer",),
    ),
)


# --- calls that act on others or leave something behind ---

_LIBC = (
    "import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "def check(result):\n    if result < 0 and ctypes.get_errno() == errno.EPERM:\n"
    "        raise PermissionError\n    return result\n"
)
_CALLS = {  # by name: what runs before f, and the expression that f adds to its argument
    "open files of the worker": ("import os, resource", "resource.prlimit(os.getppid(), 7, (16, 16))"),
    "file size of the worker": ("import os, resource", "resource.prlimit(os.getppid(), 1, (1, 1))"),
    "processor time of the worker": ("import os, resource", "resource.prlimit(os.getppid(), 0, (1, 1))"),
    "limits of any process": ("import os, resource", "resource.prlimit(1, 7)"),
    "nice value of the user": ("import os", "os.setpriority(os.PRIO_USER, 0, 19)"),
    "scheduler of the worker": (
        "import os",
        "os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0))",
    ),
    "core of the worker": ("import os", "os.sched_setaffinity(os.getppid(), {0})"),
    "a signal to the worker": ("import os", "os.kill(os.getppid(), 0)"),
    "a signal when a file is ready": ("import fcntl, os", "fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())"),
    "life after the worker": (_LIBC, "check(libc.prctl(1, 0, 0, 0, 0))"),
    "shared memory": (_LIBC, "check(libc.shmget(0x77780001, ctypes.c_size_t(4096), 0o1600))"),
    "shared memory of another": (_LIBC, "check(libc.shmctl(0, 0, 0))"),
    "a message queue": (_LIBC, "check(libc.msgget(0x77780001, 0o1600))"),
    "a semaphore": (_LIBC, "check(libc.semget(0x77780001, 1, 0o1600))"),
    "a POSIX queue": (_LIBC, "check(libc.mq_open(b'/corpo', 0o102, 0o600, None))"),
    "a key": (
        _LIBC + "import os\nnumber = {'x86_64': 248, 'aarch64': 217}[os.uname().machine]",
        "check(libc.syscall(number, b'user', b'corpo', b'left', ctypes.c_size_t(4), ctypes.c_long(-4)))",
    ),
    "a ring": (_LIBC, "check(libc.syscall(425, 4, bytes(120)))"),
    "a namespace": (_LIBC, "check(libc.unshare(0x10000000))"),
    "memory of the worker": (
        _LIBC + "import os",
        "check(libc.process_vm_readv(os.getppid(), None, ctypes.c_ulong(0), None, ctypes.c_ulong(0), 0))",
    ),
    "another program": ("import os, sys", "os.execv(sys.executable, [sys.executable])"),
    "UDP": ("import socket", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"),
    "a unix socket": ("import socket", "socket.socket(socket.AF_UNIX)"),
    "a datagram to a unix socket": (
        "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "a.sendto(b'x', {secret!r})",
    ),
    "a unix socket at the end of a pair": (
        "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "a.connect({secret!r})",
    ),
    "an open file sent away": (
        "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "socket.send_fds(a, [b'x'], [0])",
    ),
    "a signal when a socket is ready": (
        "import fcntl, os, socket, struct\na, b = socket.socketpair()",
        "fcntl.ioctl(a, 0x8901, struct.pack('i', os.getppid()))",
    ),
    "another signal than that for files": ("import fcntl", "fcntl.fcntl(0, 10, 9)"),
    "a wait of those who open a module": ("import fcntl, os", "fcntl.fcntl(open(os.__file__), 1024, 0)"),
    "attributes of a module by ioctl": (
        "import fcntl, os, struct",
        "fcntl.ioctl(open(os.__file__), 0x40086602, struct.pack('l', 64))",
    ),
    "length of a file by its name": ("import os", "os.truncate({secret!r}, 0)"),
    "space on the disk without writing": ("import os", "os.posix_fallocate(open('a', 'w').fileno(), 0, 1)"),
    "a wait for the disk": (_LIBC, "check(libc.syncfs(0))"),
    "news of files": (_LIBC, "check(libc.inotify_init1(0))"),
    "messages of the kernel": (_LIBC, "check(libc.klogctl(10, None, 0))"),
    "a trace of the worker": (_LIBC + "import os", "check(libc.ptrace(16, os.getppid(), 0, 0))"),
    "a handler of page faults": (
        _LIBC + "import os\nnumber = {'x86_64': 323, 'aarch64': 282}[os.uname().machine]",
        "check(libc.syscall(number, 1))",
    ),
    "a program in memory": ("import os", "os.execve(os.memfd_create('x'), ['x'], {})"),
    "mode of a file": ("import os", "os.chmod({secret!r}, 0)"),
    "owner of a file": ("import os", "os.chown({secret!r}, os.getuid(), os.getgid())"),
    "times of a file": ("import os", "os.utime({secret!r}, (1, 1))"),
    "attribute of a file": ("import os", "os.setxattr({secret!r}, 'user.corpo', b'left')"),
    "mode of a module": ("import os", "os.chmod(os.__file__, 0o644)"),
    "mode of the worker's file": ("import os, __main__", "os.chmod(__main__.__file__, 0)"),
}
for _name, (_before, _call) in _CALLS.items():
    _source = f"{_before}{_F}return ({_call}) + x"
    HOSTILE_PROGRAMS += (Hostile(f"refused call: {_name}", _source, ("PermissionError",), needs="calls"),)


@dataclass(frozen=True)
class Observed:
    """The outcome of running a hostile candidate."""

    hostile: Hostile
    labels: tuple[Label, ...]  # one for each of its checks
    neighbours_right: bool
    leftovers: tuple[str, ...]
    seconds: float  # of the batch

    @property
    def labelled_correct(self) -> bool:
        return any(label.correct for label in self.labels)

    @property
    def as_expected(self) -> bool:
        outcomes = {label.error for label in self.labels}
        is_labelled_right = not self.labelled_correct and outcomes <= set(self.hostile.outcomes)
        return is_labelled_right and self.neighbours_right and not self.leftovers


@dataclass(frozen=True)
class Scene:
    """The targets of hostile candidates: a working tree, a file of expected values, and an open port."""

    folder: Path
    port: int

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    def fill(self, source: str) -> str:
        """Fill in the scene's paths and port."""
        for name, path in {"tree": self.tree, "secret": self.tree / "secret"}.items():
            source = source.replace(f"{{{name}!r}}", repr(str(path)))
        return source.replace("{port}", str(self.port))

    def leftovers(self) -> tuple[str, ...]:
        """Return processes started in a sandbox of this scene that still run, and files that changed."""
        mark = f"HOME={self.temporary}".encode()
        leftovers = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes()
            except OSError:  # it has ended, or belongs to another user
                continue
            if mark in environment:
                leftovers.append(f"process {process.name}")
        for path in (*self.temporary.iterdir(), self.tree / "left", Path("/tmp/corpo-left")):
            if path.exists():
                leftovers.append(f"file {path}")
        secret = self.tree / "secret"
        if not secret.exists():
            leftovers.append("the tree is gone")
        elif (secret.stat().st_mode & 0o777, os.listxattr(secret)) != (SECRET_MODE, []):
            leftovers.append("the attributes of the secret have changed")
        elif secret.stat().st_mtime < time.time() - 24 * 3600:
            leftovers.append("the times of the secret have changed")
        return tuple(leftovers)


@contextmanager
def open_scene() -> Iterator[Scene]:
    """Set up a scene, with the temporary folders of sandboxes inside it."""
    previous = tempfile.tempdir
    with (
        tempfile.TemporaryDirectory(prefix="corpo-hostile-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        scene = Scene(Path(folder), server.getsockname()[1])
        for path in (scene.folder, scene.tree, scene.temporary):
            path.mkdir(exist_ok=True)
            path.chmod(0o777)  # permissions protect nothing here
        (scene.tree / "secret").write_text("{1: 2, 2: 3}")
        (scene.tree / "secret").chmod(SECRET_MODE)
        try:
            tempfile.tempdir = str(scene.temporary)
            yield scene
        finally:
            tempfile.tempdir = previous


def available_protections(isolation: Isolation, scene: Scene) -> set[str]:
    """Return the protections in `Hostile.needs` that this machine's sandbox has at this level."""
    probes = {
        "files": f"return open({str(scene.tree / 'secret')!r}).read()",
        "names": f"return __import__('os').stat({str(scene.tree / 'secret')!r})",
        "processes": "return __import__('os').kill(__import__('os').getppid(), 0)",
        "forks": "return __import__('os').fork()",
        "calls": "return __import__('resource').prlimit(__import__('os').getppid(), 7)",
    }
    results = Sandbox(isolation, CPU_SECONDS, SECONDS).run(
        [Program(f"def f():\n    {probe}", ((),)) for probe in probes.values()]
    )
    refused = {name for name, [result] in zip(probes, results, strict=True) if result.startswith("!")}
    return refused | ({"processes", "forks"} if isolation is Isolation.namespaces else set())


def observe(hostile: Hostile, isolation: Isolation, scene: Scene) -> Observed:
    """Run a hostile candidate with each of its checks, between two honest programs."""
    honest = CALLS.program(RIGHT)
    programs = [checks.program(scene.fill(hostile.source)) for checks in hostile.checks]
    started = time.perf_counter()
    first, *all_results, last = Sandbox(isolation, CPU_SECONDS, SECONDS).run([honest, *programs, honest])
    seconds = time.perf_counter() - started
    labels = []
    for checks, results in zip(hostile.checks, all_results, strict=True):
        expected = expected_results(checks, ("=2", "=3"))
        labels.append(compare(results, expected, str(isolation), checks.matches))
    return Observed(hostile, tuple(labels), first == last == ("=2", "=3"), scene.leftovers(), seconds)
