"""Find the files that ship with the package: the configuration and the base policy.

A wheel holds them inside the package. A checkout holds them in the folders `conf/` and `data/` beside the
package, also if it is installed with `pip install --editable`.
"""

from __future__ import annotations

from pathlib import Path

from corpo.utils.errors import InstallationError

_PACKAGE = Path(__file__).resolve().parent.parent


def conf_folder() -> Path:
    """Return the folder with the configuration groups of Hydra. Raises InstallationError if it is missing."""
    return _first_folder(_PACKAGE / "conf", _PACKAGE.parent / "conf")


def shipped_policy() -> Path:
    """Return the folder of the base policy `nano_base`. Raises InstallationError if it is missing."""
    return _first_folder(_PACKAGE / "assets" / "nano_base", _PACKAGE.parent / "data" / "nano_base")


def _first_folder(installed: Path, checkout: Path) -> Path:
    for folder in (installed, checkout):
        if folder.is_dir():
            return folder
    raise InstallationError(f"neither {installed} nor {checkout} exists; install corpo-rl again")
