"""Build the tiny pairs in difficult surroundings, and compare the files with those of a quiet run.

`python -m benchmarks.robustness.environments` writes results/robustness/environments.md. Only root can run
it, because it mounts a small disk and becomes another user. The exit code is 1 if a file differs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.robustness.kills import differing, fingerprints
from benchmarks.robustness.visitor import USER, new_home, visitor_command, visitor_environment
from corpo.pipeline.provenance import provenance
from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
STOPS, STOP_SECONDS = 4, 7.0  # longer than the limit on the clock of a program
KILLS, KILL_SECONDS = 50, (3.0, 12.0)  # after the start of a process
SMALL_DISK, LARGE_DISK = "size=256k", "size=500m"


@dataclass(frozen=True)
class Outcome:
    """The end of the runs of a scenario."""

    exit_codes: list[int]
    message: str
    folders: list[Path]  # of the runs that ended


def arguments(folder: Path) -> list[str]:
    """Return the arguments of Python that build, run and label the tiny data in a folder."""
    options = ["experiment=tiny", f"outputs='{folder}/outputs'", f"results='{folder}/results'"]
    return ["-m", "experiments.data", *options]


def start(folder: Path, environment: dict[str, str] = ENVIRONMENT) -> subprocess.Popen[str]:
    """Start a build."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, *arguments(folder)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a run. Return its exit code, and the last line that it wrote if it failed."""
    _, stderr = process.communicate()
    return process.returncode, stderr.strip().rpartition("\n")[2] if process.returncode else ""


def quiet(folder: Path) -> Outcome:
    """Run once, undisturbed."""
    code, message = finish(start(folder))
    return Outcome([code], message, [folder])


def stopped(folder: Path) -> Outcome:
    """Stop all processes of a run several times, for longer than a program may take, and let them go on."""
    process = start(folder)
    for _ in range(STOPS):
        time.sleep(3.0)
        processes = [process.pid, *_descendants(process.pid)]
        for number, pause in ((signal.SIGSTOP, STOP_SECONDS), (signal.SIGCONT, 0.0)):
            for pid in processes:
                with suppress(ProcessLookupError):  # it has ended in the meantime
                    os.kill(pid, number)
            time.sleep(pause)
    code, message = finish(process)
    return Outcome([code], message, [folder])


def _descendants(pid: int) -> list[int]:
    """Return the processes below a process, parents first."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    below: list[int] = []
    frontier = [pid]
    while frontier:
        next_frontier: list[int] = []
        for parent in frontier:
            next_frontier += children.get(parent, [])
        below += next_frontier
        frontier = next_frontier
    return below


def twice(folder: Path) -> Outcome:
    """Run twice at the same time in the same folder."""
    ends = [finish(process) for process in [start(folder), start(folder)]]
    return Outcome([code for code, _ in ends], " ".join(message for _, message in ends).strip(), [folder])


def killed(folder: Path) -> Outcome:
    """Kill a run at random times and start it again; start anew in another folder whenever it ends before."""
    rng, num_kills, folders = Random(0), 0, [folder]
    while num_kills < KILLS:
        process = start(folders[-1])
        try:
            process.communicate(timeout=rng.uniform(*KILL_SECONDS))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            num_kills += 1
        else:
            folders.append(folder.with_name(f"run {len(folders)}"))
    code, message = finish(start(folders[-1]))
    return Outcome([code], message, folders)


def full_disk(folder: Path) -> Outcome:
    """Run on a disk that is too small, and again after it has grown."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", SMALL_DISK, "tmpfs", str(folder)], check=True)
    try:
        code, message = finish(start(folder))
        subprocess.run(["mount", "-o", f"remount,{LARGE_DISK}", str(folder)], check=True)
        second_code, second_message = finish(start(folder))
        shutil.copytree(folder, f"{folder} copy")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    return Outcome([code, second_code], message + second_message, [Path(f"{folder} copy")])


