"""Read a user's own problems: a JSONL, JSON, CSV or Parquet file, or one folder per problem.

A row, or a folder whose name is the problem's id (`corpo.data.sources.folders`), has:

| field | file | content |
|---|---|---|
| id | the folder's name | unique |
| statement | statement.md | the text that the verifier reads |
| tests | tests.py, tests.json, or tests/*.in with *.out or *.ans | assertions; or calls; or runs |
| entry | "entry" in tests.json | the function that the calls go to; "f" by default |
| answer | answer.txt | instead of tests, for worked solutions: the final answer |
| references | reference*.py, reference*.md, or files in references/ | solutions claimed to be correct |
| candidates | candidates/*.py, *.md, *.txt, also in correct/ and wrong/ | what is labelled |

`tests` of a row is a list: of assertions ("assert f(1) == 2"), of calls ({"args": [1], "value": 2}) or of
runs ({"input": "1", "output": "2"}). Or it is a text: assertions, or functions of pytest or unittest, or
HumanEval's check(candidate). Other common names of these fields are taken and noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.data.candidates.extract import sample_program
from corpo.data.execution.checks import Answer, ScriptChecks
from corpo.data.python_text import PARSE_ERRORS
from corpo.data.sources import field_names
from corpo.data.sources.base import PlacedRow, Row, register_source, rows_of
from corpo.data.sources.field_names import decoded, read_label, with_standard_names
from corpo.data.sources.folders import ERROR, NOTES, folder_rows
from corpo.data.sources.own_tests import read_checks
from corpo.data.sources.programming import without_docstring
from corpo.data.types import RawCandidate, RealProblem
from corpo.task import Domain
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig

_ROW = "a row of your own problems needs id, statement, and tests or answer"
_BYTE_ORDER_MARK = "\ufeff"


def _rows(config: SourceConfig) -> Iterable[PlacedRow]:
    """Yield the rows of a folder, a file or a data set on the hub."""
    if config.path is None and config.hub is None:
        raise DataError(
            "data.sources: where are your own problems? Give data.sources.own.path=FOLDER, "
            "or a .jsonl, .json, .csv or .parquet file"
        )
    if config.path is not None and Path(config.path).is_dir():
        return _joined_rows(folder_rows(Path(config.path)))
    return _joined_rows(rows_of(config))


def _joined_rows(rows: Iterable[PlacedRow]) -> Iterator[PlacedRow]:
    """Yield rows with all their candidates; a table may have one candidate per row.

    Rows belong to one problem if they have the same id, the same statement and a single candidate each.
    """
    by_key: dict[tuple[str, str], dict[str, Any]] = {}
    order: list[tuple[str, dict[str, Any]]] = []
    for place, row in rows:
        taken: dict[str, str] = {}
        standard = with_standard_names(row, {**field_names.ROW, **field_names.ONLY_CANDIDATE}, taken)
        candidate = decoded(standard.get("candidates"))
        if not isinstance(candidate, str) or "id" not in standard:
            order.append((place, dict(row)))
            continue
        fields = {name: standard.pop(name, None) for name in ("origin", "correct")}
        standard["candidates"] = [{"text": candidate, **fields}]
        standard[NOTES] = _taken_notes(taken)
        key = str(standard["id"]), str(standard.get("statement"))
        if key in by_key:
            by_key[key]["candidates"] += standard["candidates"]
        else:
            by_key[key] = standard
            order.append((place, standard))
    yield from order


@register_source("own", "yours", _rows)
def own(row: Row) -> RealProblem:
    """Read the fields above. Raises ValueError, with a remedy, if something is wrong with them."""
    if ERROR in row:
        raise DataError(row[ERROR])
    taken: dict[str, str] = {}
    row = with_standard_names(row, field_names.ROW, taken)
    for name in ("id", "statement"):
        if not str(row.get(name) or "").strip():
            raise ValueError(f"field {name!r} is missing or empty; {_ROW}")
    for name in ("id", "topic"):
        if not str(row.get(name) or "").isprintable():
            raise ValueError(f"field {name!r} is {row[name]!a:.60}; give a name without line breaks")
    has_answer = row.get("answer") is not None
    if has_answer and row.get("tests"):
        raise ValueError("fields 'tests' and 'answer' are both there; keep only one of them")
    if not has_answer and not row.get("tests"):
        raise ValueError(f"neither 'tests' nor 'answer' is there; {_ROW}")
    notes = [*row.get(NOTES, ()), *_taken_notes(taken), *_ignored_notes(row, is_code=not has_answer)]
    references, candidates = (_candidates(row, name, notes) for name in ("references", "candidates"))
    problem = RealProblem(
        id=str(row["id"]),
        domain=Domain.math,
        statement=str(row["statement"]).strip(),
        checks=Answer(str(row.get("answer")).strip()),
        references=tuple(candidate.text for candidate in references),
        given=tuple(candidates),
        topic=str(row.get("topic") or ""),
        notes=tuple(notes),
    )
    return problem if has_answer else _code_problem(problem, row)


def _code_problem(problem: RealProblem, row: Row) -> RealProblem:
    """Return a problem with the tests of its row instead of an answer.

    If the statement is the start of a program, as in HumanEval, a candidate may be its continuation.
    """
    prompt = str(row.get("prompt") or row["statement"])
    starter = _starter(prompt)
    if not starter:
        prompt = ""
    references = [sample_program(prompt, starter, text) for text in problem.references]
    given = []
    for candidate in problem.given:
        given.append(replace(candidate, text=sample_program(prompt, starter, candidate.text)))
    set_up = row.get("setup") or ""
    programs = [*references, *(candidate.text for candidate in given)]
    checks = read_checks(
        decoded(row["tests"]),
        row.get("entry"),
        programs,
        set_up="\n".join([set_up] if isinstance(set_up, str) else set_up) + "\n",
    )
    notes = list(problem.notes)
    if isinstance(checks, ScriptChecks) and checks.left_out:
        notes.append(
            f"left out {len(checks.left_out)} tests that are skipped, expected to fail or coroutines: "
            f"{', '.join(checks.left_out)}"
        )
    return replace(
        problem,
        domain=Domain.code,
        checks=checks,
        notes=tuple(notes),
        references=tuple(references),
        given=tuple(given),
        prompt=prompt,
        starter=starter,
    )


def _starter(prompt: str) -> str:
    """Return a prompt that is the start of a function, without its docstring; "" for any other text."""
    try:
        starter = without_docstring(prompt)
    except PARSE_ERRORS:
        return ""
    return starter if "def " in starter.rstrip().rpartition("\n")[2] else ""


def _taken_notes(taken: Mapping[str, str]) -> list[str]:
    """Return which fields were taken under another name."""
    return [f"took field {spelling!r} as {name!r}" for spelling, name in taken.items()]


def _ignored_notes(row: Row, is_code: bool) -> list[str]:
    """Return which fields were not used although their names have a meaning."""
    names = {**field_names.ROW, **field_names.ONLY_CANDIDATE}
    used = ("prompt",) if is_code else ()  # the start of the program, which candidates may continue
    return [f"did not use field {name!r}" for name in field_names.ignored_fields(row, names, used)]


# --- candidates ---


def _candidates(row: Row, name: str, notes: list[str]) -> list[RawCandidate]:
    """Return the candidates in a field: a text, or texts and objects in a list or by label or origin.

    `notes` receives the claimed labels that are neither true nor false.
    """
    values = decoded(row.get(name)) or []
    if isinstance(values, str):
        values = [values]
    if isinstance(values, Mapping):
        return _candidates_by_name(name, values, notes)
    if not isinstance(values, list):
        raise ValueError(f"field {name!r} is {values!r:.40}; expected a list of texts")
    return [_candidate(name, number, value, notes) for number, value in enumerate(values, start=1)]


def _candidates_by_name(field: str, values: Mapping[str, Any], notes: list[str]) -> list[RawCandidate]:
    """Return the candidates of an object such as {"correct": [...], "wrong": [...]} or {"gpt": "..."}."""
    candidates = []
    for name, texts in values.items():
        for number, value in enumerate(texts if isinstance(texts, list) else [texts], start=1):
            candidate = _candidate(field, number, value, notes)
            try:
                claim, origin = read_label(name), candidate.origin
            except ValueError:
                claim, origin = candidate.claimed, name
            candidates.append(RawCandidate(candidate.text, origin, claim))
    return candidates


def _candidate(name: str, number: int, value: Any, notes: list[str]) -> RawCandidate:
    if isinstance(value, str):
        return RawCandidate(value.removeprefix(_BYTE_ORDER_MARK), "given")
    standard = with_standard_names(value, field_names.CANDIDATE) if isinstance(value, Mapping) else {}
    if not isinstance(standard.get("text"), str):
        raise ValueError(
            f"field {name!r}: number {number} is {value!r:.60}; expected a text, "
            "or {'text': ..., 'origin': ..., 'correct': true or false}"
        )
    try:
        claim = read_label(standard.get("correct"))
    except ValueError as error:
        claim = None
        notes.append(f"did not use a claimed label: {error}")
    text = standard["text"].removeprefix(_BYTE_ORDER_MARK)
    return RawCandidate(text, str(standard.get("origin") or "given"), claim)
