"""Read problems from folders, one folder per problem, as rows of one's own problems.

A file that cannot be used is left out and noted; the notes of a row are in its field `NOTES`. A folder that
cannot be used gives a row with the reason in its field `ERROR`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpo.data.sources.base import PlacedRow, file_rows
from corpo.data.sources.run_files import read_runs
from corpo.data.sources.text_files import read_text
from corpo.utils.errors import DataError

NOTES, ERROR = "__notes__", "__error__"
_STATEMENTS = (
    *("statement.md", "statement.txt", "problem.md", "problem.txt", "description.md"),
    *("problem_statement/problem.md", "problem_statement/problem.en.md", "README.md"),
)
_CANDIDATES = ("candidates", "submissions", "solutions", "programs", "samples")
_TEST_FILES = ("tests.py", "test.py")
_OTHER_TESTS = ("data", "testcases", "test_cases", "test_*.py")  # if there are no tests under a usual name
_DATA_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
_SOLUTIONS = (".py", ".md", ".txt")
_NO_CANDIDATES = ("readme", "license", "licence", "notes", "changelog")
# The names of folders of candidates that claim a label.
_CLAIMS = {
    **dict.fromkeys(("correct", "right", "passed", "accepted", "good", "ac"), True),
    **dict.fromkeys(("wrong", "incorrect", "failed", "rejected", "bad", "buggy", "wa"), False),
    **dict.fromkeys(("wrong_answer", "time_limit_exceeded", "run_time_error"), False),
}


def folder_rows(root: Path) -> Iterator[PlacedRow]:
    """Yield one row per problem: of each folder in a folder, or of the folder itself, or of its data files.

    Raises DataError if there is nothing to read.
    """
    if any((root / name).is_file() for name in _STATEMENTS[:-1]):
        yield str(root), _row_or_error(root)
        return
    folders = sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))
    )
    files = sorted(path for path in root.iterdir() if path.name.removesuffix(".gz").endswith(_DATA_SUFFIXES))
    if not folders and not files:
        raise DataError(
            f"{root}: no folder in it; give each problem a folder of its own, "
            "with statement.md, tests and candidates/"
        )
    for folder in folders:
        yield str(folder), _row_or_error(folder)
    for path in files:
        yield from file_rows(path)


def _row_or_error(folder: Path) -> dict[str, Any]:
    try:
        return _row(folder)
    except DataError as error:
        return {"id": folder.name, ERROR: str(error)}


def _row(folder: Path) -> dict[str, Any]:
    """Return a problem's folder as a row. Raises DataError if it has no statement or no tests."""
    notes: list[str] = []
    statement = next((name for name in _STATEMENTS if (folder / name).is_file()), _STATEMENTS[0])
    row: dict[str, Any] = {
        "id": folder.name,
        "statement": _required_text(folder / statement, "; write the problem there"),
        NOTES: notes,
    }
    tests_name = _tests_name(folder)
    row |= _tests(folder, tests_name)
    is_math = tests_name == "answer.txt"
    references = [*folder.glob("reference*"), *folder.glob("solution.*")]
    row["references"] = [
        candidate["text"] for candidate in _candidates(_files_in(references), folder, is_math, notes)
    ]
    candidates = folder / next((name for name in _CANDIDATES if (folder / name).is_dir()), _CANDIDATES[0])
    row["candidates"] = _candidates(_files_in([candidates]), candidates, is_math, notes)
    used = {statement.partition("/")[0], candidates.name, *(path.name for path in references)}
    used |= {path.name for path in folder.glob(tests_name)}
    for path in sorted(folder.iterdir()):
        if path.name not in used and not path.name.startswith((".", "_")):
            notes.append(f"did not use {path.name}")
    return row


# --- candidates ---


def _files_in(paths: list[Path]) -> list[Path]:
    """Return these files and all files in these folders, without Python's caches."""
    files: list[Path] = []
    for path in paths:
        below = path.rglob("*") if path.is_dir() else [path]
        files += [file for file in below if file.is_file() and "__pycache__" not in file.parts]
    return files


