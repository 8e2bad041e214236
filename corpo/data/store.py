"""Write and read problems and pairs as Parquet, and hash their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
from datasets import Dataset, DatasetInfo, Features

from corpo.data.json_lines import parse_row
from corpo.data.types import LabelledProblem, Use
from corpo.task import Candidate, Domain, Kind, Pair, Problem
from corpo.utils.errors import DataError
from corpo.utils.files import write_atomically

_CANDIDATE_FIELDS = (
    "text",
    "correct",
    "origin",
    "line",
    "passed",
    "total",
    "error",
    "evidence",
    "claimed",
    "isolation",
)


def content_hash(rows: Iterable[dict[str, Any]]) -> str:
    """Return the first 16 hex digits of the SHA-256 of rows as canonical JSON.

    It depends on the content only, not on the file format or on the machine's level of isolation.
    """
    digest = hashlib.sha256()
    for row in rows:
        content = {key: value for key, value in row.items() if not key.endswith("isolation")}
        digest.update(json.dumps(content, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:16]


def problem_rows(problems: Sequence[LabelledProblem]) -> list[dict[str, Any]]:
    """Return one row per candidate."""
    rows = []
    for problem in problems:
        shared = {
            "problem_id": problem.id,
            "domain": str(problem.domain),
            "family": problem.family,
            "topic": problem.topic,
            "use": str(problem.use),
            "statements": list(problem.statements),
        }
        rows += [{**shared, **_candidate_fields("", candidate)} for candidate in problem.candidates]
    return rows


def _candidate_fields(prefix: str, candidate: Candidate) -> dict[str, Any]:
    return {f"{prefix}{field}": getattr(candidate, field) for field in _CANDIDATE_FIELDS}


def _candidate_from(prefix: str, row: dict[str, Any]) -> Candidate:
    return Candidate(**{field: row[prefix + field] for field in _CANDIDATE_FIELDS if prefix + field in row})


def problems_of(rows: Sequence[dict[str, Any]]) -> list[LabelledProblem]:
    """Return the problems that `problem_rows` turned into rows."""
    rows_by_id: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        rows_by_id.setdefault(row["problem_id"], []).append(row)
    problems = []
    for problem_id, group in rows_by_id.items():
        first = group[0]
        problems.append(
            LabelledProblem(
                id=problem_id,
                domain=Domain(first["domain"]),
                family=first["family"],
                topic=first["topic"],
                use=Use(first["use"]),
                statements=tuple(first["statements"]),
                candidates=tuple(_candidate_from("", row) for row in group),
            )
        )
    return problems


def pair_rows(pairs: Iterable[tuple[str, Pair]]) -> list[dict[str, Any]]:
    """Return one row per prompt: split, kind, problem, and both candidates in their order."""
    return [
        {
            "split": split,
            "pair_id": pair.id,
            "kind": str(pair.kind),
            "problem_id": pair.problem.id,
            "domain": str(pair.problem.domain),
            "family": pair.problem.family,
            "topic": pair.problem.topic,
            "statement": pair.problem.statement,
            **_candidate_fields("a_", pair.a),
            **_candidate_fields("b_", pair.b),
        }
        for split, pair in pairs
    ]


_NAMES = ("split", "problem_id", "family", "topic")  # fields that tables and files are named after
_SIDE_TYPES = {"text": str, "correct": bool, "origin": str, "line": int}
_PAIR_TYPES: dict[str, type] = {
    **dict.fromkeys(("split", "problem_id", "domain", "family", "topic", "statement"), str),
    **{f"a_{field}": kind for field, kind in _SIDE_TYPES.items()},
    **{f"b_{field}": kind for field, kind in _SIDE_TYPES.items()},
}


def pairs_of(rows: Sequence[dict[str, Any]], where: str) -> list[tuple[str, Pair]]:
    """Return the pairs in rows such as `pair_rows` makes, each with its split.

    Raises DataError for a missing or mistyped field; `where` names the file in it.
    """
    return [_pair_from(row, f"{where}, row {number}") for number, row in enumerate(rows, start=1)]


def _pair_from(row: dict[str, Any], place: str) -> tuple[str, Pair]:
    _check_types(row, place)
    for field in _NAMES:
        if not row[field].isprintable() or (field == "split" and set(row[field]) & set("/\\")):
            raise DataError(
                f"{place}: field {field!r} is {row[field]!a:.60}; "
                "give a name without line breaks, and a split without slashes"
            )
    for field in ("statement", "a_text", "b_text"):
        if not row[field].strip():
            raise DataError(f"{place}: field {field!r} is empty; give its text")
    for field in ("a_line", "b_line"):
        if row[field] < 0:
            raise DataError(
                f"{place}: field {field!r} is {row[field]}; "
                "give the line that is wrong, from 1, or 0 for none"
            )
    if row["domain"] not in list(Domain):
        raise DataError(f"{place}: field 'domain' is {row['domain']!r}; choose {' or '.join(Domain)}")
    problem = Problem(row["problem_id"], Domain(row["domain"]), row["family"], row["topic"], row["statement"])
    pair = Pair(problem, _candidate_from("a_", row), _candidate_from("b_", row))
    if "kind" in row and row["kind"] != Kind(pair.kind):
        raise DataError(f"{place}: field 'kind' is {row['kind']!r}, but the labels make it {pair.kind}")
    return row["split"], pair


def _check_types(row: dict[str, Any], place: str) -> None:
    for field, kind in _PAIR_TYPES.items():
        if field not in row:
            raise DataError(f"{place}: field {field!r} is missing; every row needs {', '.join(_PAIR_TYPES)}")
        if not isinstance(row[field], kind) or (kind is int and isinstance(row[field], bool)):
            raise DataError(f"{place}: field {field!r} is {row[field]!r}, expected {kind.__name__}")


def data_set(rows: Sequence[dict[str, Any]], types: Features | None = None) -> Dataset:
    """Return rows as a data set in memory. The columns' `types` are inferred from the rows unless given.

    `datasets` computes a fingerprint with dill unless there is one. dill copies a module that lies neither
    below Python's folder nor in one called site-packages, and fails on pyarrow. Nothing here uses the
    fingerprint, so a constant takes its place.
    """
    table = pyarrow.Table.from_pylist(list(rows), None if types is None else types.arrow_schema)
    return Dataset(table, DatasetInfo(features=types), fingerprint="rows")


def write_rows(path: Path, rows: Sequence[dict[str, Any]], types: Features | None = None) -> None:
    """Write rows as Parquet. The columns' `types` are inferred from the rows unless given."""

    def write(temporary: Path) -> None:
        data_set(rows, types).to_parquet(str(temporary))

    write_atomically(path, write)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a Parquet or JSONL file. Raises DataError if they cannot be read."""
    if not path.exists():
        raise DataError(f"{path}: no such file; build the data first (corpo data)")
    return _read_parquet(path) if path.suffix == ".parquet" else _read_jsonl(path)


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    try:
        return list(pyarrow.parquet.read_table(path).to_pylist())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}); "
            "delete it and build the data again"
        ) from None


def _read_jsonl(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a JSONL file in UTF-8, or Parquet") from None
    lines = text.rstrip("\n").split("\n")
    return [parse_row(line, f"{path}, row {number}") for number, line in enumerate(lines, start=1)]
