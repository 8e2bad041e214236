"""The base class of tasks with programs and mathematics: a run trains on one and is evaluated on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from corpo.config import Config
from corpo.data.pairing.splits import TRAIN, VALIDATION
from corpo.tasks.base import Grade
from corpo.tasks.questions import WARM_START, Question, QuestionTask, is_evaluated
from corpo.tasks.share_reward import ShareReward, share_reward
from corpo.utils.errors import ConfigError

CODE, MATH = DOMAINS = ("code", "math")
_OPTIONS = ("train_on", "closeness", "failures")


def train_split(domain: str) -> str:
    """Return the name of the split with the training questions of a domain."""
    return f"{TRAIN}_{domain}"


def validation_split(domain: str, has_unseen: bool = False) -> str:
    """Return the name of a split with validation questions of a domain."""
    return f"{VALIDATION}_{domain}_unseen" if has_unseen else f"{VALIDATION}_{domain}"


class TwoDomainTask(QuestionTask):
    """A task that rewards programs by the share of tests that they pass, and mathematics by its answer.

    Its options are `train_on`, `closeness` and `failures`. Subclasses write questions for both directions,
    with the splits of `train_split` and `validation_split`, so that both share them.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        options = config.task.options
        for option in options:
            if option not in _OPTIONS:
                raise ConfigError(
                    f"task.options.{option}: no such option; choose one of {', '.join(_OPTIONS)}"
                )
        self.train_on = options.get("train_on", CODE)
        if self.train_on not in DOMAINS:
            raise ConfigError(f"task.options.train_on={self.train_on!r}: choose one of {', '.join(DOMAINS)}")
        [self.other_domain] = set(DOMAINS) - {self.train_on}
        self.closeness = options.get("closeness", False)
        if not isinstance(self.closeness, bool):
            raise ConfigError(f"task.options.closeness={self.closeness!r}: choose true or false")
        self.reward: ShareReward = share_reward(config)

    def grade_of_tests(self, share: float, answer: Any) -> Grade:
        """Return the grade of a program that passes this share of its tests."""
        failure = ""
        if share < 1:
            failure = "some_tests" if share else "no_test"
        return Grade(self.reward.of_share(share), failure, answer=answer)

    def select(self, questions: Sequence[Question]) -> list[Question]:
        """Return the questions with the splits of training and validation that `train_on` calls for."""
        selected = []
        for question in questions:
            split = self._used_as(question.split)
            if split is not None:
                selected.append(replace(question, split=split))
        return selected

    def _used_as(self, split: str) -> str | None:
        """Return the split that a question is used in, or None if it is not used."""
        for kind, of_domain in (
            (TRAIN, train_split(self.train_on)),
            (VALIDATION, validation_split(self.train_on)),
        ):
            if split == of_domain or split.startswith(f"{of_domain}_"):
                return kind + split.removeprefix(of_domain)
        if split in (WARM_START, validation_split(self.other_domain)) or is_evaluated(split):
            return split
        return None
