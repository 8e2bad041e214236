"""Real problems to solve: their splits, prompts and rewards."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from corpo.cli.compose import load_config
from corpo.config import CandidatesConfig, Config, DataConfig, ModelConfig, SourceConfig, TaskConfig
from corpo.data.execution.sandbox import Program, Sandbox
from corpo.data.store import read_rows, write_rows
from corpo.pipeline.evaluate import evaluate_stage
from corpo.pipeline.stage import graph, run_stages
from corpo.pipeline.study import study_stages
from corpo.task import INSTRUCT
from corpo.tasks import Grade, Question
from corpo.tasks.solve import Outcome, SolveTask
from corpo.utils.errors import ConfigError
from corpo.utils.files import read_jsonl, write_jsonl
from corpo.utils.resources import shipped_policy

FIXTURES = Path(__file__).parent.parent / "data/fixtures"
GSM8K = [
    {"question": "Ann has 3 bags of 6 apples. How many apples are there?", "answer": "3 * 6 = 18\n#### 18"},
    {"question": "Half of a cake is cut in two. What share is a piece?", "answer": "1/2 / 2 = 1/4\n#### 1/4"},
]
OWN = [
    {
        "id": "double",
        "statement": "Double a number.",
        "entry": "double",
        "tests": [{"args": [value], "value": 2 * value} for value in range(4)],
        "references": ["def double(x):\n    return x + x"],
    },
    {"id": "echo", "statement": "Print the input.", "tests": [{"input": "a\n", "output": "a\n"}]},
    {"id": "broken", "statement": "Halve it.", "tests": ["assert half(4) == 2"], "references": ["half = 2"]},
]
PAPER = (-1, -0.9, -0.8, -0.7)


def config_of(
    sources: dict[str, SourceConfig], style: str = INSTRUCT, seed: int = 0, **options: Any
) -> Config:
    return Config(
        task=TaskConfig("solve", {"failures": list(PAPER), **options}),
        data=DataConfig(sources=sources, seed=seed),
        candidates=CandidatesConfig(cpu_seconds=0.3),
        model=ModelConfig(style=style),
    )


@cache
def fixture_config(folder: Path, style: str, **options: Any) -> Config:
    """Return a config with the problems of the fixtures and of files that are written into a folder."""
    write_jsonl(folder / "gsm8k.jsonl", GSM8K)
    write_jsonl(folder / "own.jsonl", OWN)
    sources = {
        "mbpp": SourceConfig(path=str(FIXTURES / "mbpp.jsonl")),
        "humaneval": SourceConfig(path=str(FIXTURES / "humaneval.jsonl")),
        "gsm8k": SourceConfig(path=str(folder / "gsm8k.jsonl")),
        "own": SourceConfig(path=str(folder / "own.jsonl")),
    }
    return config_of(sources, style, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("solve")


@pytest.fixture(scope="module")
def questions(folder: Path) -> dict[str, Question]:
    """Return the questions of the fixtures by id, as they are after the data stage has written them."""
    task = SolveTask(fixture_config(folder, INSTRUCT))
    rows = [vars(question) for question in task.questions()]
    write_rows(folder / "questions.parquet", rows)
    restored = [Question(**row) for row in read_rows(folder / "questions.parquet")]
    return {question.id: question for question in restored}


def grade(
    folder: Path, question: Question, *texts: str, style: str = INSTRUCT, **options: Any
) -> list[Grade]:
    [grades] = SolveTask(fixture_config(folder, style, **options)).grade([texts], [question])
    return grades


def fenced(program: str) -> str:
    return f"Here is the function:\n```python\n{program}\n```\nIt is simple."


# Answers to the problem is_not_prime, whose tests expect False of 2 and True of 10 and 35: the answer, its
# reward, the kind of its failure, and the tests that it passes.
CODE = {
    "all tests": (fenced("def is_not_prime(n):\n    return n > 2"), 1.0, "", (3, 3)),
    "two tests": ("def is_not_prime(n):\n    return True", -0.7, "some_tests", (2, 3)),
    "one test": (fenced("def is_not_prime(n):\n    return False"), -0.8, "some_tests", (1, 3)),
    "no test": (fenced("def is_not_prime(n):\n    return 7"), -0.9, "no_test", (0, 3)),
    "another name": (fenced("def is_prime(n):\n    return n > 2"), -0.9, "no_test", (0, 3)),
    "an infinite loop": (fenced("def is_not_prime(n):\n    while True: pass"), -0.9, "no_test", (0, 3)),
    "a loop at 10": (
        fenced("def is_not_prime(n):\n    while n == 10: pass\n    return False"),
        -0.8,
        "some_tests",
        (1, 3),
    ),
    "a hostile exit": (fenced("import os\nos._exit(0)"), -0.9, "no_test", (0, 3)),
    "an exit in the function": (
        fenced("def is_not_prime(n):\n    raise SystemExit(0)"),
        -0.9,
        "no_test",
        (0, 3),
    ),
    "an object that equals everything": (
        fenced("class All:\n    __eq__ = lambda *_: True\ndef is_not_prime(n):\n    return All()"),
        -0.9,
        "no_test",
        (0, 3),
    ),
    "a missing package": (fenced("import no_such_package\nis_not_prime = bool"), -0.9, "no_test", (0, 1)),
    "a syntax error": (fenced("def is_not_prime(n:\n    return n > 2"), -1.0, "unparseable", (0, 0)),
    "prose": ("A number is prime if it has two divisors.", -1.0, "unparseable", (0, 0)),
    "a word": ("Yes", -1.0, "unparseable", (0, 0)),
    "nothing": ("", -1.0, "unparseable", (0, 0)),
    "thoughts only": ("<think>def is_not_prime(n): return True", -1.0, "unparseable", (0, 0)),
}


def test_programs_are_rewarded_by_the_tests_that_they_pass(
    folder: Path, questions: dict[str, Question]
) -> None:
    texts = [text for text, *_ in CODE.values()]
    grades = grade(folder, questions["mbpp/3"], *texts)
    for name, result in zip(CODE, grades, strict=True):
        _, reward, failure, tests = CODE[name]
        assert (result.reward, result.failure, result.answer) == (reward, failure, Outcome(*tests)), name
        assert bool(result.fault) is (failure == "unparseable"), name
    assert grades[-1].fault == "unclosed_think"


# Answers to a question whose answer is 18.
MATH = {
    "right": ("3 * 6 = 18\nA: 18", 1.0, ""),
    "boxed": ("So there are \\boxed{18} apples.", 1.0, ""),
    "with a unit": ("The answer is 18.0 apples.", 1.0, ""),
    "an expression": ("A: $\\sqrt{324}$", 1.0, ""),
    "wrong": ("3 + 6 = 9\nA: 9", -0.9, "wrong_answer"),
    "words": ("A: many", -0.9, "wrong_answer"),
    "none": ("I do not know.", -1.0, "unparseable"),
}


def test_answers_are_rewarded_if_they_are_right(folder: Path, questions: dict[str, Question]) -> None:
    [question] = [question for question in questions.values() if "apples" in question.statement]
    grades = grade(folder, question, *[text for text, _, _ in MATH.values()])
    for name, result in zip(MATH, grades, strict=True):
        assert (result.reward, result.failure) == MATH[name][1:], name


def test_closeness_orders_wrong_numbers(folder: Path, questions: dict[str, Question]) -> None:
    [apples] = [question for question in questions.values() if "apples" in question.statement]
    [cake] = [question for question in questions.values() if "cake" in question.statement]
    texts = ("A: 18", "A: 17", "A: 26", "A: 7", "A: -18", "A: 1e300", "A: many", "none")
    close = grade(folder, apples, *texts, closeness=True)
    assert [result.reward for result in close] == [1.0, -0.7, -0.8, -0.8, -0.9, -0.9, -0.9, -1.0]
    assert {result.failure for result in close[1:7]} == {"wrong_answer"}
    fractions = grade(folder, cake, "A: 0.25", "A: 1/5", "A: 2", closeness=True)
    assert [result.reward for result in fractions] == [1.0, -0.7, -0.9]


def test_a_completion_is_a_program_with_its_start(folder: Path, questions: dict[str, Question]) -> None:
    question = questions["humaneval/HumanEval/0"]
    body = (
        "    values = sorted(numbers)\n    return any(b - a < threshold for a, b in zip(values, values[1:]))"
    )
    texts = (body, body + "\n\nprint(has_close_elements([], 1))", "    return False", "It is easy.", "")
    rewards = [result.reward for result in grade(folder, question, *texts, style="compact")]
    assert rewards[:2] == [1.0, 1.0]
    assert rewards[2] in PAPER[1:]
    assert rewards[3:] == [-1.0, -1.0]
    [chat] = grade(folder, question, fenced(f"def has_close_elements(numbers, threshold):\n{body}"))
    assert chat.reward == 1.0


def test_calls_and_runs_are_graded_like_assertions(folder: Path, questions: dict[str, Question]) -> None:
    doubles = ("def double(x):\n    return 2 * x", "def double(x):\n    return x * x")
    grades = grade(folder, questions["own/double"], *map(fenced, doubles))
    assert [result.answer for result in grades] == [Outcome(4, 4), Outcome(2, 4)]
    [echo] = grade(folder, questions["own/echo"], fenced("print(input())"))
    assert echo.reward == 1.0


def test_a_batch_runs_each_different_program_once(
    folder: Path, questions: dict[str, Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    run_programs = Sandbox.run

    def count(sandbox: Sandbox, programs: list[Program], *arguments: Any) -> Any:
        batches.append(len(programs))
        return run_programs(sandbox, programs, *arguments)

    monkeypatch.setattr(Sandbox, "run", count)
    task = SolveTask(fixture_config(folder, INSTRUCT))
    prime, similar = questions["mbpp/3"], questions["mbpp/2"]
    right = fenced("def is_not_prime(n):\n    return n > 2")
    grades_PG = task.grade([[right, right], [right, "prose"], [right, right]], [prime, similar, prime])
    assert batches == [2], "one batch of one program for each of two problems"
    for grades_G, rewards_G in zip(grades_PG, [[1, 1], [-0.9, -1], [1, 1]], strict=True):
        assert [result.reward for result in grades_G] == rewards_G


def test_the_columns_of_a_response_count_tests(folder: Path, questions: dict[str, Question]) -> None:
    task = SolveTask(fixture_config(folder, INSTRUCT))
    question = questions["mbpp/3"]
    text = "def is_not_prime(n):\n    return True"
    [result] = grade(folder, question, text)
    columns = task.rollout_columns(text, result, question)
    assert columns == {"parsed": True, "correct": False, "passed": 2, "total": 3}
    assert task.item_columns(question) == {"problem_id": "mbpp/3", "family": "mbpp", "domain": "code"}


def test_prompts_are_instructions_or_texts_to_continue(folder: Path, questions: dict[str, Question]) -> None:
    task = SolveTask(fixture_config(folder, INSTRUCT))
    code, start, stream = questions["mbpp/3"], questions["humaneval/HumanEval/0"], questions["own/echo"]
    [apples] = [question for question in questions.values() if "apples" in question.statement]
    assert task.prompt(code, INSTRUCT).startswith("Write a Python function for this task.")
    assert task.prompt(code, INSTRUCT).endswith("assert is_not_prime(2) == False")
    assert "reads standard input" in task.prompt(stream, INSTRUCT)
    assert "End with a line `A: `" in task.prompt(apples, INSTRUCT)
    assert task.prompt(code, "compact").startswith('"""\nWrite a python function to identify non-prime')
    assert task.prompt(start, "compact").startswith("from typing import List")
    assert task.prompt(start, "compact").endswith('"""\n')
    assert task.prompt(apples, "compact") == f"Question: {GSM8K[0]['question']}\nAnswer:"


