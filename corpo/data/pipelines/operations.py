"""Pipelines: two to five operations on a list of digits and an optional fold, and what they compute.

Every value is a digit, and arithmetic is modulo 10, so that a small policy reads and writes each value as one
token. A quarter of the bigrams (an operation and the operation or fold right after it) is held out: no
candidate of the warm start or of training contains one of them. Some of these are for validation, the others
for evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, product
from random import Random

# The arguments of each operation. `parity` keeps even numbers (0) or odd numbers (1). `reverse` and
# `distinct` have no argument; theirs is 0 and is not written.
ARGUMENTS: dict[str, tuple[int, ...]] = {
    "above": tuple(range(1, 8)),
    "below": tuple(range(2, 9)),
    "parity": (0, 1),
    "plus": (1, 2, 3),
    "times": (2, 3),
    "first": (1, 2, 3),
    "skip": (1, 2),
    "reverse": (0,),
    "distinct": (0,),
}
NAMES = tuple(ARGUMENTS)
# These can be written in two ways, such as `x > 3` and `x >= 4`.
WITH_VARIANTS = ("above", "below", "plus", "times", "reverse")
LIST = "list"  # the ending of a pipeline without a fold
FOLDS = ("len", "max", "last")
LIST_SHARE = 2 / 3  # share of pipelines without a fold; a wrong trace rarely ends in the right list by luck

SEEN, UNSEEN = "seen", "unseen"  # whether the bigrams of a pipeline are in training; the topic of its problem
LENGTHS, LONG = (2, 3, 4), 5  # operations of a pipeline; LONG only in the splits that test length

_WORDS = {
    "above": "above {}",
    "below": "below {}",
    "plus": "plus {}",
    "times": "times {}",
    "first": "first {}",
    "skip": "without first {}",
    "reverse": "reversed",
    "distinct": "distinct",
}
_FOLD_WORDS = {"len": "how many", "max": "largest", "last": "last"}


@dataclass(frozen=True)
class Operation:
    """An operation on a list of digits. `variant` (0 or 1) says in which way a program writes it."""

    name: str
    argument: int
    variant: int = 0

    def __call__(self, values: Sequence[int]) -> list[int]:
        """Return the result on a list of digits."""
        k = self.argument
        match self.name:
            case "above":
                return [x for x in values if x > k]
            case "below":
                return [x for x in values if x < k]
            case "parity":
                return [x for x in values if x % 2 == k]
            case "plus":
                return [(x + k) % 10 for x in values]
            case "times":
                return [x * k % 10 for x in values]
            case "first":
                return list(values[:k])
            case "skip":
                return list(values[k:])
            case "reverse":
                return list(values[::-1])
            case "distinct":
                return list(dict.fromkeys(values))
        raise ValueError(f"operation {self.name!r}: choose one of {', '.join(NAMES)}")

    @property
    def words(self) -> str:
        """Return the operation in words, such as "above 3"."""
        if self.name == "parity":
            return "odd" if self.argument else "even"
        return _WORDS[self.name].format(self.argument)


def fold(ending: str, values: Sequence[int]) -> int:
    """Return the number of values, the largest or the last one. The last two are 0 for an empty list."""
    match ending:
        case "len":
            return len(values)
        case "max":
            return max(values, default=0)
        case "last":
            return values[-1] if values else 0
    raise ValueError(f"fold {ending!r}: choose one of {', '.join(FOLDS)}")


Bigram = tuple[str, str]


@dataclass(frozen=True)
class Pipeline:
    """Operations in their order and an ending: a fold, or LIST."""

    operations: tuple[Operation, ...]
    ending: str = LIST

    def __call__(self, values: Sequence[int]) -> list[int] | int:
        """Return the value of the pipeline on a list of digits."""
        result = list(values)
        for operation in self.operations:
            result = operation(result)
        return result if self.ending == LIST else fold(self.ending, result)

    @property
    def words(self) -> str:
        """Return the pipeline in words, such as "above 3, reversed, how many"."""
        words = [operation.words for operation in self.operations]
        if self.ending != LIST:
            words.append(_FOLD_WORDS[self.ending])
        return ", ".join(words)

    @property
    def bigrams(self) -> frozenset[Bigram]:
        """Return the names of neighbouring operations, and of the last operation and the fold."""
        names = [operation.name for operation in self.operations]
        if self.ending != LIST:
            names.append(self.ending)
        return frozenset(pairwise(names))

    @property
    def repeats(self) -> bool:
        """Return whether an operation follows one of the same name, which no pipeline of ours does."""
        return any(a.name == b.name for a, b in pairwise(self.operations))

    def rewritten(self, rng: Random) -> Pipeline:
        """Return the same pipeline with its operations written in random variants."""
        operations = []
        for operation in self.operations:
            variant = rng.randrange(2) if operation.name in WITH_VARIANTS else 0
            operations.append(replace(operation, variant=variant))
        return replace(self, operations=tuple(operations))


def _all_bigrams() -> tuple[Bigram, ...]:
    return tuple((a, b) for a, b in product(NAMES, (*NAMES, *FOLDS)) if a != b)


def _held_out() -> frozenset[Bigram]:
    """Return a quarter of the bigrams, drawn separately from those with and without a fold."""
    rng = Random("held out")
    folds = [bigram for bigram in BIGRAMS if bigram[1] in FOLDS]
    operations = [bigram for bigram in BIGRAMS if bigram[1] not in FOLDS]
    chosen = rng.sample(operations, len(operations) // 4) + rng.sample(folds, -(-len(folds) // 4))
    return frozenset(chosen)


BIGRAMS = _all_bigrams()
HELD_OUT = _held_out()
HELD_OUT_FOR_VALIDATION = frozenset(Random("validation").sample(sorted(HELD_OUT), len(HELD_OUT) // 5))
HELD_OUT_FOR_EVALUATION = HELD_OUT - HELD_OUT_FOR_VALIDATION


def is_seen(pipeline: Pipeline) -> bool:
    """Return whether a pipeline has no held-out bigram."""
    return not pipeline.bigrams & HELD_OUT


def draw_operation(rng: Random) -> Operation:
    """Draw an operation: its name first, then its argument, each uniformly."""
    name = rng.choice(NAMES)
    return Operation(name, rng.choice(ARGUMENTS[name]))


def draw_pipeline(rng: Random, length: int) -> Pipeline:
    """Draw a pipeline of `length` operations without repeated neighbours."""
    operations: list[Operation] = []
    while len(operations) < length:
        operation = draw_operation(rng)
        if not operations or operation.name != operations[-1].name:
            operations.append(operation)
    ending = LIST if rng.random() < LIST_SHARE else rng.choice(FOLDS)
    return Pipeline(tuple(operations), ending)


@cache
def num_pipelines(length: int, seen_only: bool = False, variants: bool = False) -> int:
    """Return the exact number of different pipelines of a length.

    Pipelines that differ in words are different problems. `seen_only` leaves out those with a held-out
    bigram. `variants` counts every way of writing an operation: this is the number of programs in one style,
    so a lower bound of the number of programs.
    """
    banned = HELD_OUT if seen_only else frozenset()
    choices = {}
    for name in NAMES:
        choices[name] = len(ARGUMENTS[name]) * (2 if variants and name in WITH_VARIANTS else 1)
    counts = dict(choices)  # pipelines so far, by the name of their last operation
    for _ in range(length - 1):
        longer = {}
        for name in NAMES:
            before = [other for other in NAMES if other != name and (other, name) not in banned]
            longer[name] = choices[name] * sum(counts[other] for other in before)
        counts = longer
    folded = sum(counts[name] for name, ending in product(NAMES, FOLDS) if (name, ending) not in banned)
    return sum(counts.values()) + folded
