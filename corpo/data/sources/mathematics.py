"""Mathematics: GSM8K with or without solutions by models, MATH, Numina. Answers are checked with math-verify."""

from __future__ import annotations

import re

from corpo.data.execution.answers import final_answer
from corpo.data.execution.checks import Answer
from corpo.data.sources.base import RawCandidate, RealProblem, Row, register_source, text_of
from corpo.task import Domain
from corpo.utils.files import hash_of

_CALCULATION = re.compile(r"<<.*?>>")  # GSM8K's calculator annotations, which tell a reader nothing


@register_source("gsm8k", "MIT")
def gsm8k(row: Row) -> RealProblem | None:
    """question, answer (arXiv 2110.14168); or ground_truth beside solutions by models, each a field {solution, is_correct}."""
    question, solution = row["question"].strip(), text_of(row, "answer", "ground_truth")
    given = tuple(
        RawCandidate(_plain(value["solution"]), name, value.get("is_correct"))
        for name, value in row.items()
        if isinstance(value, dict) and "solution" in value
    )
    return _problem(row.get("task_id") or hash_of(question), question, _plain(solution), given)


def _plain(solution: str) -> str:
    """Without calculator annotations, ending in `A: <answer>` whichever way it was marked."""
    return _CALCULATION.sub("", solution).replace("#### ", "A: ").strip()


def _problem(
    key: object, statement: str, solution: str, given: tuple[RawCandidate, ...] = (), topic: str = ""
) -> RealProblem | None:
    answer = final_answer(solution)
    return (
        RealProblem(str(key), Domain.math, statement, Answer(answer), (solution,), given, topic)
        if answer
        else None
    )


@register_source("math", "MIT")
def math(row: Row) -> RealProblem | None:
    """problem, solution, level, type or subject (arXiv 2103.03874)."""
    topic = f"{text_of(row, 'type', 'subject')}, {row.get('level')}".replace("Level ", "level ")
    return _problem(
        row.get("unique_id") or hash_of(row["problem"]),
        row["problem"].strip(),
        row["solution"].strip(),
        topic=topic,
    )


@register_source("numina", "Apache-2.0")
def numina(row: Row) -> RealProblem | None:
    """problem, solution, source. A problem whose solution boxes no answer, such as a proof, is left out."""
    if "\\boxed" not in row["solution"]:
        return None
    return _problem(
        hash_of(row["problem"]),
        row["problem"].strip(),
        row["solution"].strip(),
        topic=str(row.get("source", "")),
    )
