"""Build pairs from a user's own problems through the commands, and evaluate policies on them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from corpo.config import SourceConfig
from corpo.data.candidates.requests import solution
from corpo.data.sources import read_problems
from corpo.data.store import pairs_of, read_rows
from corpo.data.types import RealProblem
from corpo.pipeline.sample import request
from corpo.task import Kind
from tests.command import run

CLAMP = "def clamp(x, low, high):\n    return {}\n"
RIGHT = (
    "min(max(x, low), high)",
    "max(low, min(x, high))",
    "sorted((low, x, high))[1]",
    "low if x < low else high if x > high else x",
)
WRONG = ("max(low, x)", "min(x, high)", "low if x < low else x", "x // 0")
ASSERTIONS = "assert clamp(5, 0, 3) == 3\nassert clamp(-1, 0, 3) == 0\nassert clamp(2, 0, 3) == 2\n"
CALLS = {
    "entry": "clamp",
    "tests": [{"args": [5, 0, 3], "value": 3}, {"args": [-1, 0, 3], "value": 0}],
}
SOLUTIONS = {
    "a": "3 * 4 = 12\n12 - 2 = 10\nA: 10",
    "b": "3 + 4 = 7\n7 - 2 = 5\nA: 5",
    "c": "12 - 2 = 10\nThe answer is 10.",
}


@pytest.fixture(scope="module")
def problem_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write six problems: three checked by assertions, two by calls, one by its answer."""
    root = tmp_path_factory.mktemp("problems")
    for number in range(5):
        folder = root / f"clamp{number}"
        (folder / "candidates").mkdir(parents=True)
        different_words = " ".join(chr(97 + (7 * number + i) % 26) for i in range(16))
        (folder / "statement.md").write_text(f"Task {number}: keep x between low and high. {different_words}")
        (folder / "reference.py").write_text(CLAMP.format(RIGHT[0]))
        if number < 3:
            (folder / "tests.py").write_text(ASSERTIONS)
        else:
            (folder / "tests.json").write_text(json.dumps(CALLS))
        for kind, bodies in (("right", RIGHT), ("wrong", WRONG)):
            for i, body in enumerate(bodies):
                (folder / f"candidates/{kind}{i}.py").write_text(CLAMP.format(body))
    folder = root / "apples"
    (folder / "candidates").mkdir(parents=True)
    (folder / "statement.md").write_text("Ann has 3 bags of 4 apples and eats 2. How many are left?")
    (folder / "answer.txt").write_text("10")
    for name, text in SOLUTIONS.items():
        (folder / f"candidates/{name}.md").write_text(text)
    return root


@pytest.fixture(scope="module")
def own(where: list[str], problem_folder: Path) -> list[str]:
    """Return the overrides of the tiny experiment on that folder."""
    return [*where, "data=own", f"data.sources.own.path={problem_folder}", "name=mine"]


def _value(overrides: list[str], name: str) -> str:
    """Return the value of an override."""
    prefix = f"{name}="
    return next(override for override in overrides if override.startswith(prefix)).removeprefix(prefix)


def _pairs_path(stdout: str) -> Path:
    match = re.search(r"pairs: +(\S+)", stdout)
    assert match
    return Path(match[1])


def test_a_folder_becomes_labelled_pairs(own: list[str]) -> None:
    path = _pairs_path(run("data", *own).stdout)
    named_pairs = pairs_of(read_rows(path), str(path))
    for split, pair in named_pairs:
        assert split == f"own_{pair.kind}"
        for candidate in (pair.a, pair.b):
            is_right = candidate.origin.startswith("right") or candidate.origin in "ac"
            assert candidate.correct is is_right, candidate
            assert bool(candidate.evidence) is not candidate.correct
    assert {pair.kind for _, pair in named_pairs} == set(Kind)
    same_labels = [
        (split, pair) for split, pair in named_pairs if pair.kind in (Kind.both_wrong, Kind.both_correct)
    ]
    assert {(split, pair.swapped()) for split, pair in same_labels} <= set(named_pairs)


def test_pairs_come_with_a_card_plots_and_a_page(own: list[str]) -> None:
    path = _pairs_path(run("data", *own).stdout)
    card = (path.parent / "card.md").read_text()
    assert "| own | yours | 6 | 43 | 22 |" in card
    assert "own_first_correct †" in card
    assert "ZeroDivisionError" in card
    assert (path.parent / "sheet.png").read_bytes().startswith(b"\x89PNG")
    page = (path.parent / "pairs.html").read_text()
    data = page.partition('<script id="data" type="application/json">')[2].partition("</script>")[0]
    splits = {row["split"] for row in json.loads(data)}
    assert splits == {row["split"] for row in read_rows(path)}
    assert "done before" in run("data", *own).stderr