def full_temporary_folder(folder: Path) -> Outcome:
    """Run with a full temporary folder, and again with an empty one."""
    disk = folder.with_name("temporary")
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    environment = {**ENVIRONMENT, "TMPDIR": str(disk)}
    try:
        with suppress(OSError):
            (disk / "filler").write_bytes(bytes(1 << 20))
        code, message = finish(start(folder, environment))
        (disk / "filler").unlink()
        subprocess.run(["mount", "-o", f"remount,{LARGE_DISK}", str(disk)], check=True)
        second_code, second_message = finish(start(folder, environment))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    return Outcome([code, second_code], message + second_message, [folder])


def other_letters(folder: Path) -> Outcome:
    """Run in folders whose names have blanks and other letters."""
    folder = folder.with_name("Größe & Raum, 空")
    temporary = folder.with_name("temporär 空")
    temporary.mkdir()
    code, message = finish(start(folder, {**ENVIRONMENT, "TMPDIR": str(temporary)}))
    return Outcome([code], message, [folder])


def ordinary_user(folder: Path) -> Outcome:
    """Run as an ordinary user where nothing can be written, and again with folders that the user owns.

    Python lies in a home folder with blanks and an umlaut, and the packages in no folder of Python.
    """
    home = new_home(folder.parent)
    folder.mkdir()
    os.chown(folder, USER, USER)
    ends = []
    for options in (["-m", "experiments.data", "experiment=tiny"], arguments(folder)):
        process = subprocess.Popen(
            visitor_command(home, options),
            cwd=folder.parent,
            env=visitor_environment(home, ROOT),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        ends.append(finish(process))
    return Outcome([code for code, _ in ends], " ".join(message for _, message in ends).strip(), [folder])


SCENARIOS: dict[str, Callable[[Path], Outcome]] = {
    f"all processes stopped for {STOP_SECONDS:g} s and continued, {STOPS} times": stopped,
    f"killed {KILLS} times at random and started again": killed,
    "two runs at once in one folder": twice,
    "a disk of 256 KB, then of 500 MB": full_disk,
    "a full temporary folder, then an empty one": full_temporary_folder,
    "folders with blanks and other letters": other_letters,
    "an ordinary user in a folder that is not writable, then with folders of the user": ordinary_user,
}


def main() -> None:
    rows, num_different = [], 0
    with tempfile.TemporaryDirectory(prefix="corpo-environments-") as scratch:
        Path(scratch).chmod(0o755)  # another user has to reach its folder
        expected = fingerprints(quiet(Path(scratch) / "quiet").folders[0])
        for number, (name, run) in enumerate(SCENARIOS.items()):
            parent = Path(scratch) / str(number)
            parent.mkdir()
            outcome = run(parent / "run")
            different: list[str] = []
            for folder in outcome.folders:
                different += differing(fingerprints(folder), expected)
            num_different += len(different)
            result = f"{len(different)} differ" if different else "identical"
            if len(outcome.folders) > 1:
                result += f", in {len(outcome.folders)} runs that ended"
            message = outcome.message.replace(scratch, "")
            rows.append([name, ", ".join(map(str, outcome.exit_codes)), message, result])
            print(*rows[-1], *different[:5], sep=" | ", flush=True)
    facts = provenance()
    text = f"""# Difficult surroundings

`python -m benchmarks.robustness.environments` runs `python -m experiments.data experiment=tiny` in each
of them, and compares its {len(expected)} files with those of a quiet run, byte for byte, records without
times and command. A run that fails says why in one line, and the same command continues it.
Commit {facts["commit"]}; {facts["cpu"]}, torch {facts["torch"]}, Linux {os.uname().release}.

{table(["surroundings", "exit codes", "last line of a run that failed", "files in the end"], rows)}
"""
    write_text(ROOT / "results/robustness/environments.md", text)
    sys.exit(bool(num_different))


if __name__ == "__main__":
    main()
