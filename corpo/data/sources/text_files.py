"""Read rows from the text files that people bring: JSONL, JSON, CSV, with any byte-order mark."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpo.data.json_lines import check_depth, check_unicode, parse_row, unique_keys
from corpo.data.sources.field_names import decoded
from corpo.utils.errors import DataError

PlacedObject = tuple[str, dict[str, Any]]
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAX_CELL_CHARS = 1 << 30


def decode(data: bytes) -> str:
    """Return the text of a file in UTF-8, or in the encoding of its byte-order mark.

    Raises UnicodeDecodeError.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    return data.decode("utf-8")


def read_text(path: Path) -> str:
    """Return the text of a file, which may be compressed with gzip. Raises DataError."""
    try:
        data = path.read_bytes()
        return decode(gzip.decompress(data) if path.suffix == ".gz" else data)
    except (OSError, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); save it as UTF-8") from None


def text_rows(path: Path) -> Iterator[PlacedObject]:
    """Yield the rows of a CSV, TSV, JSON or JSONL file, each with its place.

    A JSON file has a list of objects, an object with such a list, or objects one after the other. Raises
    DataError with file and row.
    """
    text = read_text(path)
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix in (".csv", ".tsv"):
        yield from _csv_rows(path, text, "\t" if suffix == ".tsv" else ",")
        return
    if suffix == ".json" or text.lstrip().startswith("["):
        try:
            documents = _documents(text)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}: not JSON ({error}); write a list of objects, or one object per line (.jsonl)"
            ) from None
        yield from _json_rows(path, documents)
        return
    if documents := _pretty_documents(text):
        yield from _json_rows(path, documents)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            place = f"{path}, row {number}"
            yield place, parse_row(line, place)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _pretty_documents(text: str) -> list[Any]:
    """Return the JSON values of a text whose first line is only a part of one. Other texts give none."""
    first_line = next((line for line in text.split("\n") if line.strip()), "")
    if _is_json(first_line):
        return []
    try:
        return _documents(text)
    except (ValueError, RecursionError):
        return []


def _documents(text: str) -> list[Any]:
    """Return the JSON values that a text consists of. Raises ValueError if it is anything else."""
    decoder = json.JSONDecoder(object_pairs_hook=unique_keys)
    values = []
    position = _skip_space(text, 0)
    while position < len(text):
        value, end = decoder.raw_decode(text, position)
        values.append(value)
        position = _skip_space(text, end)
    return values


def _skip_space(text: str, position: int) -> int:
    """Return the position of the first character from here on that is not white space."""
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _json_rows(path: Path, values: list[Any]) -> Iterator[PlacedObject]:
    """Yield the objects in JSON values."""
    rows = values
    if len(values) == 1:
        rows = _rows_of_document(values[0])
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: expected a JSON object, found {type(row).__name__}")
        check_depth(row, f"{path}, row {number}")
        check_unicode(row, f"{path}, row {number}")
        yield f"{path}, row {number}", row


def _rows_of_document(document: Any) -> list[Any]:
    """Return the rows of one JSON document: a list, an object of rows by id, one with a list, or one row."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        values = list(document.values())
        if (
            len(values) == 1
            and isinstance(values[0], list)
            and all(isinstance(row, dict) for row in values[0])
        ):
            return values[0]
        if values and all(isinstance(value, dict) for value in values):
            return [{"id": key, **value} for key, value in document.items()]
    return [document]


def _csv_rows(path: Path, text: str, delimiter: str) -> Iterator[PlacedObject]:
    """Yield the rows of a table. A cell may hold a JSON list or object; empty cells are left out."""
    csv.field_size_limit(_MAX_CELL_CHARS)
    try:
        for number, cells in enumerate(csv.DictReader(io.StringIO(text), delimiter=delimiter), start=2):
            row: dict[str, Any] = {}
            for name, cell in cells.items():
                if name is None:
                    raise DataError(f"{path}, row {number}: has more cells than the header; quote the cells")
                if cell:
                    row[name.strip()] = decoded(cell)
            yield f"{path}, row {number}", row
    except csv.Error as error:
        raise DataError(f"{path}: not CSV ({error})") from None
