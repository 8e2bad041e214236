"""The questions of `task=generate`: programs to write, and word problems to solve.

A code question states list operations in words, with an example. A math question is a word problem in steps.
Both resemble the problems of `data=pipelines`. The same combinations of two operations, or of two steps, are
held out of the warm start and of training. No words occur in two questions of the same domain.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from corpo.config import PipelinesConfig
from corpo.data.pairing.splits import VALIDATION
from corpo.data.pipelines import chains
from corpo.data.pipelines.operations import (
    HELD_OUT_FOR_EVALUATION,
    HELD_OUT_FOR_VALIDATION,
    LENGTHS,
    LONG,
    Pipeline,
    draw_pipeline,
    is_seen,
)
from corpo.data.pipelines.programs import write_program
from corpo.data.pipelines.traces import write_example
from corpo.tasks.questions import WARM_START, Question
from corpo.tasks.two_domains import CODE, MATH, train_split, validation_split

STYLES = ("comprehension", "steps")  # of the programs that are demonstrated; loops would be longer
_TESTS = 10  # random lists, beside the example
_EXAMPLE_VALUES, _TEST_VALUES = (3, 5), (0, 7)  # the fewest and the most values in a list


@dataclass(frozen=True)
class CodeAnswer:
    """A program that is right, and the calls and results that others are checked against."""

    program: str
    calls: tuple[tuple[list[int]], ...]  # the arguments of each call
    expected: tuple[str, ...]  # the results, as the sandbox writes them

    def text(self) -> str:
        """Return the answer as JSON, for `Question.answer`."""
        return json.dumps([self.program, [values for (values,) in self.calls], self.expected])

    @classmethod
    def read(cls, text: str) -> CodeAnswer:
        """Return the answer that `text` wrote."""
        program, inputs, expected = json.loads(text)
        return cls(program, tuple((values,) for values in inputs), tuple(expected))


@dataclass(frozen=True)
class _Part:
    """Questions of one domain that are drawn together."""

    split: str
    count: int
    lengths: tuple[int, ...]  # numbers of operations or of steps
    has_unseen: bool = False  # whether each question has a held-out combination


def draw_questions(config: PipelinesConfig, seed: int) -> list[Question]:
    """Return the questions of all splits, for training on either domain."""
    questions: list[Question] = []
    for domain, draw in ((CODE, _draw_code), (MATH, _draw_math)):
        taken: set[str] = set()
        for part in _plan(config, domain):
            rng = Random(f"{seed}/generate/{domain}/{part.split}")
            wanted = len(questions) + part.count
            while len(questions) < wanted:
                question = draw(part, rng)
                if question is not None and question.id not in taken:
                    taken.add(question.id)
                    questions.append(question)
    return questions


def _plan(config: PipelinesConfig, domain: str) -> list[_Part]:
    """Return what is drawn of a domain, in order."""
    evaluation, validation = config.evaluation_problems, config.validation_problems
    if domain == CODE:
        lengths, warm_start = LENGTHS, config.warm_start_problems
        train_lengths = tuple(config.train_operations)
    else:
        lengths = train_lengths = chains.LENGTHS
        warm_start = config.math_warm_start_problems
    parts = [
        _Part(f"{domain}_seen", evaluation, lengths),
        _Part(f"{domain}_unseen", evaluation, lengths, has_unseen=True),
    ]
    if domain == CODE:
        parts.append(_Part("code_long", evaluation, (LONG,)))
    return [
        *parts,
        _Part(WARM_START, warm_start, lengths),
        _Part(validation_split(domain), validation, train_lengths),
        _Part(validation_split(domain, has_unseen=True), validation, train_lengths, has_unseen=True),
        _Part(train_split(domain), config.train_problems, train_lengths),
    ]


def _draw_code(part: _Part, rng: Random) -> Question | None:
    """Return a code question, or None if the draw does not belong to the part."""
    pipeline = draw_pipeline(rng, rng.choice(part.lengths))
    if is_seen(pipeline) is part.has_unseen or not _is_kept_apart(pipeline, part.split):
        return None
    example = _draw_list(rng, *_EXAMPLE_VALUES)
    inputs = [example, *(_draw_list(rng, *_TEST_VALUES) for _ in range(_TESTS))]
    answer = CodeAnswer(
        write_program(pipeline, STYLES[0]),
        calls=tuple((values,) for values in inputs),
        expected=tuple(f"={pipeline(values)!r}" for values in inputs),  # as the sandbox writes results
    )
    return Question(
        id=pipeline.words,
        split=part.split,
        statement=f"{pipeline.words}: {write_example(example, pipeline(example))}\n",
        answer=answer.text(),
        family=f"{CODE}_{len(pipeline.operations)}",
        domain=CODE,
    )


def _is_kept_apart(pipeline: Pipeline, split: str) -> bool:
    """Return whether held-out combinations are those of the split's purpose."""
    others = HELD_OUT_FOR_EVALUATION if split.startswith(VALIDATION) else HELD_OUT_FOR_VALIDATION
    return not pipeline.bigrams & others


def _draw_math(part: _Part, rng: Random) -> Question | None:
    """Return a math question, or None if the draw does not belong to the part."""
    start, chain = chains.draw_chain(rng, rng.choice(part.lengths))
    if chains.is_seen(chain) is part.has_unseen:
        return None
    value = start
    for kind, number in chain:
        value = chains.apply(kind, number, value)
    return Question(
        id=chains.write_statement("number", start, chain),
        split=part.split,
        statement=f"{chains.write_statement(rng.choice(chains.THINGS), start, chain)}\n",
        answer=str(value),
        family=f"{MATH}_{len(chain)}",
        domain=MATH,
    )


def _draw_list(rng: Random, shortest: int, longest: int) -> list[int]:
    """Draw a list of few different digits, so that some repeat."""
    digits = rng.sample(range(10), rng.randint(4, 8))
    return [rng.choice(digits) for _ in range(rng.randint(shortest, longest))]
