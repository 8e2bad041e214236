"""Run programs in the sandbox: values and types, contained hostile programs, cached results."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from corpo.data.execution import packages as packages_module
from corpo.data.execution import sandbox as sandbox_module
from corpo.data.execution.labelling import LabelCache, compare, expected_outputs, label_programs, run_cached
from corpo.data.execution.packages import Package
from corpo.data.execution.sandbox import (
    Isolation,
    Mode,
    Program,
    Sandbox,
    available_isolation,
    read_reports,
)
from corpo.data.python_text import unlimited_digits
from corpo.utils.errors import DataError, SandboxError

CALLS = ((1,), (2,))
LEVELS = [Isolation.process] + (
    [Isolation.namespaces] if available_isolation() is Isolation.namespaces else []
)


def _run(*sources: str, isolation: Isolation | None = None, calls: tuple = CALLS) -> list[tuple[str, ...]]:
    box = Sandbox(isolation=isolation, seconds=2.0, cpu_seconds=0.3)
    return box.run([Program(source, calls) for source in sources])


def test_values_keep_their_types() -> None:
    source = "def f(x):\n    return [1, True, 'a', None, 1.5, (2,), {'k': [x]}][x]"
    (results,) = _run(source, calls=tuple((i,) for i in range(7)))
    assert results == ("=1", "=True", "='a'", "=None", "=1.5", "=(2,)", "={'k': [6]}")
    assert compare(("=1",), ("=True",), "process").error == "wrong answer"


HOSTILE = {
    "endless loop": ("def f(x):\n    while True: pass", "!timeout"),
    "sleep": ("import time\ndef f(x):\n    time.sleep(60)", "!timeout"),
    "memory": ("def f(x):\n    return [0] * 10**10", "!MemoryError"),
    "output flood": ("def f(x):\n    return 'a' * (1 << 21)", "!output limit"),
    "huge structure": ("def f(x):\n    return [0] * 2000000", "!not a value"),
    "huge integer": ("def f(x):\n    return 1 << 10000000", "!output limit"),
    "recursion": ("def f(x):\n    return f(x)", "!RecursionError"),
    "sys.exit": ("import sys\ndef f(x):\n    sys.exit(0)", "!SystemExit"),
    "os._exit": ("import os\ndef f(x):\n    os._exit(0)", "!crash"),
    "exit at import": ("raise SystemExit", "!SystemExit"),
    "syntax": ("def f(x:", "!not a program"),
    "no f": ("g = 1", "!not a program"),
    "always equal": (
        "class E:\n    def __eq__(self, o):\n        return True\ndef f(x):\n    return E()",
        "!not a value",
    ),
    "int with its own equality": (
        "class I(int):\n    def __eq__(self, o):\n        return True\ndef f(x):\n    return I(3)",
        "!not a value",
    ),
    "self-reference": ("def f(x):\n    a = []\n    a.append(a)\n    return a", "!not a value"),
    "builtins patched": ("import builtins\nbuiltins.repr = lambda v: '99'\ndef f(x):\n    return x", None),
    "ctypes crash": ("import ctypes\ndef f(x):\n    ctypes.string_at(0)", "!crash"),
    "stdin": ("def f(x):\n    return input()", "!EOFError"),
    "kill own group": ("import os\ndef f(x):\n    os.killpg(0, 9)", "!crash"),
}


@pytest.mark.parametrize("isolation", LEVELS)
def test_hostile_programs_get_their_label_and_do_not_affect_others(isolation: Isolation) -> None:
    honest = "def f(x):\n    return x + 1"
    sources: list[str] = []
    for source, _ in HOSTILE.values():
        sources += [source, honest]
    results = _run(*sources, isolation=isolation)
    for (name, (_, expected)), hostile, neighbour in zip(
        HOSTILE.items(), results[::2], results[1::2], strict=True
    ):
        assert neighbour == ("=2", "=3"), f"the program after {name!r} was affected"
        if expected is not None:
            assert set(hostile) == {expected}, name


@pytest.mark.parametrize("isolation", LEVELS)
def test_killing_the_worker_harms_only_the_killer(isolation: Isolation) -> None:
    killer = "import os\nos.kill(os.getppid(), 9)\ndef f(x):\n    return 1"
    honest = "def f(x):\n    return x"
    results = _run(honest, killer, honest, isolation=isolation)
    assert results[0] == results[2] == ("=1", "=2")


@pytest.mark.parametrize("isolation", LEVELS)
def test_nothing_is_left_behind(isolation: Isolation) -> None:
    marker = f"corpo_{os.getpid()}_{isolation}"
    source = (
        "import os, sys\nif os.fork() == 0:\n    os.setsid()\n"
        f"    os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(50)  # {marker}'])\n"
        "def f(x):\n    return x"
    )
    # The second result is that of a kernel that filters system calls.
    assert _run(source, isolation=isolation) in ([("=1", "=2")], [("!BlockingIOError",) * 2])
    time.sleep(0.2)
    alive = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert not [line for line in alive.splitlines() if marker in line and "time.sleep(50)" in line]


@pytest.mark.parametrize("isolation", LEVELS)
def test_programs_write_in_their_own_directory_only(isolation: Isolation, tmp_path: Path) -> None:
    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 3:
        pytest.skip("this kernel has no Landlock, which keeps programs from writing elsewhere")
    kept = tmp_path / "kept"
    kept.write_text("kept")
    attempts = (
        f"open('{kept}', 'w')",
        f"import os\nos.remove('{kept}')",
        f"import os\nos.mkdir('{tmp_path}/new')",
    )
    allowed = "open('mine', 'w').write('1')\nimport os\nprint(input(), os.listdir('.'))"
    programs = [Program(text, ("7\n",), Mode.stream, "") for text in (*attempts, allowed, allowed)]
    refused = "!PermissionError" if isolation is Isolation.process else "!FileNotFoundError"
    assert Sandbox(isolation).run(programs) == [(refused,)] * 3 + [("=7 ['mine']\n",)] * 2
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept", "kept")]


def test_a_program_can_open_its_standard_input() -> None:
    source = "print(int(open('/dev/stdin').read()) + 1)"
    assert Sandbox().run([Program(source, ("1", "2"), Mode.stream, "")]) == [("=2\n", "=3\n")]


@pytest.mark.skipif(Isolation.namespaces not in LEVELS, reason="this machine has no user namespaces")
def test_no_file_that_programs_do_not_need_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offer a package and a temporary folder whose paths have blanks and other letters."""
    home = tmp_path / "mein Zuhause ü"
    (home / "packages" / "mine").mkdir(parents=True)
    (home / "packages" / "mine" / "__init__.py").write_text("from mine.part import value")
    (home / "packages" / "mine" / "part.py").write_text("value = 5")
    (home / "secret").write_text("hush")
    package = Package("mine", str(home / "packages"), ("mine",))
    for module in (sandbox_module, packages_module):
        monkeypatch.setattr(module, "offered_packages", lambda: (package,))
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    names = [
        str(home / "secret"),
        str(home),
        str(Path.cwd() / "pyproject.toml"),
        "/etc/passwd",
        "/var",
        "/usr/bin",
    ]
    source = (
        "import os, mine, email.message, sqlite3, time\n"
        "def see(name):\n    return os.path.exists(name)\n"
        "def f(names):\n    open('own', 'w').write('1')\n"
        "    return mine.value, os.getcwd(), os.listdir(), [name for name in names if see(name)]"
    )
    [[result]] = Sandbox(Isolation.namespaces, cpu_seconds=2.0).run([Program(source, ((names,),))])
    assert result == f"=(5, '/room', ['own'], {[str(home)]!r})"  # the folder that leads to the package
    assert sorted(path.name for path in home.iterdir()) == ["packages", "secret"]


