"""Draw pairs of the bank's candidates into splits, stratified over families and in both orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from random import Random

from corpo.data.bank.selection import Bank, Role
from corpo.data.pairing.matching import longer
from corpo.data.pairing.splits import MONITORED_SPLITS, split_name
from corpo.data.types import LabelledProblem, Use
from corpo.task import Candidate, Domain, Kind, Pair, Problem

_DRAWS = 8  # pairs drawn to find one that balances which side is longer
_MAX_MISSES_PER_FAMILY = 200  # draws in a row without a new pair, after which the families are exhausted


def evaluation_pairs(
    problems: Sequence[LabelledProblem], bank: Bank, count: int, seed: int
) -> list[tuple[str, Pair]]:
    """Draw `count` unordered pairs for each domain and kind, and return both orders of each as (split, pair).

    The two orders of a pair with one correct candidate go to the first-correct and the second-correct
    split. Both orders of the other pairs go to the same split. Raises ValueError if a split cannot be
    filled.
    """
    held_out = {family.name for family in bank.with_role(Role.held_out)}
    trained = {family.name for family in bank.with_role(Role.train)}
    evaluated = [problem for problem in problems if problem.use is Use.evaluation]
    code = [problem for problem in evaluated if problem.family in held_out]
    math = [problem for problem in evaluated if problem.domain is Domain.math]
    new = [problem for problem in evaluated if problem.family in trained]
    plan = (
        ("code", Kind.first_correct, code),
        ("code", Kind.both_wrong, code),
        ("code", Kind.both_correct, code),
        ("math", Kind.first_correct, math),
        ("trained_families", Kind.first_correct, new),
    )
    named_pairs: list[tuple[str, Pair]] = []
    for prefix, kind, source in plan:
        for pair in draw_pairs(source, kind, count, Random(f"{seed}/{prefix}/{kind}")):
            named_pairs += [(split_name(prefix, order), order) for order in (pair, pair.swapped())]
    return named_pairs


def train_pairs(
    problems: Sequence[LabelledProblem],
    split: str,
    count: int,
    seed: int,
    both_wrong: float = 0.0,
    both_correct: float = 0.0,
) -> list[tuple[str, Pair]]:
    """Draw `count` unordered training or validation pairs and return both orders of each.

    `both_wrong` and `both_correct` are the shares of these kinds; in all other pairs exactly one candidate is
    correct.
    """
    shares = {
        Kind.first_correct: 1 - both_wrong - both_correct,
        Kind.both_wrong: both_wrong,
        Kind.both_correct: both_correct,
    }
    pairs: list[Pair] = []
    for kind, share in shares.items():
        rng = Random(f"{seed}/{split}" + ("" if kind is Kind.first_correct else f"/{kind}"))
        pairs += draw_pairs(problems, kind, round(share * count), rng) if share else []
    return _both_orders(split, pairs)


def monitored_pairs(problems: Sequence[LabelledProblem], count: int, seed: int) -> list[tuple[str, Pair]]:
    """Draw half of `count` pairs of each monitored kind, both wrong and both correct, in both orders."""
    named_pairs: list[tuple[str, Pair]] = []
    for kind, split in MONITORED_SPLITS.items():
        pairs = draw_pairs(problems, kind, max(1, count // 2), Random(f"{seed}/{split}"))
        named_pairs += _both_orders(split, pairs)
    return named_pairs


def _both_orders(split: str, pairs: Iterable[Pair]) -> list[tuple[str, Pair]]:
    named_pairs: list[tuple[str, Pair]] = []
    for pair in pairs:
        named_pairs += [(split, pair), (split, pair.swapped())]
    return named_pairs


def draw_pairs(problems: Sequence[LabelledProblem], kind: Kind, count: int, rng: Random) -> list[Pair]:
    """Draw `count` different pairs of a kind, evenly over families and then over each family's problems.

    If one candidate is correct, it is the longer one as often as the shorter one, as far as the families
    allow. Raises ValueError if there are fewer than `count` pairs.
    """
    streams = [_family_stream(group, kind, rng) for _, group in sorted(_by_family(problems).items())]
    rng.shuffle(streams)
    seen: set[str] = set()
    pairs: list[Pair] = []
    length_imbalance = 0  # how much more often the first candidate was the longer one
    misses = 0  # draws in a row without a new pair
    for stream in cycle(streams) if streams else ():
        options = [
            pair for pair in islice(stream, _DRAWS if length_imbalance else 1) if pair and pair.id not in seen
        ]
        if options:
            pair = next(
                (option for option in options if longer(option.a, option.b) * length_imbalance < 0),
                options[0],
            )
            misses = 0
            seen.add(pair.id)
            pairs.append(pair)
            length_imbalance += longer(pair.a, pair.b) if kind is Kind.first_correct else 0
        else:
            misses += 1
        if len(pairs) == count:
            return pairs
        if misses > _MAX_MISSES_PER_FAMILY * len(streams):
            break
    raise ValueError(
        f"data: only {len(pairs)} different {kind} pairs could be made of {len(problems)} problems, "
        f"but {count} are needed; lower the number of pairs or add families"
    )


def _by_family(problems: Iterable[LabelledProblem]) -> dict[str, list[LabelledProblem]]:
    groups: dict[str, list[LabelledProblem]] = {}
    for problem in problems:
        groups.setdefault(problem.family, []).append(problem)
    return groups


def _family_stream(problems: list[LabelledProblem], kind: Kind, rng: Random) -> Iterator[Pair | None]:
    """Yield pairs of a family's problems in turn, endlessly; None for a problem without such a pair."""
    problems = sorted(problems, key=lambda problem: problem.id)
    rng.shuffle(problems)
    for problem in cycle(problems):
        yield draw_pair(problem, kind, rng)


def draw_pair(problem: LabelledProblem, kind: Kind, rng: Random) -> Pair | None:
    """Draw a pair of a kind in a random wording, or return None if the problem has no such candidates."""
    correct, wrong = problem.by_label(True), problem.by_label(False)
    sides: dict[Kind, tuple[list[Candidate], list[Candidate]]] = {
        Kind.first_correct: (correct, wrong),
        Kind.second_correct: (wrong, correct),
        Kind.both_correct: (correct, correct),
        Kind.both_wrong: (wrong, wrong),
    }
    first, second = sides[kind]
    if not first or not second or (first is second and len(first) < 2):
        return None
    a, b = rng.sample(first, 2) if first is second else (rng.choice(first), rng.choice(second))
    statement = rng.choice(problem.statements)
    return Pair(Problem(problem.id, problem.domain, problem.family, problem.topic, statement), a, b)


def without_programs(problems: Iterable[LabelledProblem], texts: set[str]) -> list[LabelledProblem]:
    """Return the problems without the candidates whose text is in `texts`."""
    remaining = []
    for problem in problems:
        candidates = tuple(candidate for candidate in problem.candidates if candidate.text not in texts)
        remaining.append(replace(problem, candidates=candidates))
    return remaining
