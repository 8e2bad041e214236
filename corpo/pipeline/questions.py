"""The data stage of tasks whose items are questions: their questions in one table, with a card."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.config import Config
from corpo.pipeline.models import outputs
from corpo.pipeline.plugin_sources import plugin_spec
from corpo.pipeline.stage import Stage
from corpo.tasks import QuestionTask, is_verify, task_of
from corpo.utils.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpo.tasks import Question

QUESTIONS, CARD = "questions.parquet", "card.md"


def question_task(config: Config) -> QuestionTask:
    """Return the task of a config whose items are questions.

    Raises ConfigError if it is another task, because only the paper's task can have other items.
    """
    task = task_of(config)
    if not isinstance(task, QuestionTask):
        raise ConfigError(
            f"task.name={config.task.name}: {type(task).__name__} has no questions; make it a QuestionTask"
        )
    return task


def grading_spec(config: Config) -> dict[str, object]:
    """Return what the use of questions and their grades depend on, for the key of a stage.

    A task may leave some of this out of `data_spec`, so that runs with different options share the questions
    and a warm start. It is empty for the paper's task, whose reward is in the keys already.
    """
    if is_verify(config):
        return {}
    return {"task": asdict(config.task), "isolation": config.data.isolation}


def question_stage(config: Config) -> Stage:
    """Return the stage that writes the questions of all splits."""
    return Stage(
        name="data",
        title="data",
        inputs=(),
        spec={"task": config.task.name, **question_task(config).data_spec(), **plugin_spec(config)},
        outputs=outputs(config),
        work=lambda folder: _write_questions(config, folder),
        minutes=lambda: 0.5,
    )


def _write_questions(config: Config, folder: Path) -> None:
    from corpo.data.store import write_rows
    from corpo.utils.files import write_text

    task = question_task(config)
    questions = task.questions()
    if not questions:
        raise DataError(f"task.name={task.name}: the task has no questions; return some from `questions`")
    num_of_id = Counter((question.split, question.id) for question in questions)
    [((split, name), num_alike)] = num_of_id.most_common(1)
    if num_alike > 1:
        raise DataError(
            f"task.name={task.name}: {num_alike} questions of the split {split!r} have the id {name!r}; "
            "give each question of a split its own id"
        )
    splits = {question.split for question in task.select(questions)}
    for split in (*task.in_domain, *task.out_of_domain):
        if split not in splits:
            raise DataError(
                f"task.name={task.name}: no questions of the split {split!r}, which is in or out of domain; "
                "add some"
            )
    write_rows(folder / QUESTIONS, [asdict(question) for question in questions])
    write_text(folder / CARD, _card(task, questions))


def read_questions(config: Config) -> list[Question]:
    """Return the questions that the config uses. Their stage must be done."""
    from corpo.data.store import read_rows
    from corpo.tasks import Question

    rows = read_rows(question_stage(config).checked(QUESTIONS))
    return question_task(config).select([Question(**row) for row in rows])


def _card(task: QuestionTask, questions: Sequence[Question]) -> str:
    """Return the sizes of the splits, the floors, and an example of each split, as Markdown."""
    from corpo.utils.markdown import table

    by_split: dict[str, list[Question]] = {}
    for question in questions:
        by_split.setdefault(question.split, []).append(question)
    rows = []
    for split, of_split in by_split.items():
        families = dict.fromkeys(question.family for question in of_split)
        rows.append([split, len(of_split), ", ".join(families)])
    floors = task.floors(questions)
    parts = [
        f"# Questions of the task {task.name}",
        table(("split", "questions", "families"), rows),
        "## Floors",
        "Shares of the questions that are answered rightly without understanding.",
        table(list(floors.columns), floors.round(3).to_numpy().tolist()),
        "## An example of each split",
    ]
    for split, of_split in by_split.items():
        statement, answer = of_split[0].statement.strip(), task.shown_answer(of_split[0])
        parts.append(f"### {split}\n\n```text\n{statement}\n```\n\nAnswer:\n\n```text\n{answer}\n```")
    return "\n\n".join(parts) + "\n"