@pytest.mark.skipif(Isolation.namespaces not in LEVELS, reason="this machine has no user namespaces")
def test_programs_can_change_no_file_of_python_even_without_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are mounted read-only."""
    source = (
        "import os\ndef f(path):\n    try:\n        open(path, 'a')\n    except OSError as error:\n"
        "        return os.strerror(error.errno)"
    )
    worker = Path(sandbox_module._WORKER).read_text()
    without = worker.replace('rules, limits = landlock_ruleset("room", packages)', "rules, limits = None")
    assert worker != without
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "worker.py"
        path.write_text(without)
        monkeypatch.setattr(sandbox_module, "_WORKER", path)
        [results] = Sandbox(Isolation.namespaces).run(
            [Program(source, ((os.__file__,), ("/etc/new",), ("/x",)))]
        )
    assert results == ("='Read-only file system'",) * 3


@pytest.mark.skipif(Isolation.namespaces not in LEVELS, reason="this machine has no user namespaces")
def test_a_program_cannot_fill_memory_through_its_room() -> None:
    """Bytes and files of the room are limited, and the next program has an empty one."""
    fill = (
        "import os\ndef f(number):\n    try:\n        for i in range(number):\n"
        "            open(str(i), 'w').write('1' * (1 << 20 if number < 999 else 1))\n"
        "    except OSError as error:\n        return os.strerror(error.errno), i > 50\n"
    )
    programs = [Program(fill, ((200,),)), Program(fill, ((10000,),)), Program(fill, ((60,),))]
    full = ("=('No space left on device', True)",)
    assert Sandbox(Isolation.namespaces, cpu_seconds=3.0).run(programs) == [full, full, ("=None",)]


def test_a_program_cannot_fill_the_disk_through_its_room() -> None:
    """A program ends that writes more than its room may hold, also if it hides that in a locked folder."""
    fill = (
        "import os, time\ndef f(mode, count, size):\n    os.mkdir('a', mode)\n    for i in range(count):\n"
        "        open(f'a/{i}', 'w').write('1' * size)\n    time.sleep(0.3)\n"
    )
    calls = [(0o300, 90, 1 << 20), (0o300, 4200, 1), (0o700, 9, 1 << 20)]
    programs = [Program(fill, (call,)) for call in calls]
    results = Sandbox(Isolation.process, cpu_seconds=3.0, workers=1).run(programs)
    assert results == [("!output limit",), ("!output limit",), ("=None",)]


def test_the_outputs_of_all_runs_together_are_limited() -> None:
    program = Program("print('1' * 1000)", ("",) * 5, Mode.stream, "", 1 << 20, 2500)
    [results] = Sandbox().run([program])
    assert [len(result) for result in results] == [1002, 1002, 499, 1, 1]


@pytest.mark.parametrize(
    "report",
    [
        b"[" + b"1" * 1_000_000 + b', "=1"]',  # reading that number takes seconds without a limit on digits
        b'[0, "=\\ud800"]',
        b'[0, "=1\\n# A heading"]',
        b'[0, "=\\u001b[2J"]',
        b'[0, ["=1"]]',
        b'[0, "=1", "=1"]',
        b"[" * 100_000,
    ],
    ids=lambda report: report[:12],
)
def test_a_report_that_the_worker_would_not_write_is_tampered(report: bytes) -> None:
    with unlimited_digits():
        assert read_reports(b"nonce" + report + b"\n", b"nonce", 2, "!crash") == ["!tampered"] * 2


def test_the_environment_is_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPO_SECRET", "hush")
    (results,) = _run("import os\ndef f(x):\n    return 'CORPO_SECRET' in os.environ")
    assert results == ("=False", "=False")


def test_calls_do_not_share_arguments() -> None:
    (results,) = _run("def f(xs):\n    xs.append(1)\n    return len(xs)", calls=(([],), ([],)))
    assert results == ("=1", "=1")


def test_isolation_is_never_lowered_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_module, "available_isolation", lambda: Isolation.process)
    with pytest.raises(SandboxError, match="isolation=process"):
        Sandbox(isolation=Isolation.namespaces)
    assert Sandbox().isolation is Isolation.process


def test_results_are_cached_and_a_cut_line_is_run_again(tmp_path: Path) -> None:
    box, path = Sandbox(), tmp_path / "labels.jsonl"
    programs = [Program(f"def f(x):\n    return x + {i}", CALLS) for i in range(3)]
    first = run_cached(programs, box, LabelCache(path))
    path.write_text(path.read_text()[:-20])
    again = LabelCache(path)
    assert len(again.known) == 2
    assert run_cached(programs, box, again) == first
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 3


def test_candidates_are_labelled_by_the_results_of_the_reference() -> None:
    box = Sandbox()
    reference = "def f(x):\n    return x * 2"
    (expected,) = expected_outputs([(reference, CALLS)], box, None)
    labels = label_programs(
        [(reference, CALLS, expected), ("def f(x):\n    return x + 1", CALLS, expected)], box, None
    )
    assert [label.correct for label in labels] == [True, False]
    assert (labels[1].passed, labels[1].failures[0][0], labels[1].error) == (1, 1, "wrong answer")
    with pytest.raises(DataError, match="ZeroDivisionError"):
        expected_outputs([("def f(x):\n    return 1 // 0", CALLS)], box, None)


def _label_some(path: Path, worker: int) -> None:
    for number in range(20):
        LabelCache(path).add(f"{worker}-{number}", ["=1" * 2000])


def test_processes_share_a_cache(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    workers = [
        multiprocessing.get_context("fork").Process(target=_label_some, args=(path, worker))
        for worker in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(LabelCache(path).known) == 80


@pytest.mark.parametrize(
    "name", ["<img src=x>", "a\n# b", "| a | b |", "x" * 1000, "", "1a", "\x1b[2J", "= 2"]
)
def test_the_name_of_an_exception_is_a_word(name: str) -> None:
    (results,) = _run(f"def f(x):\n    raise type({name!r}, (Exception,), {{}})")
    assert results == ("!Exception", "!Exception")


def test_the_name_of_a_class_of_its_own_is_kept() -> None:
    (results,) = _run("class Größe_2(Exception): pass\ndef f(x):\n    raise Größe_2")
    assert results == ("!Größe_2", "!Größe_2")
