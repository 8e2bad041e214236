"""Build the wheel, check what is in it, and use it from environments that cannot see the checkout.

No network is needed. The environments find the packages that corpo needs in the environment of the tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.command import ROOT

SITE_PACKAGES = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
SOURCES = ("corpo", "conf", "data", "pyproject.toml", "setup.py", "README.md", "LICENSE")
QUICK_START = """
import torch
from corpo import advantage_stats, advantages, pass_at_k, register_baseline

rewards_PG = torch.tensor([[-1.0, -0.5, 1.0, 0.5]])
advantages_PG = advantages(rewards_PG, "corpo", threshold=0.0)
pass_rate = advantage_stats(rewards_PG, advantages_PG, 0.0)["pass_rate"]
print(advantages_PG.tolist(), pass_rate, pass_at_k(4, 2, 1))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources, so that the build leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, folder / name)
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "dist"]
    _run([sys.executable, "-m", "pip", "wheel", *options, "."], folder)
    [path] = (folder / "dist").iterdir()
    return path


def _run(command: list[str], folder: Path, code: int = 0) -> str:
    """Run a command in a folder, without the checkout on the path. Return its output, or its error."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert process.returncode == code, f"{process.stdout}\n{process.stderr[-3000:]}"
    return process.stderr if code else process.stdout


def _install(wheel: Path, environment: Path, packages: Path) -> Path:
    """Create an environment with the wheel and the packages of a folder. Return its folder of commands."""
    venv.create(environment, symlinks=True)
    (environment / SITE_PACKAGES / "packages.pth").write_text(f"{packages}\n")
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python")]
    _run([*pip, "install", "--no-deps", "--no-index", str(wheel)], environment)
    return environment / "bin"


def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(wheel: Path) -> None:
    assert wheel.name.startswith("corpo_rl-")
    names = set(ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names} == {"corpo", f"{wheel.name.split('-py3')[0]}.dist-info"}
    expected = {"corpo/py.typed"}
    for source, target in (
        ("corpo", "corpo"),
        ("conf", "corpo/conf"),
        ("data/nano_base", "corpo/assets/nano_base"),
    ):
        for path in (ROOT / source).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                expected.add(f"{target}/{path.relative_to(ROOT / source).as_posix()}")
    assert {name for name in names if name.startswith("corpo/")} == expected


def test_the_tiny_pipeline_runs_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    packages = Path(str(distribution("torch").locate_file("")))
    commands = _install(wheel, tmp_path / "environment", packages)
    empty = tmp_path / "empty"
    empty.mkdir()
    code = (
        "import corpo, hydra\n"
        "with hydra.initialize_config_module('corpo.conf', version_base='1.3'):\n"
        "    print(corpo.__file__)\n"
    )
    assert _run([str(commands / "python"), "-c", code], empty).startswith(str(tmp_path / "environment"))
    _run([str(commands / "corpo"), "reproduce", "experiment=tiny"], empty)
    assert {path.name for path in empty.iterdir()} == {"outputs"}
    written = {path.name for path in (empty / "outputs/results/tiny").iterdir()}
    assert {"report.md", "table.md", "figures"} <= written


def test_the_public_names_work_in_an_environment_with_torch_alone(wheel: Path, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    _link_with_requirements(distribution("torch"), packages)
    commands = _install(wheel, tmp_path / "environment", packages)
    python = str(commands / "python")
    assert _run([python, "-c", QUICK_START], tmp_path) == "[[-1.0, -0.5, 1.0, 0.5]] 0.5 0.5\n"
    version = wheel.name.split("-")[1]
    assert _run([python, "-c", "import corpo; print(corpo.__version__)"], tmp_path).strip() == version
    assert "reproduce" in _run([str(commands / "corpo"), "--help"], tmp_path)
    for command in ("reproduce", "doctor", "verify"):
        message = _run([str(commands / "corpo"), command], tmp_path, code=2)
        assert re.fullmatch(
            r"corpo: corpo \w+ needs the module \w+: run pip install 'corpo-rl\[pipeline\]'\n", message
        )


def _link_with_requirements(package: Distribution, folder: Path) -> None:
    """Link the files of an installed package, and of all packages that it needs, into a folder."""
    for file in package.files or ():
        link, target = folder / file.parts[0], str(package.locate_file(file.parts[0]))
        if file.parts[0] not in ("..", "__pycache__") and not link.exists():
            link.symlink_to(target)
    for text in package.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _link_with_requirements(distribution(requirement.name), folder)
