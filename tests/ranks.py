"""Run a program in several processes that communicate, as torchrun and accelerate do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from tests.command import ROOT


def run_ranks(code: str, world_size: int) -> None:
    """Run Python code once per rank, and check that all of them succeed."""
    port = _free_port()
    processes = []
    for rank in range(world_size):
        variables = {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world_size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        command = [sys.executable, "-c", code]
        processes.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}))
    assert [process.wait(timeout=600) for process in processes] == [0] * world_size


def _free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])
