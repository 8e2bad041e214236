"""Run one batch of untrusted programs in a process of its own.

`corpo.data.execution.sandbox` starts this file as a script. It uses the standard library only and is never
imported.

The input is a sequence of messages, each a length (8 bytes, big-endian) and JSON: first the packages that
programs may import, then the limits, then for each program a header and its body. This process reads the
headers only. It moves bodies to a file, and reports of programs to the output, within the kernel. So the
memory that a program's process is a copy of holds no other program, no other tests and no other results.

The output is a sequence of records, each a line of JSON: "reports" and "output", followed by as many bytes of
a program as they say, "end" after each run of a program, and "failed" if this process cannot go on. A
program reports one text per call, "=" and the result, or "!" and the reason why there is none. The meaning of
a call depends on the program's mode:

- function: the arguments of `entry`, an expression over what the program defines, marshalled and in base 64;
  the result is the value's canonical repr
- stream: the standard input of one run of the whole program; the result is its standard output
- script: the source of a test in `entry`, a script that runs after the program. A test either gives a value,
  which is compared outside, or reports by itself that it passed

The expected values of functions, of streams and of tests that give a value are never sent to this process,
so no program can find them. A test that reports by itself has its expected value in the program's process.
It runs in a namespace that is not the program's, and reports through a closure. Each report carries a
random nonce that no global name leads to. If a report has another nonce, comes out of turn or has the
number of no test, all results become "!tampered". One attack remains possible: a program can walk Python's
frames or its memory, find the closure and the nonce, and report that such a test passed.

Such a test is made robust against simpler tricks. It has the built-in functions, and the functions of the
modules that it imports, as they were before the program ran. It refuses to compare or to compute with an
object whose class is not known to compare in good faith, unless the test itself names that class.

A program's process has no privileges and no open file except its own pipe. It can start threads but no
processes, act on itself only, and open no socket (seccomp; see `REFUSED_CALLS`). If the kernel has Landlock,
it can read Python and the system's libraries and write to an empty folder. In a namespace of mounts, no
other file has a name (see `enter_view`). If a kernel lets it start processes, processor time and processes
are counted over all of them, and all are killed in the end.
"""

import array
import ast
import atexit
import base64
import builtins
import collections
import contextlib
import ctypes
import errno
import fcntl
import gc
import importlib.machinery
import importlib.util
import json
import linecache
import marshal
import os
import resource
import select
import signal
import struct
import sys
import termios
import threading
import time
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
PR_SCHED_CORE = 62
MAX_ITEMS = 1_000_000  # values within one result
MAX_DECIMAL_BITS = 4000  # larger integers are written in base 16, which is fast to write and to read
CALLS_PER_SHARE = 50  # calls that share the time limit of a program; more calls get as many shares
MAX_PROCESSES = 16  # processes of one program at the same time
MAX_THREADS = 64
CHECK_SECONDS = 0.1  # time between two checks of the processes that a program has started
MAX_STEP_SECONDS = 0.5  # of the clock; a longer step between two looks at it means that all was stopped
MAX_FILE_BYTES = 1 << 20
MAX_ROOM_BYTES, MAX_ROOM_FILES, MAX_ROOM_LEVELS = 64 << 20, 4096, 64  # that a program can write in all
MAX_OPEN_FILES = 32
STARTED = b"started\n"  # what a program's process writes before the program runs
LIBC = ctypes.CDLL(None, use_errno=True)

# --- results of calls ---

PLAIN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)
CONTAINERS = frozenset((list, tuple, dict, set, frozenset))
SCALARS = frozenset((bool, int, float, str, bytes, type(None)))
VIEWS: tuple[type, ...] = (type({}.keys()), type({}.items()))  # equal to a set with the same items


def encode(value: Any, left: list[int], opaque: bool = False) -> str:
    """Return the canonical text of a value whose equality is that of a plain type.

    `left` holds the number of items that may still be written. Raises ValueError if a value is too large. If
    `opaque`, a value that equals nothing but itself is written as `object()`.
    """
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("value too large")
    exact = type(value)
    if exact.__module__ in NUMBER_MODULES:
        if (text := encode_number(value)) is not None:
            return text
        if exact.__module__ == "numpy" and value.ndim == 0:
            value = value.item()
    if exact in VIEWS:
        value = set(value)
    kind = plain_kind(value, opaque)
    if kind is object:
        return "object()"
    if kind is int and int.bit_length(value) > MAX_DECIMAL_BITS:
        return hex(int(value))
    if kind in CONTAINERS and kind.__len__(value) > left[0]:
        raise ValueError("value too large")
    if kind is list and all(map(is_short_scalar, list.__iter__(value))):
        left[0] -= list.__len__(value)
        return list.__repr__(value)  # many times faster than one item after the other
    if kind is list or kind is tuple:
        inner = ", ".join([encode(item, left, opaque) for item in kind.__iter__(value)])
        if kind is list:
            return "[" + inner + "]"
        return "(" + inner + ("," if kind.__len__(value) == 1 else "") + ")"
    if kind is dict:
        entries = []
        for key, item in dict.items(value):
            entries.append(encode(key, left, opaque) + ": " + encode(item, left, opaque))
        return "{" + ", ".join(sorted(entries)) + "}"
    if kind is set or kind is frozenset:
        inner = ", ".join(sorted([encode(item, left, opaque) for item in value]))
        text = "{" + inner + "}" if inner else "set()"
        return "frozenset(" + text + ")" if kind is frozenset else text
    return kind.__repr__(bytes(value) if kind is bytes else value)


