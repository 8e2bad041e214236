"""Count the candidates that a policy is taught, by label, without their constants.

The counts are all that a policy could know that has memorised templates and runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from corpo.data.pipelines.build import problem_calls
from corpo.data.pipelines.programs import read_program
from corpo.data.types import LabelledProblem
from corpo.task import Candidate, Domain

_CONSTANT = re.compile(r"\d+")


def without_constants(text: str) -> str:
    """Return a text with every number replaced by 0."""
    return _CONSTANT.sub("0", text)


def taught_table(problems: Sequence[LabelledProblem], seed: int) -> pd.DataFrame:
    """Return one row per template of a problem's words and of a candidate's text.

    The words are those of the problem's identifier, which is its statement without the example. `correct` is
    the number of correct candidates with this template, and `seen` the number of all. `seed` is that of the
    data. Wrong programs that give the wanted value on the example are left out, as they are in the data.
    """
    rows = []
    for problem in problems:
        words = without_constants(problem.id)
        for candidate, label in _labels(problem, seed):
            rows.append((words, without_constants(candidate.text), label))
    candidates = pd.DataFrame(rows, columns=["words", "text", "label"])
    counts = candidates.groupby(["words", "text"])["label"].agg(correct="sum", seen="size")
    return counts.astype("int32").reset_index()


def _labels(problem: LabelledProblem, seed: int) -> list[tuple[Candidate, bool]]:
    """Return the candidates of a problem with their labels.

    Programs need no sandbox here, because they can be read as pipelines. The first candidate is correct.
    """
    if problem.domain is not Domain.code:
        return [(candidate, candidate.correct) for candidate in problem.candidates]
    calls = [values for (values,) in problem_calls(problem, seed)]
    reference = read_program(problem.candidates[0].text)
    expected = [reference(values) for values in calls]
    labels = []
    for candidate in problem.candidates:
        pipeline = read_program(candidate.text)
        if pipeline(calls[0]) != expected[0]:
            labels.append((candidate, False))
        elif [pipeline(values) for values in calls] == expected:
            labels.append((candidate, True))
    return labels
