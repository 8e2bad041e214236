"""A long run of the tiny experiment: does memory stay flat, does anything leak? `python -m benchmarks.robustness.soak` writes results/robustness/soak.md and .png."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import linregress

from corpo.pipeline.stage import provenance
from corpo.report.figures import figure_style
from corpo.utils.files import read_jsonl, write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "results/robustness"
LOOK = 0.5  # seconds between two looks
SETTLED = 0.2  # share of the run after which caches are warm


@dataclass(frozen=True)
class Look:
    """What a process held at a moment."""

    seconds: float
    memory: float  # MiB, resident
    files: int  # open file descriptors
    threads: int
    processes: int  # beside it in its session


def look(pid: int, began: float) -> Look | None:
    """None once it has ended."""
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        files = len(os.listdir(f"/proc/{pid}/fd"))
        return Look(
            time.monotonic() - began,
            int(status["VmRSS"].split()[0]) / 1024,
            files,
            int(status["Threads"]),
            len(in_session(pid)) - 1,
        )
    except (OSError, KeyError):  # a process that is ending has no memory left to tell of
        return None


def in_session(session: int) -> list[int]:
    """Processes of a session, those that ended but were not reaped among them."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found += [int(entry)] if int(fields[3]) == session else []
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    steps = parser.parse_args().steps
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="corpo-soak-") as scratch:
        options = ["experiment=tiny", f"outputs={scratch}/outputs", f"results={scratch}/results"]
        subprocess.run(
            [sys.executable, "-m", "experiments.data", *options],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
        )
        command = [
            "experiments.train",
            *options,
            f"train.steps={steps}",
            "train.checkpoint_every=50",
            "train.validate_every=50",
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        metrics: list[tuple[float, int]] = []  # seconds, steps done
        began, looks = time.monotonic(), []
        while process.poll() is None:
            if (seen := look(process.pid, began)) is not None:
                looks.append(seen)
                done = sum(
                    len(read_jsonl(path)) for path in Path(scratch).glob("outputs/train/*/metrics.jsonl")
                )
                metrics.append((seen.seconds, done))
            time.sleep(LOOK)
        left = len(in_session(process.pid))
        done = sum(len(read_jsonl(path)) for path in Path(scratch).glob("outputs/train/*/metrics.jsonl"))
    if process.returncode or done != steps:
        raise SystemExit(f"the run ended with {process.returncode} after {done} of {steps} steps")
    draw(looks, metrics, steps)
    write_text(OUT / "soak.md", page(looks, metrics, steps, left))
    print((OUT / "soak.md").read_text())


def trained(looks: list[Look], metrics: list[tuple[float, int]], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps done and memory at the looks while it trained."""
    rows = [(done, one.memory) for one, (_, done) in zip(looks, metrics, strict=True) if 0 < done < steps]
    return np.array([done for done, _ in rows], dtype=float), np.array([memory for _, memory in rows])


@figure_style()
def draw(looks: list[Look], metrics: list[tuple[float, int]], steps: int) -> None:
    at, memory = trained(looks, metrics, steps)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    left.plot(at, memory, color="#4c72b0", linewidth=1.4)
    left.set(title="Memory", xlabel="step", ylabel="MiB, resident", ylim=(0, 1.2 * memory.max()))
    for name, shade in (("files", "#c44e52"), ("threads", "#55a868"), ("processes", "#8c8c8c")):
        right.plot(
            [one.seconds for one in looks],
            [getattr(one, name) for one in looks],
            color=shade,
            label=name,
            linewidth=1.4,
        )
    right.set(title="Open files, threads, other processes", xlabel="seconds")
    right.legend()
    figure.tight_layout()
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / "soak.png", metadata={"Software": None})
    plt.close(figure)


def page(looks: list[Look], metrics: list[tuple[float, int]], steps: int, left: int) -> str:
    at, memory = trained(looks, metrics, steps)
    late = at >= SETTLED * steps
    slope = linregress(at[late], memory[late])
    middle = looks[int(SETTLED * len(looks)) : -1]
    rows = [
        ("memory at the first fifth's end, MiB", f"{memory[late][0]:.0f}"),
        ("memory in the end, MiB", f"{memory[-1]:.0f}"),
        (
            "growth from there, MiB per 1,000 steps",
            f"{1000 * slope.slope:+.1f} ± {1000 * 1.96 * slope.stderr:.1f}",
        ),
        (
            "open files, least and most",
            f"{min(one.files for one in middle)}, {max(one.files for one in middle)}",
        ),
        (
            "threads, least and most",
            f"{min(one.threads for one in middle)}, {max(one.threads for one in middle)}",
        ),
        ("other processes, most", str(max(one.processes for one in middle))),
        ("processes left when it had ended", str(left)),
    ]
    facts = provenance()
    return f"""# {steps:,} steps

`python -m benchmarks.robustness.soak`: `experiments.train experiment=tiny train.steps={steps}` on one thread, looked at every {LOOK:g} s,
{looks[-1].seconds / 60:.1f} minutes.
Commit {facts["commit"]}; {facts["cpu"]}, torch {facts["torch"]}.

{table(("what", "seen"), rows)}

![Memory, files, threads and processes](soak.png)
"""


if __name__ == "__main__":
    main()
