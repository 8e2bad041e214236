"""Tasks whose items are questions with answers that can be checked: the base class for tasks of your own.

Shape letters beside those of CONTRIBUTING.md: M measures of a rollout.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from corpo.config import Config
from corpo.data.pairing.splits import TRAIN, VALIDATION
from corpo.tasks.base import Grade, Task, Value
from corpo.utils.errors import ConfigError

# Splits whose names begin with TRAIN are for training, those that begin with VALIDATION for validation. A run
# trains on TRAIN itself, and settings are selected on VALIDATION itself. Policies are evaluated on all other
# splits but WARM_START.
WARM_START = "warm_start"


@dataclass(frozen=True)
class Question:
    """A question and what its answer is checked against."""

    id: str  # unique within its split; intervals treat questions with the same id as one problem
    split: str  # what it is for, see above
    statement: str  # the text of the prompt
    answer: str  # what the task needs to grade an answer, in a form that the task chooses
    family: str = ""  # the kind of question, such as one with two operations
    domain: str = ""  # its subject, such as code or math


def is_evaluated(split: str) -> bool:
    """Return whether policies are evaluated on a split of questions."""
    return split != WARM_START and not split.startswith((TRAIN, VALIDATION))


class QuestionTask(Task[Question]):
    """A task whose items are questions. Subclasses write the questions and grade the responses."""

    noun = "question"
    failures: Sequence[str] = ("wrong", "unparseable")
    faults = {"no_answer": "no answer; teach the response format first (model.warm_start=true)"}

    def __init__(self, config: Config) -> None:
        """Raise ConfigError if the config has `data.file`, a file of pairs."""
        if config.data.file:
            raise ConfigError(
                f"data.file={config.data.file}: task.name={self.name} evaluates questions; leave it out"
            )
        self.config = config

    @property
    def threshold(self) -> float:
        """Return R_min_correct."""
        return self.config.reward.threshold

    @abstractmethod
    def questions(self) -> list[Question]:
        """Return the questions of all splits. They depend on nothing but what `data_spec` returns."""

    def data_spec(self) -> dict[str, Any]:
        """Return what the questions depend on, for the key of the data stage."""
        return {"options": self.config.task.options}

    def select(self, questions: Sequence[Question]) -> list[Question]:
        """Return the questions to use, with their splits, of those that `questions` returned.

        A task may leave some out and give splits other names, so that runs with different options can share
        the questions and a warm start.
        """
        return list(questions)

    @abstractmethod
    def grade(self, texts_PG: Sequence[Sequence[str]], items: Sequence[Question]) -> list[list[Grade]]:
        """Return the grade of each of the G responses to each of the P questions."""

    def demonstrate(self, question: Question, rng: Random, slips: float) -> str:
        """Return a response to imitate in a warm start. `slips` is the share of mistakes that it contains.

        Raises ConfigError: tasks without demonstrations start from a pretrained model.
        """
        raise ConfigError(
            f"model.warm_start=true: task.name={self.name} has no demonstrations; set model.warm_start=false"
        )

    def prompt(self, item: Question, style: str) -> str:
        """Return the text of the prompt, which is the statement in every style."""
        return item.statement

    def item_columns(self, item: Question) -> dict[str, Value]:
        """Return the columns of a question in an evaluation's table."""
        return {"problem_id": item.id, "family": item.family, "domain": item.domain}

    def rollout_columns(self, text: str, grade: Grade, item: Question) -> dict[str, Value]:
        """Return the columns of a response in an evaluation's table."""
        return {"parsed": not grade.fault, "correct": grade.reward >= self.threshold}

    def validation_metrics(
        self, measures_PGM: np.ndarray, kl_from_start_P: np.ndarray, items: Sequence[Question]
    ) -> dict[str, float]:
        """Return pass@1 of each split, and the reward and the KL divergence of the first one, VALIDATION."""
        splits = np.array([item.split for item in items])
        is_main_P = splits == VALIDATION
        metrics = {
            "validation/pass@1": float(measures_PGM[is_main_P, :, 0].mean()),
            "validation/reward": float(measures_PGM[is_main_P, :, 1].mean()),
            "validation/kl_from_start": float(kl_from_start_P[is_main_P].mean()),
        }
        for split in dict.fromkeys(splits):
            if split != VALIDATION:
                name = str(split).removeprefix(f"{VALIDATION}_")
                metrics[f"validation/pass@1/{name}"] = float(measures_PGM[splits == split, :, 0].mean())
        return metrics

    def shown_answer(self, question: Question) -> str:
        """Return the answer to a question as readers see it."""
        return question.answer

    def floors(self, questions: Sequence[Question]) -> pd.DataFrame:
        """Return one row per evaluation split: the accuracies of answers that need no understanding.

        The only floor here is the answer that is most frequent among the training questions.
        """
        trained = Counter(question.answer for question in questions if question.split == TRAIN)
        [(frequent, _)] = trained.most_common(1) or [("", 0)]
        rows: dict[str, list[bool]] = {}
        for question in questions:
            if is_evaluated(question.split):
                rows.setdefault(question.split, []).append(question.answer == frequent)
        table = []
        for split, is_right in rows.items():
            table.append({"split": split, "prompts": len(is_right), "frequent answer": np.mean(is_right)})
        return pd.DataFrame(table)
