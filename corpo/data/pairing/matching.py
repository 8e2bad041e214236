"""Match candidates of real problems into pairs whose style predicts the labels as little as possible.

Pairs of a problem are preferred if their candidates are similar in length and words, and if the wrong
candidate gives a wrong answer instead of crashing. Over a split, the correct candidate is the longer one as
often as the shorter one. `corpo.evaluate.shortcut_floors` measures how much style still predicts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import combinations, product
from random import Random

from corpo.data.types import LabelledProblem
from corpo.task import Candidate, Kind, Pair, Problem

TOKEN = re.compile(r"\w+|[^\w\s]")
MAX_CANDIDATES_PER_LABEL = 30  # bounds the number of pairs of a problem
_IMBALANCE_COST = 0.25  # cost of a pair that adds to the imbalance of lengths, in the units of `distance`
_CRASH_COST = 1.0  # cost of a side that crashes, hangs or is not a program

Option = tuple[float, Candidate, Candidate]  # distance, A, B


def longer(a: Candidate, b: Candidate) -> int:
    """Return 1 if `a` is longer, -1 if `b` is longer, 0 if both have the same length."""
    return (len(a.text) > len(b.text)) - (len(a.text) < len(b.text))


def distance(a: Candidate, b: Candidate) -> float:
    """Return a distance in length and words between 0 and 2, plus a cost if either candidate crashes."""
    lengths = len(a.text), len(b.text)
    words_a, words_b = set(TOKEN.findall(a.text)), set(TOKEN.findall(b.text))
    shared = len(words_a & words_b) / max(len(words_a | words_b), 1)
    return (
        (max(lengths) - min(lengths)) / max(*lengths, 1)
        + 1
        - shared
        + _CRASH_COST * (_crashes(a) or _crashes(b))
    )


def _crashes(candidate: Candidate) -> bool:
    return candidate.error not in (None, "wrong answer")


def matched_pairs(
    problems: Sequence[LabelledProblem], kind: Kind, count: int, max_pairs_per_problem: int, seed: str
) -> list[Pair]:
    """Return up to `count` pairs of a kind, taking one from each problem in turn.

    No candidate is used twice, and no problem gives more than `max_pairs_per_problem` pairs. For
    `Kind.first_correct` the correct candidate is A; swap the pairs for the other order.
    """
    rng = Random(seed)
    order = sorted(problems, key=lambda problem: problem.id)
    rng.shuffle(order)
    options = [_options(problem, kind, rng) for problem in order]
    used: list[set[str]] = [set() for _ in order]
    pairs: list[Pair] = []
    length_imbalance = 0  # how much more often the first candidate was the longer one
    for _ in range(max_pairs_per_problem):
        for problem, problem_options, texts in zip(order, options, used, strict=True):
            if len(pairs) == count:
                return pairs
            best = _closest(problem_options, texts, length_imbalance)
            if best is not None:
                _, a, b = best
                length_imbalance += longer(a, b) if kind is Kind.first_correct else 0
                texts |= {a.text, b.text}
                statement = rng.choice(problem.statements)
                pairs.append(
                    Pair(Problem(problem.id, problem.domain, problem.family, problem.topic, statement), a, b)
                )
    return pairs


def _closest(options: Sequence[Option], used: set[str], length_imbalance: int) -> Option | None:
    """Return the first pair of unused candidates with the lowest cost, or None if there is none."""

    def cost(option: Option) -> float:
        gap, a, b = option
        return gap + _IMBALANCE_COST * (longer(a, b) * length_imbalance > 0)

    free = [(gap, a, b) for gap, a, b in options if a.text not in used and b.text not in used]
    return min(free, key=cost, default=None)


def _options(problem: LabelledProblem, kind: Kind, rng: Random) -> list[Option]:
    """Return every pair of one kind from a problem, in random order, so that ties are broken at random."""
    correct = _limited(problem.by_label(True), rng)
    wrong = _limited(problem.by_label(False), rng)
    pairs: Iterable[tuple[Candidate, Candidate]]
    match kind:
        case Kind.first_correct:
            pairs = product(correct, wrong)
        case Kind.both_correct:
            pairs = combinations(correct, 2)
        case Kind.both_wrong:
            pairs = combinations(wrong, 2)
        case Kind.second_correct:
            raise ValueError("swap the pairs of Kind.first_correct instead")
    options = [(distance(a, b), a, b) for a, b in pairs]
    rng.shuffle(options)
    return options


def _limited(candidates: list[Candidate], rng: Random) -> list[Candidate]:
    """Return a bounded number of candidates in random order, those that crash last."""
    return sorted(rng.sample(candidates, len(candidates)), key=_crashes)[:MAX_CANDIDATES_PER_LABEL]


def num_beyond_cap(problem: LabelledProblem) -> int:
    """Return the number of candidates beyond the limit for each label, which never form a pair."""
    counts = [len(problem.by_label(label)) for label in (True, False)]
    return sum(max(count - MAX_CANDIDATES_PER_LABEL, 0) for count in counts)
