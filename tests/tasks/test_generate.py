"""Questions of `task=generate`, their demonstrations and their rewards."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import pytest

from corpo.cli.compose import load_config
from corpo.data.pipelines import chains
from corpo.data.pipelines.operations import HELD_OUT, HELD_OUT_FOR_VALIDATION, Pipeline
from corpo.data.pipelines.programs import read_program
from corpo.pipeline.evaluate import evaluate_stage
from corpo.pipeline.train import train_stage
from corpo.pipeline.warm_start import warm_start_stage
from corpo.tasks import Grade, Question
from corpo.tasks.generate import GenerateTask
from corpo.tasks.generate_questions import CodeAnswer
from corpo.tasks.questions import is_evaluated
from corpo.utils.errors import ConfigError

SMALL = (
    "data.pipelines.warm_start_problems=40",
    "data.pipelines.math_warm_start_problems=20",
    "data.pipelines.train_problems=30",
    "data.pipelines.validation_problems=10",
    "data.pipelines.evaluation_problems=10",
)
CODE = Question(
    "reversed",
    "train",
    "reversed: f([1, 2]) == [2, 1]\n",
    CodeAnswer(
        "def f(xs):\n    xs = xs[::-1]\n    return xs",
        calls=(([1, 2],), ([],), ([3],), ([4, 5, 6],)),
        expected=("=[2, 1]", "=[]", "=[3]", "=[6, 5, 4]"),
    ).text(),
    domain="code",
)
NUMBER = Question("pens", "train", "pens: 7, 5 more, how many\n", "12", domain="math")
# Responses to CODE with the reward at ten levels and the kind of failure.
PROGRAMS = {
    "all tests passed": ("def f(xs):\n    return list(reversed(xs))", 1.0, ""),
    "two of four": ("def f(xs):\n    return xs", -0.4, "some_tests"),
    "one of four": ("def f(xs):\n    return []", -0.6, "some_tests"),
    "none": ("def f(xs):\n    return 7", -0.8, "no_test"),
    "it never ends": ("def f(xs):\n    while True:\n        pass", -0.8, "no_test"),
    "it leaves the process": ("def f(xs):\n    import os\n    os._exit(0)", -0.8, "no_test"),
    "it prints the results": ("print('=[2, 1]')", -0.8, "no_test"),
    "a syntax error": ("def f(xs:\n    return xs[::-1]", -1.0, "unparseable"),
    "nothing": ("", -1.0, "unparseable"),
}
NUMBERS = {
    "right": ("+5:12\nA: 12", 1.0, ""),
    "wrong": ("+5:13\nA: 13", -0.8, "wrong_number"),
    "no mark": ("12", -1.0, "unparseable"),
    "two signs": ("+5:12\nA: --12", -1.0, "unparseable"),
    "no number": ("+5:12\nA: twelve", -1.0, "unparseable"),
    "nothing": ("", -1.0, "unparseable"),
}


def _task(**options: Any) -> GenerateTask:
    given = [f"+task.options.{name}={value}" for name, value in options.items()]
    return GenerateTask(load_config([*SMALL, "task.name=generate", *given]))


@cache
def _questions(train_on: str) -> list[Question]:
    task = _task(train_on=train_on)
    return task.select(task.questions())


def _grades(question: Question, responses: list[str], **options: Any) -> list[Grade]:
    return _task(**options).grade([responses], [question])[0]


def test_programs_are_rewarded_by_the_share_of_their_tests() -> None:
    grades = _grades(CODE, [text for text, _, _ in PROGRAMS.values()])
    for name, grade, (_, reward, failure) in zip(PROGRAMS, grades, PROGRAMS.values(), strict=True):
        assert (grade.reward, grade.failure) == (reward, failure), name
        assert bool(grade.fault) == (failure == "unparseable"), name


def test_answers_of_word_problems_are_right_or_wrong() -> None:
    grades = _grades(NUMBER, [text for text, _, _ in NUMBERS.values()])
    for name, grade, (_, reward, failure) in zip(NUMBERS, grades, NUMBERS.values(), strict=True):
        assert (grade.reward, grade.failure) == (reward, failure), name


def test_closeness_orders_wrong_numbers() -> None:
    answers = ("12", "13", "11", "15", "18", "30", "-9")
    grades = _grades(NUMBER, [f"A:\nA: {answer}" for answer in answers], closeness="true")
    assert [grade.reward for grade in grades] == [1.0, -0.2, -0.2, -0.2, -0.4, -0.8, -0.8]


def test_levels_of_version_3_of_the_paper() -> None:
    task = GenerateTask(
        load_config(
            ["task.name=generate", "reward.threshold=0", "+task.options.failures=[-1,-0.9,-0.8,-0.7]"]
        )
    )
    texts = [PROGRAMS[name][0] for name in ("nothing", "none", "two of four", "all tests passed")]
    assert [grade.reward for grade in task.grade([texts], [CODE])[0]] == [-1, -0.9, -0.8, 1]


def _demonstrations(task: GenerateTask, question: Question, rng: Random, slips: float) -> list[str]:
    """Return a group of demonstrations of one question."""
    return [task.demonstrate(question, rng, slips) for _ in range(4)]


@pytest.mark.parametrize("train_on", ["code", "math"])
def test_right_demonstrations_earn_the_highest_reward(train_on: str) -> None:
    task, questions, rng = _task(train_on=train_on), _questions(train_on)[::7], Random(0)
    texts_PG = [_demonstrations(task, question, rng, slips=0.0) for question in questions]
    for question, grades_G in zip(questions, task.grade(texts_PG, questions), strict=True):
        assert {grade.reward for grade in grades_G} == {1.0}, question.statement


def test_slips_make_demonstrations_fail_in_both_domains() -> None:
    task, questions, rng = _task(), _questions("code")[::7], Random(0)
    texts_PG = [_demonstrations(task, question, rng, slips=1.0) for question in questions]
    failures = {"code": 0, "math": 0}
    for question, grades_G in zip(questions, task.grade(texts_PG, questions), strict=True):
        failures[question.domain] += sum(bool(grade.failure) for grade in grades_G)
        assert not any(grade.fault for grade in grades_G), "a slip leaves the format as it is"
    assert all(failures.values())


def _combinations(question: Question) -> tuple[bool, Pipeline | None]:
    """Return whether a question has a held-out combination, and its pipeline if it has one."""
    if question.domain == "code":
        pipeline = read_program(CodeAnswer.read(question.answer).program)
        return bool(pipeline.bigrams & HELD_OUT), pipeline
    _, chain = chains.read_statement(question.statement.rstrip())
    return not chains.is_seen(chain), None


@pytest.mark.parametrize("train_on", ["code", "math"])
def test_held_out_combinations_are_in_the_unseen_splits_only(train_on: str) -> None:
    for question in _questions(train_on):
        is_unseen, pipeline = _combinations(question)
        assert is_unseen is question.split.endswith("unseen"), question
        if pipeline is not None and is_unseen:
            is_for_validation = bool(pipeline.bigrams & HELD_OUT_FOR_VALIDATION)
            assert is_for_validation is question.split.startswith("validation")


def test_no_words_occur_twice_and_the_evaluation_does_not_depend_on_what_is_trained() -> None:
    by_direction = {}
    for train_on in ("code", "math"):
        questions = _questions(train_on)
        assert len({(question.domain, question.id) for question in questions}) == len(questions)
        assert {question.domain for question in questions if question.split == "train"} == {train_on}
        by_direction[train_on] = [question for question in questions if is_evaluated(question.split)]
    assert by_direction["code"] == by_direction["math"]


def test_splits_in_and_out_of_domain_follow_what_is_trained() -> None:
    assert (_task().in_domain, _task().out_of_domain) == (("code_seen",), ("math_seen", "math_unseen"))
    trained_on_math = _task(train_on="math")
    assert trained_on_math.out_of_domain == ("code_seen", "code_unseen")
    splits = {question.split for question in _questions("math")}
    assert {*trained_on_math.in_domain, *trained_on_math.out_of_domain} <= splits


def test_options_that_have_no_effect_are_refused() -> None:
    with pytest.raises(ConfigError, match="only prompts of pairs can be divided"):
        load_config(["task.name=generate", "rollout.separate_prompts=true"])
    with pytest.raises(ConfigError, match="evaluates questions; leave it out"):
        load_config(["task.name=generate", "data.file=pairs.jsonl"])
    with pytest.raises(ConfigError, match="its questions are its own"):
        load_config(["task.name=generate", "data=mbpp"])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"train_on": "poems"}, "train_on='poems'"), ({"close": "true"}, r"options\.close: no such option")],
)
def test_wrong_options_are_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _task(**options)


@pytest.mark.parametrize(
    "option",
    ["train_on=math", "closeness=true", "failures=[-1,-0.5]"],
    ids=["domain", "closeness", "failures"],
)
def test_options_make_other_runs_of_the_same_questions_and_warm_start(option: str) -> None:
    config = load_config(["experiment=generate"])
    other = load_config(["experiment=generate", f"task.options.{option}"])
    assert warm_start_stage(config).key == warm_start_stage(other).key
    assert train_stage(config).key != train_stage(other).key
    assert evaluate_stage(config, trained=False).key != evaluate_stage(other, trained=False).key
