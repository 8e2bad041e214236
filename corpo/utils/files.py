"""Files that are either whole or not there: written beside, flushed to disk, then renamed."""

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


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary neighbour of `path`, flush it, and rename it into place; where that fails, nothing is left of it.

    Raises StorageError where the disk is full or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        with storage(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(beside)
            with open(beside, "rb") as handle:
                os.fsync(handle.fileno())
            os.replace(beside, path)
    except BaseException:
        with suppress(OSError):  # where it cannot be deleted it is ignored, and overwritten the next time
            beside.unlink(missing_ok=True)
        raise


_NO_ROOM = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit of a file's size",
}
_ADVICE = _NO_ROOM | dict.fromkeys(
    (errno.EROFS, errno.EACCES, errno.EPERM),
    "make the folder writable, or choose others with outputs= and results=",
)


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turns what goes wrong with a disk into StorageError with one line. Libraries that wrap the system's error name its number in their text."""
    try:
        yield
    except Exception as error:
        number = (
            error.errno
            if isinstance(error, OSError)
            else next((n for n in _ADVICE if f"os error {n})" in str(error)), None)
        )
        if number not in _ADVICE:
            raise
        raise StorageError(
            f"{path}: cannot be written ({os.strerror(number)}); {_ADVICE[number]}, then run the same command again to go on"
        ) from error


def write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def append_jsonl(path: Path, record: dict[str, Any]) -> None:
    """One flushed line. A kill or a full disk leaves at most a last line without its newline, which `read_jsonl` drops. Raises StorageError."""
    with storage(path), open(path, "a", encoding="utf-8") as handle:
        handle.write(json.dumps(record) + "\n")
        handle.flush()


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return [json.loads(line) for line in whole.split("\n") if line]


def write_jsonl(path: Path, records: Iterable[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hash_of(value: Any, length: int = 12) -> str:
    """A short hash of anything JSON can write, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:length]
