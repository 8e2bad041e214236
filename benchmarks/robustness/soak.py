"""Watch a long run of the tiny experiment for growing memory and for leaks.

`python -m benchmarks.robustness.soak` writes results/robustness/soak.md and soak.png.
"""

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

from corpo.pipeline.provenance import provenance
from corpo.report.figures import NEUTRAL_COLOURS, WIDTH, figure_style, finish_figure, save
from corpo.utils.files import read_jsonl, write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "results/robustness"
SAMPLE_SECONDS = 0.5  # time between two samples
WARM_UP_SHARE = 0.2  # share of the run after which caches are warm


@dataclass(frozen=True)
class Sample:
    """The resources of a process at one time."""

    seconds: float
    memory: float  # MiB, resident
    files: int  # open file descriptors
    threads: int
    processes: int  # other processes in its session


def sample(pid: int, started: float) -> Sample | None:
    """Return the resources of a process, or None if it has ended."""
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        files = len(os.listdir(f"/proc/{pid}/fd"))
        return Sample(
            time.monotonic() - started,
            int(status["VmRSS"].split()[0]) / 1024,
            files,
            int(status["Threads"]),
            len(session_processes(pid)) - 1,
        )
    except (OSError, KeyError):  # a process that is ending reports no memory
        return None


def session_processes(session: int) -> list[int]:
    """Return the processes of a session, including those that have ended but were not reaped."""
    processes = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session:
                processes.append(int(entry))
    return processes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    steps = parser.parse_args().steps
    samples, steps_done, num_left = watch(steps)
    draw(samples, steps_done, steps)
    write_text(OUT / "soak.md", page(samples, steps_done, steps, num_left))
    print((OUT / "soak.md").read_text())


def watch(steps: int) -> tuple[list[Sample], list[int], int]:
    """Train, and sample the process until it ends.

    Returns the samples, the number of steps done at each, and the number of processes left at the end.
    """
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
        options += [f"train.steps={steps}", "train.checkpoint_every=50", "train.validate_every=50"]
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.train", *options],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        samples: list[Sample] = []
        steps_done: list[int] = []
        started = time.monotonic()
        while process.poll() is None:
            current = sample(process.pid, started)
            if current is not None:
                samples.append(current)
                steps_done.append(count_steps(Path(scratch)))
            time.sleep(SAMPLE_SECONDS)
        num_left = len(session_processes(process.pid))
        num_done = count_steps(Path(scratch))
    if process.returncode or num_done != steps:
        raise SystemExit(f"the run ended with {process.returncode} after {num_done} of {steps} steps")
    return samples, steps_done, num_left


def count_steps(scratch: Path) -> int:
    return sum(len(read_jsonl(path)) for path in scratch.glob("outputs/train/*/metrics.jsonl"))


def memory_while_training(
    samples: list[Sample], steps_done: list[int], steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps done and the memory at each sample during training."""
    training = [
        (done, current.memory) for current, done in zip(samples, steps_done, strict=True) if 0 < done < steps
    ]
    values = np.array(training, dtype=float)
    return values[:, 0], values[:, 1]


@figure_style()
def draw(samples: list[Sample], steps_done: list[int], steps: int) -> None:
    step, memory = memory_while_training(samples, steps_done, steps)
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    left.plot(step, memory, color=NEUTRAL_COLOURS[0], linewidth=1.4)
    left.set(title="Memory", xlabel="step", ylabel="MiB, resident", ylim=(0, 1.2 * memory.max()))
    seconds = [current.seconds for current in samples]
    names = ("files", "threads", "processes")
    for name, shade, line in zip(names, NEUTRAL_COLOURS, ("-", "--", "-"), strict=True):
        values = [getattr(current, name) for current in samples]
        right.plot(seconds, values, line, color=shade, label=name, linewidth=1.4)
    right.set(title="Open files, threads, other processes", xlabel="seconds")
    right.legend()
    OUT.mkdir(parents=True, exist_ok=True)
    save(finish_figure(figure), OUT / "soak.png")


def page(samples: list[Sample], steps_done: list[int], steps: int, num_left: int) -> str:
    step, memory = memory_while_training(samples, steps_done, steps)
    is_warm = step >= WARM_UP_SHARE * steps
    slope = linregress(step[is_warm], memory[is_warm])
    warm = samples[int(WARM_UP_SHARE * len(samples)) : -1]
    files = [current.files for current in warm]
    threads = [current.threads for current in warm]
    growth = f"{1000 * slope.slope:+.1f} ± {1000 * 1.96 * slope.stderr:.1f}"
    rows = [
        ("memory after the first fifth, MiB", f"{memory[is_warm][0]:.0f}"),
        ("memory at the end, MiB", f"{memory[-1]:.0f}"),
        ("growth after the first fifth, MiB per 1,000 steps", growth),
        ("open files, minimum and maximum", f"{min(files)}, {max(files)}"),
        ("threads, minimum and maximum", f"{min(threads)}, {max(threads)}"),
        ("other processes, maximum", str(max(current.processes for current in warm))),
        ("processes left after the end", str(num_left)),
    ]
    facts = provenance()
    return f"""# {steps:,} steps

`python -m benchmarks.robustness.soak` runs `experiments.train experiment=tiny train.steps={steps}` on one
thread. It took {samples[-1].seconds / 60:.1f} minutes, with a sample every {SAMPLE_SECONDS:g} s.
Commit {facts["commit"]}; {facts["cpu"]}, torch {facts["torch"]}.

{table(("quantity", "value"), rows)}

![Memory, files, threads and processes](soak.png)
"""


if __name__ == "__main__":
    main()
