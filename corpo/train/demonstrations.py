"""What the warm start imitates: pairs of every kind with a short explanation and honest scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from corpo.data.build import LabelledProblem
from corpo.data.pairs import draw_pair
from corpo.task import Candidate, Domain, Kind, Pair, format_response, render_prompt

# Confidences are spread over their side of the cut, so that the base policy's scores leave an ordinal reward something to rank.
SURE_CORRECT, SURE_WRONG = (6, 7, 8, 9, 10), (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Demonstration:
    prompt: str
    response: str


def explain(pair: Pair) -> str:
    """Which candidate is fine, and where the other goes wrong: `A fine B line 3`."""
    unit = "line" if pair.problem.domain is Domain.code else "step"

    def finding(candidate: Candidate) -> str:
        return "fine" if candidate.correct else f"{unit} {candidate.line}"

    return f"A {finding(pair.a)} B {finding(pair.b)}"


def demonstrate(pair: Pair, rng: Random) -> Demonstration:
    scores = [rng.choice(SURE_CORRECT if label else SURE_WRONG) for label in pair.labels]
    return Demonstration(render_prompt(pair), format_response(explain(pair), *scores))


def draw_batch(problems: Sequence[LabelledProblem], pairs: int, math_share: float, rng: Random) -> list[Demonstration]:
    """`pairs` pairs with their swapped twins: family, then problem, then kind, each drawn evenly."""
    families: dict[Domain, dict[str, list[LabelledProblem]]] = {Domain.code: {}, Domain.math: {}}
    for problem in problems:
        families[problem.domain].setdefault(problem.family, []).append(problem)
    batch: list[Demonstration] = []
    while len(batch) < 2 * pairs:
        domain = Domain.math if rng.random() < math_share else Domain.code
        problem = rng.choice(rng.choice(list(families[domain].values())))
        pair = draw_pair(problem, rng.choice(list(Kind)), rng)
        if pair is not None:
            batch += [demonstrate(pair, rng), demonstrate(pair.swapped(), rng)]
    return batch
