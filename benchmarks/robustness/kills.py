"""Kill the pipeline at random times, start it again, and compare the result with an undisturbed run.

`python -m benchmarks.robustness.kills --points 60` runs the shipped nano on the tiny experiment, with a
warm start on top, so that there are all stages: data, warm start, training, evaluation, report. Two runs
work in parallel. Each is killed and resumed repeatedly, always with its whole process group: two times in
three by SIGKILL, otherwise by SIGTERM or Ctrl-C. If a run reaches its end, its files are compared, and a new
attempt starts in an empty folder. With
`--points 0`, two undisturbed runs are compared.

Writes results/robustness/kills.md. The exit code is 1 if a file differs. A run whose exit code does not fit
the signal that ended it stops the benchmark.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow.parquet

from corpo.pipeline.provenance import provenance
from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
# Sized so that every stage takes long enough to be hit.
OPTIONS = (
    "experiment=tiny",
    "model.warm_start=true",
    "train.steps=20",
    "evaluate.num_rollouts=64",
    # The base policy writes whole traces. If every response is cut off, training stops with an error.
    "rollout.max_new_tokens=112",
)
STAGES = ("data", "warm_start", "train", "evaluate", "report")
SIGNALS = (signal.SIGKILL,) * 4 + (signal.SIGTERM, signal.SIGINT)
# The exit codes that fit a signal. SIGTERM waits for the end of a step only during training.
EXIT_CODES = {signal.SIGKILL: (-9,), signal.SIGTERM: (143, -15), signal.SIGINT: (130,)}
# The longest time between two kills, as a share of an undisturbed run's time. It has to be shorter than a
# stage, otherwise a run never stays in that stage.
MAX_SHARE = 0.2
# Files that name times, places or commands, and so differ between runs.
VOLATILE_FILES = (
    "provenance.json",
    "done.json",
    "owner.json",
    "config.yaml",
    "report.md",
    "report.html",
    "README.md",
    "lock",
    "labels.jsonl",
)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Kill:
    """One kill of a run."""

    attempt: str  # the run and the number of the attempt, such as "a2"
    signal: str
    stage: str
    seconds: float  # of work since the process has loaded and checked everything


@dataclass(frozen=True)
class End:
    """The end of one attempt of a run."""

    attempt: str
    different_files: list[str]


def start(folder: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "experiments.reproduce",
        *OPTIONS,
        f"outputs={folder}/outputs",
        f"results={folder}/results",
    ]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_working(process: subprocess.Popen[str]) -> None:
    """Wait for the first line of a run, which it prints once it has loaded and checked everything."""
    assert process.stderr is not None
    process.stderr.readline()


def run_undisturbed(folder: Path) -> tuple[dict[str, str], float]:
    """Return the fingerprints of a run's files, and its seconds of work."""
    process = start(folder)
    wait_until_working(process)
    started = time.monotonic()
    _, stderr = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run failed: {stderr.splitlines()[-1]}")
    return fingerprints(folder), time.monotonic() - started


