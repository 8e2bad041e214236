"""What the warm start imitates: pairs of every kind with a short rationale and honest scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from corpo.data.build import LabelledProblem
from corpo.data.pairs import draw_pair
from corpo.task import Candidate, Domain, Kind, Pair, format_response

# Confidences are spread over their side of the cut, so that the base policy's scores leave an ordinal reward something to rank.
SURE_CORRECT, SURE_WRONG = (6, 7, 8, 9, 10), (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Demonstration:
    prompt: str
    response: str


def place(pair: Pair, candidate: Candidate) -> str:
    """Whether a candidate is fine, else where it goes wrong: `line 3`."""
    return "fine" if candidate.correct else f"{'line' if pair.problem.domain is Domain.code else 'step'} {candidate.line}"


def point(pair: Pair) -> str:
    """Where each candidate goes wrong: `A fine B line 3`."""
    return f"A {place(pair, pair.a)} B {place(pair, pair.b)}"


def execute(pair: Pair) -> str:
    """Where each candidate goes wrong, and a call or a sum that shows it: `A fine. B line 3: f([4, 1]) = 5, not 3.`"""
    told = (f"{name} {place(pair, c)}{f': {c.evidence}' if c.evidence else ''}." for name, c in (("A", pair.a), ("B", pair.b)))
    return " ".join(told)


RATIONALES: dict[str, Callable[[Pair], str]] = {"point": point, "execute": execute}


@dataclass(frozen=True)
class Demonstrator:
    """Draws demonstrations: how prompts are written, and which rationale stands in the think block."""

    render: Callable[[Pair], str]
    rationale: str
    math_share: float

    def demonstrate(self, pair: Pair, rng: Random) -> Demonstration:
        scores = [rng.choice(SURE_CORRECT if label else SURE_WRONG) for label in pair.labels]
        return Demonstration(self.render(pair), format_response(RATIONALES[self.rationale](pair), *scores))

    def batch(self, problems: Sequence[LabelledProblem], pairs: int, rng: Random) -> list[Demonstration]:
        """`pairs` pairs with their swapped twins: family, then problem, then kind, each drawn evenly."""
        families: dict[Domain, dict[str, list[LabelledProblem]]] = {Domain.code: {}, Domain.math: {}}
        for problem in problems:
            families[problem.domain].setdefault(problem.family, []).append(problem)
        batch: list[Demonstration] = []
        while len(batch) < 2 * pairs:
            domain = Domain.math if rng.random() < self.math_share else Domain.code
            problem = rng.choice(rng.choice(list(families[domain].values())))
            pair = draw_pair(problem, rng.choice(list(Kind)), rng)
            if pair is not None:
                batch += [self.demonstrate(pair, rng), self.demonstrate(pair.swapped(), rng)]
        return batch
