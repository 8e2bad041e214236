"""Read mathematics data sets: GSM8K, with or without solutions by models, MATH and Numina."""

from __future__ import annotations

import re

from corpo.data.execution.answers import final_answer
from corpo.data.execution.checks import Answer
from corpo.data.sources.base import Row, register_source, text_of
from corpo.data.types import RawCandidate, RealProblem
from corpo.task import Domain
from corpo.utils.files import hash_of

_CALCULATION = re.compile(r"<<.*?>>")  # GSM8K's annotations for a calculator


@register_source("gsm8k", "MIT", domain=Domain.math)
def gsm8k(row: Row) -> RealProblem | None:
    """Read question and answer (arXiv 2110.14168).

    In the file of model solutions the answer is called ground_truth, and each model has a field
    {solution, is_correct}.
    """
    question, solution = row["question"].strip(), text_of(row, "answer", "ground_truth")
    given = tuple(
        RawCandidate(_plain(value["solution"]), name, value.get("is_correct"))
        for name, value in row.items()
        if isinstance(value, dict) and "solution" in value
    )
    return _problem(row.get("task_id") or hash_of(question), question, _plain(solution), given)


def _plain(solution: str) -> str:
    """Return a solution without calculator annotations, with its answer marked by `A: `."""
    return _CALCULATION.sub("", solution).replace("#### ", "A: ").strip()


def _problem(
    key: object, statement: str, solution: str, given: tuple[RawCandidate, ...] = (), topic: str = ""
) -> RealProblem | None:
    """Return a problem, or None if its solution has no final answer."""
    answer = final_answer(solution)
    if not answer:
        return None
    return RealProblem(
        id=str(key),
        domain=Domain.math,
        statement=statement,
        checks=Answer(answer),
        references=(solution,),
        given=given,
        topic=topic,
    )


@register_source("math", "MIT", domain=Domain.math)
def math(row: Row) -> RealProblem | None:
    """Read problem, solution, level, and type or subject (arXiv 2103.03874)."""
    topic = f"{text_of(row, 'type', 'subject')}, {row.get('level')}".replace("Level ", "level ")
    return _problem(
        row.get("unique_id") or hash_of(row["problem"]),
        row["problem"].strip(),
        row["solution"].strip(),
        topic=topic,
    )


@register_source("numina", "Apache-2.0", domain=Domain.math)
def numina(row: Row) -> RealProblem | None:
    """Read problem, solution and source.

    A problem whose solution boxes no answer, such as a proof, is left out.
    """
    if "\\boxed" not in row["solution"]:
        return None
    return _problem(
        hash_of(row["problem"]),
        row["problem"].strip(),
        row["solution"].strip(),
        topic=str(row.get("source", "")),
    )
