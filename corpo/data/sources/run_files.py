"""Read standard inputs and expected outputs from the files of a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from corpo.data.sources.text_files import read_text
from corpo.utils.errors import DataError

# What marks an input in the name of a file or its folder, and what may mark its output in the same place.
_OUTPUT_MARKS = {"in": ("out", "ans", "a", "output"), "input": ("output", "out", "expected", "answer")}
_INPUT_MARKS = {"out": ("in",), "ans": ("in",), "output": ("input",), "expected": ("input",)}
_ADVICE = "every standard input, *.in, needs its expected output, *.out or *.ans"


def read_runs(folder: Path) -> list[dict[str, str]]:
    """Return the runs in a folder, such as 1.in with 1.out, or input/1.txt with output/1.txt.

    Raises DataError if an input or an output is alone, or if two names differ in case only.
    """
    paths: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            name = path.relative_to(folder).as_posix().lower()
            if name in paths:
                other = paths[name].relative_to(folder)
                raise DataError(f"{path}: differs from {other} in case only; rename one of them")
            paths[name] = path
    outputs: dict[str, str] = {}
    for name in sorted(paths):
        choices = list(_partners(name, _OUTPUT_MARKS))
        if choices:
            outputs[name] = _first_of(choices, paths, folder)
    for name in sorted(paths.keys() - outputs.keys() - set(outputs.values())):
        choices = list(_partners(name, _INPUT_MARKS))
        if choices:
            _first_of(choices, paths, folder)
    return [{"input": read_text(paths[name]), "output": read_text(paths[outputs[name]])} for name in outputs]


def _partners(name: str, marks: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield the names that the partner of a file can have; none if the file has no mark."""
    for mark, replacements in marks.items():
        pattern = re.compile(rf"(?<![a-z]){mark}(?![a-z])")
        if pattern.search(name):
            for replacement in replacements:
                yield pattern.sub(replacement, name)


def _first_of(choices: list[str], paths: Mapping[str, Path], folder: Path) -> str:
    """Return the first name that exists. Raises DataError if none does."""
    for name in choices:
        if name in paths:
            return name
    raise DataError(f"{folder / choices[0]}: is missing; {_ADVICE}")
