"""Read a user's own problems: a JSONL or Parquet file with one problem per row, or one folder per problem.

A row, or a folder whose name is the problem's id, has:

| field | file | content |
|---|---|---|
| id | the folder's name | unique |
| statement | statement.md | the text that the verifier reads |
| tests | tests.py, tests.json, or tests/*.in with *.out | assertions; or calls; or runs on standard input |
| entry | "entry" in tests.json | the function that the calls go to; "f" by default |
| answer | answer.txt | instead of tests, for worked solutions: the final answer |
| references | reference.py or reference*.py, *.md | solutions claimed to be correct |
| candidates | candidates/*.py, *.md, *.txt | programs or worked solutions to label |

`tests` of a row is a list: of assertions ("assert f(1) == 2"), of calls ({"args": [1], "value": 2}) or of
runs ({"input": "1", "output": "2"}).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.data.execution.checks import Answer, CallChecks, Executable, StdioChecks
from corpo.data.execution.split_asserts import split_assertions
from corpo.data.sources.base import PlacedRow, Row, register_source, rows_of
from corpo.data.types import RawCandidate, RealProblem
from corpo.task import Domain
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig

_ROW = "a row of your own problems needs id, statement, and tests or answer"
_TEST = (
    "write each as {'args': [1], 'value': 2} for a call, {'input': '1', 'output': '2'} for a run, "
    'or "assert f(1) == 2"'
)


def _rows(config: SourceConfig) -> Iterable[PlacedRow]:
    """Yield the rows of a folder, a file or a data set on the hub."""
    if config.path is None and config.hub is None:
        raise DataError(
            "data.sources: where are your own problems? Give data.sources.own.path=FOLDER, "
            "or a .jsonl or .parquet file"
        )
    if config.path is not None and Path(config.path).is_dir():
        return _folder_rows(Path(config.path))
    return rows_of(config)


@register_source("own", "yours", _rows)
def own(row: Row) -> RealProblem:
    """Read the fields above. Raises ValueError, with a remedy, if something is wrong with them."""
    for name in ("id", "statement"):
        if not str(row.get(name, "")).strip():
            raise ValueError(f"field {name!r} is missing or empty; {_ROW}")
    has_answer = row.get("answer") is not None
    if has_answer and row.get("tests"):
        raise ValueError("fields 'tests' and 'answer' are both there; keep only one of them")
    if not has_answer and not row.get("tests"):
        raise ValueError(f"neither 'tests' nor 'answer' is there; {_ROW}")
    return RealProblem(
        id=str(row["id"]),
        domain=Domain.math if has_answer else Domain.code,
        statement=str(row["statement"]).strip(),
        checks=Answer(str(row["answer"]).strip())
        if has_answer
        else _checks(row["tests"], row.get("entry") or "f"),
        references=tuple(candidate.text for candidate in _candidates(row, "references")),
        given=tuple(_candidates(row, "candidates")),
        topic=str(row.get("topic") or ""),
    )


def _candidates(row: Row, name: str) -> list[RawCandidate]:
    """Return the candidates in a field, which is a list of texts or of objects with a text."""
    values = row.get(name) or []
    if not isinstance(values, list):
        raise ValueError(f"field {name!r} is {values!r:.40}; expected a list of texts")
    return [_candidate(name, number, value) for number, value in enumerate(values, start=1)]


def _candidate(name: str, number: int, value: Any) -> RawCandidate:
    if isinstance(value, str):
        return RawCandidate(value, "given")
    if (
        not isinstance(value, Mapping)
        or not isinstance(value.get("text"), str)
        or not isinstance(value.get("correct"), bool | None)
    ):
        raise ValueError(
            f"field {name!r}: number {number} is {value!r:.60}; expected a text, "
            "or {'text': ..., 'origin': ..., 'correct': true or false}"
        )
    return RawCandidate(value["text"], value.get("origin") or "given", value.get("correct"))


def _checks(tests: Any, entry: str) -> Executable:
    """Return the checks that a field `tests` describes."""
    if isinstance(tests, str):
        return _assertions(tests)
    if not isinstance(tests, list):
        raise ValueError(f"field 'tests' is {tests!r:.40}; expected a list; {_TEST}")
    if all(isinstance(test, str) for test in tests):
        return _assertions("\n".join(tests))
    fields = ("input", "output") if _has(tests[0], "input", "output") else ("args", "value")
    for number, test in enumerate(tests, start=1):
        if not _has(test, *fields) or not isinstance(test.get("args") or [], list):
            raise ValueError(f"test {number} is {test!r:.60}; {_TEST}")
    if fields == ("input", "output"):
        return StdioChecks(
            tuple(str(test["input"]) for test in tests), tuple(str(test["output"]) for test in tests)
        )
    try:
        ast.parse(entry, mode="eval")
    except (SyntaxError, TypeError):
        raise ValueError(
            f"field 'entry' is {entry!r}; expected an expression that gives the function, "
            'such as "f" or "Solution().solve"'
        ) from None
    return CallChecks(
        entry, tuple(tuple(test["args"] or ()) for test in tests), tuple(test["value"] for test in tests)
    )


def _assertions(source: str) -> Executable:
    try:
        return split_assertions(source)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"tests: {error}") from None


def _has(test: Any, *fields: str) -> bool:
    """Check that a test has these fields and a value in the first of them.

    In a Parquet file every test has the fields of all tests, with None in those that it does not use. The
    second field may be None, because that can be an expected value.
    """
    return isinstance(test, Mapping) and set(fields) <= test.keys() and test[fields[0]] is not None


def _folder_rows(root: Path) -> Iterator[PlacedRow]:
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DataError(
            f"{root}: no folder in it; give each problem a folder of its own, "
            "with statement.md, tests and candidates/"
        )
    for folder in folders:
        yield str(folder), _folder_row(folder)


def _folder_row(folder: Path) -> Row:
    """Return a problem's folder as a row."""
    row: dict[str, Any] = {
        "id": folder.name,
        "statement": _text(folder / "statement.md", "; write the problem there"),
        "references": [_text(path) for path in _solution_files(folder.glob("reference*"))],
        "candidates": [
            {"text": _text(path), "origin": path.stem}
            for path in _solution_files((folder / "candidates").glob("*"))
        ],
    }
    match _tests_name(folder):
        case "answer.txt":
            row["answer"] = _text(folder / "answer.txt")
        case "tests.py":
            row["tests"] = _text(folder / "tests.py")
        case "tests.json":
            row |= _tests_json(folder / "tests.json")
        case _:
            row["tests"] = _runs(folder / "tests")
    return row


