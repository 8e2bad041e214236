"""Compare what hostile programs of a folder do in the sandbox of this commit and of an older one.

`python -m benchmarks.robustness.attacks FOLDER --before COMMIT` runs each program at both levels of
isolation, as root and as an ordinary user, and writes results/robustness/attacks.md. Only root can run it.
The folder has one program per file, and INDEX.md with a line for each, such as "- A01 always-equal object".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.robustness.visitor import new_home, visitor_command, visitor_environment
from corpo.pipeline.provenance import provenance
from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
RUNNER = Path(__file__).with_name("attack_runner.py")
SETTINGS = list(product(("root", "user"), ("process", "namespaces")))
Records = dict[str, dict[str, Any]]  # by program


@dataclass(frozen=True)
class Side:
    """One of the two sandboxes that are compared."""

    name: str
    tree: Path


@contextmanager
def older_tree(commit: str) -> Iterator[Path]:
    """Check out a commit in a temporary folder that every user can read."""
    with tempfile.TemporaryDirectory(prefix="corpo-before-") as folder:
        Path(folder).chmod(0o755)
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", str(tree), commit], cwd=ROOT, check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)


def run_programs(programs: Path, side: Side, user: str, level: str) -> Records:
    """Run all programs with one sandbox, as one user, at one level."""
    with tempfile.TemporaryDirectory(prefix="corpo-visitor-") as folder:
        arguments = [str(RUNNER), str(programs), level]
        command = [sys.executable, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(side.tree)}
        if user == "user":
            home = new_home(Path(folder))
            command = visitor_command(home, arguments)
            environment = visitor_environment(home, side.tree)
        done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{side.name}, {user}, {level}: {done.stderr}")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return {record["program"]: record for record in records}


def faults(record: dict[str, Any]) -> list[str]:
    """Return what a program achieved that it must not."""
    listed = list(record["faults"])
    if record["correct"]:
        listed.insert(0, f"labelled correct by {', '.join(record['correct'])}")
    return listed


def cell(records: dict[tuple[str, str], Records], program: str) -> str:
    """Return the outcome of a program in all settings, which are named if they differ."""
    outcomes: dict[str, list[str]] = {}
    for (user, level), by_program in records.items():
        record = by_program[program]
        text = "; ".join(faults(record)) or f"held ({escape(record['error'][:60])})"
        outcomes.setdefault(text, []).append(f"{level} as {user}")
    if len(outcomes) == 1:
        return next(iter(outcomes))
    return ". ".join(f"{text}: {', '.join(settings)}" for text, settings in outcomes.items())


def page(
    titles: dict[str, str], results: list[dict[tuple[str, str], Records]], commit: str, command: str
) -> str:
    """Return the page with one row per program."""
    before, after = results
    rows, counts = [], []
    for program, title in titles.items():
        rows.append([program, title, cell(before, program), cell(after, program)])
    for user, level in SETTINGS:
        row: list[object] = [level, user]
        for records in (before, after):
            by_program = records[user, level]
            row.append(sum(not faults(by_program[program]) for program in titles))
        counts.append([*row, len(titles)])
    facts = provenance()
    return f"""# Programs of an independent attack

`{command}`
labels each program by calls, by assertions, by a loop over inputs, by a test that reports by itself, and by
runs on standard input, in one batch with an honest program before and after it. It has 0.3 s of processor
time and 1 s on the clock for each. A program is *held* if no label says correct, both
honest programs are labelled right, and nothing outside has changed or been reached: a file, a process, two
sockets, objects of System V, keys, other processes. The ordinary user is `nobody`. The path of its Python has
blanks and an umlaut. *Before* is commit {commit}.
Commit {facts["commit"]}; {facts["cpu"]}, Linux {os.uname().release}.

{table(["isolation", "user", "held before", "held now", "programs"], counts)}

In brackets is the error of the label by calls. A11 separates its words by other white space of Unicode. The
judges of APPS and LiveCodeBench accept that, too, because they also split words with Python's `str.split`.

{table(["program", "what it tries", "before", "now"], rows)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", type=Path)
    parser.add_argument("--before", required=True, help="a commit")
    options = parser.parse_args()
    index = (options.programs / "INDEX.md").read_text()
    titles = dict(re.findall(r"^- (\w+) (.+)$", index, re.M))
    with older_tree(options.before) as tree:
        results = []
        for side in (Side("before", tree), Side("now", ROOT)):
            records = {}
            for user, level in SETTINGS:
                records[user, level] = run_programs(options.programs.resolve(), side, user, level)
                print(side.name, user, level, flush=True)
            results.append(records)
    command = f"python -m benchmarks.robustness.attacks FOLDER --before {options.before}"
    path = ROOT / "results/robustness/attacks.md"
    write_text(path, page(titles, results, options.before, command))
    print(path)


if __name__ == "__main__":
    main()
