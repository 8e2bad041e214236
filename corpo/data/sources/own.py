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
| candidates | candidates/* | programs or worked solutions to be judged |

`tests` of a row is a list: of assertions ("assert f(1) == 2"), of calls ({"args": [1], "value": 2}) or of runs ({"input": "1", "output": "2"}).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.data.checks import Answer, Calls, Executable, Streams, assertions
from corpo.data.sources.base import Given, RealProblem, Row, register_source, rows_of
from corpo.data.store import DataError
from corpo.task import Domain

if TYPE_CHECKING:
    from corpo.config import SourceConfig


def _rows(config: SourceConfig) -> Iterable[tuple[str, Row]]:
    if config.path is not None and Path(config.path).is_dir():
        return _folder_rows(Path(config.path))
    return rows_of(config)


@register_source("own", "yours", _rows)
def own(row: Row) -> RealProblem:
    """The fields above."""
    math = row.get("answer") is not None
    if not math and not row.get("tests"):
        raise ValueError("neither 'tests' nor 'answer': one of them has to tell what is correct")
    return RealProblem(
        id=str(row["id"]),
        domain=Domain.math if math else Domain.code,
        statement=str(row["statement"]).strip(),
        checks=Answer(str(row["answer"])) if math else _checks(row["tests"], row.get("entry") or "f"),
        references=tuple(str(text) for text in row.get("references") or ()),
        given=tuple(_given(one) for one in row.get("candidates") or ()),
        topic=str(row.get("topic") or ""),
    )


def _given(one: Any) -> Given:
    return Given(one, "given") if isinstance(one, str) else Given(one["text"], one.get("origin") or "given", one.get("correct"))


def _checks(tests: Any, entry: str) -> Executable:
    if isinstance(tests, str):
        return assertions(tests)
    first = tests[0]
    if isinstance(first, str):
        return assertions("\n".join(tests))
    if "input" in first:
        return Streams(tuple(str(test["input"]) for test in tests), tuple(str(test["output"]) for test in tests))
    return Calls(entry, tuple(tuple(test["args"]) for test in tests), tuple(test["value"] for test in tests))


def _folder_rows(root: Path) -> Iterator[tuple[str, Row]]:
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DataError(f"{root}: no folder in it; give each problem a folder of its own, with statement.md, tests and candidates/")
    for folder in folders:
        yield str(folder), _folder_row(folder)


def _folder_row(folder: Path) -> Row:
    row: dict[str, Any] = {"id": folder.name, "statement": _text(folder / "statement.md")}
    if (folder / "answer.txt").exists():
        row["answer"] = _text(folder / "answer.txt")
    elif (folder / "tests.py").exists():
        row["tests"] = _text(folder / "tests.py")
    elif (folder / "tests.json").exists():
        row |= _tests_json(folder / "tests.json")
    elif (folder / "tests").is_dir():
        row["tests"] = [{"input": _text(path), "output": _text(path.with_suffix(".out"))} for path in sorted((folder / "tests").glob("*.in"))]
    else:
        raise DataError(f"{folder}: has no tests.py, tests.json, tests/*.in or answer.txt; one of them has to tell what is correct")
    programs = lambda paths: [path for path in sorted(paths) if path.suffix in (".py", ".md", ".txt") and path.is_file()]
    row["references"] = [_text(path) for path in programs(folder.glob("reference*"))]
    row["candidates"] = [{"text": _text(path), "origin": path.stem} for path in programs((folder / "candidates").glob("*"))]
    return row


def _tests_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error})") from None
    return {"tests": found} if isinstance(found, list) else dict(found)


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise DataError(f"{path}: {reason}") from None
    if not text.strip():
        raise DataError(f"{path}: is empty")
    return text
