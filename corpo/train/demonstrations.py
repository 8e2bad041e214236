"""What the warm start imitates: pairs of every kind with a short rationale and honest scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from corpo.data.pairing.drawing import draw_pair
from corpo.data.types import LabelledProblem
from corpo.task import Candidate, Domain, Kind, Pair, format_response

# Confidences are spread over their side of the cut, so that the base policy's scores leave an ordinal reward something to rank.
SURE_CORRECT, SURE_WRONG = (6, 7, 8, 9, 10), (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Demonstration:
    prompt: str
    response: str


def point(pair: Pair, right: Sequence[str]) -> str:
    """Where each candidate goes wrong: `A fine B line 3`."""
    unit = "line" if pair.problem.domain is Domain.code else "step"

    def finding(candidate: Candidate) -> str:
        return "fine" if candidate.correct else f"{unit} {candidate.line}"

    return f"A {finding(pair.a)} B {finding(pair.b)}"


def rewrite(pair: Pair, right: Sequence[str]) -> str:
    """Each candidate again as it should be, up to the line that is not: A, its lines, `fine`; B, its lines and the one expected, `bad`.

    A pretrained model knows how to copy and what to expect, less how to count lines: it writes what should stand there, then compares.
    """

    def finding(name: str, candidate: Candidate) -> str:
        lines = candidate.text.split("\n")
        if not candidate.correct:
            lines = _corrected(lines, right)
        return "\n".join(
            [name, *lines[pair.problem.domain is Domain.code :], "fine" if candidate.correct else "bad"]
        )  # less the signature

    return f"{finding('A', pair.a)}\n{finding('B', pair.b)}\n"


def _corrected(wrong: Sequence[str], right: Sequence[str]) -> list[str]:
    """The longest beginning of `wrong` that a right text shares, and how that goes on."""
    shared, text = max(
        ((_shared(wrong, text.split("\n")), text) for text in right), key=lambda found: found[0]
    )
    return text.split("\n")[: shared + 1]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


RATIONALES: dict[str, Callable[[Pair, Sequence[str]], str]] = {
    "point": point,
    "rewrite": rewrite,
}  # `right` are the problem's correct texts


@dataclass(frozen=True)
class Demonstrator:
    """Draws demonstrations: how prompts are written, and which rationale stands in the think block."""

    render: Callable[[Pair], str]
    rationale: str
    math_share: float

    def demonstrate(self, pair: Pair, right: Sequence[str], rng: Random) -> Demonstration:
        scores = [rng.choice(SURE_CORRECT if label else SURE_WRONG) for label in pair.labels]
        return Demonstration(
            self.render(pair), format_response(RATIONALES[self.rationale](pair, right), *scores)
        )

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
                right = [candidate.text for candidate in problem.by_label(True)]
                batch += [self.demonstrate(order, right, rng) for order in (pair, pair.swapped())]
        return batch
