"""The origin of a result: commit, machine, versions and the command that was typed."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def provenance() -> dict[str, Any]:
    """Return commit, machine and versions, as they stand beside every figure."""
    from importlib.metadata import version

    return {
        "commit": commit(),
        "cpu": processor(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
    }


def commit() -> str:
    """Return the commit of the checkout, marked if tracked files were changed; "unknown" elsewhere."""
    here = Path(__file__).parent
    head_command = ["git", "rev-parse", "--short=12", "HEAD"]
    status_command = ["git", "status", "--porcelain", "-uno"]
    try:
        tracked = subprocess.run(
            ["git", "ls-files", "--error-unmatch", __file__], cwd=here, capture_output=True
        )
        if tracked.returncode:  # an installed copy that happens to lie inside another repository
            return "unknown"
        head = subprocess.run(
            head_command, cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        status = subprocess.run(status_command, cwd=here, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if status else "")


def _gpu() -> str:
    torch = sys.modules.get("torch")  # a stage that did not import torch did not compute on a GPU
    if torch is None or not torch.cuda.is_available():
        return "no GPU"
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"


def processor() -> str:
    """Return the name of the CPU."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def typed_command(command: str, overrides: Sequence[str] | None = None) -> str:
    """Return the command line that runs `corpo COMMAND` with the options of the running Hydra job."""
    if overrides is None:
        from hydra.core.hydra_config import HydraConfig

        overrides = list(HydraConfig.get().overrides.task)
    return shlex.join(["corpo", command, *overrides])
