"""Problems and pairs as Parquet through `datasets`, and a hash of what they hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
from datasets import Dataset, Features

from corpo.data.build_bank import LabelledProblem, Use
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
    """SHA-256 of rows as canonical JSON, so that it speaks of the content, not of file format or machine. First 16 hex digits."""
    digest = hashlib.sha256()
    for row in rows:
        content = {key: value for key, value in row.items() if not key.endswith("isolation")}
        digest.update(json.dumps(content, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:16]


def problem_rows(problems: Sequence[LabelledProblem]) -> list[dict[str, Any]]:
    """One row a candidate."""
    return [
        {
            "problem_id": p.id,
            "domain": str(p.domain),
            "family": p.family,
            "topic": p.topic,
            "use": str(p.use),
            "statements": list(p.statements),
            **{field: getattr(c, field) for field in _CANDIDATE_FIELDS},
        }
        for p in problems
        for c in p.candidates
    ]


def problems_of(rows: Sequence[dict[str, Any]]) -> list[LabelledProblem]:
    """The inverse of `problem_rows`."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_id.setdefault(row["problem_id"], []).append(row)
    return [
        LabelledProblem(
            key,
            Domain(group[0]["domain"]),
            group[0]["family"],
            group[0]["topic"],
            Use(group[0]["use"]),
            tuple(group[0]["statements"]),
            tuple(Candidate(**{field: row[field] for field in _CANDIDATE_FIELDS}) for row in group),
        )
        for key, group in by_id.items()
    ]


def pair_rows(pairs: Iterable[tuple[str, Pair]]) -> list[dict[str, Any]]:
    """One row a prompt: split, kind, problem and both candidates in the order in which they are shown."""
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
            **{f"a_{field}": getattr(pair.a, field) for field in _CANDIDATE_FIELDS},
            **{f"b_{field}": getattr(pair.b, field) for field in _CANDIDATE_FIELDS},
        }
        for split, pair in pairs
    ]


_PAIR_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("split", "problem_id", "domain", "family", "topic", "statement"), str),
    **{
        f"{side}_{field}": kind
        for side in "ab"
        for field, kind in (("text", str), ("correct", bool), ("origin", str), ("line", int))
    },
}


def pairs_of(rows: Sequence[dict[str, Any]], where: str) -> list[tuple[str, Pair]]:
    """The inverse of `pair_rows`; `where` names the file in errors. Raises DataError for a missing or mistyped field."""
    pairs = []
    for number, row in enumerate(rows, start=1):
        for field, kind in _PAIR_TYPES.items():
            if field not in row:
                raise DataError(
                    f"{where}, row {number}: field {field!r} is missing; every row needs {', '.join(_PAIR_TYPES)}"
                )
            if not isinstance(row[field], kind) or (kind is int and isinstance(row[field], bool)):
                raise DataError(
                    f"{where}, row {number}: field {field!r} is {row[field]!r}, expected {getattr(kind, '__name__', kind)}"
                )
        for field in ("statement", "a_text", "b_text"):
            if not row[field].strip():
                raise DataError(f"{where}, row {number}: field {field!r} is empty; give its text")
        for field in ("a_line", "b_line"):
            if row[field] < 0:
                raise DataError(
                    f"{where}, row {number}: field {field!r} is {row[field]}; give the line that is wrong, from 1, or 0 for none"
                )
        if row["domain"] not in list(Domain):
            raise DataError(
                f"{where}, row {number}: field 'domain' is {row['domain']!r}; choose {' or '.join(Domain)}"
            )
        problem = Problem(
            row["problem_id"], Domain(row["domain"]), row["family"], row["topic"], row["statement"]
        )
        a, b = (
            Candidate(
                **{field: row[f"{side}_{field}"] for field in _CANDIDATE_FIELDS if f"{side}_{field}" in row}
            )
            for side in "ab"
        )
        pair = Pair(problem, a, b)
        if "kind" in row and row["kind"] != Kind(pair.kind):
            raise DataError(
                f"{where}, row {number}: field 'kind' is {row['kind']!r}, but the labels make it {pair.kind}"
            )
        pairs.append((row["split"], pair))
    return pairs


def write_rows(path: Path, rows: Sequence[dict[str, Any]], types: Features | None = None) -> None:
    """As Parquet; `types` of the columns are those of the rows, unless given."""
    write_atomically(
        path, lambda beside: Dataset.from_list(list(rows), features=types).to_parquet(str(beside))
    )


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet or JSONL file. Raises DataError, naming the line, where it cannot be read."""
    if not path.exists():
        raise DataError(f"{path}: no such file; build the data first (python -m experiments.data)")
    if path.suffix != ".parquet":
        rows = []
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); give a JSONL file in UTF-8, or Parquet"
            ) from None
        for number, line in enumerate(text.rstrip("\n").split("\n"), start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"{path}, row {number}: not JSON ({error}); write one JSON object a line"
                ) from None
            if not isinstance(row, dict):
                raise DataError(f"{path}, row {number}: expected a JSON object, found {type(row).__name__}")
            rows.append(row)
        return rows
    try:
        return list(pyarrow.parquet.read_table(path).to_pylist())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}); delete it and build the data again"
        ) from None
