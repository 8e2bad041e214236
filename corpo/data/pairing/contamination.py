"""Find training problems that share a run of words with an evaluation problem."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from corpo.data.types import LabelledProblem

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Overlap:
    """A training problem, by id, and the evaluation problem that it shares words with."""

    trained: str
    evaluated: str
    words: str  # a run of words that both have


def word_runs(texts: Iterable[str], length: int) -> set[tuple[str, ...]]:
    """Return all runs of `length` lower-case words; a shorter text gives one run with all its words."""
    runs: set[tuple[str, ...]] = set()
    for text in texts:
        words = _WORD.findall(text.lower())
        if words:
            starts = range(max(len(words) - length + 1, 1))
            runs |= {tuple(words[start : start + length]) for start in starts}
    return runs


def overlaps(
    trained: Sequence[LabelledProblem], evaluated: Sequence[LabelledProblem], length: int
) -> list[Overlap]:
    """Return the training problems that have `length` words in a row with an evaluation problem.

    Each training problem is returned at most once.
    """
    evaluated_by_run: dict[tuple[str, ...], str] = {}
    for problem in evaluated:
        for run in word_runs(problem.statements, length):
            evaluated_by_run.setdefault(run, problem.id)
    result = []
    for problem in trained:
        common = sorted(word_runs(problem.statements, length) & evaluated_by_run.keys())
        if common:
            result.append(Overlap(problem.id, evaluated_by_run[common[0]], " ".join(common[0])))
    return result
