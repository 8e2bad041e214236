"""Pairing labelled candidates into splits: stratified over families, both orders, nothing shared between uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from random import Random

from corpo.data.bank.selection import Bank, Role
from corpo.data.build_bank import LabelledProblem, Use
from corpo.data.pairing.matching import longer
from corpo.task import Candidate, Domain, Kind, Pair, Problem

TRAIN, VALIDATION = "train", "validation"
# Pairs of validation problems that training never has, for its learning curves: nothing is chosen by them.
MONITORED_SPLITS = {
    Kind.both_wrong: f"{VALIDATION}_{Kind.both_wrong}",
    Kind.both_correct: f"{VALIDATION}_{Kind.both_correct}",
}
# The six splits of the published table, in its order, then ours: new problems of the families that RL trained on.
TABLE_SPLITS = (
    "code_first_correct",
    "code_second_correct",
    "code_both_wrong",
    "code_both_correct",
    "math_first_correct",
    "math_second_correct",
)
EXTRA_SPLITS = ("trained_families_first_correct", "trained_families_second_correct")
SMALL_SPLIT, SMALL_SPLIT_MARK = 30, "†"  # a split with fewer problems is marked: its interval says little
_DRAWS = 8  # looked at for one whose longer side is the one that a split has less of
EVALUATION_SPLITS = TABLE_SPLITS + EXTRA_SPLITS  # of the bank; real sources name their own


def is_evaluation(split: str) -> bool:
    return split not in (TRAIN, VALIDATION, *MONITORED_SPLITS.values())


def split_name(prefix: str, pair: Pair) -> str:
    return f"{prefix}_{pair.kind}"


def evaluation_pairs(
    problems: Sequence[LabelledProblem], bank: Bank, count: int, seed: int
) -> list[tuple[str, Pair]]:
    """`count` unordered pairs for each (prefix, kind group), both orders of each, as (split, pair).

    Exactly-one-correct pairs give one prompt to the first-correct and one to the second-correct split; homogeneous pairs give
    both of their orders to the same split. Raises ValueError when a split cannot be filled.
    """
    held_out = {family.name for family in bank.with_role(Role.held_out)}
    trained = {family.name for family in bank.with_role(Role.train)}
    evaluated = [p for p in problems if p.use is Use.evaluation]
    code = [p for p in evaluated if p.family in held_out]
    math = [p for p in evaluated if p.domain is Domain.math]
    new = [p for p in evaluated if p.family in trained]
    plan = (
        ("code", Kind.first_correct, code),
        ("code", Kind.both_wrong, code),
        ("code", Kind.both_correct, code),
        ("math", Kind.first_correct, math),
        ("trained_families", Kind.first_correct, new),
    )
    out: list[tuple[str, Pair]] = []
    for prefix, kind, source in plan:
        for pair in draw_pairs(source, kind, count, Random(f"{seed}/{prefix}/{kind}")):
            out += [(split_name(prefix, order), order) for order in (pair, pair.swapped())]
    return out


def train_pairs(
    problems: Sequence[LabelledProblem],
    split: str,
    count: int,
    seed: int,
    both_wrong: float = 0.0,
    both_correct: float = 0.0,
) -> list[tuple[str, Pair]]:
    """Training or validation pairs, both orders of each: exactly one correct, but for shares with none or two."""
    shares = {
        Kind.first_correct: 1 - both_wrong - both_correct,
        Kind.both_wrong: both_wrong,
        Kind.both_correct: both_correct,
    }
    pairs = []
    for kind, share in shares.items():
        rng = Random(f"{seed}/{split}" + ("" if kind is Kind.first_correct else f"/{kind}"))
        pairs += draw_pairs(problems, kind, round(share * count), rng) if share else []
    return [(split, order) for pair in pairs for order in (pair, pair.swapped())]


def monitored_pairs(problems: Sequence[LabelledProblem], count: int, seed: int) -> list[tuple[str, Pair]]:
    """Pairs with none or two correct, both orders of each: half as many of either as of validation pairs."""
    found = [
        (split, draw_pairs(problems, kind, max(1, count // 2), Random(f"{seed}/{split}")))
        for kind, split in MONITORED_SPLITS.items()
    ]
    return [(split, order) for split, pairs in found for pair in pairs for order in (pair, pair.swapped())]


def draw_pairs(problems: Sequence[LabelledProblem], kind: Kind, count: int, rng: Random) -> list[Pair]:
    """`count` different pairs of a kind, dealt out evenly over families, then over each family's problems.

    Of one correct and one wrong candidate the correct one is the longer as often as the shorter, as far as the families allow.
    """
    streams = [_family_stream(group, kind, rng) for _, group in sorted(_by_family(problems).items())]
    rng.shuffle(streams)
    seen: set[str] = set()
    pairs: list[Pair] = []
    tilt = misses = (
        0  # how much more often the first candidate was the longer one; draws in a row without a new pair
    )
    for stream in cycle(streams) if streams else ():
        drawn = [pair for pair in islice(stream, _DRAWS if tilt else 1) if pair and pair.id not in seen]
        if drawn:
            pair = next((one for one in drawn if longer(one.a, one.b) * tilt < 0), drawn[0])
            misses = 0
            seen.add(pair.id)
            pairs.append(pair)
            tilt += longer(pair.a, pair.b) if kind is Kind.first_correct else 0
        else:
            misses += 1
        if len(pairs) == count:
            return pairs
        if misses > 200 * len(streams):  # every family has run dry
            break
    raise ValueError(
        f"data: only {len(pairs)} different {kind} pairs could be made of {len(problems)} problems, {count} were asked for"
    )


def _by_family(problems: Iterable[LabelledProblem]) -> dict[str, list[LabelledProblem]]:
    groups: dict[str, list[LabelledProblem]] = {}
    for problem in problems:
        groups.setdefault(problem.family, []).append(problem)
    return groups


def _family_stream(problems: list[LabelledProblem], kind: Kind, rng: Random) -> Iterator[Pair | None]:
    problems = sorted(problems, key=lambda problem: problem.id)
    rng.shuffle(problems)
    for problem in cycle(problems):
        yield draw_pair(problem, kind, rng)


def draw_pair(problem: LabelledProblem, kind: Kind, rng: Random) -> Pair | None:
    """A pair of this kind in a random wording, or None where the problem has no such candidates."""
    right, wrong = problem.by_label(True), problem.by_label(False)
    wanted: dict[Kind, tuple[list[Candidate], list[Candidate]]] = {
        Kind.first_correct: (right, wrong),
        Kind.second_correct: (wrong, right),
        Kind.both_correct: (right, right),
        Kind.both_wrong: (wrong, wrong),
    }
    first, second = wanted[kind]
    if not first or not second or (first is second and len(first) < 2):
        return None
    a, b = rng.sample(first, 2) if first is second else (rng.choice(first), rng.choice(second))
    statement = rng.choice(problem.statements)
    return Pair(Problem(problem.id, problem.domain, problem.family, problem.topic, statement), a, b)


def without_programs(problems: Iterable[LabelledProblem], texts: set[str]) -> list[LabelledProblem]:
    """The problems less every candidate whose text is in `texts` (programs that evaluation uses)."""
    return [replace(p, candidates=tuple(c for c in p.candidates if c.text not in texts)) for p in problems]
