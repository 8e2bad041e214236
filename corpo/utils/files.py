"""Files that are either complete or absent: written under a temporary name, flushed to disk, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from corpo.utils.errors import StorageError

_FREE_SPACE = "free some space"
_CHOOSE_OTHERS = "choose other folders with outputs= and results="
_MAKE_WRITABLE = f"make the folder writable, or {_CHOOSE_OTHERS}"
_REMEDIES = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "raise the limit on file sizes",
    errno.EROFS: _MAKE_WRITABLE,
    errno.EACCES: _MAKE_WRITABLE,
    errno.EPERM: _MAKE_WRITABLE,
}


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it to `path`.

    `write` receives the temporary path, which lies in the same folder. If anything fails, the temporary file
    is deleted. Raises StorageError if the disk is full or the folder is not writable.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with storage(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            with open(temporary, "rb") as handle:
                os.fsync(handle.fileno())
            os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # a leftover temporary file is ignored, and overwritten by the next attempt
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Translate errors of the disk inside the `with` block into a StorageError of one line."""
    try:
        yield
    except Exception as error:
        number = _error_number(error)
        if number not in _REMEDIES:
            raise
        raise StorageError(
            f"{path}: cannot be written ({os.strerror(number)}); {_REMEDIES[number]}, "
            "then run the same command again to resume"
        ) from error


def check_writable(folder: Path) -> None:
    """Raise StorageError if a folder is not writable, or cannot be made where it is missing."""
    existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not existing.is_dir():
        raise StorageError(
            f"{folder}: cannot be written, because {existing} is not a folder; {_CHOOSE_OTHERS}"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StorageError(
            f"{folder}: cannot be written, because {existing} is not writable; {_MAKE_WRITABLE}"
        )


def _error_number(error: Exception) -> int | None:
    """Return the number of a system error, also if a library has wrapped it in an error of its own."""
    if isinstance(error, OSError):
        return error.errno
    for number in _REMEDIES:
        if f"os error {number})" in str(error):
            return number
    return None


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file with sorted keys, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises ValueError if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("lists and objects are nested too deep") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping or nothing. Raises ValueError if it is damaged."""
    import yaml  # an installation with torch alone lacks it, and prints the list of commands without it

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is ten times as fast
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())[:200]}") from None
    if content is not None and not isinstance(content, dict):
        raise ValueError(f"expected a mapping, found {type(content).__name__}")
    return content or {}


def append_jsonl(path: Path, record: dict[str, Any]) -> None:
    """Append one line and flush it. Raises StorageError.

    A kill or a full disk leaves at most a last line without a newline, which `read_jsonl` ignores.
    """
    with storage(path), open(path, "a", encoding="utf-8") as handle:
        handle.write(json.dumps(record) + "\n")
        handle.flush()


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read the complete lines of a JSONL file. A missing file has none."""
    return [json.loads(line) for line in complete_lines(path)]


def complete_lines(path: Path, errors: str = "strict") -> list[str]:
    """Return the lines of a text file that are not empty, without a last one that a kill cut short.

    A missing file has none. `errors` says what happens with bytes that are not UTF-8, as in `open`.
    """
    if not path.exists():
        return []
    complete, _, _ = path.read_text(encoding="utf-8", errors=errors).rpartition("\n")
    return [line for line in complete.split("\n") if line]


def write_jsonl(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a JSONL file, atomically."""
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))


def files_below(folder: Path, parents: frozenset[Path] = frozenset()) -> list[Path]:
    """Return all files in a folder and its subfolders, in a fixed order, also those behind links.

    A link to one of the `parents`, the folders around this one, is not followed.
    """
    real = folder.resolve()
    if real in parents:
        return []
    files = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            files += files_below(path, parents | {real})
        elif path.is_file():
            files.append(path)
    return files


def shown_path(path: Path) -> Path:
    """Return a path relative to the current folder if it lies there, which is shorter in messages."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hash_of(value: Any, length: int = 12) -> str:
    """Return a short hash of a value that can be written as JSON, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:length]