def is_short_scalar(value: Any) -> bool:
    """Check for a plain value that holds no others and is not a large integer."""
    kind = type(value)
    return kind in SCALARS and (kind is not int or value.bit_length() <= MAX_DECIMAL_BITS)


NUMBER_MODULES = frozenset(("fractions", "decimal", "numpy"))


def encode_number(value: Any) -> str | None:
    """Return the text of a number that equals plain ones, such as Fraction(1, 2), or None if it is none.

    A program can give a class of its own such a name. Its value is compared outside, so it gains nothing.
    """
    match type(value).__name__:
        case "Fraction":
            return "Fraction(" + hex(int(value.numerator)) + ", " + hex(int(value.denominator)) + ")"
        case "Decimal":
            return "Decimal(" + repr(str(value)) + ")"
    return None


def plain_kind(value: Any, opaque: bool = False) -> Any:
    """Return the plain type that a value compares as. Raises TypeError if its class defines equality.

    If `opaque`, the type of a value that equals nothing but itself is `object`.
    """
    kind = type(value)
    if value is None or kind in PLAIN:
        return kind
    if kind is bytearray:
        return bytes
    for base in PLAIN:
        if not issubclass(kind, base):
            continue
        # Counter and OrderedDict define an equality of their own.
        if kind.__eq__ is base.__eq__ or (kind.__module__ == "collections" and base is dict):
            return base
    if opaque and kind.__eq__ is object.__eq__:
        return object
    raise TypeError("not a plain value")


class Reporter:
    """A writer of numbered reports to the pipe, each after the nonce.

    It keeps references to the functions that it needs, because a program can replace those in the modules.
    Forked copies of the process cannot report.
    """

    def __init__(
        self,
        out: int,
        nonce: str,
        _write: Any = os.write,
        _dumps: Any = json.dumps,
        _info: Any = sys.exc_info,
        _pid: Any = os.getpid,
    ) -> None:
        owner = _pid()

        def report(index: int | None, text: str) -> None:
            if _pid() == owner:
                _write(out, (nonce + _dumps([index, text]) + "\n").encode())

        def value(index: int, result: Any, opaque: bool = False) -> None:
            try:
                text = "=" + encode(result, [MAX_ITEMS], opaque)
            except EXCEPTIONS:
                text = "!not a value"
            report(index, text)

        def tested_value(index: int, result: Any) -> None:
            value(index, result, opaque=True)

        def end(text: str) -> None:
            report(None, text)

        def passed(index: int) -> None:
            report(index, "=True")

        def failed(index: int) -> None:
            report(index, "!" + _info()[0].__name__)

        self.report = report
        self.value = value
        self.tested_value = tested_value  # of an assertion, which may compare any object
        self.end = end  # reports the result of this call and of all that follow
        self.passed = passed
        self.failed = failed


EXCEPTIONS = (Exception, RecursionError, MemoryError, SystemExit, KeyboardInterrupt)


class NotAProgram(Exception):
    """An error for a text that is not Python, or does not define what the tests use."""


# --- in the program's process ---


PROGRAM_MODULE = "candidate"


def define(source: str, entry: str, name: str = PROGRAM_MODULE) -> dict[str, Any]:
    """Run a program as a module, so that it defines what the tests use, and return its namespace.

    The module is in `sys.modules`, where dataclasses, pickle and type hints look a program up by its name.
    Raises NotAProgram if it is not Python or does not define `entry`, and whatever the program raises.
    """
    try:
        code = compile(source, "<candidate>", "exec")
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte or half a surrogate pair
        raise NotAProgram from error
    # The module inspect reads sources from here.
    linecache.cache["<candidate>"] = (len(source), None, source.splitlines(keepends=True), "<candidate>")
    module = types.ModuleType(name)
    sys.modules[name] = module
    scope = vars(module)
    scope["__file__"] = "candidate.py"
    exec(code, scope)
    if entry and entry.partition(".")[0].partition("(")[0] not in scope:
        raise NotAProgram
    return scope


def run_function(source: str, entry: str, calls: list[str], reporter: Reporter) -> None:
    """Report every call's result as soon as it is known, so that a later crash does not lose it."""
    evaluate = eval  # a program can replace the one in `builtins`
    # The arguments are read before the program runs, and once per call, so that calls share no objects.
    arguments = [marshal.loads(base64.b64decode(call)) for call in calls]
    get, exceptions = compile(entry, "<entry>", "eval"), EXCEPTIONS
    try:
        scope = define(source, entry)
    except NotAProgram:
        return reporter.end("!not a program")
    except exceptions as error:
        return reporter.end("!" + type(error).__name__)
    for index, args in enumerate(arguments):
        try:
            result = evaluate(get, scope)(*args)
        except exceptions as error:
            reporter.report(index, "!" + type(error).__name__)
        else:
            reporter.value(index, result)


