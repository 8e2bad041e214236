"""Read a user's problems in the layouts, formats and spellings in which people have them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from corpo.config import CandidatesConfig, SourceConfig
from corpo.data.candidates.collect import collect_candidates
from corpo.data.execution.label_problems import label_problems
from corpo.data.execution.sandbox import Sandbox
from corpo.data.sources import read_problems
from corpo.data.types import UnlabelledProblem, Use

pytestmark = pytest.mark.kind("layouts, formats and names of fields")

RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a - b\n"
ASSERTS = "assert add(1, 2) == 3\nassert add(2, 2) == 4\n"
PARAMETRIZED = (
    "import pytest\nfrom solution import add\n\n"
    "@pytest.mark.parametrize('a, b, c', [(1, 2, 3), pytest.param(0, 2, 2, id='zero')])\n"
    "@pytest.mark.parametrize('extra', [0, 1])\n"
    "def test_add(a, b, c, extra):\n    assert add(a + extra, b) == c + extra\n"
)
PYTEST = (
    "from pytest import approx, fixture, mark, raises\nfrom my_module import add\nimport my_module\n\n"
    "@fixture\ndef two():\n    return 2\n\n"
    "def test_sum(two):\n    assert add(1, two) == approx(3)\n"
    "def test_module():\n    assert my_module.add([1], [2]) == [1, 2]\n"
    "@mark.slow\ndef test_error():\n    with raises(TypeError, match='unsupported'):\n        add(1, None)\n"
    "class TestAdd:\n    def setup_method(self):\n        self.one = 1\n"
    "    def test_one(self):\n        assert add(self.one, 2) == 3\n"
)
PARAMETERS = (
    "import pytest\nimport numpy as np\nimport solution as s\n\nCASES = [(1, 2, 3), (2, 2, 4)]\n\n"
    "@pytest.mark.parametrize('a, b, c', CASES)\n"
    "def test_named(a, b, c):\n    assert s.add(a, b) == c\n"
    "@pytest.mark.parametrize('a', range(1, 3))\n"
    "@pytest.mark.parametrize('b, c', zip([1, 2], [3, 4]))\n"
    "def test_computed(a, b, c):\n    assert s.add(a, b) == a + b\n"
    "@pytest.fixture\ndef one():\n    return 1\n"
    "@pytest.fixture\ndef two(one):\n    yield s.add(one, one)\n"
    "def test_fixture_of_a_fixture(two):\n    assert two == 2\n"
    "@pytest.mark.xfail\ndef test_known_to_fail():\n    assert s.add(1, 1) == 3\n"
    "def test_numpy():\n    np.testing.assert_allclose(s.add(np.ones(2), np.ones(2)), [2, 2])\n"
)
INHERITED = (
    "import os, sys, unittest\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\n"
    "from src.solution import add\n\n"
    "class Base(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n        cls.two = 2\n\n"
    "class AddTest(Base):\n    def test_sum(self):\n        with self.subTest(two=2):\n"
    "            self.assertCountEqual([add(1, self.two)], [3])\n"
)
UNITTEST = (
    "import unittest\nfrom .solution import add\n\n"
    "class T(unittest.TestCase):\n    def setUp(self):\n        self.two = 2\n\n"
    "    def test_sum(self):\n        self.assertEqual(add(1, self.two), 3)\n"
    "        self.assertTrue(add(0, 1))\n"
    "    def test_error(self):\n        with self.assertRaises(TypeError):\n            add(1, None)\n"
    "    def test_near(self):\n        self.assertAlmostEqual(add(0.1, 0.2), 0.3)\n"
    "\nif __name__ == '__main__':\n    unittest.main()\n"
)
CHECK = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(2, 2) == 4\n"
CALLED = "def test_add():\n    assert add(1, 2) == 3\n\ntest_add()\n"
BASE = {"statement.md": "Add.", "candidates/a.py": RIGHT, "candidates/b.py": WRONG}
ECHO = {"statement.md": "Print nothing for 0.", "candidates/a.py": "n = int(input())\nif n:\n    print(n)\n"}

# Files of a problem's folder, labels by origin, parts of the notes.
FOLDERS: dict[str, tuple[dict[str, str | bytes], dict[str, bool], list[str]]] = {
    "folders of labels": (
        {"statement.md": "Add.", "tests.py": ASSERTS}
        | {
            "candidates/correct/x.py": RIGHT,
            "candidates/wrong/y.py": WRONG,
            "candidates/gpt/1.py": RIGHT + "\n#\n",
        },
        {"x": True, "y": False, "gpt": True},
        [],
    ),
    "pytest with parameters": (BASE | {"tests.py": PARAMETRIZED}, {"a": True, "b": False}, []),
    "pytest": (BASE | {"test_add.py": PYTEST}, {"a": True, "b": False}, []),
    "tests in a folder": (BASE | {"tests/test_add.py": PYTEST}, {"a": True, "b": False}, []),
    "unittest": (BASE | {"tests.py": UNITTEST}, {"a": True, "b": False}, []),
    "parameters and fixtures of pytest": (BASE | {"tests.py": PARAMETERS}, {"a": True, "b": False}, []),
    "inherited classes of unittest": (BASE | {"tests.py": INHERITED}, {"a": True, "b": False}, []),
    "test function that is called": (BASE | {"tests.py": CALLED}, {"a": True, "b": False}, []),
    "import of the solution": (
        BASE | {"tests.py": f"from solution import *\n{ASSERTS}"},
        {"a": True, "b": False},
        [],
    ),
    "ans": (
        ECHO | {"tests/1.in": "0\n", "tests/1.ans": "", "tests/2.in": "5\n", "tests/2.ans": "5"},
        {"a": True},
        [],
    ),
    "runs in folders": (ECHO | {"tests/secret/1.in": "1\n", "tests/secret/1.out": "1\n"}, {"a": True}, []),
    "bad files": (
        BASE
        | {"tests.py": ASSERTS, "candidates/empty.py": "", "candidates/latin.py": b"x = '\xff'"}
        | {"candidates/README.md": "# notes", "candidates/c.cpp": "int main() {}", "candidates/n.ipynb": "{}"}
        | {"candidates/prose.md": "I would add them."},
        {"a": True, "b": False},
        [
            "left out candidates/empty.py: it is empty",
            "left out candidates/latin.py: cannot be read ('utf-8' codec",
            "left out candidates/README.md",
            "left out 1 file .cpp of candidates: another language",
            "left out 1 file .ipynb of candidates: a notebook",
            "left out candidates/prose.md: there is no program in it",
        ],
    ),
    "chat answers": (
        {"statement.md": "Add.", "tests.py": ASSERTS}
        | {"candidates/a.md": f"Here:\n```python\n{RIGHT}```\n", "candidates/b.txt": f"```\n{WRONG}```"},
        {"a": True, "b": False},
        [],
    ),
    "inputs and outputs in text files": (
        ECHO | {"tests/input1.txt": "5\n", "tests/output1.txt": "5\n"},
        {"a": True},
        [],
    ),
    "folders of inputs and outputs": (
        ECHO | {"tests/in/1.txt": "5\n", "tests/out/1.txt": "5\n", "tests/gen.py": "print(5)\n"},
        {"a": True},
        [],
    ),
    "package of a contest": (
        {"problem_statement/problem.md": "Print n.", "problem.yaml": "name: Print"}
        | {"data/secret/1.in": "5\n", "data/secret/1.ans": "5\n", "data/sample/1.in": "1\n"}
        | {"data/sample/1.ans": "1\n", "submissions/accepted/a.py": "print(input())\n"}
        | {"submissions/wrong_answer/b.py": "print(5)\n", "submissions/accepted/c.java": "class C {}"},
        {"a": True, "b": False},
        ["did not use problem.yaml", "left out 1 file .java of candidates: another language"],
    ),
    "byte-order marks": (
        {"statement.md": b"\xef\xbb\xbfAdd.", "tests.py": "\ufeff" + ASSERTS}
        | {"candidates/a.py": RIGHT.encode("utf-16"), "candidates/b.py": "\ufeff" + WRONG},
        {"a": True, "b": False},
        [],
    ),
}
ROW = {"id": "add", "statement": "Add.", "candidates": [RIGHT, WRONG]}
CALLS = [{"args": [1, 2], "value": 3}]
# Rows of a file, labels in order, parts of the notes.
ROWS: dict[str, tuple[dict[str, object], list[bool], list[str]]] = {
    "text of assertions": (ROW | {"tests": ASSERTS}, [True, False], []),
    "check": (ROW | {"tests": CHECK, "entry": "add"}, [True, False], []),
    "pytest": (ROW | {"tests": PARAMETRIZED}, [True, False], []),
    "other names": (
        {
            "task_id": "add",
            "problem": "Add.",
            "test_list": [ASSERTS],
            "candidate": [RIGHT, WRONG],
            "solutions": ["x"],
        },
        [True, False],
        [
            "took field 'task_id' as 'id'",
            "took field 'candidate' as 'candidates'",
            "did not use field 'solutions'",
        ],
    ),
    "other names of calls": (
        ROW | {"test_cases": [{"input": [1, 2], "expected_output": 3}], "function": "add"},
        [True, False],
        ["took field 'test_cases' as 'tests'"],
    ),
    "input and output of APPS": (
        ROW | {"tests": {"fn_name": "add", "inputs": [[1, 2]], "outputs": [3]}},
        [True, False],
        [],
    ),
    "chat answers": (
        ROW | {"tests": ASSERTS, "candidates": [f"Here:\n```python\n{RIGHT}```", WRONG]},
        [True, False],
        [],
    ),
    "claimed labels": (
        ROW
        | {"tests": CALLS, "entry": "add"}
        | {"candidates": [{"code": RIGHT, "label": "wrong"}, {"completion": WRONG, "passed": 1}]},
        [True, False],
        [],
    ),
    "candidates by label": (
        ROW | {"tests": CALLS, "entry": "add", "candidates": {"correct": [RIGHT], "wrong": [WRONG]}},
        [True, False],
        [],
    ),
    "lines of runs": (
        {"id": "sum", "statement": "Add.", "tests": [{"stdin": ["1 2", "3 4"], "stdout": ["3", "7"]}]}
        | {"candidates": ["for i in '12':\n    print(sum(map(int, input().split())))\n", "print('nope')\n"]},
        [True, False],
        [],
    ),
    "row of HumanEval": (
        {"task_id": "add", "prompt": 'def add(a, b):\n    """Add."""\n', "entry_point": "add", "test": CHECK}
        | {"canonical_solution": "    return a + b\n", "completion": ["    return a + b\n", WRONG]},
        [True, False],
        ["took field 'canonical_solution' as 'references'"],
    ),
    "row of MBPP": (
        {
            "task_id": 3,
            "text": "Root.",
            "test_setup_code": "import math",
            "test_list": ["assert f(math.pi) == 3"],
        }
        | {"code": ["def f(x):\n    return int(x)\n", "def f(x):\n    return x\n"]},
        [True, False],
        [],
    ),
    "row of APPS": (
        {"problem_id": 3, "question": "Twice.", "input_output": '{"inputs": ["2\\n"], "outputs": ["4\\n"]}'}
        | {"solutions": json.dumps(["print(2 * int(input()))\n", "print(input())\n"])},
        [True, False],
        ["took field 'input_output' as 'tests'"],
    ),
    "claimed label of another kind": (
        ROW
        | {
            "tests": ASSERTS,
            "candidates": [{"text": RIGHT, "label": "perhaps"}, {"text": WRONG, "label": "TLE"}],
        },
        [True, False],
        ["did not use a claimed label: the label 'perhaps' is neither true nor false"],
    ),
    "byte-order mark of a program": (
        ROW | {"tests": CALLS, "entry": "add", "candidates": ["\ufeff" + RIGHT, "\ufeff" + WRONG]},
        [True, False],
        [],
    ),
    "infinity": (
        {"id": "least", "statement": "Least.", "tests": [{"args": [[]], "value": float("inf")}]}
        | {
            "candidates": [
                "def f(a):\n    return min(a, default=float('inf'))\n",
                "def f(a):\n    return 0\n",
            ]
        },
        [True, False],
        [],
    ),
}
PRETTY = json.dumps(ROW | {"tests": ASSERTS}, indent=2)
FORMATS = {
    "rows.jsonl": json.dumps(ROW | {"tests": ASSERTS}),
    "mark.jsonl": "\ufeff" + json.dumps(ROW | {"tests": ASSERTS}),
    "list.json": json.dumps([ROW | {"tests": ASSERTS}], indent=1),
    "list.jsonl": json.dumps([ROW | {"tests": ASSERTS}]),
    "wrapped.json": json.dumps({"problems": [ROW | {"tests": ASSERTS}]}),
    "by id.json": json.dumps({"add": {"statement": "Add.", "candidates": [RIGHT, WRONG], "tests": ASSERTS}}),
    "pretty.jsonl": f"{PRETTY}\n",
}


def _labels(config: SourceConfig) -> tuple[dict[str, list[bool]], list[str]]:
    """Return the labels by origin, in order, and the notes of reading."""
    notes: list[str] = []
    [problem] = read_problems("x", config, notes)
    candidates = tuple(collect_candidates(problem, CandidatesConfig()))
    unlabelled = UnlabelledProblem("x", problem, candidates, Use.evaluation)
    labelled = label_problems([unlabelled], Sandbox(), None)
    assert labelled.left_out == {}
    labels: dict[str, list[bool]] = {}
    for candidate in labelled.problems[0].candidates:
        labels.setdefault(candidate.origin, []).append(candidate.correct)
    return labels, notes


def _has_notes(notes: list[str], parts: list[str]) -> bool:
    text = "\n".join(notes)
    return all(part in text for part in parts) and len(notes) >= len(parts)


@pytest.mark.parametrize(("files", "labels", "parts"), FOLDERS.values(), ids=FOLDERS.keys())
def test_a_folder_is_read_as_it_comes(
    tmp_path: Path, files: dict[str, str | bytes], labels: dict[str, bool], parts: list[str]
) -> None:
    for name, content in files.items():
        path = tmp_path / "problem" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    by_origin, notes = _labels(SourceConfig(loader="own", path=str(tmp_path)))
    assert by_origin == {origin: [label] for origin, label in labels.items()}
    assert _has_notes(notes, parts), notes


@pytest.mark.parametrize(("row", "labels", "parts"), ROWS.values(), ids=ROWS.keys())
def test_a_row_is_read_as_it_comes(
    tmp_path: Path, row: dict[str, object], labels: list[bool], parts: list[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    by_origin, notes = _labels(SourceConfig(loader="own", path=str(path)))
    assert by_origin == {"given": labels}
    assert _has_notes(notes, parts), notes


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_read_in_any_format(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FORMATS[name], encoding="utf-8")
    assert _labels(SourceConfig(loader="own", path=str(tmp_path / name)))[0] == {"given": [True, False]}


def test_a_table_may_have_one_candidate_per_row(tmp_path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "problem", "tests", "completion", "model", "label"])
    for program, model, label in ((RIGHT, "gpt", "correct"), (WRONG, "llama", "correct")):
        writer.writerow(["add", "Add.", json.dumps([ASSERTS]), program, model, label])
    path = tmp_path / "rows.csv"
    path.write_text(text.getvalue())
    labels, notes = _labels(SourceConfig(loader="own", path=str(path)))
    assert labels == {"gpt": [True], "llama": [False]}
    assert any("took field 'problem' as 'statement'" in note for note in notes)
    [problem] = read_problems("x", SourceConfig(loader="own", path=str(path)))
    assert [candidate.claimed for candidate in problem.given] == [True, True]


def test_a_bad_problem_is_left_out_and_noted(tmp_path: Path) -> None:
    rows = [ROW | {"tests": ASSERTS}, {"id": "b", "statement": "B."}, ROW | {"tests": ASSERTS}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    _, notes = _labels(SourceConfig(loader="own", path=str(path)))
    assert any("row 2: neither 'tests' nor 'answer' is there" in note for note in notes)
    assert any("row 3: the id 'add' is already used by" in note for note in notes)
