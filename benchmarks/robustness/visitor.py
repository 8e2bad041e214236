"""Run Python as an ordinary user whose home folder, and Python in it, have blanks and other letters."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

USER = 65534  # the user `nobody`
HOME = "mein Zuhause ü"
# Show this Python and its packages in the home folder, for this command only, and give up privileges.
_SCRIPT = """
mount --bind "$1" "$3/python" && mount --bind "$2" "$3/packages" || exit 125
home="$3"
shift 3
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$home/python/bin/python3" "$@"
"""


def new_home(folder: Path) -> Path:
    """Return a new home folder of the ordinary user, which only root can make."""
    home = folder / HOME
    for path in (home, home / "python", home / "packages", home / "temporary"):
        path.mkdir()
        os.chown(path, USER, USER)
    for parent in (folder, home):
        parent.chmod(0o755)
    return home


def visitor_command(home: Path, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs Python with these arguments as the ordinary user."""
    places = [sys.base_prefix, sysconfig.get_path("purelib"), str(home)]
    return ["unshare", "--mount", "sh", "-c", _SCRIPT, "visitor", *places, *arguments]


def visitor_environment(home: Path, tree: Path) -> dict[str, str]:
    """Return the environment of that command. `tree` is the folder with the package `corpo`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home / "temporary"),
        "PYTHONPATH": f"{tree}:{home}/packages",
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": f"{home}/python/lib",  # Python's own folder may be closed to the user
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
