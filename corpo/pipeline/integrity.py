"""Write the record of a finished stage with the SHA-256 of each of its files, and check files against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpo.utils.errors import DataError
from corpo.utils.files import file_hash, files_below, hash_of, read_json, write_json

DONE, OWNER, LOCK, LOG = "done.json", "owner.json", "lock", "log.txt"
_FILES, _CHECKSUM = "files", "sha256"
_CHANGING = (DONE, OWNER, LOCK, LOG)  # files that change after the end of a stage
# How the names of checkpoints begin, of one process and of several. They have a hash of their own.
_CHECKPOINTS = ("step-", "rank-")


def write_done(folder: Path, record: dict[str, Any]) -> None:
    """Write the record of a finished stage, with a hash of each of its files and one of the record itself."""
    hashes = {}
    for path in files_below(folder):
        name = path.relative_to(folder).as_posix()
        if not name.startswith((".", *_CHECKPOINTS)) and name not in _CHANGING:
            hashes[name] = file_hash(path)
    whole = {**record, _FILES: hashes}
    write_json(folder / DONE, {**whole, _CHECKSUM: hash_of(whole, 64)})


def read_done(folder: Path) -> dict[str, Any]:
    """Return the record of a finished stage without the hashes. Raises DataError if it is damaged."""
    record = _read_whole(folder)
    return {name: value for name, value in record.items() if name not in (_FILES, _CHECKSUM)}


def check_files(folder: Path, name: str = "") -> None:
    """Compare a file of a finished stage, the files of a folder in it, or all files, with their hashes.

    Raises DataError if one of them is damaged or missing. Records of older versions have no hashes.
    """
    hashes: dict[str, str] = _read_whole(folder).get(_FILES, {})
    for file, expected in hashes.items():
        if not name or file == name or file.startswith(f"{name}/"):
            path = folder / file
            if not path.is_file() or file_hash(path) != expected:
                raise _damaged(path, folder)


def _read_whole(folder: Path) -> dict[str, Any]:
    path = folder / DONE
    try:
        record: dict[str, Any] = read_json(path)
        checksum = record.pop(_CHECKSUM, None)
    except (ValueError, AttributeError, TypeError):
        raise _damaged(path, folder) from None
    if (checksum is None) != (_FILES not in record) or (checksum and checksum != hash_of(record, 64)):
        raise _damaged(path, folder)
    return record


def _damaged(path: Path, folder: Path) -> DataError:
    return DataError(
        f"{path}: is damaged or missing since its stage was done; "
        f"delete the folder {folder} and run the same command again, which makes it again"
    )
