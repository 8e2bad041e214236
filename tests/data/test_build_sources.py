"""Real problems through the commands: your own folder to pairs, a card, policies evaluated on it, a model's candidates, the hub's layout."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from corpo.config import SourceConfig
from corpo.data.sources import RawCandidate, RealProblem, read_problems
from corpo.data.store import pairs_of, read_rows
from corpo.pipeline.sample import request, solution
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


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six problems as a user would lay them out: three checked by assertions, two by calls, one by its answer."""
    root = tmp_path_factory.mktemp("problems")
    for number in range(5):
        folder = root / f"clamp{number}"
        (folder / "candidates").mkdir(parents=True)
        unlike = " ".join(chr(97 + (7 * number + at) % 26) for at in range(16))
        (folder / "statement.md").write_text(f"Task {number}: keep x between low and high. {unlike}")
        (folder / "reference.py").write_text(CLAMP.format(RIGHT[0]))
        if number < 3:
            (folder / "tests.py").write_text(
                "assert clamp(5, 0, 3) == 3\nassert clamp(-1, 0, 3) == 0\nassert clamp(2, 0, 3) == 2\n"
            )
        else:
            (folder / "tests.json").write_text(
                json.dumps(
                    {
                        "entry": "clamp",
                        "tests": [{"args": [5, 0, 3], "value": 3}, {"args": [-1, 0, 3], "value": 0}],
                    }
                )
            )
        for kind, bodies in (("right", RIGHT), ("wrong", WRONG)):
            for at, body in enumerate(bodies):
                (folder / f"candidates/{kind}{at}.py").write_text(CLAMP.format(body))
    folder = root / "apples"
    (folder / "candidates").mkdir(parents=True)
    (folder / "statement.md").write_text("Ann has 3 bags of 4 apples and eats 2. How many are left?")
    (folder / "answer.txt").write_text("10")
    for name, text in (
        ("a", "3 * 4 = 12\n12 - 2 = 10\nA: 10"),
        ("b", "3 + 4 = 7\n7 - 2 = 5\nA: 5"),
        ("c", "12 - 2 = 10\nThe answer is 10."),
    ):
        (folder / f"candidates/{name}.md").write_text(text)
    return root


@pytest.fixture(scope="module")
def own(where: list[str], problems: Path) -> list[str]:
    """Overrides: the tiny policy on that folder."""
    return [*where, "data=own", f"data.sources.own.path={problems}", "name=mine"]


def _built(said: str) -> Path:
    match = re.search(r"pairs: (\S+)", said)
    assert match
    return Path(match[1])


def test_a_folder_becomes_pairs_with_a_card_plots_and_a_page(own: list[str]) -> None:
    pairs = _built(run("data", *own).stdout)
    read = pairs_of(read_rows(pairs), str(pairs))
    for split, pair in read:
        for candidate in (pair.a, pair.b):
            assert candidate.correct is (candidate.origin.startswith("right") or candidate.origin in "ac"), (
                candidate
            )
            assert bool(candidate.evidence) is not candidate.correct
        assert split == f"own_{pair.kind}"
    assert {pair.kind for _, pair in read} == set(Kind)
    assert {
        (split, pair.swapped()) for split, pair in read if pair.kind in (Kind.both_wrong, Kind.both_correct)
    } <= set(read)
    card = (pairs.parent / "card.md").read_text()
    assert "| own | yours | 6 | 43 | 22 |" in card
    assert "own_first_correct †" in card
    assert "ZeroDivisionError" in card
    assert (pairs.parent / "sheet.png").read_bytes().startswith(b"\x89PNG")
    page = (pairs.parent / "pairs.html").read_text()
    shown = json.loads(
        page.partition('<script id="data" type="application/json">')[2].partition("</script>")[0]
    )
    assert {one["split"] for one in shown} == {split for split, _ in read}
    assert "done before" in run("data", *own).stderr


def test_policies_are_evaluated_on_it_with_floors(own: list[str]) -> None:
    base = next(one for one in own if one.startswith("model.path=")).removeprefix("model.path=")
    command = [*own, f"+evaluate.policies.twin={base}"]
    assert "evaluate twin" in run("evaluate", *command).stdout
    folder = Path(own[2].removeprefix("results=")) / "mine"
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


