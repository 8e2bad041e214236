"""Generate instead of verify: write programs that tests check, and solve word problems.

Version 3 of the paper (arXiv 2511.04439v3) trains generators, on code or on mathematics, and evaluates both.
The reward of a program is ordinal: 1 if it passes all tests, and otherwise a level below 0 by the share of
tests that it passes. The reward of a word problem is 1 or the second lowest level. `task.options.closeness`
orders wrong numbers by their distance to the right one. That is *our choice*, as are all questions.

The base policy makes mistakes because its demonstrations do: operations of a program are changed, added or
left out, and results of steps are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from corpo.config import GENERATE, Config
from corpo.data.candidates.extract import extract_code
from corpo.data.execution.answers import final_answer
from corpo.data.execution.labelling import Job, label_programs
from corpo.data.execution.sandbox import Sandbox, configured_sandbox
from corpo.data.pipelines import chains
from corpo.data.pipelines.mutations import mutate
from corpo.data.pipelines.operations import LONG
from corpo.data.pipelines.programs import read_program, write_program
from corpo.data.pipelines.slips import Slips
from corpo.data.python_text import parses
from corpo.tasks.base import Grade, Value
from corpo.tasks.generate_questions import STYLES, CodeAnswer, draw_questions
from corpo.tasks.questions import Question, is_evaluated
from corpo.tasks.share_reward import closeness
from corpo.tasks.two_domains import CODE, MATH, TwoDomainTask
from corpo.utils.errors import ConfigError

_CPU_SECONDS = 0.3  # for all tests of a program
_MARK = "\nA: "  # in front of the answer of a word problem


class GenerateTask(TwoDomainTask):
    """The task whose items are programs to write and word problems to solve."""

    name = GENERATE
    # No test passed, some tests passed, a wrong number, or neither a program nor a number.
    failures = ("no_test", "some_tests", "wrong_number", "unparseable")
    faults = {
        "no_answer": "neither a program nor a number; teach the response format first "
        "(model.warm_start=true), or raise rollout.max_new_tokens"
    }

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        if config.data.sources:
            raise ConfigError(f"task.name={GENERATE}: its questions are its own; leave out data.sources")
        self.in_domain = (f"{self.train_on}_seen",)
        self.out_of_domain = (f"{self.other_domain}_seen", f"{self.other_domain}_unseen")

    @cached_property
    def _sandbox(self) -> Sandbox:
        return configured_sandbox(self.config.data.isolation, _CPU_SECONDS)

    def data_spec(self) -> dict[str, Any]:
        """Return what the questions depend on: not on what is trained, so that both directions share them."""
        return {"pipelines": asdict(self.config.data.pipelines), "seed": self.config.data.seed}

    def questions(self) -> list[Question]:
        """Return the questions of all splits."""
        return draw_questions(self.config.data.pipelines, self.config.data.seed)

    def demonstrate(self, question: Question, rng: Random, slips: float) -> str:
        """Return a response with a program, or with the results of the steps and the answer."""
        if question.domain == CODE:
            return _demonstrated_program(question, rng, slips)
        start, chain = chains.read_statement(question.statement.rstrip())
        return _worked_steps(start, chain, Slips(slips, rng))

    def shown_answer(self, question: Question) -> str:
        """Return a program that is right, or the right number."""
        return CodeAnswer.read(question.answer).program if question.domain == CODE else question.answer

    def floors(self, questions: Sequence[Question]) -> pd.DataFrame:
        """Return by evaluation split how often the input is the answer: the list, or the first number."""
        is_right: dict[str, list[bool]] = {}
        for question in questions:
            if is_evaluated(question.split):
                is_right.setdefault(question.split, []).append(_is_unchanged(question))
        rows = []
        for split, values in is_right.items():
            rows.append({"split": split, "prompts": len(values), "input unchanged": np.mean(values)})
        return pd.DataFrame(rows)

    def grade(self, texts_PG: Sequence[Sequence[str]], items: Sequence[Question]) -> list[list[Grade]]:
        """Return the grade of each of the G responses to each of the P questions.

        All programs run in one batch of the sandbox, each different one once.
        """
        shares_PG = self._shares_of_programs(texts_PG, items)
        grades_PG = []
        for item, texts_G, shares_G in zip(items, texts_PG, shares_PG, strict=True):
            if item.domain == CODE:
                grades_PG.append(list(map(self._grade_program, shares_G)))
            else:
                grades_PG.append([self._grade_number(text, int(item.answer)) for text in texts_G])
        return grades_PG

    def _shares_of_programs(
        self, texts_PG: Sequence[Sequence[str]], items: Sequence[Question]
    ) -> list[list[float | None]]:
        """Return the share of tests that each program passes; None if there is no program."""
        jobs: list[Job] = []
        shares_PG: list[list[float | None]] = []
        places = []
        for p, (item, texts_G) in enumerate(zip(items, texts_PG, strict=True)):
            shares_PG.append([None] * len(texts_G))
            if item.domain != CODE:
                continue
            answer = CodeAnswer.read(item.answer)
            for g, text in enumerate(texts_G):
                program = extract_code(text)
                if program and parses(program):
                    jobs.append((program, answer.calls, answer.expected))
                    places.append((p, g))
        labels = label_programs(jobs, self._sandbox, None)
        for (p, g), label in zip(places, labels, strict=True):
            shares_PG[p][g] = label.passed / label.total
        return shares_PG

    def _grade_program(self, share: float | None) -> Grade:
        if share is None:
            return self._unparseable
        return self.grade_of_tests(share, answer=share)

    def _grade_number(self, text: str, right: int) -> Grade:
        answer = final_answer(text) if _MARK in text else None
        if answer is None or not answer.removeprefix("-").isdecimal():
            return self._unparseable
        number = int(answer)
        if number == right:
            return Grade(self.reward.of_share(1.0), answer=1.0)
        share = closeness(number, right) if self.closeness else 0.0
        return Grade(self.reward.of_share(share), failure="wrong_number", answer=0.0)

    @property
    def _unparseable(self) -> Grade:
        """Return the grade of a response with neither a program nor a number."""
        return Grade(self.reward.of_share(None), failure="unparseable", fault="no_answer")

    def rollout_columns(self, text: str, grade: Grade, item: Question) -> dict[str, Value]:
        """Return the columns of a response in an evaluation's table, among them the share of tests passed."""
        passed_share = float("nan") if grade.answer is None else float(grade.answer)
        return {**super().rollout_columns(text, grade, item), "passed_share": passed_share}


