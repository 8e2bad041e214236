"""Your own problems: a JSONL or Parquet file with one problem a row, or a folder with one folder a problem.

A row, or a folder named by the problem's id:

| field | file | |
|---|---|---|
| id | the folder's name | unique |
| statement | statement.md | what the verifier reads |
| tests | tests.py, tests.json, or tests/*.in with *.out | assertions; or calls; or runs on standard input |
| entry | "entry" in tests.json | the function that calls are made to; "f" unless told |
| answer | answer.txt | in place of tests, for a worked solution: its final answer |
| references | reference.py or reference*.py, *.md | said to be correct |
| candidates | candidates/*.py, *.md, *.txt | programs or worked solutions to be judged |

`tests` of a row is a list: of assertions ("assert f(1) == 2"), of calls ({"args": [1], "value": 2}) or of runs ({"input": "1", "output": "2"}).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.data.execution.checks import Answer, CallChecks, Executable, StdioChecks, assertions
from corpo.data.sources.base import RawCandidate, RealProblem, Row, register_source, rows_of
from corpo.task import Domain
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig

_ROW = "a row of your own problems needs id, statement, and tests or answer"
_TEST = "write each as {'args': [1], 'value': 2} for a call, {'input': '1', 'output': '2'} for a run, or \"assert f(1) == 2\""


def _rows(config: SourceConfig) -> Iterable[tuple[str, Row]]:
    if config.path is None and config.hub is None:
        raise DataError(
            "data.sources: your own problems have no place; give data.sources.own.path=FOLDER, or a .jsonl or .parquet file"
        )
    if config.path is not None and Path(config.path).is_dir():
        return _folder_rows(Path(config.path))
    return rows_of(config)


@register_source("own", "yours", _rows)
def own(row: Row) -> RealProblem:
    """The fields above. Raises ValueError, with what to do, for whatever is wrong with them."""
    for name in ("id", "statement"):
        if not str(row.get(name, "")).strip():
            raise ValueError(f"field {name!r} is missing or empty; {_ROW}")
    math = row.get("answer") is not None
    if math and row.get("tests"):
        raise ValueError(
            "fields 'tests' and 'answer' are both there; keep the one that tells what is correct"
        )
    if not math and not row.get("tests"):
        raise ValueError(f"neither 'tests' nor 'answer' is there; {_ROW}")
    return RealProblem(
        id=str(row["id"]),
        domain=Domain.math if math else Domain.code,
        statement=str(row["statement"]).strip(),
        checks=Answer(str(row["answer"]).strip()) if math else _checks(row["tests"], row.get("entry") or "f"),
        references=tuple(
            _given(number, one, "references").text
            for number, one in enumerate(_list(row, "references"), start=1)
        ),
        given=tuple(
            _given(number, one, "candidates") for number, one in enumerate(_list(row, "candidates"), start=1)
        ),
        topic=str(row.get("topic") or ""),
    )


def _list(row: Row, name: str) -> Sequence[Any]:
    found = row.get(name) or []
    if not isinstance(found, list):
        raise ValueError(f"field {name!r} is {found!r:.40}; expected a list of texts")
    return found


def _given(number: int, one: Any, name: str) -> RawCandidate:
    if isinstance(one, str):
        return RawCandidate(one, "given")
    if (
        not isinstance(one, Mapping)
        or not isinstance(one.get("text"), str)
        or not isinstance(one.get("correct"), bool | None)
    ):
        raise ValueError(
            f"field {name!r}: number {number} is {one!r:.60}; expected a text, or {{'text': ..., 'origin': ..., 'correct': true or false}}"
        )
    return RawCandidate(one["text"], one.get("origin") or "given", one.get("correct"))


def _checks(tests: Any, entry: str) -> Executable:
    if isinstance(tests, str) or (isinstance(tests, list) and all(isinstance(test, str) for test in tests)):
        try:
            return assertions(tests if isinstance(tests, str) else "\n".join(tests))
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"tests: {error}") from None
    if not isinstance(tests, list):
        raise ValueError(f"field 'tests' is {tests!r:.40}; expected a list; {_TEST}")
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
            f'field \'entry\' is {entry!r}; expected what gives the function, such as "f" or "Solution().solve"'
        ) from None
    return CallChecks(
        entry, tuple(tuple(test["args"] or ()) for test in tests), tuple(test["value"] for test in tests)
    )


def _has(test: Any, *fields: str) -> bool:
    """Whether a test is of these fields. In a table all tests have the fields of all, empty ones among them; a value may be None."""
    return isinstance(test, Mapping) and set(fields) <= test.keys() and test[fields[0]] is not None


def _folder_rows(root: Path) -> Iterator[tuple[str, Row]]:
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DataError(
            f"{root}: no folder in it; give each problem a folder of its own, with statement.md, tests and candidates/"
        )
    for folder in folders:
        yield str(folder), _folder_row(folder)


def _folder_row(folder: Path) -> Row:
    row: dict[str, Any] = {
        "id": folder.name,
        "statement": _text(folder / "statement.md", "; write the problem there"),
    }
    found = [name for name in ("tests.py", "tests.json", "tests", "answer.txt") if (folder / name).exists()]
    if len(found) != 1:
        told = (
            f"has {' and '.join(found)}; keep one of them"
            if found
            else "has no tests.py, tests.json, tests/*.in or answer.txt; add one of them"
        )
        raise DataError(f"{folder}: {told}, which tells what is correct")
    match found[0]:
        case "answer.txt":
            row["answer"] = _text(folder / "answer.txt")
        case "tests.py":
            row["tests"] = _text(folder / "tests.py")
        case "tests.json":
            row |= _tests_json(folder / "tests.json")
        case _:
            row["tests"] = _runs(folder / "tests")
    programs = lambda paths: [
        path for path in sorted(paths) if path.suffix in (".py", ".md", ".txt") and path.is_file()
    ]
    row["references"] = [_text(path) for path in programs(folder.glob("reference*"))]
    row["candidates"] = [
        {"text": _text(path), "origin": path.stem} for path in programs((folder / "candidates").glob("*"))
    ]
    return row


def _tests_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not JSON ({error})") from None
    found = {"tests": found} if isinstance(found, list) else found
    if not isinstance(found, dict) or not {"tests"} <= found.keys() <= {"tests", "entry"}:
        raise DataError(f"{path}: expected a list of tests, or {{'entry': 'f', 'tests': [...]}}")
    return found


def _runs(folder: Path) -> list[dict[str, str]]:
    named = {suffix: {path.stem for path in folder.glob(f"*.{suffix}")} for suffix in ("in", "out")}
    for stem in sorted(named["in"] ^ named["out"]):
        missing = "out" if stem in named["in"] else "in"
        raise DataError(
            f"{folder / stem}.{missing}: is missing; every .in, a standard input, needs its .out, the output wanted"
        )
    if not named["in"]:
        raise DataError(
            f"{folder}: no *.in in it; write a standard input there, and beside it the output wanted as *.out"
        )
    return [
        {"input": _text(folder / f"{stem}.in", None), "output": _text(folder / f"{stem}.out")}
        for stem in sorted(named["in"])
    ]


def _text(path: Path, advice: str | None = "") -> str:
    """The content of a file, which has to be there and, unless `advice` is None, must not be empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            "is missing"
            if isinstance(error, FileNotFoundError)
            else f"cannot be read ({error}); save it as UTF-8"
        )
        raise DataError(f"{path}: {reason}{advice or ''}") from None
    if not text.strip() and advice is not None:
        raise DataError(f"{path}: is empty{advice}")
    return text
