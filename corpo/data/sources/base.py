"""Register sources of real problems, and read their rows from files or the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.data.sources.text_files import text_rows
from corpo.data.types import RealProblem
from corpo.task import Domain
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig

Row = Mapping[str, Any]
PlacedRow = tuple[str, Row]  # a row and its place for error messages, such as "problems.jsonl, row 3"
ReadRow = Callable[[Row], RealProblem | None]


@dataclass(frozen=True)
class Source:
    """A registered source of problems."""

    read: ReadRow  # returns None to leave a row out, such as one whose statement is an image
    licence: str
    rows: Callable[[SourceConfig], Iterable[PlacedRow]]
    domain: Domain | None  # of all its problems; None if there can be problems of both


SOURCES: dict[str, Source] = {}


def register_source(
    name: str,
    licence: str,
    rows: Callable[[SourceConfig], Iterable[PlacedRow]] | None = None,
    domain: Domain | None = None,
) -> Callable[[ReadRow], ReadRow]:
    """Register a function that turns one row into a problem, under a name for configs.

    `rows` replaces `rows_of` as the function that finds the rows. `domain` is that of all problems, if they
    have the same.
    """

    def register(read: ReadRow) -> ReadRow:
        SOURCES[name] = Source(read, licence, rows or rows_of, domain)
        return read

    return register


def rows_of(config: SourceConfig) -> Iterator[PlacedRow]:
    """Yield the rows of a local file or of a data set on the hub, each with its place.

    Raises DataError with a remedy if they cannot be read.
    """
    if config.path is not None:
        return file_rows(Path(config.path))
    return _hub_rows(config)


def file_rows(path: Path) -> Iterator[PlacedRow]:
    """Yield the rows of a JSONL, JSON, CSV (also .gz) or Parquet file. Raises DataError with file and row."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file in it")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.suffix == ".parquet":
        from corpo.data.store import read_rows

        for number, row in enumerate(read_rows(path), start=1):
            yield f"{path}, row {number}", row
        return
    yield from text_rows(path)


def _hub_rows(config: SourceConfig) -> Iterator[PlacedRow]:
    from datasets import load_dataset

    if config.hub is None:
        raise DataError(
            "data.sources: name a file (path=...) or a data set of the hub (hub=...) for each source"
        )
    place = f"{config.hub}@{config.revision or 'main'}"
    try:
        if config.files:  # the plain files of a data set whose loading script no longer runs
            root = config.hub if Path(config.hub).is_dir() else f"hf://datasets/{place}"
            rows = load_dataset("json", data_files=[f"{root}/{name}" for name in config.files], split="train")
        else:
            rows = load_dataset(config.hub, config.subset, split=config.split, revision=config.revision)
    except Exception as error:  # the hub, its cache and its parsers raise many kinds of errors
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{place}: cannot be loaded ({reason}); check the name, allow the hub once to fill its cache "
            "(HF_HUB_OFFLINE=0), or give a file of it as path="
        ) from None
    for number, row in enumerate(rows, start=1):
        yield f"{place}, row {number}", row


def text_of(row: Row, *names: str) -> str:
    """Return the first of these fields that is a text. Raises KeyError with all names if none is."""
    for name in names:
        if isinstance(row.get(name), str):
            return str(row[name])
    raise KeyError(" or ".join(names))
