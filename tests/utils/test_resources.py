"""Tests of the search for shipped files, in a wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpo.utils import resources
from corpo.utils.errors import InstallationError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty package without a checkout beside it."""
    folder = tmp_path / "corpo"
    folder.mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", folder)
    return folder


def test_a_checkout_holds_the_files_beside_the_package(package: Path) -> None:
    (package.parent / "conf").mkdir()
    (package.parent / "data/nano_base").mkdir(parents=True)
    assert resources.conf_folder() == package.parent / "conf"
    assert resources.shipped_policy() == package.parent / "data/nano_base"


def test_a_wheel_holds_the_files_inside_the_package(package: Path) -> None:
    (package.parent / "conf").mkdir()  # a folder of the user, beside the installed package
    (package / "conf").mkdir()
    (package / "assets/nano_base").mkdir(parents=True)
    assert resources.conf_folder() == package / "conf"
    assert resources.shipped_policy() == package / "assets/nano_base"


def test_a_damaged_installation_is_an_error_with_a_remedy(package: Path) -> None:
    with pytest.raises(InstallationError, match="install corpo-rl again"):
        resources.conf_folder()
    with pytest.raises(InstallationError, match="nano_base"):
        resources.shipped_policy()


def test_the_checkout_of_the_tests_has_both() -> None:
    assert (resources.conf_folder() / "config.yaml").is_file()
    assert (resources.shipped_policy() / "model.safetensors").is_file()
