"""Demonstrations for the warm start: pairs of every kind, each with a short rationale and correct scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from corpo.data.pairing.drawing import draw_pair
from corpo.data.pipelines.chains import trace_solution
from corpo.data.pipelines.traces import trace_program
from corpo.data.types import LabelledProblem
from corpo.task import Candidate, Domain, Kind, Pair, format_response

# Scores are spread over their side of the cut, so that the scores of the base policy vary and an ordinal
# reward has something to rank.
CORRECT_SCORES, WRONG_SCORES = (6, 7, 8, 9, 10), (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Demonstration:
    """A prompt and the response to imitate."""

    prompt: str
    response: str


def point(pair: Pair, correct_texts: Sequence[str]) -> str:
    """Return a rationale that names the first wrong line of each candidate, such as `A fine B line 3`."""
    unit = "line" if pair.problem.domain is Domain.code else "step"
    return f"A {_verdict(pair.a, unit)} B {_verdict(pair.b, unit)}"


def _verdict(candidate: Candidate, unit: str) -> str:
    return "fine" if candidate.correct else f"{unit} {candidate.line}"


def rewrite(pair: Pair, correct_texts: Sequence[str]) -> str:
    """Return a rationale that copies each candidate up to its first wrong line, and corrects that line.

    The text of a candidate is its name, its lines, and `fine` or `bad`. A pretrained model is better at
    copying and completing text than at counting lines. The corrected line gives it something to compare
    with.
    """
    return f"{_rewritten('A', pair.a, pair, correct_texts)}\n{_rewritten('B', pair.b, pair, correct_texts)}\n"


def _rewritten(name: str, candidate: Candidate, pair: Pair, correct_texts: Sequence[str]) -> str:
    lines = candidate.text.split("\n")
    if not candidate.correct:
        lines = _corrected(lines, correct_texts)
    if pair.problem.domain is Domain.code:
        lines = lines[1:]  # without the signature
    return "\n".join([name, *lines, "fine" if candidate.correct else "bad"])


def _corrected(wrong_lines: Sequence[str], correct_texts: Sequence[str]) -> list[str]:
    """Return the longest beginning that `wrong_lines` shares with a correct text, and the next line."""
    best_lines, best_shared = correct_texts[0].split("\n"), -1
    for text in correct_texts:
        lines = text.split("\n")
        shared = _num_shared(wrong_lines, lines)
        if shared > best_shared:
            best_lines, best_shared = lines, shared
    return best_lines[: best_shared + 1]


def _num_shared(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the number of lines with which both texts begin alike."""
    for index, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return index
    return min(len(first), len(second))


def trace(pair: Pair, correct_texts: Sequence[str]) -> str:
    """Return a rationale that runs each program on the example of the statement.

    For a worked solution it works out each step. Raises DataError for pairs that are not of `data=pipelines`.
    """
    write = trace_program if pair.problem.domain is Domain.code else trace_solution
    statement = pair.problem.statement
    return f";A{write(pair.a.text, statement)};B{write(pair.b.text, statement)}"


# The second argument of a rationale holds the correct texts of the problem.
RATIONALES: dict[str, Callable[[Pair, Sequence[str]], str]] = {
    "point": point,
    "rewrite": rewrite,
    "trace": trace,
}


def _draw_score(label: bool, rng: Random) -> int:
    """Draw a score on the side of the label."""
    return rng.choice(CORRECT_SCORES if label else WRONG_SCORES)


@dataclass(frozen=True)
class Demonstrator:
    """A source of demonstrations.

    `render` writes the prompt of a pair, `rationale` is the name of the text in the think block, and
    `math_share` is the expected share of math pairs. Unless `both_orders`, a pair is shown in one order only,
    and batches hold twice as many different pairs.
    """

    render: Callable[[Pair], str]
    rationale: str
    math_share: float
    both_orders: bool = True

    def demonstrate(self, pair: Pair, correct_texts: Sequence[str], rng: Random) -> Demonstration:
        """Return the prompt of a pair and a response with the rationale and correct scores."""
        score_a, score_b = (_draw_score(label, rng) for label in pair.labels)
        rationale = RATIONALES[self.rationale](pair, correct_texts)
        return Demonstration(self.render(pair), format_response(rationale, score_a, score_b))

    def batch(self, problems: Sequence[LabelledProblem], pairs: int, rng: Random) -> list[Demonstration]:
        """Return two demonstrations per pair: of the pair and of its swapped twin, or of two different pairs.

        The family, then the problem, then the kind of pair are each drawn uniformly.
        """
        families: dict[Domain, dict[str, list[LabelledProblem]]] = {Domain.code: {}, Domain.math: {}}
        for problem in problems:
            families[problem.domain].setdefault(problem.family, []).append(problem)
        batch: list[Demonstration] = []
        while len(batch) < 2 * pairs:
            domain = Domain.math if rng.random() < self.math_share else Domain.code
            problem = rng.choice(rng.choice(list(families[domain].values())))
            pair = draw_pair(problem, rng.choice(list(Kind)), rng)
            if pair is not None:
                correct_texts = [candidate.text for candidate in problem.by_label(True)]
                orders = (pair, pair.swapped()) if self.both_orders else (pair,)
                batch += [self.demonstrate(order, correct_texts, rng) for order in orders]
        return batch
