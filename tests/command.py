"""Run the entry points as a user runs them, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def command(name: str, *overrides: str) -> list[str]:
    """Return the command line of an entry point, such as `warm_start`, with options."""
    return [sys.executable, "-m", f"experiments.{name}", *overrides]


def run(name: str, *overrides: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run an entry point from the root of the repository and check its exit code."""
    process = subprocess.run(command(name, *overrides), cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == code, process.stderr[-3000:]
    return process
