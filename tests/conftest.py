"""Fixtures that several tests share: a tiny experiment, with a trained base policy and with the whole study.

The tests run on one torch thread, because their tensors are small and their results must not depend on the
number of cores. The tiny experiment takes more than a minute. The workers of one test run therefore build it
once, in a common folder, and each worker gets its own copy, which its tests may change.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from corpo.pipeline.integrity import DONE, write_done
from corpo.utils.files import read_json
from tests.command import run
from tests.workers import common_folder

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

TEXT_FILES = {".csv", ".html", ".json", ".jsonl", ".md", ".tex", ".txt", ".yaml"}


@pytest.fixture(scope="session")
def where(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the overrides of a tiny experiment, whose base policy is trained already."""
    base = _build_once(common_folder(tmp_path_factory) / "base", _train_base)
    folder = tmp_path_factory.mktemp("pipeline")
    _copy(base, folder)
    return _overrides(folder)


@pytest.fixture(scope="session")
def results(where: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results folder of the tiny experiment `where`, after its whole study."""
    common = common_folder(tmp_path_factory)

    def run_study(folder: Path) -> None:
        _copy(common / "base", folder)
        run("reproduce", *_overrides(folder))

    study = _build_once(common / "study", run_study)
    folder = Path(where[1].removeprefix("outputs=")).parent
    _copy(study, folder)
    return folder / "results" / "tiny"


def _build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return the folder after one worker has built it. The others wait."""
    finished = folder.with_suffix(".finished")
    with FileLock(folder.with_suffix(".lock")):
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            build(folder)
            finished.touch()
    return folder


def _train_base(folder: Path) -> None:
    options = [f"outputs={folder}/outputs", f"results={folder}/results"]
    output = run("warm-start", "experiment=tiny", *options).stdout
    match = re.search(r"policy: (\S+)", output)
    assert match, output
    (folder / "policy.txt").write_text(match[1])


def _overrides(folder: Path) -> list[str]:
    """Return the overrides of the tiny experiment that lies in this folder."""
    policy = (folder / "policy.txt").read_text()
    return [
        "experiment=tiny",
        f"outputs={folder}/outputs",
        f"results={folder}/results",
        f"model.path={policy}",
    ]


def _copy(source: Path, target: Path) -> None:
    """Copy an experiment and replace its folder in all text files, as if it had run at the target."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    for path in target.rglob("*"):
        if path.suffix in TEXT_FILES and str(source) in (text := path.read_text(encoding="utf-8")):
            times = path.stat()
            path.write_text(text.replace(str(source), str(target)), encoding="utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    for path in target.rglob(DONE):  # the changed files have other hashes
        record = read_json(path)
        del record["files"], record["sha256"]
        write_done(path.parent, record)
