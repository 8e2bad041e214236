"""Hash the source files of plugins, so that an edited plugin makes the stages that use it run again."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from corpo.config import Config
from corpo.utils.errors import ConfigError
from corpo.utils.files import file_hash, hash_of, shown_path

_OWN_PACKAGE = "corpo"
_INSTALLED = ("site-packages", "dist-packages")  # folders of installed packages; they have versions


def plugin_spec(config: Config) -> dict[str, object]:
    """Return the hashes of the sources of all plugins, for the key of a stage that may use them."""
    if not config.plugins:
        return {}
    return {"plugins": {module: _source_hash(module) for module in config.plugins}}


def _source_hash(module: str) -> str:
    """Return the hash of a module's source and of the modules beside it that it imports."""
    files = source_files(module)
    return hash_of([[name, file_hash(path)] for name, path in sorted(files.items())])


def source_files(module: str) -> dict[str, Path]:
    """Return the files of a module, of its packages and of the local modules that it imports, by module.

    Local modules lie in the folder from which the module is imported.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        return {}
    depth = module.count(".") + (spec.submodule_search_locations is not None)
    root = Path(spec.origin).resolve().parents[depth]
    files: dict[str, Path] = {module: Path(spec.origin)}
    if spec.submodule_search_locations is not None:
        for path in Path(spec.origin).parent.rglob("*.py"):
            files[".".join(path.resolve().relative_to(root).with_suffix("").parts)] = path
    todo = list(files.items())
    while todo and root.name not in _INSTALLED:
        name, path = todo.pop()
        for imported in _imports(name, path):
            file = _local_file(root, imported)
            if file is not None and imported not in files:
                files[imported] = file
                todo.append((imported, file))
    return files


def _local_file(root: Path, module: str) -> Path | None:
    """Return the file of a module in a folder, or None if the module comes from elsewhere."""
    if module.partition(".")[0] == _OWN_PACKAGE:
        return None
    path = root.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _imports(module: str, path: Path) -> Iterator[str]:
    """Yield the dotted names that a module may import, and the packages that hold them.

    Raises ConfigError if the file is not Python.
    """
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:  # ValueError for a null byte
        raise ConfigError(f"plugins: {shown_path(path)} is not Python: {error}; mend the file") from None
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join(filter(None, [*parts, node.module]))
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))
