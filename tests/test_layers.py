"""Hold the layers of the package: imports point downwards, no modules import each other in a circle.

All import statements count, also those inside functions and those for type checkers only.
"""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
# From the bottom to the top. A package may import those of lower layers only, and none of its own layer.
LAYERS = (
    ("utils",),
    ("task", "baselines"),
    ("config",),
    ("data",),
    ("policy",),
    ("rollout",),
    ("tasks",),
    ("train", "evaluate"),
    ("analysis",),
    ("report",),
    ("__init__",),  # the public names of corpo
    ("pipeline", "plugins"),
    ("cli",),
    ("__main__",),
)
OUTSIDE = ("experiments", "benchmarks", "tests", "docs", "examples", "notebooks")
MAX_LINES_OF_AN_ENTRY_POINT = 40


class Import(NamedTuple):
    """An import statement: the importing module, the imported one, and where the statement is."""

    importer: str
    imported: str
    place: str


@cache
def _modules() -> dict[str, Path]:
    """Return the files of all modules of the package, by their dotted names."""
    modules = {}
    for path in sorted((ROOT / "corpo").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        modules[name.removesuffix(".__init__")] = path
    return modules


@cache
def _imports() -> list[Import]:
    """Return all imports in the package."""
    imports = set()  # a statement that takes several names from one module is one import
    for importer, path in _modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for imported in _imported_modules(node):
                place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                imports.add(Import(importer, imported, place))
    return sorted(imports)


def _imported_modules(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports. A name that is imported from a package may be one."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert node.level == 0, "write imports with the full name of the package"
    package = str(node.module)
    modules = []
    for alias in node.names:
        full_name = f"{package}.{alias.name}"
        modules.append(full_name if full_name in _modules() else package)
    return modules


def _package(module: str) -> str:
    """Return the part of a module's name that has a layer, such as `data` for `corpo.data.bank.text`."""
    return "__init__" if module == "corpo" else module.split(".")[1]


def _layer(module: str) -> int:
    for number, packages in enumerate(LAYERS):
        if _package(module) in packages:
            return number
    return pytest.fail(
        f"corpo/{_package(module)} has no layer: add it to LAYERS and to docs/explanation/architecture.md"
    )


def test_imports_point_downwards() -> None:
    upward = []
    for importer, imported, place in _imports():
        if imported.split(".")[0] != "corpo" or _package(importer) == _package(imported):
            continue
        if _layer(imported) >= _layer(importer):
            upward.append(f"{place}: {importer} imports {imported}")
    assert not upward, "\n".join(upward)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for importer, imported, _ in _imports():
        if imported in _modules():
            graph.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_package_imports_nothing_else_of_the_repository() -> None:
    foreign = []
    for importer, imported, place in _imports():
        if imported.split(".")[0] in OUTSIDE:
            foreign.append(f"{place}: {importer} imports {imported}")
    assert not foreign, "\n".join(foreign)


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.py")), ids=lambda path: path.name)
def test_entry_points_are_thin(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES_OF_AN_ENTRY_POINT, (
        f"{path.name}: {lines} lines; move the work to corpo/pipeline"
    )