def run_script(source: str, entry: str, calls: list[str], reporter: Reporter) -> None:
    """Run the script's tests, which report by number. An error between two tests ends all that follow.

    They run as a main program. Otherwise, tests behind `if __name__ == "__main__"` would be skipped and
    count as passed. They are compiled before the program runs, because it can replace any function of
    Python. What a test that reports by itself needs is fetched before, too.
    """
    tree = ast.parse(entry)
    code, imports = compile(tree, "<tests>", "exec"), imports_of(tree)
    execute, exceptions, ignored = exec, EXCEPTIONS, contextlib.suppress
    tests: dict[str, Any] = {}
    restore = None
    own = {
        "__name__": "__main__",
        "__value__": reporter.tested_value,
        "__passed__": reporter.passed,
        "__failed__": reporter.failed,
    }
    if "__passed__" in entry:
        for statement in imports:
            with ignored(Exception):  # a module that stands for the program is not there yet
                execute(statement, {})
        restore = keep_modules(tree)
        own |= hidden_functions(tree)
        own |= {"__builtins__": dict(vars(builtins)), "__checked__": operand_check(tree, code, tests)}
    set_trace, set_profile = sys.settrace, sys.setprofile
    try:
        scope = define(source, "")
    except NotAProgram:
        return reporter.end("!not a program")
    except exceptions as error:
        return reporter.end("!" + type(error).__name__)
    set_trace(None)  # a function of the program would be called within the tests
    set_profile(None)
    if restore is not None:
        restore()
    for statement in imports:
        with ignored(Exception):  # the same import fails in the tests, where it is reported
            execute(statement, scope)
    tests |= scope
    tests |= own
    try:
        execute(code, tests)
    except exceptions as error:
        reporter.end("!" + type(error).__name__)


def imports_of(tests: ast.Module) -> list[types.CodeType]:
    """Return the imports of the tests, which are done in the program's namespace, too.

    In the judges of HumanEval and MBPP, program and tests are one source.
    """
    imports = []
    for statement in tests.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports.append(compile(ast.Module([statement], []), "<tests>", "exec"))
    return imports


IS_IMMUTABLE, IS_OF_PYTHON = 1 << 8, 1 << 9  # flags of a class


def keep_modules(tests: ast.Module) -> Callable[[], None]:
    """Return a function that undoes what a program changes in the modules that the tests import.

    These are functions and classes of the modules, all attributes of those classes that are written in
    Python, the modules under their names, and the places where modules are found. A module that cannot be
    imported before the program runs is none that the program may replace, unless it stands for the program.
    """
    names: list[str] = []
    for statement in tests.body:
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            names.append(statement.module or "")
    imported: list[Any] = [sys.modules[name] for name in names if name in sys.modules]
    kept: list[tuple[Any, Any, dict[str, Any]]] = []
    classes: list[Any] = []
    for module in imported:
        functions: dict[str, Any] = {}
        for name, value in vars(module).items():
            if not name.startswith("__") and (callable(value) or isinstance(value, classmethod)):
                functions[name] = value
            if type(value) is type and value.__flags__ & (IS_OF_PYTHON | IS_IMMUTABLE) == IS_OF_PYTHON:
                classes.append(value)
        kept.append((module, object.__setattr__, functions))
    for kind in classes:
        kept.append((kind, type.__setattr__, dict(vars(kind))))
    kinds = [(module, type(module)) for module in imported]
    kind_of, set_attribute, delete_attribute = type, object.__setattr__, type.__delattr__
    attributes_of, modules, modules_before = vars, sys.modules, dict(sys.modules)
    absent = {name for name in names if name not in modules and name.partition(".")[0] != PROGRAM_MODULE}
    finders: list[tuple[Any, list[Any]]] = []
    for places in (sys.path, sys.meta_path, sys.path_hooks):
        finders.append((places, [*places]))

    def restore() -> None:
        for module, kind in kinds:
            if kind_of(module) is not kind:
                set_attribute(module, "__class__", kind)
        for owner, put, before in kept:
            attributes = attributes_of(owner)
            for name in [*attributes]:
                if owner in classes and name not in before:
                    delete_attribute(owner, name)
            for name, value in before.items():
                if attributes.get(name) is not value:
                    put(owner, name, value)
        modules.update(modules_before)
        for name in absent:
            modules.pop(name, None)
        for places, initial in finders:
            places[:] = initial

    return restore


# Methods by which an object decides how it compares, or what is computed with it.
DECIDING_METHODS = [f"__{name}__" for name in ("eq", "ne", "lt", "le", "gt", "ge", "contains")]
for _name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
    DECIDING_METHODS += [f"__{_name}__", f"__r{_name}__"]
NotAValue = type("not a value", (Exception,), {})  # a test reports its name
# Modules of Python whose classes compare in good faith, unlike `unittest.mock.ANY`, and those that pass every
# comparison on to an object of the program.
HONEST_MODULES = ("collections", "fractions", "decimal", "datetime", "pathlib", "uuid", "ipaddress", "numpy")
LENIENT_MODULES = ("collections.abc.", "numpy.ma.")  # among them; a masked array passes for any other one
DELEGATING = (types.MappingProxyType, weakref.ProxyType, weakref.CallableProxyType)
VIEWS_OF_DICTS: tuple[type, ...] = (*VIEWS, type({}.values()))


def honest_classes() -> frozenset[int]:
    """Return the identities of the classes that `HONEST_MODULES` define in Python.

    The first modules are imported, because a program may import them without the tests doing so.
    """
    for name in HONEST_MODULES[:4]:
        importlib.import_module(name)
    classes = set()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in HONEST_MODULES or f"{name}.".startswith(LENIENT_MODULES):
            continue
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__ == name:
                classes.add(id(value))
    return frozenset(classes)


def identities_of_code(code: types.CodeType) -> set[int]:
    """Return the identities of a code object and of all that it contains."""
    identities = {id(code)}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            identities |= identities_of_code(constant)
    return identities


