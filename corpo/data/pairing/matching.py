"""Pairs of real candidates, matched so that style tells as little as possible.

Of a problem's possible pairs the ones come first whose programs are alike in length and words, and whose wrong side gives a wrong
answer rather than crashing; over a split, the correct side is the longer one as often as the shorter. What style still tells is
measured by `corpo.evaluate.shortcut_floors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from random import Random

from corpo.data.build_bank import LabelledProblem
from corpo.task import Candidate, Kind, Pair, Problem

TOKEN = re.compile(r"\w+|[^\w\s]")
_MOST_SIDE = 30  # candidates of one label that are compared with the others: bounds the work on a problem
_TILT = 0.25  # what the wrong direction of lengths costs, in the units of `distance`
_CRASH = 1.0  # what a wrong side costs that crashes, hangs or is no program


def longer(a: Candidate, b: Candidate) -> int:
    """1 where `a` is the longer one, -1 where `b` is, 0 where neither."""
    return (len(a.text) > len(b.text)) - (len(a.text) < len(b.text))


def distance(a: Candidate, b: Candidate) -> float:
    """0 for programs alike in length and words, up to 2; a crash on top."""
    lengths = len(a.text), len(b.text)
    mine, theirs = set(TOKEN.findall(a.text)), set(TOKEN.findall(b.text))
    words = len(mine & theirs) / max(len(mine | theirs), 1)
    crashes = any(one.error not in (None, "wrong answer") for one in (a, b))
    return (max(lengths) - min(lengths)) / max(*lengths, 1) + 1 - words + _CRASH * crashes


def matched_pairs(
    problems: Sequence[LabelledProblem], kind: Kind, count: int, max_pairs_per_problem: int, seed: str
) -> list[Pair]:
    """Up to `count` pairs of a kind, problem by problem in turn; no candidate twice, and at most `max_pairs_per_problem` of one problem.

    For `Kind.first_correct` the correct one is A; add the swapped pairs for the other order.
    """
    rng = Random(seed)
    order = sorted(problems, key=lambda problem: problem.id)
    rng.shuffle(order)
    options = [_options(problem, kind, rng) for problem in order]
    used: list[set[str]] = [set() for _ in order]
    pairs: list[Pair] = []
    tilt = 0  # how much more often the first candidate was the longer one
    for _ in range(max_pairs_per_problem):
        for problem, mine, taken in zip(order, options, used, strict=True):
            if len(pairs) == count:
                return pairs
            free = [one for one in mine if one[1].text not in taken and one[2].text not in taken]
            if free:
                _, a, b = min(free, key=lambda one: one[0] + _TILT * (longer(one[1], one[2]) * tilt > 0))
                tilt += longer(a, b) if kind is Kind.first_correct else 0
                taken |= {a.text, b.text}
                statement = rng.choice(problem.statements)
                pairs.append(
                    Pair(Problem(problem.id, problem.domain, problem.family, problem.topic, statement), a, b)
                )
    return pairs


def _options(problem: LabelledProblem, kind: Kind, rng: Random) -> list[tuple[float, Candidate, Candidate]]:
    """Every pair of a kind that a problem's candidates make, with its distance; in a drawn order, which breaks ties."""
    right, wrong = (_some(problem.by_label(label), rng) for label in (True, False))
    pairs: Iterator[tuple[Candidate, Candidate]] = {
        Kind.first_correct: lambda: product(right, wrong),
        Kind.both_correct: lambda: combinations(right, 2),
        Kind.both_wrong: lambda: combinations(wrong, 2),
    }[kind]()
    found = [(distance(a, b), a, b) for a, b in pairs]
    rng.shuffle(found)
    return found


def _some(candidates: list[Candidate], rng: Random) -> list[Candidate]:
    """Not too many, wrong answers before crashes."""
    drawn = rng.sample(candidates, len(candidates))
    return sorted(drawn, key=lambda one: one.error not in (None, "wrong answer"))[:_MOST_SIDE]
