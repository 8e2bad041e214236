"""Solve real problems: write programs that tests check, and answer questions of mathematics.

Version 3 of the paper (arXiv 2511.04439v3) trains generators, on code or on mathematics, and evaluates both.
The problems come from `data.sources`, such as MBPP, HumanEval and GSM8K. The reward of a program is ordinal:
1 if it passes all tests, and otherwise a level by the share of tests that it passes. The reward of a wrong
answer to a question of mathematics is the second lowest level. `task.options.closeness` orders wrong numbers
by their distance to the right one, which is *our choice*. Without a program or an answer, the reward is the
lowest level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from corpo.config import SOLVE, Config
from corpo.data.candidates.requests import instruction, readable_program, text_to_continue
from corpo.data.execution.answers import final_answer, read_number, same_answer
from corpo.data.execution.checks import Answer
from corpo.data.execution.label_problems import label_problems
from corpo.data.execution.sandbox import Sandbox, configured_sandbox
from corpo.data.types import RawCandidate, RealProblem, UnlabelledProblem, Use
from corpo.task import INSTRUCT, Candidate, Domain
from corpo.task.model_text import without_thoughts
from corpo.tasks.base import Grade, Value
from corpo.tasks.questions import Question, is_evaluated
from corpo.tasks.share_reward import closeness
from corpo.tasks.solve_questions import (
    describe_checks,
    evaluation_splits,
    problem_of,
    questions_spec,
    read_questions,
)
from corpo.tasks.two_domains import TwoDomainTask
from corpo.utils.errors import ConfigError, DataError

_LONGER = "raise rollout.max_new_tokens"


@dataclass(frozen=True)
class Outcome:
    """The tests that an answer passed, and their number. An answer to a question of mathematics has one."""

    passed: int
    total: int


class SolveTask(TwoDomainTask):
    """The task whose items are real problems to solve."""

    name = SOLVE
    noun = "problem"
    # No test passed, some tests passed, a wrong answer, or neither a program nor an answer.
    failures = ("no_test", "some_tests", "wrong_answer", "unparseable")
    faults = {
        "unclosed_think": f"a think block without an end; {_LONGER}, or choose a model that thinks less",
        "no_program": f"no program; {_LONGER}, or set model.style=instruct model.chat_template=true "
        "for a chat model",
        "no_answer": f"no final answer; {_LONGER}, or set model.style=instruct model.chat_template=true "
        "for a chat model",
    }

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        sources = config.data.sources
        if not sources:
            raise ConfigError(f"task.name={SOLVE}: there are no sources of problems; choose data=solve")
        self.in_domain = evaluation_splits(sources, Domain(self.train_on))
        self.out_of_domain = evaluation_splits(sources, Domain(self.other_domain))
        if common := set(self.in_domain) & set(self.out_of_domain):
            raise ConfigError(
                f"data.sources: the split {min(common)!r} has programs and mathematics; "
                "give their sources different names as data.sources.NAME.splits"
            )

    @cached_property
    def _sandbox(self) -> Sandbox:
        return configured_sandbox(self.config.data.isolation, self.config.candidates.cpu_seconds)

    @property
    def _is_chat(self) -> bool:
        """Return whether the prompt is an instruction, and not a text to continue."""
        return self.config.model.style == INSTRUCT

    def data_spec(self) -> dict[str, Any]:
        """Return what the questions depend on: not on what is trained, so that both directions share them."""
        return questions_spec(self.config)

    def questions(self) -> list[Question]:
        """Return the questions of all splits."""
        return read_questions(self.config, self._sandbox)

    def prompt(self, item: Question, style: str) -> str:
        """Return the instruction of a chat model, or the text that a base model continues."""
        problem = problem_of(item)
        return instruction(problem) if style == INSTRUCT else text_to_continue(problem)

    def grade(self, texts_PG: Sequence[Sequence[str]], items: Sequence[Question]) -> list[list[Grade]]:
        """Return the grade of each of the G responses to each of the P questions.

        All programs run in one batch of the sandbox, each different one once. Call it from the main thread,
        because math-verify needs signals for its time limit.
        """
        problems = [problem_of(item) for item in items]
        programs_PG = []
        for problem, texts_G in zip(problems, texts_PG, strict=True):
            programs_PG.append([self._program(problem, text) for text in texts_G])
        labelled = self._run(problems, programs_PG)
        grades_PG = []
        for problem, texts_G, programs_G in zip(problems, texts_PG, programs_PG, strict=True):
            if isinstance(problem.checks, Answer):
                expected = problem.checks.value
                grades_PG.append([self._grade_answer(text, expected) for text in texts_G])
                continue
            labels_G = [labelled.get((problem.id, program)) for program in programs_G]
            grades_PG.append(list(map(self._grade_program, texts_G, programs_G, labels_G)))
        return grades_PG

    def _program(self, problem: RealProblem, text: str) -> str | None:
        """Return the program in a response; None for a question of mathematics or if there is none."""
        if isinstance(problem.checks, Answer):
            return None
        return readable_program(problem, text, self._is_chat)

    def _run(
        self, problems: Sequence[RealProblem], programs_PG: Sequence[Sequence[str | None]]
    ) -> dict[tuple[str, str | None], Candidate]:
        """Run the programs and return them labelled, by problem id and text.

        Programs that need a package which is not there are left out. Raises DataError if a reference that
        gives the expected values fails.
        """
        by_id: dict[str, RealProblem] = {}
        programs_by_id: dict[str, dict[str, None]] = {}
        for problem, programs_G in zip(problems, programs_PG, strict=True):
            programs = [program for program in programs_G if program is not None]
            if programs:
                by_id[problem.id] = problem
                programs_by_id.setdefault(problem.id, {}).update(dict.fromkeys(programs))
        unlabelled = []
        for problem_id, programs_of_problem in programs_by_id.items():
            candidates = tuple(RawCandidate(program, "") for program in programs_of_problem)
            unlabelled.append(UnlabelledProblem("", by_id[problem_id], candidates, Use.train))
        options = self.config.candidates
        labelled = label_problems(
            unlabelled, self._sandbox, None, options.max_tests, options.tolerance, shows_progress=False
        )
        for problem_id, reason in labelled.left_out.items():
            raise DataError(
                f"{problem_id}: {reason}, but it passed in the data stage; run the same command again"
            )
        candidates_by_text: dict[tuple[str, str | None], Candidate] = {}
        for labelled_problem in labelled.problems:
            for candidate in labelled_problem.candidates:
                candidates_by_text[labelled_problem.id, candidate.text] = candidate
        return candidates_by_text

    def _grade_program(self, text: str, program: str | None, label: Candidate | None) -> Grade:
        if program is None:
            return self._unparseable(text, "no_program")
        outcome = Outcome(label.passed, label.total) if label is not None else Outcome(0, 1)
        return self.grade_of_tests(outcome.passed / outcome.total, answer=outcome)

    def _grade_answer(self, text: str, expected: str) -> Grade:
        answer = final_answer(text)
        if answer is None:
            return self._unparseable(text, "no_answer")
        if same_answer(answer, expected):
            return Grade(self.reward.of_share(1), answer=Outcome(1, 1))
        share = _closeness(answer, expected) if self.closeness else 0.0
        return Grade(self.reward.of_share(share), "wrong_answer", answer=Outcome(0, 1))

    def _unparseable(self, text: str, fault: str) -> Grade:
        if text.strip() and not without_thoughts(text).strip():
            fault = "unclosed_think"
        return Grade(self.reward.of_share(None), "unparseable", fault, Outcome(0, 0))

    def rollout_columns(self, text: str, grade: Grade, item: Question) -> dict[str, Value]:
        """Return the columns of a response, among them how many tests were run and how many passed."""
        outcome: Outcome = grade.answer
        columns = super().rollout_columns(text, grade, item)
        return {**columns, "passed": outcome.passed, "total": outcome.total}

    def shown_answer(self, question: Question) -> str:
        """Return the tests of a program, or the right answer."""
        return describe_checks(problem_of(question).checks)

    def floors(self, questions: Sequence[Question]) -> pd.DataFrame:
        """Return how often the most frequent answer of an evaluation split of mathematics is right.

        No program is known that passes the tests of many problems, so splits of programs have no row.
        """
        answers: dict[str, Counter[str]] = {}
        for question in questions:
            if question.domain == Domain.math and is_evaluated(question.split):
                answers.setdefault(question.split, Counter())[question.answer] += 1
        rows = []
        for split, counts in answers.items():
            [(_, frequency)] = counts.most_common(1)
            num_prompts = counts.total()
            rows.append({"split": split, "prompts": num_prompts, "frequent answer": frequency / num_prompts})
        return pd.DataFrame(rows, columns=["split", "prompts", "frequent answer"])


def _closeness(answer: str, expected: str) -> float:
    """Return how close a wrong answer is to the right one; 0 unless both are numbers."""
    number, expected_number = read_number(answer), read_number(expected)
    if number is None or expected_number is None:
        return 0.0
    return closeness(number, expected_number)