def operand_check(tests: ast.Module, code: types.CodeType, scope: dict[str, Any]) -> Callable[..., Any]:
    """Return a function that returns an operand of the tests, unless it could lie about its comparison.

    It raises NotAValue for an object, alone or within others, whose class has a deciding method that the
    program defines, or that is not known to compare in good faith. Classes that the tests name are allowed,
    because they may be what is tested. Their names begin with a capital letter, so that no class takes the
    place of a function. Those that the tests define are allowed, too. `code` is what the tests are compiled
    to, and `scope` is their namespace. Types are compared by identity, because a metaclass can lie, too.
    """
    names = set()
    for node in ast.walk(tests):
        name = node.id if isinstance(node, ast.Name) else node.name if isinstance(node, ast.ClassDef) else ""
        if name[:1].isupper():
            names.add(name)
    kind_of, identity, apply, refused, values_of = type, id, map, NotAValue, dict.values
    mro_of, attributes_of = type.__dict__["__mro__"].__get__, type.__dict__["__dict__"].__get__
    flags_of = type.__dict__["__flags__"].__get__
    scalars = frozenset(map(id, (*SCALARS, complex)))
    kinds: tuple[Any, ...] = (*CONTAINERS, *VIEWS_OF_DICTS, collections.deque)
    containers = {id(kind): kind.__iter__ for kind in kinds}
    honest, delegating = honest_classes(), frozenset(map(id, DELEGATING))
    own_code, mark_of_python, marks = identities_of_code(code), IS_OF_PYTHON, IS_OF_PYTHON | IS_IMMUTABLE
    ignored, unset = contextlib.suppress, AttributeError
    methods, function, member = tuple(DECIDING_METHODS), types.FunctionType, types.MemberDescriptorType
    code_of: Any = vars(types.FunctionType)["__code__"].__get__

    def is_of_tests(method: Any) -> Any:
        return method is None or (kind_of(method) is function and identity(code_of(method)) in own_code)

    def is_of_python(kind: Any) -> Any:
        """Check for a class that a program can define."""
        return flags_of(kind) & marks == mark_of_python

    def decides(kind: type) -> bool:
        for name in names:
            if scope.get(name) is kind:
                return False
        if identity(kind) in honest:
            return False
        for base in mro_of(kind):
            if not is_of_python(base):
                if identity(base) in delegating:
                    return True
                continue
            attributes = attributes_of(base)
            for name in methods:
                if name in attributes and not is_of_tests(attributes[name]):
                    return True
        return False

    def parts_of(value: Any, kind: Any) -> list[Any]:
        """Return what a container holds, or what an object of an honest class consists of."""
        for base in mro_of(kind):
            if identity(base) in containers:
                parts = [*containers[identity(base)](value)]
                return [*parts, *values_of(value)] if base is dict else parts
            if "dtype" in attributes_of(base) and not is_of_python(base):  # an array of numpy
                if attributes_of(base)["dtype"].__get__(value).hasobject:
                    raise refused
                return []
        parts = []
        if identity(kind) in honest:
            for base in mro_of(kind):
                for name, attribute in attributes_of(base).items():
                    if name == "__dict__":
                        parts += values_of(attribute.__get__(value))
                    elif kind_of(attribute) is member:
                        with ignored(unset):
                            parts.append(attribute.__get__(value))
        return parts

    def checked(operand: Any, is_searched: bool = False) -> Any:
        pending: list[Any] = [operand]
        seen: dict[int, Any] = {}
        while pending:
            value = pending.pop()
            kind = kind_of(value)
            if identity(kind) in scalars or identity(value) in seen:
                continue
            seen[identity(value)] = value
            if identity(kind) not in containers and decides(kind):
                raise refused
            parts = parts_of(value, kind)
            if not {*apply(identity, apply(kind_of, parts))} <= scalars:
                pending += parts
        if is_searched:
            for base in mro_of(kind_of(operand)):
                if "__contains__" in attributes_of(base):
                    return operand
            return (checked(item) for item in operand)  # `in` compares one item after the other
        return operand

    return checked


def hidden_functions(tests: ast.Module) -> dict[str, Any]:
    """Return the built-in functions that the tests use, by name, so that a program cannot hide them.

    Those in an expression whose value is compared outside may be what is tested. So may all others, unless
    the tests call, or hand on, another function that a program has to define.
    """
    functions = vars(builtins)
    used: set[str] = set()
    handed_on: set[str] = set()
    excluded: set[str] = set()
    for node in ast.walk(tests):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                excluded.add(name)
            case ast.alias(name=name, asname=other):
                excluded.add(other or name.partition(".")[0])
            case ast.Call(func=function, args=arguments):
                handed_on |= {part.id for part in (function, *arguments) if isinstance(part, ast.Name)}
                if isinstance(function, ast.Name) and function.id == "__value__":
                    excluded |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} & {
                        *functions
                    }
    if not any(name not in functions and name[:2] != "__" for name in handed_on - excluded):
        return {}
    return {name: functions[name] for name in used - excluded if name in functions}


def run_stream(source: str, entry: str, calls: list[str], reporter: Reporter) -> None:
    """Run a whole program once, from standard input to standard output, like a separate process.

    The parent process has opened both streams as files, and reads the output. They stay open until the
    process ends.
    """
    stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 (stays open)
    stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (stays open)
    sys.stdin = sys.__stdin__ = stdin  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = stdout  # type: ignore[misc]
    del stdin, stdout  # the program sees no other reference to them
    exceptions, report, finished = EXCEPTIONS, reporter.report, finish
    try:
        try:
            define(source, "", "__main__")
        except SystemExit as end:
            if end.code:
                raise
        finished()
    except NotAProgram:
        report(None, "!not a program")
    except exceptions as error:
        report(None, "!" + type(error).__name__)
    else:
        report(0, "=")


