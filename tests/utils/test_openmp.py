"""The spin of OpenMP threads: bounded before torch is loaded, unless the user says how threads wait."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from corpo.utils.openmp import SPIN_COUNT, bound_spin
from tests.command import ROOT

NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
# torch prints the settings of its OpenMP when it is loaded.
LOAD = "import {module}; import torch; torch.get_num_threads()"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another OpenMP")
@pytest.mark.parametrize("module", ["corpo.cli.main", "experiments.train", "benchmarks"])
def test_entry_points_bound_the_spin_before_torch_is_loaded(module: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment["OMP_DISPLAY_ENV"] = "VERBOSE"
    process = subprocess.run(
        [sys.executable, "-c", LOAD.format(module=module)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    counts = re.findall(r"GOMP_SPINCOUNT = '(\d+)'", process.stderr)
    if not counts:
        pytest.skip("this build of torch does not use GNU's OpenMP")
    assert set(counts) == {str(SPIN_COUNT)}


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_of_the_user_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in NAMES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "77")
    bound_spin()
    assert {other: os.environ[other] for other in NAMES if other in os.environ} == {name: "77"}