def _candidates(files: list[Path], root: Path, is_math: bool, notes: list[str]) -> list[dict[str, Any]]:
    """Return the candidates in some files, and note the files that are left out."""
    candidates = []
    other_suffixes: Counter[str] = Counter()
    for path in sorted(files):
        if path.name.startswith("."):
            continue
        place = path.relative_to(root.parent if root.name in _CANDIDATES else root)
        if path.suffix not in _SOLUTIONS:
            other_suffixes[path.suffix or path.name] += 1
            continue
        if path.stem.lower() in _NO_CANDIDATES:
            notes.append(f"left out {place}, which is no candidate")
            continue
        try:
            text = read_text(path)
        except DataError as error:
            notes.append(f"left out {place}: {str(error).removeprefix(str(path) + ': ')}")
            continue
        if not text.strip():
            notes.append(f"left out {place}: it is empty")
            continue
        if not is_math and path.suffix == ".md" and "```" not in text:
            notes.append(f"left out {place}: there is no program in it")
            continue
        candidates.append({"text": text, **_origin_and_claim(path, root)})
    for suffix, count in sorted(other_suffixes.items()):
        kind = "a notebook; save the program as .py" if suffix == ".ipynb" else "another language than Python"
        notes.append(f"left out {count} file{'s' * (count > 1)} {suffix} of candidates: {kind}")
    return candidates


def _origin_and_claim(path: Path, root: Path) -> dict[str, Any]:
    """Return the origin of a candidate, and the label that the name of its folder claims."""
    folders = path.relative_to(root).parts[:-1]
    claim, names = None, []
    for folder in folders:
        if folder.lower() in _CLAIMS:
            claim = _CLAIMS[folder.lower()]
        else:
            names.append(folder)
    return {"origin": "/".join(names) or path.stem, "correct": claim}


# --- tests ---


def _tests_name(folder: Path) -> str:
    """Return the name of the one file or folder that says which candidates are correct."""
    choices = (*_TEST_FILES, "tests.json", "tests", "answer.txt")
    names = [name for name in choices if (folder / name).exists()]
    if len(names) > 1:
        raise DataError(f"{folder}: has {' and '.join(names)}; keep only one of them")
    for name in (*names, *_OTHER_TESTS):
        if list(folder.glob(name)):
            return name
    raise DataError(
        f"{folder}: has no tests.py, tests.json, tests/*.in or answer.txt; add one of them, "
        "because it says which candidates are correct"
    )


def _tests(folder: Path, name: str) -> dict[str, Any]:
    """Return the fields of a row that say which candidates are correct."""
    if name == "answer.txt":
        return {"answer": _required_text(folder / name)}
    if name == "tests.json":
        return _tests_json(folder / name)
    if not (folder / name).is_dir():
        return {"tests": _joined_files(sorted(folder.glob(name)))}
    if runs := read_runs(folder / name):
        return {"tests": runs}
    if scripts := sorted((folder / name).rglob("*.py")):
        return {"tests": _joined_files(scripts)}
    raise DataError(
        f"{folder / name}: no *.in in it; write a standard input there, "
        "and its expected output beside it as *.out"
    )


def _joined_files(paths: list[Path]) -> str:
    return "\n\n".join(_required_text(path) for path in paths if path.name != "__init__.py")


def _tests_json(path: Path) -> dict[str, Any]:
    text = _required_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from None
    if isinstance(content, list):
        content = {"tests": content}
    if not isinstance(content, dict) or not ({"tests"} <= content.keys() or {"inputs"} <= content.keys()):
        raise DataError(f"{path}: expected a list of tests, or {{'entry': 'f', 'tests': [...]}}")
    return content if "tests" in content else {"tests": content}


def _required_text(path: Path, advice: str = "") -> str:
    """Return the text of a file. Raises DataError with the advice if it is missing or empty."""
    if not path.is_file():
        raise DataError(f"{path}: is missing{advice}")
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path}: is empty{advice}")
    return text