def finish() -> None:
    """Do what an interpreter does at its end: wait for threads, run exit handlers, flush."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.__stdout__):
        # A program may put any object there, or may have detached or closed the stream.
        with contextlib.suppress(AttributeError, ValueError):
            stream.flush()  # type: ignore[union-attr]


RUN = {"function": run_function, "script": run_script, "stream": run_stream}

# --- confinement ---

# Landlock's system calls and access rights (linux/landlock.h), the same on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK, TRUNCATE, IOCTL_DEVICE = 1 << 6, 1 << 11, 1 << 14, 1 << 15
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE  # rights that a file can have
NUM_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # by version of Landlock; 16 from version 5 on
TCP, SCOPED = 0b11, 0b11  # bind and connect; abstract sockets and signals to other processes


PACKAGE_FOLDERS = ("site-packages", "dist-packages")  # of all packages that are installed


def readable_paths(packages: list[dict[str, Any]]) -> list[str]:
    """Return the files and folders that programs may read: Python, the system's libraries, the packages."""
    library = os.path.dirname(os.__file__)
    paths = []
    for name in os.listdir(library):
        if name not in PACKAGE_FOLDERS:
            paths.append(os.path.join(library, name))
    paths += ["/lib", "/lib64", "/usr/lib", "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom"]
    for package in packages:
        paths += [os.path.join(package["root"], folder) for folder in package["folders"]]
    return [path for path in paths if os.path.exists(path)]


MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC = 32, 4096, 16384


def enter_view(packages: list[dict[str, Any]]) -> None:
    """Change the root folder to one that holds only what programs need, read-only, and an empty room.

    No other file of the machine has a name there. This process needs a mount namespace of its own. Programs
    cannot leave the root folder, because that needs privileges or an open folder outside of it.
    """
    os.mkdir("view")
    view = os.path.abspath("view")
    mount("tmpfs", view, MS_NOSUID | MS_NODEV, "tmpfs")
    library = os.path.dirname(os.__file__)
    show(library, view + library)  # as a whole, because each mount takes time
    hidden = [view + os.path.join(library, name) for name in PACKAGE_FOLDERS]
    hidden = list(filter(os.path.isdir, hidden))
    for folder in hidden:
        mount("tmpfs", folder, MS_NOSUID | MS_NODEV, "tmpfs")
    for path in (*readable_paths(packages), "/dev/null", "/proc"):
        if os.path.dirname(path) != library:
            show(path, view + path)
    for folder in hidden:
        mount("", folder, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"{view}/dev/{name}")
    os.mkdir(f"{view}/room")
    limits = f"size={MAX_ROOM_BYTES},nr_inodes={MAX_ROOM_FILES}"
    mount("tmpfs", f"{view}/room", MS_NOSUID | MS_NODEV, "tmpfs", limits)
    mount("", view, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    os.chroot(view)
    os.chdir("/")
    os.environ["HOME"] = "/room"


def show(path: str, target: str) -> None:
    """Mount a file or folder at another place, read-only."""
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            os.mknod(target)
    mount(path, target, MS_BIND | MS_REC)
    # The kernel refuses to remount without the restrictions that the mount has outside of the namespace.
    restrictions = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("", target, MS_REMOUNT | MS_BIND | MS_RDONLY | restrictions)


def mount(source: str, target: str, flags: int, kind: str = "", options: str = "") -> None:
    """Mount a file system. Raises OSError if the kernel refuses it."""
    texts = [os.fsencode(text) for text in (source, target, kind, options)]
    if LIBC.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]):
        number = ctypes.get_errno()
        raise OSError(number, f"mount: {os.strerror(number)}", target)


def landlock_ruleset(writable_folder: str, packages: list[dict[str, Any]]) -> int | None:
    """Open a Landlock ruleset with what a program may do with files, ports and signals.

    `writable_folder` is the folder that it may write to, `packages` are those that it may import. Returns
    None if the kernel has no Landlock.
    """
    version = LIBC.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return None
    rights = (1 << NUM_RIGHTS.get(version, 16)) - 1
    handled = struct.pack("QQQ", rights, TCP if version >= 4 else 0, SCOPED if version >= 6 else 0)
    rules: int = LIBC.syscall(
        CREATE_RULESET, handled, ctypes.c_size_t(8 if version < 4 else 16 if version < 6 else 24), 0
    )
    allowed = [(path, READ_FILE | READ_DIR) for path in readable_paths(packages)]
    allowed += [
        (os.path.dirname(os.__file__), READ_DIR),
        ("/dev/null", READ_FILE | WRITE_FILE),
        (writable_folder, rights & ~(EXECUTE | MAKE_CHAR | MAKE_BLOCK)),
    ]
    for path, access in allowed:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        access &= rights if os.path.isdir(path) else FILE_RIGHTS & rights
        LIBC.syscall(ADD_RULE, rules, 1, struct.pack("=Qi", access, fd), 0)
        os.close(fd)
    return rules


# By architecture: its mark (linux/audit.h), and the place of its numbers in the tables below.
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
CLONE_THREAD, ALLOW, REFUSE = 0x10000, 0x7FFF0000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NO_CALL = -1  # the call does not exist on this architecture
# Calls that are refused, with their numbers on x86-64 and Arm. They act on other processes, on files outside
# whatever Landlock says, or leave something behind after the end of the process.
REFUSED_CALLS = {
    # new programs, namespaces, other processes
    "execve": (59, 221),
    "execveat": (322, 281),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "process_madvise": (440, 440),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "process_mrelease": (448, 448),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # System V and POSIX objects, keys
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # sockets, but for a connected pair
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    # files outside: Landlock controls this call since its third version only
    "truncate": (76, 45),
    # attributes of files
    "chmod": (90, NO_CALL),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, NO_CALL),
    "fchown": (93, 55),
    "lchown": (94, NO_CALL),
    "fchownat": (260, 54),
    "utime": (132, NO_CALL),
    "utimes": (235, NO_CALL),
    "futimesat": (261, NO_CALL),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    # space on the disk that costs no time to take, and waiting until all of the machine's files are written
    "fallocate": (285, 47),
    "sync": (162, 81),
    "syncfs": (306, 267),
    # what could go around a filter, or watch the machine
    "inotify_init": (253, NO_CALL),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
    "syslog": (103, 116),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}
