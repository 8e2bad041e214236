"""Read a user's own problems: a JSONL, JSON, CSV or Parquet file, or one folder per problem.

A row, or a folder whose name is the problem's id (`corpo.data.sources.folders`), has:

| field | file | content |
|---|---|---|
| id | the folder's name | unique |
| statement | statement.md | the text that the verifier reads |
| tests | tests.py, tests.json, or tests/*.in with *.out or *.ans | assertions; or calls; or runs |
| entry | "entry" in tests.json | the function that the calls go to; "f" by default |
| answer | answer.txt | instead of tests, for worked solutions: the final answer |
| references | reference.py or reference*.py, *.md | solutions claimed to be correct |
| candidates | candidates/*.py, *.md, *.txt, also in correct/ and wrong/ | what is labelled |

`tests` of a row is a list: of assertions ("assert f(1) == 2"), of calls ({"args": [1], "value": 2}) or of
runs ({"input": "1", "output": "2"}). Or it is a text: assertions, or functions of pytest or unittest, or
HumanEval's check(candidate). Usual other names of these fields are taken and noted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.data.candidates.extract import extract_code, is_answer
from corpo.data.execution.checks import Answer, CallChecks, Checks, Executable, StdioChecks
from corpo.data.execution.test_functions import split_tests
from corpo.data.sources import field_names
from corpo.data.sources.base import PlacedRow, Row, register_source, rows_of
from corpo.data.sources.field_names import read_label, with_standard_names
from corpo.data.sources.folders import ERROR, NOTES, folder_rows
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
_ENTRY = re.compile(r"[^\W\d]\w*(?:\(\))?(?:\.[^\W\d]\w*)*")
_MAX_NAMES = 8  # names of functions in an error message


def _rows(config: SourceConfig) -> Iterable[PlacedRow]:
    """Yield the rows of a folder, a file or a data set on the hub."""
    if config.path is None and config.hub is None:
        raise DataError(
            "data.sources: where are your own problems? Give data.sources.own.path=FOLDER, "
            "or a .jsonl, .json, .csv or .parquet file"
        )
    if config.path is not None and Path(config.path).is_dir():
        return folder_rows(Path(config.path))
    return _joined_rows(rows_of(config))


def _joined_rows(rows: Iterable[PlacedRow]) -> Iterator[PlacedRow]:
    """Yield rows with all their candidates; a table may have one candidate per row.

    Rows belong to one problem if they have the same id, the same statement and a single candidate each.
    """
    by_key: dict[tuple[str, str], dict[str, Any]] = {}
    order: list[tuple[str, dict[str, Any]]] = []
    for place, row in rows:
        taken: dict[str, str] = {}
        standard = with_standard_names(row, field_names.ROW, taken)
        candidate = standard.get("candidates")
        if not isinstance(candidate, str) or "id" not in standard:
            order.append((place, dict(row)))
            continue
        fields = {name: standard.pop(name, None) for name in ("origin", "correct")}
        standard["candidates"] = [{"text": candidate, **fields}]
        standard[NOTES] = _notes(taken, {})
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
    has_answer = row.get("answer") is not None
    if has_answer and row.get("tests"):
        raise ValueError("fields 'tests' and 'answer' are both there; keep only one of them")
    if not has_answer and not row.get("tests"):
        raise ValueError(f"neither 'tests' nor 'answer' is there; {_ROW}")
    references, candidates = _candidates(row, "references"), _candidates(row, "candidates")
    programs = [candidate.text for candidate in (*references, *candidates)]
    checks: Checks
    if has_answer:
        checks = Answer(str(row["answer"]).strip())
    else:
        checks = _checks(row["tests"], row.get("entry"), programs)
    return RealProblem(
        id=str(row["id"]),
        domain=Domain.math if has_answer else Domain.code,
        statement=str(row["statement"]).strip(),
        checks=checks,
        references=tuple(candidate.text for candidate in references),
        given=tuple(candidates),
        topic=str(row.get("topic") or ""),
        notes=(*row.get(NOTES, ()), *_notes(taken, row)),
    )


def _notes(taken: Mapping[str, str], row: Row) -> list[str]:
    """Return which fields were taken under another name, and which were not used."""
    notes = [f"took field {spelling!r} as {name!r}" for spelling, name in taken.items()]
    ignored = field_names.ignored_fields(row, field_names.ROW)
    return notes + [f"did not use field {name!r}" for name in ignored]


# --- candidates ---


def _candidates(row: Row, name: str) -> list[RawCandidate]:
    """Return the candidates in a field: a text, or texts and objects in a list or by label or origin."""
    values = row.get(name) or []
    if isinstance(values, str):
        values = [values]
    if isinstance(values, Mapping):
        return _candidates_by_name(name, values)
    if not isinstance(values, list):
        raise ValueError(f"field {name!r} is {values!r:.40}; expected a list of texts")
    return [_candidate(name, number, value) for number, value in enumerate(values, start=1)]


def _candidates_by_name(field: str, values: Mapping[str, Any]) -> list[RawCandidate]:
    """Return the candidates of an object such as {"correct": [...], "wrong": [...]} or {"gpt": "..."}."""
    candidates = []
    for name, texts in values.items():
        for number, value in enumerate(texts if isinstance(texts, list) else [texts], start=1):
            candidate = _candidate(field, number, value)
            try:
                claim, origin = read_label(name), candidate.origin
            except ValueError:
                claim, origin = candidate.claimed, name
            candidates.append(RawCandidate(candidate.text, origin, claim))
    return candidates


def _candidate(name: str, number: int, value: Any) -> RawCandidate:
    if isinstance(value, str):
        return RawCandidate(value, "given")
    place = f"field {name!r}: number {number}"
    standard = with_standard_names(value, field_names.CANDIDATE) if isinstance(value, Mapping) else {}
    if not isinstance(standard.get("text"), str):
        raise ValueError(
            f"{place} is {value!r:.60}; expected a text, "
            "or {'text': ..., 'origin': ..., 'correct': true or false}"
        )
    try:
        claim = read_label(standard.get("correct"))
    except ValueError as error:
        raise ValueError(f"{place}: {error}; give true or false") from None
    return RawCandidate(standard["text"], str(standard.get("origin") or "given"), claim)


# --- tests ---


def _checks(tests: Any, entry: Any, programs: list[str]) -> Executable:
    """Return the checks that a field `tests` describes."""
    if isinstance(tests, Mapping) and "inputs" in tests and "outputs" in tests:
        entry = entry or tests.get("fn_name")
        names = ("args", "value") if entry else ("input", "output")
        pairs = zip(tests["inputs"], tests["outputs"], strict=True)
        tests = [dict(zip(names, pair, strict=True)) for pair in pairs]
    if isinstance(tests, str):
        return _script(tests, entry)
    if not isinstance(tests, list):
        raise ValueError(f"field 'tests' is {tests!r:.40}; expected a list; {_TEST}")
    if all(isinstance(test, str) for test in tests):
        return _script("\n".join(tests), entry)
    if _is_call(tests[0], entry):
        calls = [_call(number, test) for number, test in enumerate(tests, start=1)]
        name = _checked_entry("f" if entry is None else entry, programs)
        return CallChecks(name, tuple(args for args, _ in calls), tuple(value for _, value in calls))
    runs = [_run(number, test) for number, test in enumerate(tests, start=1)]
    return StdioChecks(tuple(text for text, _ in runs), tuple(text for _, text in runs))


def _script(source: str, entry: Any) -> Executable:
    try:
        return split_tests(source, entry)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"tests: {str(error).removeprefix('tests: ')}") from None


def _is_call(test: Any, entry: Any) -> bool:
    """Check whether tests are calls. A list called `input` holds arguments if a function is named."""
    if not isinstance(test, Mapping):
        return True  # an error, which names both forms
    if test.get("args") is not None or test.get("arguments") is not None:
        return True
    standard = with_standard_names(test, field_names.RUN)
    if standard.get("input") is None or "output" not in standard:
        return True
    return entry is not None and isinstance(standard["input"], list)


def _call(number: int, test: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the arguments and the value of a call. The value may be None, because that can be expected.

    In a Parquet file every test has the fields of all tests, with None in those that it does not use.
    """
    standard = with_standard_names(test, field_names.CALL) if isinstance(test, Mapping) else {}
    if not isinstance(standard.get("args"), list | tuple) or "value" not in standard:
        raise ValueError(f"test {number} is {test!r:.60}; {_TEST}")
    return tuple(standard["args"]), standard["value"]


