"""Demonstrations for the warm start: pairs of every kind, each with a short rationale and correct scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from corpo.config import TRACE
from corpo.data.pairing.drawing import draw_pair
from corpo.data.pipelines.chains import trace_solution
from corpo.data.pipelines.slips import Slips
from corpo.data.pipelines.traces import OK, trace_program
from corpo.data.types import LabelledProblem
from corpo.task import Candidate, Domain, Kind, Pair, continuation, format_response

# Scores are spread over their side of the cut, so that the scores of the base policy vary and an ordinal
# reward has something to rank.
CORRECT_SCORES, WRONG_SCORES = (6, 7, 8, 9, 10), (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Demonstration:
    """A prompt and the response to imitate, without think tags that the prompt ends with."""

    prompt: str
    response: str


@dataclass(frozen=True)
class Rationale:
    """The text of a think block, and what it concludes about A and B: whether each is correct."""

    text: str
    calls: tuple[bool, bool]


def rewrite(pair: Pair, correct_texts: Sequence[str]) -> Rationale:
    """Return a rationale that copies each candidate up to its first wrong line, and corrects that line.

    The text of a candidate is its name, its lines, and `fine` or `bad`. A pretrained model is better at
    copying and completing text than at counting lines. The corrected line gives it something to compare
    with.
    """
    parts = [_rewritten(name, own, pair, correct_texts) for name, own in (("A", pair.a), ("B", pair.b))]
    return Rationale("".join(f"{part}\n" for part in parts), pair.labels)


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


def trace(pair: Pair, slips: Slips | None = None) -> Rationale:
    """Return a rationale that runs each program on the example of the statement.

    For a worked solution it works out each step. With `slips`, the traces conclude from the values that they
    computed, right or wrong. Raises DataError for pairs that are not of `data=pipelines`.
    """
    write = trace_program if pair.problem.domain is Domain.code else trace_solution
    trace_a, trace_b = (write(own.text, pair.problem.statement, slips) for own in (pair.a, pair.b))
    return Rationale(f";A{trace_a};B{trace_b}", (trace_a.endswith(OK), trace_b.endswith(OK)))


def _draw_score(call: bool, rng: Random) -> int:
    """Draw a score on the side of a call: whether the candidate is called correct."""
    return rng.choice(CORRECT_SCORES if call else WRONG_SCORES)


@dataclass(frozen=True)
class Demonstrator:
    """A source of demonstrations.

    `render` writes the prompt of a pair, `rationale` is the name of the text in the think block (`rewrite` or
    `trace`), and `math_share` is the expected share of math pairs. Unless `both_orders`, a pair is shown in
    one order only, and batches hold twice as many different pairs. `slips` is the share of wrong values in
    traces.
    """

    render: Callable[[Pair], str]
    rationale: str
    math_share: float
    both_orders: bool = True
    slips: float = 0.0

    def demonstrate(self, pair: Pair, correct_texts: Sequence[str], rng: Random) -> Demonstration:
        """Return the prompt of a pair and a response with the rationale and the scores that it calls for."""
        if self.rationale == TRACE:
            rationale = trace(pair, Slips(self.slips, rng) if self.slips else None)
        else:
            rationale = rewrite(pair, correct_texts)
        score_a, score_b = (_draw_score(call, rng) for call in rationale.calls)
        prompt = self.render(pair)
        response = format_response(rationale.text, score_a, score_b)
        return Demonstration(prompt, continuation(prompt, response))

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