# Calls with an argument, by its place, that must have one of these values. "pid" is the process itself.
# A value is compared in its lower half, and a pointer that must be null in both. Of ioctl, those are allowed
# that ask for a terminal, for the bytes that are ready, or set how this process waits and what it hands on.
# Others change attributes of files, or name a process that receives a signal when a socket is ready.
LIMITED_CALLS: dict[str, tuple[tuple[int, int], int, tuple[Any, ...]]] = {
    "kill": ((62, 129), 0, ("pid", 0)),
    "tgkill": ((234, 131), 0, ("pid",)),
    "prlimit64": ((302, 261), 0, ("pid", 0)),
    "sched_setparam": ((142, 118), 0, ("pid", 0)),
    "sched_setscheduler": ((144, 119), 0, ("pid", 0)),
    "sched_setaffinity": ((203, 122), 0, ("pid", 0)),
    "sched_setattr": ((314, 274), 0, ("pid", 0)),
    "ioctl": ((16, 29), 1, (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),
}
SENDTO, SENDTO_ADDRESS = (44, 206), 4
PRCTL, FCNTL = (157, 167), (72, 25)
F_SETOWN, F_SETSIG, F_SETOWN_EX = 8, 10, 15  # who receives which signal when a file is ready
F_SETLEASE, F_NOTIFY = 1024, 1026  # waiting of others that open a file, and news of a folder
CLONE, FORK, VFORK, CLONE3 = (56, 220), (57, NO_CALL), (58, NO_CALL), (435, 435)
Step = tuple[int, int, int, int]  # an instruction of a filter: code, two jumps, value


def check_argument(number: int, argument: int, values: Sequence[int], match: int, other: int) -> list[Step]:
    """Return the steps that answer a call by one of its arguments: `match` if it has one of the values."""
    steps: list[Step] = [(LOAD, 0, 0, 16 + 8 * argument)]
    for position, value in enumerate(values):
        steps.append((EQUAL, len(values) - position, 0, value & 0xFFFFFFFF))
    steps += [(RETURN, 0, 0, other), (RETURN, 0, 0, match)]
    return [(EQUAL, 0, len(steps), number), *steps]


def call_filter(pid: int, mark: int, place: int) -> list[Step]:
    """Return a seccomp filter that keeps the process `pid` to itself; see `REFUSED_CALLS`.

    It allows new threads but no new processes. A filter cannot see the flags of clone3, so that call is
    answered as if the kernel did not have it.
    """
    not_permitted = REFUSE | errno.EPERM
    steps: list[Step] = [
        (LOAD, 0, 0, 4),  # the architecture
        (EQUAL, 1, 0, mark),
        (RETURN, 0, 0, not_permitted),
        (LOAD, 0, 0, 0),  # the call's number
        (AT_LEAST, 0, 1, 1 << 30),  # x86's third set of call numbers
        (RETURN, 0, 0, REFUSE | errno.ENOSYS),
        (EQUAL, 0, 1, CLONE3[place]),
        (RETURN, 0, 0, REFUSE | errno.ENOSYS),
        (EQUAL, 0, 4, CLONE[place]),
        (LOAD, 0, 0, 16),  # clone's flags
        (ANY_BIT, 0, 1, CLONE_THREAD),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE | errno.EAGAIN),
    ]
    for numbers in (FORK, VFORK):
        if numbers[place] != NO_CALL:
            steps += [(EQUAL, 0, 1, numbers[place]), (RETURN, 0, 0, REFUSE | errno.EAGAIN)]
    for numbers in REFUSED_CALLS.values():
        if numbers[place] != NO_CALL:
            steps += [(EQUAL, 0, 1, numbers[place]), (RETURN, 0, 0, not_permitted)]
    for numbers, argument, names in LIMITED_CALLS.values():
        values = [{"pid": pid}.get(name, name) for name in names]
        steps += check_argument(numbers[place], argument, values, ALLOW, not_permitted)
    refused_options = [PR_SET_PDEATHSIG, PR_SCHED_CORE]
    steps += check_argument(PRCTL[place], 0, refused_options, not_permitted, ALLOW)
    refused_commands = [F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY]
    steps += check_argument(FCNTL[place], 1, refused_commands, not_permitted, ALLOW)
    address = 16 + 8 * SENDTO_ADDRESS
    steps += [
        (EQUAL, 0, 6, SENDTO[place]),
        (LOAD, 0, 0, address),
        (EQUAL, 0, 3, 0),
        (LOAD, 0, 0, address + 4),
        (EQUAL, 0, 1, 0),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, not_permitted),
    ]
    return [*steps, (RETURN, 0, 0, ALLOW)]


