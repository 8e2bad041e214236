"""The data stage of tasks whose items are questions: their questions in one table, with a card."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from corpo.config import Config
from corpo.pipeline.models import outputs
from corpo.pipeline.plugin_sources import plugin_spec
from corpo.pipeline.stage import Stage
from corpo.tasks import QuestionTask, task_of
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from corpo.tasks import Question

QUESTIONS, CARD = "questions.parquet", "card.md"


def question_task(config: Config) -> QuestionTask:
    """Return the task of a config whose items are questions."""
    return cast(QuestionTask, task_of(config))


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
        raise DataError(f"task.name={task.name}: the task has no questions")
    write_rows(folder / QUESTIONS, [asdict(question) for question in questions])
    write_text(folder / CARD, _card(task, questions))


def read_questions(config: Config) -> list[Question]:
    """Return the questions that the config uses. Their stage must be done."""
    from corpo.data.store import read_rows
    from corpo.tasks import Question

    rows = read_rows(question_stage(config).checked(QUESTIONS))
    return question_task(config).select([Question(**row) for row in rows])


def _card(task: QuestionTask, questions: Sequence[Question]) -> str:
    """Return the sizes of the splits, an example of each, and the floors, as Markdown."""
    from corpo.utils.markdown import table

    counts = Counter(question.split for question in questions)
    examples = {question.split: question for question in reversed(questions)}
    rows = [
        [split, count, len({q.family for q in questions if q.split == split})]
        for split, count in counts.items()
    ]
    floors = task.floors(questions)
    parts = [
        f"# Questions of the task {task.name}",
        table(("split", "questions", "families"), rows),
        "## Floors",
    ]
    cells = floors.round(3).to_numpy().tolist()
    parts.append(table(list(floors.columns), cells) if len(floors) else "None.")
    parts.append("## An example of each split")
    for split in counts:
        question = examples[split]
        parts.append(
            f"### {split}\n\n```text\n{question.statement}\n```\n\nAnswer:\n\n```text\n{question.answer}\n```"
        )
    return "\n\n".join(parts) + "\n"
