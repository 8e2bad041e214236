"""Training problems that share text with evaluation problems: found by common runs of words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from corpo.data.build_bank import LabelledProblem

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Overlap:
    """A training problem and the evaluation problem it shares words with."""

    trained: str
    evaluated: str
    words: str  # a run that both have


def runs(texts: Iterable[str], length: int) -> set[tuple[str, ...]]:
    """All runs of `length` words, lower case; of a shorter text, the whole of it."""
    found = set()
    for text in texts:
        words = _WORD.findall(text.lower())
        found |= (
            {tuple(words[at : at + length]) for at in range(max(len(words) - length + 1, 1))}
            if words
            else set()
        )
    return found


def overlaps(
    trained: Sequence[LabelledProblem], evaluated: Sequence[LabelledProblem], length: int
) -> list[Overlap]:
    """At most one for each training problem: the first evaluation problem whose statement has `length` words in a row with its own."""
    seen: dict[tuple[str, ...], str] = {}
    for problem in evaluated:
        for run in runs(problem.statements, length):
            seen.setdefault(run, problem.id)
    found = []
    for problem in trained:
        common = sorted(runs(problem.statements, length) & seen.keys())
        if common:
            found.append(Overlap(problem.id, seen[common[0]], " ".join(common[0])))
    return found
