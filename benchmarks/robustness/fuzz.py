"""Coverage-guided fuzzing of what reads other people's text, by atheris (`pip install atheris`): `python -m benchmarks.robustness.fuzz response -max_total_time=60`.

`response` is what a model writes, `pairs` a JSONL file of somebody's pairs. A crash or a hang ends the run, and leaves its input in a file.
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
from benchmarks.robustness.malformed import GOOD_ROW

MOST_SECONDS = 5  # of one input


def response(data: bytes) -> None:
    verdict = parse_response(data.decode("utf-8", "replace"))
    assert isinstance(verdict, Fault) or (
        isinstance(verdict, Verdict) and all(0 <= score <= 10 for score in verdict.scores)
    )


def pairs(data: bytes) -> None:
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
        sys.exit(f"fuzz: no target {name!r}; choose one of {', '.join(TARGETS)}")
    target, example = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        Path(corpus, "example").write_bytes(example)
        atheris.Setup([sys.argv[0], f"-timeout={MOST_SECONDS}", "-max_len=4096", *options, corpus], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
