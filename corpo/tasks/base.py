"""The interface of a task: what a prompt asks, and how the responses to it are graded.

The training loop, the evaluation and the reports know a task only through this interface. `VerifyTask` judges
pairs of programs, as in the paper. `QuestionTask` is the base class of tasks whose answers can be checked.
Use it to add a task of your own (docs/how_to/extending.md).

Shape letters beside those of CONTRIBUTING.md: M measures of a rollout.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

Value = str | float | bool


class Item(Protocol):
    """The subject of one prompt, such as a pair of programs to judge or a problem to solve."""

    @property
    def id(self) -> str:
        """Return a name. Items that are one item in several orders share it."""
        ...


@dataclass(frozen=True)
class Grade:
    """The reward of a response, and why it is not higher."""

    reward: float
    failure: str = ""  # one of the task's `failures`; empty for a success
    fault: str = ""  # one of the task's `faults`, if no answer could be read; else empty
    answer: Any = None  # what was read from the response; only the task itself uses it


ItemT = TypeVar("ItemT", bound=Item)


class Task(ABC, Generic[ItemT]):
    """A kind of items, and how policies answer them."""

    name: str
    noun: str  # what an item is called in messages
    # Kinds of failures. Their rollouts are counted in every training step, and metrics are named after them.
    failures: Sequence[str]
    # Kinds of faults, because of which a response has no answer, with what each is and what to do if most
    # responses have it.
    faults: Mapping[str, str]
    # The evaluation splits that resemble training, and those that do not. Claims and reports compare them.
    in_domain: Sequence[str] = ()
    out_of_domain: Sequence[str] = ()
    # The number of consecutive items that stay together in a batch, such as both orders of a pair.
    bundle: int = 1
    # The columns whose values `validation_metrics` needs, besides "correct" and "reward".
    measures: Sequence[str] = ()
    # The system prompt of a chat model that knows the task, in a few words; "" leaves the model its own.
    system: str = ""

    @property
    @abstractmethod
    def threshold(self) -> float:
        """Return R_min_correct: successes earn this reward or more, failures less."""

    @abstractmethod
    def prompt(self, item: ItemT, style: str) -> str:
        """Return the text of the prompt. `style` is `model.style`."""

    @abstractmethod
    def grade(self, texts_PG: Sequence[Sequence[str]], items: Sequence[ItemT]) -> list[list[Grade]]:
        """Return the grade of each of the G responses to each of the P items."""

    @abstractmethod
    def item_columns(self, item: ItemT) -> dict[str, Value]:
        """Return the columns of an evaluation's table that describe an item. `problem_id` is one of them."""

    @abstractmethod
    def rollout_columns(self, text: str, grade: Grade, item: ItemT) -> dict[str, Value]:
        """Return the columns of an evaluation's table that describe a response.

        `parsed` and `correct` are among them: whether it has an answer, and whether it is a success.
        """

    @abstractmethod
    def validation_metrics(
        self, measures_PGM: np.ndarray, kl_from_start_P: np.ndarray, items: Sequence[ItemT]
    ) -> dict[str, float]:
        """Return the metrics of a validation, whose names begin with `validation/`.

        `measures_PGM` are the columns `("correct", "reward", *measures)` of each rollout, and
        `kl_from_start_P` is the KL divergence from the policy before training in nats per rollout.
        `validation/pass@1`, `validation/reward` and `validation/kl_from_start` have to be among the metrics.
        """
