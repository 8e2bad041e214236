"""The keys of stages that plugins take part in see the source of each plugin and of what it imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from corpo.cli.compose import load_config
from corpo.pipeline.data import data_stage
from corpo.pipeline.evaluate import evaluate_stage
from corpo.pipeline.plugin_sources import source_files
from corpo.pipeline.train import train_stage
from corpo.utils.errors import ConfigError

FILES = {
    "guard_alone.py": "import json\n",
    "guard_user.py": "import os.path\nfrom guard_helper import constant\nimport guard_package.inner\n",
    "guard_helper.py": "constant = 1\n\ndef late(): import guard_user\n",  # they import each other
    "guard_unused.py": "",
    "guard_package/__init__.py": "from . import other\n",
    "guard_package/other.py": "",
    "guard_package/inner.py": "from .deep.deepest import name\n",
    "guard_package/deep/__init__.py": "",
    "guard_package/deep/deepest.py": "from ..other import x\nname = 1\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with chdir(tmp_path):
        yield tmp_path
    for name in [name for name in sys.modules if name.startswith("guard_")]:
        del sys.modules[name]


def test_sources_are_the_module_and_the_local_modules_that_it_imports(folder: Path) -> None:
    assert sorted(source_files("guard_alone")) == ["guard_alone"]
    assert sorted(source_files("guard_user")) == [
        "guard_helper",
        "guard_package",
        "guard_package.deep",
        "guard_package.deep.deepest",
        "guard_package.inner",
        "guard_package.other",
        "guard_user",
    ]
    assert sorted(source_files("guard_package.inner")) == [
        "guard_package",
        "guard_package.deep",
        "guard_package.deep.deepest",
        "guard_package.inner",
        "guard_package.other",
    ]


def test_sources_of_an_installed_package_are_its_own_files_only() -> None:
    files = source_files("omegaconf")
    assert "omegaconf.dictconfig" in files
    assert all(name.split(".")[0] == "omegaconf" for name in files)


def _keys() -> tuple[str, str, str]:
    config = load_config(["experiment=tiny", "plugins=[guard_plugin]"])
    return data_stage(config).key, train_stage(config).key, evaluate_stage(config, trained=False).key


@pytest.mark.parametrize("edited", ["guard_plugin.py", "guard_helper.py"])
def test_an_edited_plugin_changes_the_keys_of_training_and_evaluation_only(folder: Path, edited: str) -> None:
    (folder / "guard_plugin.py").write_text("import guard_helper\n")
    before = _keys()
    assert _keys() == before
    path = folder / edited
    path.write_text(path.read_text() + "# another line\n")
    after = _keys()
    assert after[0] == before[0], "embedded data does not depend on plugins"
    assert after[1] != before[1]
    assert after[2] != before[2]


@pytest.mark.parametrize("text", ["def f(:\n", "x = 1\x00\n"])
def test_a_local_module_that_is_not_python_is_refused_by_name(folder: Path, text: str) -> None:
    (folder / "guard_helper.py").write_text(text)
    with pytest.raises(ConfigError, match=r"plugins: .*guard_helper\.py is not Python: .*mend the file"):
        source_files("guard_user")
