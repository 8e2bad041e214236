"""Run the command line as a user runs it, from the root of the checkout.

Importing torch and transformers takes longer than most commands of the tests. Therefore `run` forks a process
that has imported them already. `command` gives the arguments of a process that begins from nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from corpo.cli.main import main

ROOT = Path(__file__).parent.parent
IMPORTED = [
    "torch",
    "transformers",
    "transformers.models.llama.modeling_llama",
    "datasets",
    "matplotlib.pyplot",
    "hydra",
    "corpo.cli.jobs",
]

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(IMPORTED)


def command(name: str, *overrides: str) -> list[str]:
    """Return the arguments that run `corpo NAME` in the current environment."""
    return [sys.executable, "-m", "corpo", name, *overrides]


def run(name: str, *overrides: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `corpo NAME` and check its exit code."""
    if "-m" in overrides:  # the launchers of sweeps wait for the end of an interpreter, which a fork skips
        done = subprocess.run(command(name, *overrides), cwd=ROOT, capture_output=True, text=True)
    else:
        done = _run_in_fork([name, *overrides])
    assert done.returncode == code, done.stderr[-3000:]
    return done


def _run_in_fork(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        output, error = Path(folder) / "stdout", Path(folder) / "stderr"
        process = _server.Process(target=_run, args=(arguments, dict(os.environ), output, error))
        process.start()
        process.join()
        return subprocess.CompletedProcess(
            arguments, process.exitcode or 0, output.read_text(), error.read_text()
        )


def _run(arguments: Sequence[str], environment: dict[str, str], output: Path, error: Path) -> None:
    """Run the command line in this process, with the current folder and environment of the tests."""
    for path, stream in ((output, sys.stdout), (error, sys.stderr)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    if "PYTHONPATH" in environment:
        sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    sys.argv = [str(ROOT / "corpo/__main__.py"), *arguments]
    main(arguments)
