"""Third-party packages of programs: those that the sandbox offers, and those that a program lacks."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path

OFFERED = ("numpy",)  # what the judges of HumanEval, APPS and LiveCodeBench have installed
# Modules of Python 2. A program that imports one is wrong today, whatever is installed.
_PYTHON2 = frozenset(("Queue", "StringIO", "cPickle", "cStringIO", "commands", "sets", "urllib2", "urlparse"))


@dataclass(frozen=True)
class Package:
    """An installed package: the folder that it lies in, and the names of its own folders there."""

    name: str
    root: str
    folders: tuple[str, ...]


@functools.cache
def offered_packages() -> tuple[Package, ...]:
    """Return the packages that the sandbox can offer, because they are installed here."""
    packages = []
    for name in OFFERED:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        root = Path(spec.origin).parent.parent
        folders = tuple(folder for folder in (name, f"{name}.libs") if (root / folder).is_dir())
        packages.append(Package(name, str(root), folders))
    return tuple(packages)


def used_packages(source: str) -> list[str]:
    """Return the names of the offered packages that a program mentions."""
    return [package.name for package in offered_packages() if re.search(rf"\b{package.name}\b", source)]


def is_other_package(name: str) -> bool:
    """Check for a package that is installed here, but that the sandbox does not offer."""
    if name in OFFERED:
        return False
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a name that cannot be a module's
        return False
    return spec is not None and spec.origin is not None and "site-packages" in spec.origin


def missing_package(source: str, error: str | None) -> str | None:
    """Return the package for whose lack a program failed with this error, or None.

    Such a program is neither right nor wrong.
    """
    offered = {package.name for package in offered_packages()}
    if error == "NameError" and "numpy" not in offered and re.search(r"\bnp\.", source):
        return "numpy"  # the judge of APPS imports it as np
    if error not in ("ModuleNotFoundError", "ImportError"):
        return None
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in offered and top not in sys.stdlib_module_names and top not in _PYTHON2:
                return top
    return None
