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


def point(pair: Pair) -> str:
    """Where each candidate goes wrong: `A fine B line 3`."""
    unit = "line" if pair.problem.domain is Domain.code else "step"

    def finding(candidate: Candidate) -> str:
        return "fine" if candidate.correct else f"{unit} {candidate.line}"

    return f"A {finding(pair.a)} B {finding(pair.b)}"


def walk(pair: Pair) -> str:
    """Line by line to where a candidate goes wrong, then a call or a sum that shows it: `A 1 ok 2 ok. B 1 ok 2 bad: f(3) = 5, not 6.`

    A verdict on every line teaches faster than one on the whole.
    """

    def finding(candidate: Candidate) -> str:
        lines = candidate.text.count("\n") + (pair.problem.domain is Domain.code)  # a worked solution ends in its answer
        if candidate.correct:
            return " ".join(f"{line} ok" for line in range(1, lines + 1)) + "."
        return " ".join([*(f"{line} ok" for line in range(1, candidate.line)), f"{candidate.line} bad: {candidate.evidence}."])

    return f"A {finding(pair.a)} B {finding(pair.b)}"


RATIONALES: dict[str, Callable[[Pair], str]] = {"point": point, "walk": walk}


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
