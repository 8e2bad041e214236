"""Walk from a folder with many layouts to pairs: every loss is explained, and suspicious labels are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpo.config import CandidatesConfig, DataConfig, SourceConfig
from corpo.data.build_sources import RealData, build_real, read_all
from corpo.data.execution.sandbox import Sandbox
from corpo.report.data_card import real_card

pytestmark = pytest.mark.kind("checks after labelling, the funnel and the card")

RIGHT = "def add(a, b):\n    return a + b\n"
OTHER = "def add(a, b):\n    return b + a\n"
WRONG = "def add(a, b):\n    return a - b\n"
ASSERTS = "assert add(1, 2) == 3\n"
PYTEST = "import pytest\nfrom solution import add\n\ndef test_add():\n    assert add(1, 2) == 3\n"
FILES = {
    "labels/tests.py": ASSERTS,
    "labels/candidates/correct/a.py": RIGHT,
    "labels/candidates/correct/mistake.py": "def add(a, b):\n    return a * b\n",
    "labels/candidates/wrong/b.py": WRONG,
    "labels/candidates/c.cpp": "int main() {}",
    "pytest/tests.py": PYTEST,
    "pytest/candidates/a.md": f"<think>\n{WRONG}</think>\n```python\n{RIGHT}```\n",
    "pytest/candidates/b.py": WRONG,
    "pytest/candidates/renamed.py": WRONG.replace("a", "x").replace("xdd", "add"),
    "pytest/candidates/long.py": RIGHT + f"TEXT = {'x' * 2000!r}\n",
    "packages/tests.py": ASSERTS,
    "packages/candidates/a.py": "import pandas\n" + RIGHT,
    "packages/candidates/b.py": RIGHT,
    "runs/tests/1.in": "0\n",
    "runs/tests/1.ans": "",
    "runs/candidates/a.py": "input()\n",
    "runs/candidates/b.py": "print(input())\n",
    "names/tests.py": ASSERTS,
    "names/candidates/a.py": "def plus(a, b):\n    return a + b\n",
    "names/candidates/b.py": "def sum2(a, b):\n    return a + b\n",
    "reference/tests.py": ASSERTS,
    "reference/reference.py": WRONG,
    "reference/candidates/a.py": RIGHT,
    "answer/answer.txt": "29",
    "answer/candidates/a.md": "So the answer is 29 dollars.",
    "answer/candidates/b.md": "<think>The answer is 29.</think>\nThe answer is 30.",
    "empty/tests.py": ASSERTS,
    "empty/candidates/a.py": RIGHT,
    "empty/candidates/b.py": "",
    "empty/candidates/other.py": OTHER,
}


def write_problems(root: Path) -> None:
    """Write the files of all problems, and a problem without any file."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in root.iterdir():
        (folder / "statement.md").write_text(f"Problem {folder.name}.")
    (root / "broken").mkdir()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[RealData, str]:
    """Build the folder, and return the data and their card."""
    root = tmp_path_factory.mktemp("problems")
    write_problems(root)
    data = DataConfig(sources={"own": SourceConfig(path=str(root))})
    notes: list[str] = []
    problems = read_all(data, notes)
    built = build_real(data, CandidatesConfig(), problems, {}, sandbox=Sandbox(), cache=None, notes=notes)
    return built, real_card(built, {"own": "yours"}, 13)


def test_the_labels_are_right_in_every_layout(built: tuple[RealData, str]) -> None:
    labels: dict[str, str] = {}
    for problem in built[0].problems:
        for candidate in problem.candidates:
            labels[f"{problem.id.removeprefix('own/')}/{candidate.origin}"] = str(candidate.correct)
    assert labels == {
        **dict.fromkeys(("labels/a", "pytest/a", "pytest/long", "packages/b", "runs/a"), "True"),
        **dict.fromkeys(("answer/a", "empty/a", "empty/other"), "True"),
        **dict.fromkeys(("labels/mistake", "labels/b", "pytest/b", "runs/b", "answer/b"), "False"),
        **dict.fromkeys(("names/a", "names/b"), "False"),
    }


def test_the_funnel_accounts_for_every_candidate(built: tuple[RealData, str]) -> None:
    read, *lost, paired = built[0].losses
    assert read.candidates == sum(loss.candidates for loss in lost) + paired.candidates
    counts = {loss.step: loss.candidates for loss in lost}
    assert counts["a package is missing"] == 1
    assert counts["duplicates in names and layout"] == 1
    assert counts["no label for the problem"] == 1
    assert counts["too long"] == 1
    assert (paired.problems, paired.candidates) == (6, 13)


@pytest.mark.parametrize(
    "part",
    [
        "own/reference is left out: its reference fails: assert add(1, 2) == 3 fails",
        "every candidate fails with 'NameError' in 1 problem (own/names)",
        "1 candidate is left out: needs pandas",
        "1 of 3 labels differ from those of the source; see disagreements.jsonl",
        "left out candidates/b.py: it is empty (empty)",
        "left out 1 file .cpp of candidates: another language than Python (labels)",
        "left out a problem: ",
        "| too long |  | 1 | data.pairing.max_candidate_chars |",
        "A problem has 1 to 1 tests",
        "| paired in own_first_correct | 4 | 8 |",
    ],
)
def test_the_card_names_what_was_lost_or_is_suspicious(built: tuple[RealData, str], part: str) -> None:
    assert part in built[1]


def test_disagreements_with_the_source_are_listed(built: tuple[RealData, str]) -> None:
    [row] = built[0].disagreements
    assert (row["problem_id"], row["origin"], row["claimed"], row["correct"]) == (
        "own/labels",
        "mistake",
        True,
        False,
    )