def fingerprints(folder: Path) -> dict[str, str]:
    """Return a hash of the content of every file of a run by its path, without volatile files."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in VOLATILE_FILES and not path.name.startswith(".")
    ]
    return {str(path.relative_to(folder)): hashlib.sha256(_content(path)).hexdigest() for path in files}


def differing(files: dict[str, str], other_files: dict[str, str]) -> list[str]:
    """Return the paths of files that differ or are missing on one side."""
    paths = sorted(files.keys() | other_files.keys())
    return [path for path in paths if files.get(path) != other_files.get(path)]


def _content(path: Path) -> bytes:
    """Return the content of a file, without times and commands."""
    if path.name == "study.json":
        study = json.loads(path.read_text())
        study.pop("command", None)
        return json.dumps(study).encode()
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    elif path.name == "metrics.parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
    else:
        return path.read_bytes()
    timeless_rows = []
    for row in rows:
        timeless_rows.append({key: value for key, value in row.items() if not key.endswith("_seconds")})
    return json.dumps(timeless_rows).encode()


def stage_of(folder: Path) -> str:
    """Return the stage of a killed run: the one whose folder is not done, otherwise the report."""
    for name in STAGES[:-1]:
        for spec in folder.glob(f"outputs/{name}/*/spec.json"):
            if not (spec.parent / "done.json").exists():
                return name
    return "report" if list(folder.glob("outputs/evaluate/*/done.json")) else "start"


def run_with_kills(
    folder: Path, points: int, rng: Random, expected: dict[str, str], max_seconds: float, name: str
) -> tuple[list[Kill], list[End]]:
    """Kill the attempts of one run `points` times. Return the kills, and the end of each attempt.

    An attempt lasts until the run reaches its end. If kills are left, the next attempt starts with an empty
    folder.
    """
    kills: list[Kill] = []
    ends: list[End] = []
    attempt = 1
    while len(kills) < points or len(ends) < attempt:
        process = start(folder)
        wait_until_working(process)
        if len(kills) < points:
            kill = kill_after(process, rng.uniform(0, max_seconds), rng, folder, f"{name}{attempt}")
            if kill is not None:
                kills.append(kill)
                continue
        process.communicate()
        if process.returncode:
            raise SystemExit(f"{name}{attempt}: ended with {process.returncode} after {len(kills)} kills")
        ends.append(End(f"{name}{attempt}", differing(fingerprints(folder), expected)))
        if len(kills) < points:
            shutil.rmtree(folder)
            attempt += 1
    return kills, ends


def kill_after(
    process: subprocess.Popen[str], seconds: float, rng: Random, folder: Path, attempt: str
) -> Kill | None:
    """Send a random signal to a run after some seconds. Return None if the run has ended before."""
    started = time.monotonic()
    try:
        process.communicate(timeout=seconds)
        return None
    except subprocess.TimeoutExpired:
        seconds, number = time.monotonic() - started, rng.choice(SIGNALS)
    os.killpg(process.pid, number)
    _, stderr = process.communicate()
    if not process.returncode:  # the signal came after the end of the work
        return None
    kill = Kill(attempt, number.name, stage_of(folder), seconds)
    if process.returncode not in EXIT_CODES[number]:
        raise SystemExit(
            f"{attempt}: {number.name} during {kill.stage} gave exit code {process.returncode}: "
            f"{stderr[-2000:]}"
        )
    return kill


def page(kills: list[Kill], ends: list[End], num_files: int, seconds: float, seed: int) -> str:
    by_stage = Counter(kill.stage for kill in kills)
    by_signal = Counter(kill.signal for kill in kills)
    by_attempt = Counter(kill.attempt for kill in kills)
    stage_rows = [(stage, by_stage[stage]) for stage in ("start", *STAGES)]
    signal_rows = [(number.name, by_signal[number.name]) for number in EXIT_CODES]
    attempt_rows = []
    for end in ends:
        result = f"{len(end.different_files)} differ" if end.different_files else "identical"
        attempt_rows.append((end.attempt, by_attempt[end.attempt], result))
    kill_rows = [
        (number, kill.attempt, kill.signal, kill.stage, f"{kill.seconds:.2f}")
        for number, kill in enumerate(kills, start=1)
    ]
    facts = provenance()
    return f"""# Runs that were killed and started again

{len(kills)} kills of `{" ".join(("python -m experiments.reproduce", *OPTIONS))}`, with one thread per run,
in {seconds / 60:.0f} minutes. Each attempt that reached its end left {num_files} files: weights,
checkpoints, metrics, rollouts, tables, figures. They are compared byte for byte with those of an undisturbed
run, records without times and command.
Commit {facts["commit"]}; {facts["cpu"]}, torch {facts["torch"]}.
`python -m benchmarks.robustness.kills --points {len(kills)} --seed {seed}`

{table(("attempt", "kills", "files at its end"), attempt_rows)}

{table(("killed during", "kills"), stage_rows)}

{table(("signal", "kills"), signal_rows)}

{table(("kill", "attempt", "signal", "during", "seconds of work"), kill_rows)}
"""


def compare_undisturbed(root: Path, pool: ThreadPoolExecutor) -> None:
    """Compare two undisturbed runs and exit, with code 1 if a file differs."""
    (first, _), (second, _) = pool.map(run_undisturbed, [root / "first", root / "second"])
    different = differing(first, second)
    print(f"{len(first)} files, {len(different)} differ", *different, sep="\n")
    sys.exit(bool(different))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # A shell that starts this script in the background lets it ignore Ctrl-C, and so would the runs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    kills: list[Kill] = []
    ends: list[End] = []
    with tempfile.TemporaryDirectory(prefix="corpo-kills-") as scratch, ThreadPoolExecutor(2) as pool:
        root = Path(scratch)
        if not options.points:
            compare_undisturbed(root, pool)
        expected, seconds = run_undisturbed(root / "whole")
        jobs = []
        for name, points in (("a", options.points // 2), ("b", options.points - options.points // 2)):
            rng = Random(f"{options.seed}/{name}")
            jobs.append(
                pool.submit(
                    run_with_kills,
                    root / name,
                    points,
                    rng,
                    expected=expected,
                    max_seconds=MAX_SHARE * seconds,
                    name=name,
                )
            )
        for job in jobs:
            run_kills, run_ends = job.result()
            kills += run_kills
            ends += run_ends
    write_text(
        ROOT / "results/robustness/kills.md",
        page(kills, ends, len(expected), time.monotonic() - started, options.seed),
    )
    for end in ends:
        print(f"{end.attempt}: {end.different_files or 'identical'}")
    sys.exit(any(end.different_files for end in ends))


if __name__ == "__main__":
    main()