def test_policies_are_evaluated_on_own_problems_with_floors(own: list[str]) -> None:
    command = [*own, f"+evaluate.policies.twin={_value(own, 'model.path')}"]
    assert "evaluate twin" in run("evaluate", *command).stdout
    folder = Path(_value(own, "results")) / "mine"
    table = pd.read_csv(folder / "table.csv")
    assert set(table["policy"]) == {"base", "twin"}
    same = table.pivot(index=["split", "k"], columns="policy", values="percent")
    assert (same["base"] == same["twin"]).all(), "the same policy under two names"
    assert {"own_first_correct", "own_exactly_one", "own_both_wrong"} <= set(table["split"])
    assert table["length_floor"].between(0, 100).all()
    text = (folder / "table.md").read_text()
    assert "own both wrong †" in text
    assert "| length | words |" in text
    assert {"report.md", "data_card.md", "data_sheet.png", "provenance.json", "config.yaml"} <= {
        path.name for path in folder.iterdir()
    }
    assert "done before" in run("evaluate", *command).stderr


def test_a_policy_trains_on_own_problems(own: list[str]) -> None:
    options = [
        "data.sources.own.evaluation=0.3",
        "data.pairing.overlap_words=30",
        "train.steps=1",
        "data.seed=4",
    ]
    assert "policy: " in run("train", *own, *options).stdout


def test_training_without_training_pairs_is_refused(own: list[str]) -> None:
    error = run("train", *own, code=2).stderr.splitlines()[-1]
    assert error.startswith("corpo: data: no items to train on"), error


def test_a_language_model_writes_candidates_once(own: list[str]) -> None:
    command = [
        *own,
        "candidates=sampled",
        f"candidates.model.path={_value(own, 'model.path')}",
        "candidates.model.chat_template=false",
        "candidates.rollout.max_new_tokens=8",
        "candidates.samples=3",
    ]
    path = _pairs_path(run("data", *command).stdout)
    [answers] = Path(_value(own, "outputs")).glob("sample/*/answers-*.jsonl")
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    assert [len(row["answers"]) for row in rows] == [3] * 6
    origins = {row["origin"] for row in read_rows(path.parent / "candidates.parquet")}
    assert "policy" in origins, "the name of the model's folder"
    written = answers.stat().st_mtime_ns
    run("data", *command, "data.pairing.max_candidate_chars=1400")
    assert answers.stat().st_mtime_ns == written, "other pairs of the same candidates"


def test_requests_and_solutions_of_a_language_model() -> None:
    problems = read_problems("humaneval", SourceConfig(limit=33))
    [problem] = [problem for problem in problems if problem.id.endswith("HumanEval/32")]
    answer = "Sure!\n```python\ndef find_zero(xs):\n    return poly(xs, 0)\n```\nHope it helps."
    program = solution(problem, answer, chat=True)
    assert program.startswith("import math")
    assert "def poly" in program
    assert program.endswith("return poly(xs, 0)\n")
    assert solution(problem, "    return 0.0\n\nprint(1)", chat=False).rstrip().endswith("return 0.0")
    assert request(problem, None) == problem.prompt
    math_problem = RealProblem("m", problem.domain.math, "1 + 1?", problem.checks)
    assert request(math_problem, None) == "Question: 1 + 1?\nAnswer:"
    assert solution(math_problem, " 2 \n", chat=True) == "2"


def test_published_pairs_are_read_by_datasets(own: list[str]) -> None:
    from datasets import load_dataset

    folder = Path(run("publish", "pairs", *own).stdout.splitlines()[-1])
    assert folder.name == "hub"
    splits = load_dataset(str(folder))
    rows = read_rows(_pairs_path(run("data", *own).stdout))
    assert sum(len(split) for split in splits.values()) == len(rows)
    assert set(splits) == {row["split"] for row in rows}
    assert (folder / "README.md").read_text().startswith("---\nlicense: other\n")


def test_a_prompt_that_is_too_long_counts_as_failed(own: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "long/problem"
    (folder / "candidates").mkdir(parents=True)
    (folder / "statement.md").write_text("Keep x between low and high, please. " * 50)
    (folder / "answer.txt").write_text("10")
    for name, answer in (("a", 10), ("b", 10), ("c", 11)):
        (folder / f"candidates/{name}.md").write_text(f"A: {answer} {name}")
    command = [option for option in own if not option.startswith(("data.sources", "name="))]
    command += [f"data.sources.own.path={tmp_path / 'long'}", "name=long"]
    process = run("evaluate", *command, f"+evaluate.policies.p={_value(own, 'model.path')}")
    assert "too long for the model and count as failed" in process.stderr
    table = pd.read_csv(Path(_value(own, "results")) / "long/table.csv")
    assert (table["percent"] == 0).all()


def test_mistakes_are_reported_in_one_line(own: list[str], results: Path) -> None:
    for command, overrides, expected in (
        ("evaluate", ["+evaluate.policies.a=no/such"], "evaluate.policies.a=no/such: no such folder"),
        ("evaluate", ["name=tiny", f"+evaluate.policies.a={results}"], "holds a study"),
        ("data", ["data.sources.own.path=no/such"], "no/such: no such file or folder"),
        ("data", ["candidates.sources=[guessed]"], "candidates.sources"),
        ("data", ["data.sources.own.loader=theirs"], "there is no loader 'theirs'"),
    ):
        error = run(command, *own, *overrides, code=2).stderr
        assert expected in error.splitlines()[-1], error
        assert "Traceback" not in error
