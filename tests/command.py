"""Entry points run as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def command(module: str, *overrides: str) -> list[str]:
    return [sys.executable, "-m", f"experiments.{module}", *overrides]


def run(module: str, *overrides: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(module, *overrides), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code, done.stderr[-3000:]
    return done