def filter_calls() -> None:
    """Install the filter of system calls for this process. It also applies to root.

    It does nothing on other architectures. Raises OSError if the kernel refuses it.
    """
    if (machine := os.uname().machine) not in ARCHITECTURES:
        return
    steps = call_filter(os.getpid(), *ARCHITECTURES[machine])
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
    if LIBC.prctl(PR_SET_SECCOMP, 2, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def confine(keep: int, rules: int | None, memory: int, cpu_seconds: float, max_file_bytes: int) -> None:
    """Give up privileges, files, and every descriptor but `keep` and the standard streams; limit resources.

    The process is also killed if the worker ends.
    """
    max_tasks = limit_of_tasks()
    os.setsid()
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if rules is not None and LIBC.syscall(RESTRICT_SELF, rules, 0):
        raise OSError(ctypes.get_errno(), "Landlock")  # never run a program unconfined
    filter_calls()
    LIBC.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))
    os.closerange(3, keep)
    os.closerange(keep + 1, 256)
    # The timer counts the program's own work, so a busy machine fails no program.
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    for what, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, int(cpu_seconds) + 1),
        (resource.RLIMIT_FSIZE, max_file_bytes),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, max_tasks),
    ):
        try:
            resource.setrlimit(what, (value, value))
        except (OSError, ValueError) as error:
            allowed = resource.getrlimit(what)[1]
            raise OSError(f"limit {what} of this shell is {allowed}, but {value} is needed") from error


def limit_of_tasks() -> int:
    """Return a limit for the processes and threads of the user that leaves this process `MAX_THREADS`.

    The kernel counts those of the user's other programs, too. There are no more than all of the machine.
    """
    with open("/proc/loadavg") as load:
        num_tasks = int(load.read().split()[3].partition("/")[2])
    allowed = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    limit = num_tasks + MAX_THREADS
    return limit if allowed == resource.RLIM_INFINITY else min(limit, allowed)


# --- in the worker: watching and cleaning up ---


def descendants() -> dict[int, float]:
    """Return every process below this one, with the processor seconds of it and its reaped children."""
    parents: dict[int, tuple[int, float]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            parents[int(entry)] = int(fields[1]), sum(map(int, fields[11:15])) / TICKS
    below: dict[int, float] = {}
    frontier = {os.getpid()}
    while frontier:
        frontier = {pid for pid, (parent, _) in parents.items() if parent in frontier}
        below |= {pid: parents[pid][1] for pid in frontier}
    return below


TICKS = os.sysconf("SC_CLK_TCK")


def exceeded_limit(cpu_seconds: float) -> str | None:
    """Return the limit that a program and all processes that it started exceed together, or None."""
    seconds_by_pid = descendants()
    if len(seconds_by_pid) > MAX_PROCESSES:
        return "process limit"
    if sum(seconds_by_pid.values()) > cpu_seconds:
        return "timeout"
    return "output limit" if is_too_large("room") else None


def is_too_large(folder: str) -> bool:
    """Check for a folder with more files, bytes or levels than a program can write.

    A folder that cannot be looked into, because it is locked, is too large as well. Files may vanish in the
    meantime.
    """
    num_files = num_bytes = 0
    pending = [(folder, 0)]
    while pending:
        path, level = pending.pop()
        entries: list[os.DirEntry[str]] = []
        try:
            with contextlib.suppress(FileNotFoundError):
                entries = list(os.scandir(path))
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    num_bytes += entry.stat(follow_symlinks=False).st_blocks * 512
                    num_files += 1
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, level + 1))
        except OSError:
            return True
        if num_files > MAX_ROOM_FILES or num_bytes > MAX_ROOM_BYTES or level > MAX_ROOM_LEVELS:
            return True
    return False


def kill_and_reap(child: int) -> int:
    """Kill the child and all that it started, even outside its session. Return the child's exit status."""
    status, waited = 0, False
    while True:
        try:
            while (reaped := os.waitpid(-1, os.WNOHANG))[0]:
                status = reaped[1] if reaped[0] == child else status
        except ChildProcessError:
            return status
        if waited:  # most children end by themselves when their pipe closes
            with contextlib.suppress(ProcessLookupError):  # already gone, or it left its group
                os.killpg(child, signal.SIGKILL)
            # -1 means every other process, which the first process of a namespace may kill.
            for pid in (-1,) if os.getpid() == 1 else descendants():
                with contextlib.suppress(ProcessLookupError):  # it has ended in the meantime
                    os.kill(pid, signal.SIGKILL)
        waited = True
        time.sleep(0.0005)


def empty_folder(folder: str) -> None:
    """Delete everything in a folder, however deep and whatever its permissions.

    The content of subfolders moves up first, so that no path grows long.
    """
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


