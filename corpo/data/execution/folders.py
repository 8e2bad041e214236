"""Make temporary folders for workers of the sandbox, and delete those that killed processes have left.

Each folder holds a file that the processes that use it have locked. The system unlocks it when the last of
them ends, however it ends. The first folder of a process is made after the unlocked ones are deleted.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)

LOCK = "lock"  # as in `worker.py`, which locks it, too


@contextmanager
def sandbox_folder() -> Iterator[str]:
    """Make a locked temporary folder, and delete it in the end. Raises OSError if that is not possible."""
    temporary = tempfile.gettempdir()
    _delete_once(temporary)
    folder, lock = _new_folder(temporary)
    try:
        yield folder
    finally:
        delete_folder(folder)
        os.close(lock)


def delete_abandoned_folders(temporary: str) -> None:
    """Delete the folders of this user and machine that no living process has locked."""
    folders = []
    with suppress(OSError):  # missing, or not readable; making a folder there says so if it fails
        folders = [path for path in Path(temporary).iterdir() if path.name.startswith(_prefix())]
    for folder in folders:
        with suppress(OSError):  # another process uses, makes or deletes it
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                continue
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                delete_folder(str(folder))
            finally:
                os.close(lock)


_delete_once = functools.cache(delete_abandoned_folders)


def _prefix() -> str:
    """Return how the names of folders begin. A file system that machines share may not share its locks."""
    return f"corpo-sandbox-{socket.gethostname()}-"


def _new_folder(temporary: str) -> tuple[str, int]:
    """Return a new folder, and the open file that holds its lock."""
    while True:
        folder = tempfile.mkdtemp(prefix=_prefix(), dir=temporary)
        try:
            lock = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            os.rmdir(folder)
            raise
        with suppress(OSError):  # a file system without locks, on which nobody deletes the folder either
            fcntl.flock(lock, fcntl.LOCK_SH)
        if os.path.lexists(os.path.join(folder, LOCK)):
            return folder, lock
        os.close(lock)  # another process deleted the folder before it was locked


def delete_folder(folder: str) -> None:
    """Delete a folder, however deep it is and whatever its permissions, without following links."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            subprocess.run([*command, "--", folder], stderr=subprocess.DEVNULL)
        if os.path.lexists(folder):
            log.warning("%s: cannot be deleted", folder)
