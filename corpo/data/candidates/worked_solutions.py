"""Write worked solutions of word problems, correct or with one slip."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from corpo.data.bank.base import Step
from corpo.data.candidates.mutate import Mutant

STEP_MUTATIONS = ("arithmetic", "operator", "quantity", "swapped", "forgotten")
_MAX_RESULT = 199  # mutants with larger results are left out
_CONFUSED_WITH = {"+": "-", "-": "+", "*": "+", "//": "*"}


@dataclass(frozen=True)
class Line:
    """A written step, whose operands and result are numbers."""

    text: str
    left: int
    operator: str
    right: int
    result: int

    @property
    def sum(self) -> str:
        """Return the calculation, such as "3 * 4 = 12"."""
        return f"{self.left} {'/' if self.operator == '//' else self.operator} {self.right} = {self.result}"

    def __str__(self) -> str:
        return f"{self.text}: {self.sum}"


def work_out(
    steps: tuple[Step, ...],
    values: dict[str, int],
    slip: tuple[int, str] | None = None,
    rng: Random | None = None,
) -> list[Line]:
    """Return the lines of a solution for these values of the parameters.

    `slip` = (index of a step, mutation) makes one mistake, and later steps continue from its result. The
    mutations "arithmetic" and "quantity" draw from `rng`.
    """
    known, lines = dict(values), []
    for index, step in enumerate(steps):
        left_name, operator, right_name = step.expression.split()
        left, right = _operand(left_name, known), _operand(right_name, known)
        mutation = slip[1] if slip and slip[0] == index else None
        if mutation == "operator":
            operator = _CONFUSED_WITH[operator]
        elif mutation == "quantity":
            assert rng is not None
            left, right = _wrong_quantity(left, right, known, rng)
        elif mutation == "swapped":
            left, right = right, left
        result = _apply(left, operator, right)
        if mutation == "arithmetic":
            assert rng is not None
            result += rng.choice((-10, -2, -1, 1, 2, 10))
        known[step.name] = result
        lines.append(Line(step.text, left, operator, right, result))
    return lines


def _operand(name: str, known: dict[str, int]) -> int:
    return int(name) if name.lstrip("-").isdigit() else known[name]


def _wrong_quantity(left: int, right: int, known: dict[str, int], rng: Random) -> tuple[int, int]:
    """Return the operands with one of them replaced by another known number, if there is another."""
    others = sorted(value for value in set(known.values()) if value not in (left, right))
    if others and rng.random() < 0.5:
        return rng.choice(others), right
    if others:
        return left, rng.choice(others)
    return left, right


def _apply(left: int, operator: str, right: int) -> int:
    if operator == "//":
        return left // right if right else 0
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def solution_mutants(
    steps: tuple[Step, ...], values: dict[str, int], rng: Random, per_step: int = 2
) -> list[Mutant]:
    """Return different worked solutions with one slip each.

    `per_step` is the number of draws of each mutation that is random. Solutions with a negative number or
    one above 199 are left out.
    """
    correct = work_out(steps, values)
    seen, mutants = {write_solution(correct)}, []
    for index in range(len(steps)):
        for mutation in STEP_MUTATIONS:
            for _ in range(per_step if mutation in ("arithmetic", "quantity") else 1):
                if mutation == "forgotten":
                    lines = correct[:-1] if index == len(steps) - 1 and index else []
                else:
                    lines = work_out(steps, values, (index, mutation), rng)
                if not lines or not all(0 <= line.result <= _MAX_RESULT for line in lines):
                    continue
                text = write_solution(lines)
                if text not in seen:
                    seen.add(text)
                    mutants.append(Mutant(text, mutation, min(index + 1, len(lines)), correct[index].sum))
    return mutants


def write_solution(lines: list[Line]) -> str:
    """Return the text of a solution, which ends in the answer that is checked."""
    return "\n".join([*map(str, lines), f"answer: {lines[-1].result}"])


def read_answer(text: str) -> int | None:
    """Return the final answer of a worked solution, or None if it states none."""
    last = text.rsplit("\n", 1)[-1]
    head, _, tail = last.partition("answer: ")
    return int(tail) if not head and tail.lstrip("-").isdigit() else None