def run_program(
    body: int, header: dict[str, Any], rules: int | None, limits: dict[str, Any], out: int
) -> None:
    """Run a program on its calls, or once per call if it reads a stream, and forward its reports."""
    if header["mode"] != "stream":
        shares = -(-header["calls"] // CALLS_PER_SHARE)
        times = {name: shares * limits[name] for name in ("cpu_seconds", "seconds")}
        run_in_child(body, header, 0, rules, out, **{**limits, **times})
        return
    left = header["max_total_output"]
    for index in range(header["calls"]):
        streams = os.memfd_create("in"), os.memfd_create("out")
        end = run_in_child(body, header, index, rules, out, **limits, streams=streams)
        size = min(os.fstat(streams[1]).st_size, header["max_output"], left)
        forward_file(streams[1], size, out)
        left -= size
        for stream in streams:
            os.close(stream)
        if end == "!timeout":
            return


def start(
    body: int,
    index: int,
    write_end: int,
    rules: int | None,
    limits: tuple[int, float],
    streams: tuple[int, ...],
) -> None:
    """Read a program, confine this process and run the program in it. `limits` are memory and seconds."""
    program = json.loads(os.pread(body, os.fstat(body).st_size, 0))
    mode, calls = program["mode"], program["calls"]
    if streams:
        calls = [calls[index]]
        os.pwrite(streams[0], calls[0].encode(errors="replace"), 0)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
    os.chdir("room")
    confine(write_end, rules, *limits, max(MAX_FILE_BYTES, program["max_output"]))
    os.write(write_end, STARTED)
    RUN[mode](program["source"], program["entry"], calls, Reporter(write_end, program["nonce"]))


def run_in_child(
    body: int,
    header: dict[str, Any],
    index: int,
    rules: int | None,
    out: int,
    memory: int,
    cpu_seconds: float,
    seconds: float,
    streams: tuple[int, ...] = (),
) -> str:
    """Run a program in a child process on these standard streams, then kill and delete all that it leaves.

    `body` is a file with the program. Its reports are moved to `out` within the kernel. Return the result of
    calls without a report.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            start(body, index, write_end, rules, (memory, cpu_seconds), streams)
            status = 0
        except Exception as error:  # before the program runs; its own errors are reported
            os.write(write_end, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(status)
    os.close(write_end)
    last = checked = time.monotonic()
    elapsed, size, end, has_ended = 0.0, 0, "!crash", False
    while True:
        now = time.monotonic()
        elapsed += min(now - last, MAX_STEP_SECONDS)
        last = now
        if elapsed >= seconds:
            end = "!timeout"
            break
        if now >= checked + CHECK_SECONDS:
            checked = now
            has_ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            if excess := exceeded_limit(cpu_seconds):
                end = "!" + excess
                break
        wait = 0 if has_ended else max(0, min(checked + CHECK_SECONDS - now, seconds - elapsed))
        if not select.select([read_end], [], [], wait)[0]:
            if has_ended:  # a process that it started holds the pipe open
                break
            continue
        available = waiting_bytes(read_end)
        if not available:
            break
        forward_pipe(read_end, available, out)
        size += available
        if size > header["max_output"] + len(STARTED):
            end = "!output limit"
            break
    os.close(read_end)
    status = kill_and_reap(child)
    empty_folder("room")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGXCPU):
        end = "!timeout"
    send(out, {"end": [end, status]})
    return end


def waiting_bytes(pipe: int) -> int:
    """Return the number of bytes that can be read from a pipe now."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def forward_pipe(pipe: int, size: int, out: int) -> None:
    """Move bytes from a pipe to another one within the kernel, so that this process never holds them."""
    send(out, {"reports": size})
    while size:
        size -= os.splice(pipe, out, size)


def forward_file(file: int, size: int, out: int) -> None:
    """Copy the first bytes of a file to a pipe within the kernel."""
    send(out, {"output": size})
    position = 0
    while position < size:
        position += os.splice(file, out, size - position, offset_src=position)


def load_package(package: dict[str, Any]) -> None:
    """Import a package from its folder, before programs are forked, so that it costs them no time.

    Nothing else from that folder can be imported.
    """
    spec = importlib.machinery.PathFinder.find_spec(package["name"], [package["root"]])
    if spec is None or spec.loader is None:
        return  # the import in the program fails, which is reported
    module = importlib.util.module_from_spec(spec)
    sys.modules[package["name"]] = module
    try:
        spec.loader.exec_module(module)
    except Exception:
        del sys.modules[package["name"]]


def receive(jobs: int) -> Any:
    """Return the next message, or None at the end of the input."""
    size = _read_exactly(jobs, 8)
    return json.loads(_read_exactly(jobs, int.from_bytes(size, "big"))) if size else None


def _read_exactly(jobs: int, size: int) -> bytes:
    """Read `size` bytes, without reading ahead; fewer at the end of the input."""
    data = b""
    while len(data) < size and (chunk := os.read(jobs, size - len(data))):
        data += chunk
    return data


def send(out: int, message: dict[str, Any]) -> None:
    """Write a message as one line of JSON."""
    line = (json.dumps(message) + "\n").encode()
    while line:
        line = line[os.write(out, line) :]


def receive_body(jobs: int, size: int) -> int:
    """Return a file with the next bytes of the input, which this process never holds."""
    body = os.memfd_create("body")
    while size:
        moved = os.splice(jobs, body, size)
        if not moved:
            raise OSError(errno.EPIPE, "the input ends within a program")
        size -= moved
    return body


def serve(jobs: int, out: int) -> None:
    """Run the programs on standard input, one after the other.

    This process reads the headers of programs only. A process that runs a program is a copy of this one, so
    this one never holds a program, its tests or its results.
    """
    packages = receive(jobs)
    if os.getpid() == 1:  # the first process of a namespace
        enter_view(packages)
    else:
        os.mkdir("room")
    rules, limits = landlock_ruleset("room", packages), receive(jobs)
    while (header := receive(jobs)) is not None:
        for package in packages:
            if package["name"] in header["packages"] and package["name"] not in sys.modules:
                load_package(package)
        body = receive_body(jobs, header["size"])
        run_program(body, header, rules, limits, out)
        os.close(body)


def lock_folder() -> None:
    """Lock the current folder until this process ends, so that nobody deletes it; see `folders.py`."""
    lock = os.open("lock", os.O_RDONLY)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(lock, fcntl.LOCK_SH)


def main() -> None:
    """Set up this process, and serve the programs on standard input."""
    jobs, out = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # `-S` leaves them out, and short programs use them
    sys.set_int_max_str_digits(0)  # the time limit bounds the work; older versions of Python have no limit
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    gc.freeze()  # a collection in a copy of this process would write to, and so copy, all of its memory
    try:
        lock_folder()
        serve(jobs, out)
    except OSError as error:  # of a machine that is out of processes, descriptors or space
        send(out, {"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
