"""Run the command line as a user runs it, from the root of the checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def command(name: str, *overrides: str) -> list[str]:
    """Return the arguments that run `corpo NAME` in the current environment."""
    return [sys.executable, "-m", "corpo", name, *overrides]


def run(name: str, *overrides: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `corpo NAME` and check its exit code."""
    process = subprocess.run(command(name, *overrides), cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == code, process.stderr[-3000:]
    return process
