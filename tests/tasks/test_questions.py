"""Test what is refused in tasks whose items are questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from corpo.config import Config, DataConfig
from corpo.pipeline.data import evaluated_items
from corpo.pipeline.demo import sample_demo
from corpo.pipeline.questions import question_stage, question_task
from corpo.pipeline.warm_start import warm_start_stage
from corpo.tasks import Grade, Question, QuestionTask, Task, register_task
from corpo.tasks.registry import TASKS
from corpo.train.failures import require_valid_grades
from corpo.utils.errors import ConfigError, DataError


class Echo(QuestionTask):
    """A task that asks for a word, with few questions of the warm start."""

    name = "echo"

    def questions(self) -> list[Question]:
        return [Question(f"word{number}", "warm_start", "word", "word") for number in range(2)]

    def grade(self, texts_PG: Sequence[Sequence[str]], items: Sequence[Question]) -> list[list[Grade]]:
        return [[Grade(1.0)] * len(texts_G) for texts_G in texts_PG]


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Config:
    monkeypatch.setitem(TASKS, "echo", Echo)
    config = Config(outputs=str(tmp_path))
    config.task.name = "echo"
    return config


@pytest.mark.parametrize(
    ("grade", "message"),
    [
        (
            Grade(0.0, failure="wrong"),
            "'wrong' has a reward of 0; give failures less than reward.threshold=0",
        ),
        (Grade(-1.0), "a reward of -1 is that of a failure, but '' is no kind of failure"),
        (Grade(-1.0, failure="bad"), "'bad' is no kind of failure; choose one of wrong, unparseable"),
        (Grade(-1.0, failure="wrong", fault="bad"), "'bad' is no kind of fault; choose one of no_answer"),
    ],
)
def test_grades_that_the_task_does_not_name_are_refused(config: Config, grade: Grade, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        require_valid_grades([[Grade(0.0), Grade(-1.0, "unparseable", "no_answer"), grade]], Echo(config))


def test_too_few_questions_for_a_warm_start_are_refused(config: Config) -> None:
    config.model.warm_start, config.model.path = True, "new"
    stage = warm_start_stage(config)
    [data] = stage.inputs
    data.run()
    with pytest.raises(ConfigError, match="has 2 questions of the split 'warm_start'"):
        stage.run()


def test_questions_with_the_same_id_are_refused(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Echo, "questions", lambda task: 2 * [Question("word", "train", "word", "word")])
    with pytest.raises(DataError, match="2 questions of the split 'train' have the id 'word'; give each"):
        question_stage(config).run()


def test_a_task_without_questions_to_evaluate_on_is_refused(config: Config) -> None:
    question_stage(config).run()
    with pytest.raises(DataError, match=r"task\.name=echo: no questions to evaluate on; give some a split"):
        evaluated_items(config)


def test_names_of_the_package_are_taken() -> None:
    with pytest.raises(ValueError, match="the task 'generate' is one of the package"):
        register_task("generate")


def test_what_needs_pairs_is_refused(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"task\.name=echo: this needs pairs; choose task=verify"):
        sample_demo(config)
    with pytest.raises(ConfigError, match=r"data\.file=mine\.jsonl: .* leave it out"):
        Echo(Config(data=DataConfig(file="mine.jsonl")))


def test_a_task_that_has_no_questions_is_refused(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(Task[Question]):
        """A task of another kind."""

    Other.__abstractmethods__ = frozenset()  # the methods do not matter here
    monkeypatch.setitem(TASKS, "echo", lambda config: Other())
    with pytest.raises(ConfigError, match=r"task\.name=echo: Other has no questions; make it a QuestionTask"):
        question_task(config)
