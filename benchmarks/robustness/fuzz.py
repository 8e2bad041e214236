"""Fuzz the parsers of foreign text with atheris (`pip install atheris`), guided by coverage.

`python -m benchmarks.robustness.fuzz response -max_total_time=60` fuzzes the parser of a model's response,
and `pairs` instead of `response` the reader of a JSONL file of pairs. A crash or a hang ends the run and
leaves its input in a file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["corpo.task", "corpo.data.store"]):
    from corpo.data.store import pairs_of, read_rows
    from corpo.task import Fault, Verdict, parse_response
    from corpo.utils.errors import DataError
from tests.cli.malformed_inputs import GOOD_ROW

MAX_SECONDS = 5  # for one input


def response(data: bytes) -> None:
    """Check that any response gives a verdict in range or a fault."""
    verdict = parse_response(data.decode("utf-8", "replace"))
    assert isinstance(verdict, Fault) or (
        isinstance(verdict, Verdict) and all(0 <= score <= 10 for score in verdict.scores)
    )


def pairs(data: bytes) -> None:
    """Check that any file of pairs is read or gets a message of one line."""
    path = Path(SCRATCH.name, "pairs.jsonl")
    path.write_bytes(data)
    try:
        pairs_of(read_rows(path), str(path))
    except DataError as error:
        if "\n" in str(error):
            raise


SCRATCH = tempfile.TemporaryDirectory()
TARGETS = {
    "response": (response, b"<think>A fine</think> A: 9.5 B: 0"),
    "pairs": (pairs, json.dumps(GOOD_ROW).encode()),
}


def main() -> None:
    name, *options = sys.argv[1:] or ["response"]
    if name not in TARGETS:
        sys.exit(f"fuzz: there is no target {name!r}; choose one of {', '.join(TARGETS)}")
    target, example = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        Path(corpus, "example").write_bytes(example)
        atheris.Setup([sys.argv[0], f"-timeout={MAX_SECONDS}", "-max_len=4096", *options, corpus], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
