"""Kill the pipeline at random moments and start it again: does it end as a run that nobody disturbed? `python -m benchmarks.robustness.kills --points 60`

The shipped nano on the tiny experiment, with a warm start on top, so that every stage is there: data, warm start, training, evaluation, report. Two runs
go on side by side, each ended again and again: two times in three by SIGKILL, else by SIGTERM or Ctrl-C, always the whole process group; one that reaches
its end is compared and begun anew. With `--points 0` two undisturbed runs are compared. Writes results/robustness/kills.md; exit code 1 where something
differs, or where a run that was asked to end did not say so by its exit code.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from corpo.pipeline.stage import provenance
from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
# Sized so that every stage takes long enough to be met.
OPTIONS = (
    "experiment=tiny",
    "model.warm_start=true",
    "warm_start.dev_pairs=4",
    "train.steps=20",
    "evaluate.num_rollouts=64",
)
STAGES = ("data", "warm_start", "train", "evaluate", "report")
SIGNALS = (signal.SIGKILL,) * 4 + (signal.SIGTERM, signal.SIGINT)
ENDS = {
    signal.SIGKILL: (-9,),
    signal.SIGTERM: (143, -15),
    signal.SIGINT: (130,),
}  # exit codes; SIGTERM waits for the end of a step only where there are steps
LONGEST = 0.2  # of an undisturbed run's time: what a process may work before it is killed, drawn evenly; shorter than a stage, and the run stays in it
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Kill:
    """One kill: of which life of a run, by what, during what, after how much work since the process began to."""

    life: str
    signal: str
    stage: str
    seconds: float


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


def whole(folder: Path) -> tuple[dict[str, str], float]:
    """An undisturbed run's files, and the seconds that it took from its first word."""
    process = start(folder)
    assert process.stderr is not None
    process.stderr.readline()
    began = time.monotonic()
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run failed: {said.splitlines()[-1]}")
    return fingerprints(folder), time.monotonic() - began


def fingerprints(folder: Path) -> dict[str, str]:
    """A hash of every file that a run leaves, by its path; of records without clocks and command, and without files that name times or places."""
    told = (
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
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in told and not path.name.startswith(".")
    ]
    return {str(path.relative_to(folder)): hashlib.sha256(_content(path)).hexdigest() for path in files}


def _content(path: Path) -> bytes:
    if path.name == "study.json":
        return json.dumps(
            {key: value for key, value in json.loads(path.read_text()).items() if key != "command"}
        ).encode()
    if path.suffix != ".jsonl":
        return path.read_bytes()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return json.dumps(
        [{key: value for key, value in row.items() if not key.endswith("_seconds")} for row in rows]
    ).encode()


def stage_of(folder: Path) -> str:
    """What a run that was killed was at: the stage with a folder that is not done, else the report."""
    for name in STAGES[:-1]:
        for spec in folder.glob(f"outputs/{name}/*/spec.json"):
            if not (spec.parent / "done.json").exists():
                return name
    return "report" if list(folder.glob("outputs/evaluate/*/done.json")) else "start"


def disturbed(
    folder: Path, points: int, rng: Random, wanted: dict[str, str], longest: float, name: str
) -> tuple[list[Kill], list[tuple[str, list[str]]]]:
    """Kills of one run and its later lives, and of every life that came to its end the files that differ."""
    kills: list[Kill] = []
    ends: list[tuple[str, list[str]]] = []
    life = 1
    while len(kills) < points or len(ends) < life:
        process = start(folder)
        assert process.stderr is not None
        process.stderr.readline()  # the first word of a run that has loaded and checked everything
        began = time.monotonic()
        if len(kills) < points:
            try:
                process.communicate(timeout=rng.uniform(0, longest))
            except subprocess.TimeoutExpired:
                seconds, number = time.monotonic() - began, rng.choice(SIGNALS)
                os.killpg(process.pid, number)
                _, said = process.communicate()
                if process.returncode:  # else the signal came when all was done
                    kills.append(Kill(f"{name}{life}", number.name, stage_of(folder), seconds))
                    if process.returncode not in ENDS[number]:
                        raise SystemExit(
                            f"{name}{life}: {number.name} during {kills[-1].stage} gave exit code {process.returncode}: {said[-2000:]}"
                        ) from None
                    continue
        process.communicate()
        if process.returncode:
            raise SystemExit(f"{name}{life}: ended with {process.returncode} after {len(kills)} kills")
        found = fingerprints(folder)
        ends.append(
            (
                f"{name}{life}",
                [
                    path
                    for path in sorted(found.keys() | wanted.keys())
                    if found.get(path) != wanted.get(path)
                ],
            )
        )
        if len(kills) < points:
            shutil.rmtree(folder)
            life += 1
    return kills, ends


def page(kills: list[Kill], ends: list[tuple[str, list[str]]], files: int, seconds: float, seed: int) -> str:
    by_stage = [(stage, sum(kill.stage == stage for kill in kills)) for stage in ("start", *STAGES)]
    told = [
        (
            name,
            sum(kill.life == name for kill in kills),
            "identical" if not different else f"{len(different)} differ",
        )
        for name, different in ends
    ]
    by_signal = [(one.name, sum(kill.signal == one.name for kill in kills)) for one in ENDS]
    points = [
        (number, kill.life, kill.signal, kill.stage, f"{kill.seconds:.2f}")
        for number, kill in enumerate(kills, start=1)
    ]
    facts = provenance()
    return f"""# Killed and gone on

{len(kills)} kills of `{" ".join(("python -m experiments.reproduce", *OPTIONS))}`, on one thread a run,
{seconds / 60:.0f} minutes in all. Each life of a run that came to its end left {files} files: weights, checkpoints, metrics, rollouts, tables, figures,
compared byte for byte with those of an undisturbed run (records without their clocks and command).
Commit {facts["commit"]}; {facts["cpu"]}, torch {facts["torch"]}. `python -m benchmarks.robustness.kills --points {len(kills)} --seed {seed}`

{table(("life", "kills", "its end"), told)}

{table(("killed during", "kills"), by_stage)}

{table(("by", "kills"), by_signal)}

{table(("kill", "life", "by", "during", "seconds of work"), points)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="corpo-kills-") as scratch, ThreadPoolExecutor(2) as pool:
        root = Path(scratch)
        if not options.points:
            (first, _), (second, _) = pool.map(whole, [root / "first", root / "second"])
            different = [
                path for path in sorted(first.keys() | second.keys()) if first.get(path) != second.get(path)
            ]
            print(f"{len(first)} files, {len(different)} differ", *different, sep="\n")
            sys.exit(bool(different))
        wanted, lasted = whole(root / "whole")
        longest = LONGEST * lasted
        shares = (options.points // 2, options.points - options.points // 2)
        rngs = [Random(f"{options.seed}/{name}") for name in "ab"]
        jobs = [
            pool.submit(disturbed, root / name, *of, wanted, longest, name)
            for name, of in zip("ab", zip(shares, rngs, strict=True), strict=True)
        ]
        found = [job.result() for job in jobs]
    kills, ends = [kill for some, _ in found for kill in some], [end for _, some in found for end in some]
    write_text(
        ROOT / "results/robustness/kills.md",
        page(kills, ends, len(wanted), time.monotonic() - began, options.seed),
    )
    for name, different in ends:
        print(f"{name}: {different or 'identical'}")
    sys.exit(any(different for _, different in ends))


if __name__ == "__main__":
    main()