def test_a_problem_whose_reference_fails_is_left_out(questions: dict[str, Question]) -> None:
    assert "own/broken" not in questions
    assert {"own/double", "own/echo", "mbpp/2", "mbpp/3", "mbpp/4"} <= set(questions)


def problems(count: int) -> list[dict[str, Any]]:
    """Return code and math problems with different words."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        words = " ".join(f"{chr(97 + number % 26)}{number}w{i}" for i in range(16))
        rows.append({"id": f"c{number}", "statement": f"Give {words}.", "tests": [f"assert f() == {number}"]})
        words = words.replace("w", "v")
        rows.append({"id": f"m{number}", "statement": f"Count {words}.", "answer": str(number % 3)})
    return rows


def splits(path: Path, rows: list[dict[str, Any]], seed: int = 0, **options: Any) -> dict[str, str]:
    """Return the splits of the questions that some problems give, by id."""
    write_jsonl(path, rows)
    config = config_of({"own": SourceConfig(path=str(path), evaluation=0.4)}, seed=seed, **options)
    task = SolveTask(config)
    return {question.id: question.split for question in task.select(task.questions())}


def test_both_directions_share_their_evaluation_problems(tmp_path: Path) -> None:
    rows = problems(60)
    on_code = splits(tmp_path / "own.jsonl", rows, train_on="code")
    on_math = splits(tmp_path / "own.jsonl", rows, train_on="math")
    evaluated = {"own_code", "own_math"}
    for split in evaluated:
        assert _ids(on_code, split) == _ids(on_math, split)
        assert len(_ids(on_code, split)) in range(12, 37)
    assert {name.split("/")[1][0] for name in _ids(on_code, "train")} == {"c"}
    assert {name.split("/")[1][0] for name in _ids(on_math, "train")} == {"m"}
    assert _ids(on_code, "validation") == _ids(on_math, "validation_code")
    assert _ids(on_code, "validation_math") == _ids(on_math, "validation")
    assert set(on_code.values()) == {"train", "validation", "validation_math", *evaluated}


def _ids(split_by_id: dict[str, str], split: str) -> set[str]:
    return {name for name, of_name in split_by_id.items() if of_name == split}


def test_the_split_of_a_problem_depends_on_its_id_and_the_seed_only(tmp_path: Path) -> None:
    rows = problems(30)
    every = splits(tmp_path / "own.jsonl", rows)
    half = splits(tmp_path / "own.jsonl", rows[:30])
    assert half == {name: every[name] for name in half}
    assert list(splits(tmp_path / "own.jsonl", rows[::-1])) == list(every), "the same order"
    assert splits(tmp_path / "own.jsonl", rows, seed=1) != every


def test_training_problems_share_no_words_with_evaluation_problems(tmp_path: Path) -> None:
    rows = problems(40)
    split_by_id = splits(tmp_path / "own.jsonl", rows)
    [trained, *_] = sorted(_ids(split_by_id, "train"))
    [evaluated, *_] = sorted(_ids(split_by_id, "own_code"))
    by_id = {f"own/{row['id']}": row for row in rows}
    by_id[trained]["statement"] = by_id[evaluated]["statement"] + " Now."
    again = splits(tmp_path / "own.jsonl", rows)
    assert set(split_by_id) - set(again) == {trained}


def test_splits_in_and_out_of_domain_follow_the_direction(folder: Path) -> None:
    on_code = SolveTask(fixture_config(folder, INSTRUCT))
    assert on_code.in_domain == ("mbpp", "humaneval", "own_code")
    assert on_code.out_of_domain == ("gsm8k", "own_math")
    on_math = SolveTask(fixture_config(folder, INSTRUCT, train_on="math"))
    assert (on_math.in_domain, on_math.out_of_domain) == (on_code.out_of_domain, on_code.in_domain)


def test_floors_are_the_most_frequent_answers(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "own.jsonl", problems(8))
    task = SolveTask(config_of({"own": SourceConfig(path=str(tmp_path / "own.jsonl"))}))
    expected = pd.DataFrame([{"split": "own_math", "prompts": 8, "frequent answer": 3 / 8}])
    pd.testing.assert_frame_equal(task.floors(task.questions()), expected)


def test_readers_see_tests_and_answers(folder: Path, questions: dict[str, Question]) -> None:
    task = SolveTask(fixture_config(folder, INSTRUCT))
    [apples] = [question for question in questions.values() if "apples" in question.statement]
    assert task.shown_answer(apples) == "18"
    assert task.shown_answer(questions["mbpp/3"]).startswith("assert is_not_prime(2) == False\n")
    assert task.shown_answer(questions["own/double"]) == "double(0,)\ndouble(1,)\ndouble(2,)"
    assert task.shown_answer(questions["own/echo"]) == r"'a\n' gives 'a\n'"


def test_the_key_of_the_data_changes_with_the_files_and_the_execution(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    write_jsonl(path, problems(2))
    config = config_of({"own": SourceConfig(path=str(path))})
    spec = SolveTask(config).data_spec()
    config.task.options["train_on"] = "math"
    assert spec == SolveTask(config).data_spec(), "both directions share their questions"
    config.candidates.max_tests = 1
    assert spec != SolveTask(config).data_spec()
    config.candidates.max_tests = None
    write_jsonl(path, problems(3))
    assert spec != SolveTask(config).data_spec()


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        ({}, {}, "there are no sources of problems; choose data=solve"),
        ({"mbpp": SourceConfig()}, {"speed": 1}, r"task\.options\.speed: no such option"),
        ({"mbpp": SourceConfig()}, {"train_on": "art"}, "choose one of code, math"),
        ({"mbpp": SourceConfig()}, {"closeness": "yes"}, "choose true or false"),
        ({"mbpp": SourceConfig(splits="train")}, {}, "name of a split of training"),
        (
            {"mbpp": SourceConfig(splits="test"), "gsm8k": SourceConfig(splits="test")},
            {},
            "'test' has programs and mathematics",
        ),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    sources: dict[str, SourceConfig], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        SolveTask(config_of(sources, **options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [("solve_code", []), ("solve_math", []), ("solve_smollm2", [f"model.path={shipped_policy()}"])],
)
def test_dry_runs_of_the_experiments_need_no_hub(name: str, options: list[str]) -> None:
    config = load_config([f"experiment={name}", "dry_run=true", *options])
    titles = [stage.title for stage in graph(study_stages(config))]
    assert titles[:2] == ["data", "evaluate base"]
    assert titles[-1] == "evaluate corpo seed 0"
    assert config.task.options["train_on"] == ("math" if name == "solve_math" else "code")
    assert SolveTask(config).in_domain == (("gsm8k",) if name == "solve_math" else ("mbpp", "humaneval"))


def test_a_policy_is_trained_and_evaluated_on_files_of_problems(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "own.jsonl", problems(20))
    options = [
        "data=own",
        f"data.sources.own.path={tmp_path}/own.jsonl",
        "data.sources.own.evaluation=0.2",
        f"model.path={shipped_policy()}",
        "task.name=solve",
        "+task.options={train_on: math}",
        "rollout.max_new_tokens=6",
        "train.steps=2",
        "train.prompts_per_step=4",
        "train.group_size=2",
        "train.validation_prompts=2",
        "train.validation_rollouts=2",
        "evaluate=tiny",
        "evaluate.num_rollouts=2",
        "evaluate.ks=[1]",
        f"outputs={tmp_path}/outputs",
    ]
    run_stages([evaluate_stage(load_config(options), trained=True)])
    [metrics] = tmp_path.glob("outputs/train/*/metrics.jsonl")
    for record in read_jsonl(metrics):
        num_failed = sum(record[f"failed_{kind}"] for kind in SolveTask.failures)
        assert num_failed + 8 * record["pass_rate"] == 8
    assert "validation/pass@1/code" in record
    [table] = tmp_path.glob("outputs/evaluate/*/rollouts.parquet")
    rollouts = pd.read_parquet(table)
    assert set(rollouts["split"]) == {"own_code", "own_math"}
    assert (rollouts["passed"] <= rollouts["total"]).all()
    assert set(rollouts["reward"]) <= {-1.0, -0.8, -0.6, -0.4, -0.2, 1.0}
