"""Tests run on one torch thread: small tensors, and results that do not depend on the machine's core count."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.command import run

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def where(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides of a tiny experiment that starts from a base made here."""
    folder = tmp_path_factory.mktemp("pipeline")
    common = ["experiment=tiny", f"outputs={folder}/outputs", f"results={folder}/results"]
    said = run("warm_start", *common).stdout
    match = re.search(r"policy: (\S+)", said)
    assert match
    return [*common, f"model.path={match[1]}"]


@pytest.fixture(scope="session")
def results(where: list[str]) -> Path:
    run("reproduce", *where)
    return Path(where[2].removeprefix("results=")) / "tiny"