def test_it_can_be_trained_on(own: list[str]) -> None:
    said = run(
        "train",
        *own,
        "data.sources.own.evaluation=0.3",
        "data.pairing.overlap_words=30",
        "train.steps=1",
        "data.seed=4",
    )
    assert "policy: " in said.stdout
    error = run("train", *own, code=2).stderr.splitlines()[-1]
    assert error.startswith("corpo: data: no pairs to train on"), error


def test_a_language_model_writes_candidates_and_goes_on_where_it_was(own: list[str]) -> None:
    base = next(one for one in own if one.startswith("model.path=")).removeprefix("model.path=")
    writer = [
        "candidates=sampled",
        f"candidates.model.path={base}",
        "candidates.model.chat_template=false",
        "candidates.rollout.max_new_tokens=8",
    ]
    command = [*own, *writer, "candidates.samples=3"]
    pairs = _built(run("data", *command).stdout)
    [answers] = Path(own[1].removeprefix("outputs=")).glob("sample/*/answers-*.jsonl")
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    assert [len(row["answers"]) for row in rows] == [3] * 6
    origins = {row["origin"] for row in read_rows(pairs.parent / "candidates.parquet")}
    assert "policy" in origins, "the model's folder is its name"
    written = answers.stat().st_mtime_ns
    run("data", *command, "data.pairing.max_candidate_chars=1400")
    assert answers.stat().st_mtime_ns == written, "other pairs of the same candidates"


def test_what_a_model_is_asked_and_what_is_taken_from_its_answer() -> None:
    [problem] = [
        one for one in read_problems("humaneval", SourceConfig(limit=33)) if one.id.endswith("HumanEval/32")
    ]
    chatty = "Sure!\n```python\ndef find_zero(xs):\n    return poly(xs, 0)\n```\nHope it helps."
    program = solution(problem, chatty, chat=True)
    assert program.startswith("import math")
    assert "def poly" in program
    assert program.endswith("return poly(xs, 0)\n")
    assert solution(problem, "    return 0.0\n\nprint(1)", chat=False).rstrip().endswith("return 0.0")
    assert request(problem, None) == problem.prompt
    maths = RealProblem("m", problem.domain.math, "1 + 1?", problem.checks)
    assert request(maths, None) == "Question: 1 + 1?\nAnswer:"
    assert solution(maths, " 2 \n", chat=True) == "2"
    assert RawCandidate("x", "me").claimed is None


def test_the_hubs_layout_is_read_by_datasets(own: list[str]) -> None:
    from datasets import load_dataset

    said = run("export", *own).stdout
    folder = re.search(r"hub: (\S+)", said)
    assert folder
    found = load_dataset(folder[1])
    pairs = _built(run("data", *own).stdout)
    assert sum(len(rows) for rows in found.values()) == len(read_rows(pairs))
    assert set(found) == {row["split"] for row in read_rows(pairs)}
    assert (Path(folder[1]) / "README.md").read_text().startswith("---\nlicense: other\n")


def test_a_prompt_that_does_not_fit_counts_as_failed(own: list[str], problems: Path, tmp_path: Path) -> None:
    long = tmp_path / "long/one"
    (long / "candidates").mkdir(parents=True)
    (long / "statement.md").write_text("Keep x between low and high, please. " * 50)
    (long / "answer.txt").write_text("10")
    for name in "abc":
        (long / f"candidates/{name}.md").write_text(f"A: {10 + (name == 'c')} {name}")
    base = next(one for one in own if one.startswith("model.path=")).removeprefix("model.path=")
    command = [one for one in own if not one.startswith(("data.sources", "name="))]
    done = run(
        "evaluate",
        *command,
        f"data.sources.own.path={tmp_path / 'long'}",
        "name=long",
        f"+evaluate.policies.p={base}",
    )
    assert "too long for the model and count as failed" in done.stderr
    assert (pd.read_csv(Path(own[2].removeprefix("results=")) / "long/table.csv")["percent"] == 0).all()


def test_what_cannot_be_done_is_said_in_a_line(own: list[str], results: Path) -> None:
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
