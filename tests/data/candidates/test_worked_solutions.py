"""Write worked solutions with slips."""

from __future__ import annotations

from random import Random

from corpo.data.bank.base import Step
from corpo.data.candidates.worked_solutions import read_answer, solution_mutants, work_out, write_solution

STEPS = (Step("boxed", "a * b", "in boxes"), Step("all", "boxed + c", "in all"))
VALUES = {"a": 3, "b": 4, "c": 5}


def test_a_solution_ends_in_its_answer() -> None:
    text = write_solution(work_out(STEPS, VALUES))
    assert text == "in boxes: 3 * 4 = 12\nin all: 12 + 5 = 17\nanswer: 17"
    assert read_answer(text) == 17
    assert read_answer("answer: many") is read_answer("17") is None


def test_mutants_are_different_and_carry_their_slip_to_the_answer() -> None:
    mutants = solution_mutants(STEPS, VALUES, Random(0))
    assert len({mutant.text for mutant in mutants}) == len(mutants) > 5
    swapped = [mutant for mutant in mutants if mutant.mutation == "swapped"]
    assert any(read_answer(mutant.text) == 17 for mutant in swapped), "4 * 3 is no mistake"
    slips = [mutant for mutant in mutants if mutant.mutation == "arithmetic" and mutant.line == 1]
    assert all(read_answer(mutant.text) != 17 for mutant in slips)