def _solution_files(paths: Iterable[Path]) -> list[Path]:
    return [path for path in sorted(paths) if path.suffix in (".py", ".md", ".txt") and path.is_file()]


def _tests_name(folder: Path) -> str:
    """Return the name of the one file or folder that says which candidates are correct."""
    names = [name for name in ("tests.py", "tests.json", "tests", "answer.txt") if (folder / name).exists()]
    if len(names) > 1:
        raise DataError(f"{folder}: has {' and '.join(names)}; keep only one of them")
    if not names:
        raise DataError(
            f"{folder}: has no tests.py, tests.json, tests/*.in or answer.txt; add one of them, "
            "it says which candidates are correct"
        )
    return names[0]


def _tests_json(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from None
    if isinstance(content, list):
        content = {"tests": content}
    if not isinstance(content, dict) or not {"tests"} <= content.keys() <= {"tests", "entry"}:
        raise DataError(f"{path}: expected a list of tests, or {{'entry': 'f', 'tests': [...]}}")
    return content


def _runs(folder: Path) -> list[dict[str, str]]:
    """Return the runs in a folder of standard inputs, *.in, and expected outputs, *.out."""
    inputs = {path.stem for path in folder.glob("*.in")}
    outputs = {path.stem for path in folder.glob("*.out")}
    for stem in sorted(inputs ^ outputs):
        missing = "out" if stem in inputs else "in"
        raise DataError(
            f"{folder / stem}.{missing}: is missing; "
            "every standard input, *.in, needs its expected output, *.out"
        )
    if not inputs:
        raise DataError(
            f"{folder}: no *.in in it; write a standard input there, "
            "and its expected output beside it as *.out"
        )
    return [
        {"input": _text(folder / f"{stem}.in", None), "output": _text(folder / f"{stem}.out")}
        for stem in sorted(inputs)
    ]


def _text(path: Path, advice: str | None = "") -> str:
    """Return the content of a file. Raises DataError with the advice if it is missing or empty.

    If `advice` is None, the file may be empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: is missing{advice or ''}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); save it as UTF-8{advice or ''}") from None
    if not text.strip() and advice is not None:
        raise DataError(f"{path}: is empty{advice}")
    return text