def _is_unchanged(question: Question) -> bool:
    """Return whether the answer to a question is its input."""
    if question.domain == MATH:
        return int(question.answer) == chains.read_statement(question.statement.rstrip())[0]
    answer = CodeAnswer.read(question.answer)
    inputs = [f"={values!r}" for (values,) in answer.calls]
    return inputs == list(answer.expected)


def _demonstrated_program(question: Question, rng: Random, slips: float) -> str:
    """Return a program of a question in a random style.

    Each operation is an occasion for two mistakes, so that programs have about as many as worked solutions.
    """
    pipeline = read_program(CodeAnswer.read(question.answer).program)
    for _ in range(2 * len(pipeline.operations)):
        if rng.random() < slips and (mutant := mutate(pipeline, rng, LONG)) is not None:
            pipeline = mutant[1]
    return write_program(pipeline.rewritten(rng), rng.choice(STYLES))


def _worked_steps(start: int, chain: chains.Chain, slips: Slips) -> str:
    """Return the result of each step, such as `+5:12;*2:24`, and the answer in a line of its own."""
    value, steps = start, []
    for kind, number in chain:
        value = slips.number(chains.apply(kind, number, value))
        steps.append(f"{chains.operator_of(kind)}{number}:{value}")
    return ";".join(steps) + f"{_MARK}{value}"
