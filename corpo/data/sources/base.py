"""What a source of real problems yields, where its rows are read from, and how a source is registered."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.data.execution.checks import Checks
from corpo.task import Domain
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig

Row = Mapping[str, Any]


@dataclass(frozen=True)
class RawCandidate:
    """A program or worked solution that came with a problem or was made for it, not checked yet."""

    text: str
    origin: str
    claimed: bool | None = None  # what its source says of it; never its label
    line: int = 0  # that a mutation touched


@dataclass(frozen=True)
class RealProblem:
    """A problem of a benchmark or of your own, with whatever programs or worked solutions came with it."""

    id: str  # unique within its source
    domain: Domain
    statement: str  # what the verifier reads
    checks: Checks
    references: tuple[str, ...] = ()  # said to be correct; checked like all others
    given: tuple[RawCandidate, ...] = ()
    topic: str = ""  # difficulty or subject, where the source tells
    prompt: str = ""  # what a program continues, for models that complete; "" where a program stands alone
    starter: str = ""  # goes before a continuation, to make it a program: the prompt without its docstring


@dataclass(frozen=True)
class Source:
    """A registered source: `read` makes problems of rows, one row at a time."""

    read: Callable[
        [Row], RealProblem | None
    ]  # None leaves a row out, such as one whose statement is an image
    licence: str
    rows: Callable[[SourceConfig], Iterable[tuple[str, Row]]] = field(
        default=lambda config: rows_of(config)
    )  # (where it stands, row)


SOURCES: dict[str, Source] = {}


def register_source(
    name: str, licence: str, rows: Callable[[SourceConfig], Iterable[tuple[str, Row]]] | None = None
) -> Callable[..., Any]:
    """Decorator: make a function that reads one row a source that configs can name. `rows` finds the rows otherwise than `rows_of`."""

    def register(read: Callable[[Row], RealProblem | None]) -> Callable[[Row], RealProblem | None]:
        SOURCES[name] = Source(read, licence, rows or rows_of)
        return read

    return register


def rows_of(config: SourceConfig) -> Iterator[tuple[str, Row]]:
    """Rows of a local file, or of the hub's data set, each with where it stands. Raises DataError, with what to do, where there are none."""
    if config.path is not None:
        return file_rows(Path(config.path))
    return _hub_rows(config)


def file_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Rows of a JSONL (also .gz) or Parquet file. Raises DataError with file and row."""
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder; name a file in it' if path.is_dir() else 'no such file'}")
    if path.suffix == ".parquet":
        from corpo.data.store import read_rows

        yield from ((f"{path}, row {number}", row) for number, row in enumerate(read_rows(path), start=1))
        return
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"{path}, row {number}: not JSON ({error}); a .jsonl file holds one JSON object a line"
                ) from None
            if not isinstance(row, dict):
                raise DataError(f"{path}, row {number}: expected a JSON object, found {type(row).__name__}")
            yield f"{path}, row {number}", row


def _hub_rows(config: SourceConfig) -> Iterator[tuple[str, Row]]:
    from datasets import load_dataset

    if config.hub is None:
        raise DataError(
            "data.sources: name a file (path=...) or a data set of the hub (hub=...) for a source"
        )
    where = f"{config.hub}@{config.revision or 'main'}"
    try:
        if config.files:  # data sets that come with a loading script, which nothing runs any more: their plain files are read
            local = Path(config.hub).is_dir()
            root = config.hub if local else f"hf://datasets/{where}"
            rows = load_dataset("json", data_files=[f"{root}/{name}" for name in config.files], split="train")
        else:
            rows = load_dataset(config.hub, config.subset, split=config.split, revision=config.revision)
    except Exception as error:  # whatever hub, cache and parsers raise: one line for all of them
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{where}: cannot be had ({reason}); check the name, allow the hub (HF_HUB_OFFLINE=0) once to fill its cache, or give a file of it as path="
        ) from None
    yield from ((f"{where}, row {number}", row) for number, row in enumerate(rows, start=1))


def text_of(row: Row, *names: str) -> str:
    """The first of some fields that is there. Raises KeyError naming them all."""
    for name in names:
        if isinstance(row.get(name), str):
            return str(row[name])
    raise KeyError(" or ".join(names))
