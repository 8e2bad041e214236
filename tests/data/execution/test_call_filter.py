"""The numbers of the system calls that the sandbox filters are those of the kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from corpo.data.execution import worker

# The headers of Linux for programs: x86-64 has numbers of its own, Arm has those of all newer architectures.
HEADERS = (
    ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    ("aarch64", "/usr/include/asm-generic/unistd.h"),
)
SINGLE_CALLS = {"sendto": worker.SENDTO, "prctl": worker.PRCTL, "fcntl": worker.FCNTL, "clone": worker.CLONE}
FORKS = {"fork": worker.FORK, "vfork": worker.VFORK, "clone3": worker.CLONE3}
LIMITED = {name: numbers for name, (numbers, _, _) in worker.LIMITED_CALLS.items()}


@pytest.mark.parametrize(("machine", "header"), HEADERS)
def test_the_numbers_of_the_filter_are_those_of_the_kernel(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip(f"{header} is not installed")
    pattern = r"^#define __NR(?:3264)?_(\w+)\s+(\d+)"
    known = {name: int(number) for name, number in re.findall(pattern, Path(header).read_text(), re.M)}
    place = worker.ARCHITECTURES[machine][1]
    num_checked = 0
    for name, numbers in (worker.REFUSED_CALLS | LIMITED | SINGLE_CALLS | FORKS).items():
        if name in known:
            assert numbers[place] == known[name], name
            num_checked += 1
        elif numbers[place] != worker.NO_CALL:  # the header is older than the call
            assert numbers[place] > max(known.values()), name
    assert num_checked > 60