def _run(number: int, test: Any) -> tuple[str, str]:
    standard = with_standard_names(test, field_names.RUN) if isinstance(test, Mapping) else {}
    if standard.get("input") is None or "output" not in standard:
        raise ValueError(f"test {number} is {test!r:.60}; {_TEST}")
    return _lines(number, "input", standard["input"]), _lines(number, "output", standard["output"])


def _lines(number: int, name: str, value: Any) -> str:
    """Return the text of a standard input or output, which may be a number or a list of lines."""
    lines = value if isinstance(value, list) else [value]
    for line in lines:
        if isinstance(line, bool) or not isinstance(line, str | int | float):
            raise ValueError(f"test {number}: {name!r} is {value!r:.40}; expected a text or a list of lines")
    return "\n".join(map(str, lines))


def _checked_entry(entry: Any, programs: list[str]) -> str:
    """Return the entry. Raises ValueError unless it is the name of something that a program defines."""
    defined: dict[str, None] = {}
    for program in programs:
        text = extract_code(program) if is_answer(program) else program
        defined |= dict.fromkeys(_definitions(text))
    names = f"the programs define {', '.join(list(defined)[:_MAX_NAMES]) or 'nothing'}"
    if not isinstance(entry, str) or not _ENTRY.fullmatch(entry):
        raise ValueError(
            f"field 'entry' is {entry!r:.60}; expected the name of a function, such as \"f\" or "
            f'"Solution().solve"; {names}'
        )
    if defined and re.split(r"[.(]", entry)[0] not in defined:
        raise ValueError(f"field 'entry' is {entry!r}, which no program defines; {names}")
    return entry


def _definitions(program: str) -> Iterator[str]:
    """Yield the names that a program defines at its top level."""
    try:
        body = ast.parse(program).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id
