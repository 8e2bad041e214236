"""`corpo verify`: two files are judged, and bad input is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpo.cli.main import main
from corpo.cli.verify import summarise_responses

PROBLEM = "above 3, plus 2, reversed: f([1, 4, 6]) == [8, 6]\n"
RIGHT = """def f(xs):
    xs = [x for x in xs if x > 3]
    xs = [(x + 2) % 10 for x in xs]
    xs = xs[::-1]
    return xs
"""
WRONG = RIGHT.replace("> 3", "> 4")


def run_main(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Return exit code, output and errors of `corpo` with these arguments."""
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    contents = {"problem.md": PROBLEM, "a.py": RIGHT, "b.py": WRONG}
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in contents]


def test_two_files_are_judged(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run_main(capsys, "verify", *files, "--json", "--rollouts", 8)
    record = json.loads(output)
    assert code == (0 if record["a"]["correct"] and record["b"]["correct"] else 1)
    assert (record["rollouts"], record["policy"]) == (8, "nano_base")
    for side, path in (("a", files[1]), ("b", files[2])):
        judged = record[side]
        assert judged["file"] == str(path)
        assert 0 <= judged["confidence"] <= 10
        assert judged["correct"] is (judged["called_correct"] > 0.5)
    assert record["rationale"].startswith("<think>;A;"), "the trace of A"
    code_again, text, _ = run_main(capsys, "verify", *files, "--rollouts", 8)
    assert code_again == code
    for side in "ab":
        assert f"confidence {record[side]['confidence']:.1f} of 10" in text
    assert f"rationale: {record['rationale']}" in text


def test_summary_averages_what_could_be_parsed() -> None:
    assert summarise_responses(["<think>", "A: 1 B: 2"]) is None
    responses = [
        "<think>x</think> A: 9 B: 1",
        "<think>y</think> A: 8 B: 3",
        "<think>z</think> A: 1 B: 2",
        "no verdict",
    ]
    judgement = summarise_responses(responses)
    assert judgement is not None
    assert judgement.confidence == (6.0, 2.0)
    assert judgement.called_correct == pytest.approx((2 / 3, 0))
    assert (judgement.verdicts, judgement.rollouts) == (3, 4)
    assert judgement.response == "<think>y</think> A: 8 B: 3", "of the verdict nearest to the mean"


# By case: which file (0 problem, 1 a.py, 2 b.py), its content (None: missing), and the message.
BAD_FILES = {
    "missing": (2, None, "b.py: cannot be read"),
    "empty": (0, b" \n", "problem.md: is empty"),
    "not Python": (1, b"def f(:\n", "a.py, line 1: not Python"),
    "null byte": (1, b"x = 1\0\n", "a.py"),
    "not text": (1, b"\xff\xfe\x00", "a.py: cannot be read"),
    "too long": (0, b"word " * 3000, "shorten them"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_in_one_line(
    case: str, files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    index, content, message = BAD_FILES[case]
    if content is None:
        files[index].unlink()
    else:
        files[index].write_bytes(content)
    code, output, error = run_main(capsys, "verify", *files)
    assert (code, output, error.count("\n")) == (2, "", 1), error
    assert message in error


def test_a_pair_that_the_policy_cannot_trace_is_refused_in_one_line(
    files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    problem, _, program = files
    contents = {problem: "Return the first item of xs.", program: "def f(xs):\n    return sorted(xs)[:1]\n"}
    for path, content in contents.items():
        known = path.read_text()
        path.write_text(content)
        code, output, error = run_main(capsys, "verify", *files)
        assert (code, output, error.count("\n")) == (2, "", 1)
        assert "nano_base cannot judge this pair: it judges only programs made of list operations" in error
        path.write_text(known)
    for statement in ("above 3: f([1 4]) == [4]", "above 3: f([12, 5]) == [5]", "above 3: f([4]) == 12"):
        problem.write_text(statement)
        code, output, error = run_main(capsys, "verify", *files)
        assert (code, output, error.count("\n")) == (2, "", 1), statement
    problem.write_text(PROBLEM)
    solutions = [path.with_suffix(".txt") for path in files[1:]]
    for path in solutions:
        path.write_text("v1 = 7 + 5 = 12\nanswer: 12\n")
    code, _, error = run_main(capsys, "verify", problem, *solutions)
    assert code == 2
    assert "it judges only word problems in steps" in error


def test_unlike_files_options_and_policies_are_refused(
    files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    solution = files[1].with_suffix(".txt")
    solution.write_text("x = 3")
    for arguments, message in (
        ([files[0], solution, files[2]], "one of each"),
        ([*files, "--rollouts", 0], "--rollouts 0"),
        ([*files, "--policy", "no/such"], "no/such"),
        ([*files, "rollout.temprature=1"], "did you mean rollout.temperature?"),
    ):
        code, _, error = run_main(capsys, "verify", *arguments)
        assert (code, error.count("\n")) == (2, 1)
        assert message in error


def test_a_policy_that_gives_no_verdict_has_an_exit_code_of_its_own(
    where: list[str], files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    untrained = where[-1].removeprefix("model.path=")
    code, output, error = run_main(capsys, "verify", *files, "--policy", untrained)
    assert (code, output) == (3, "")
    assert "none of 16 responses could be parsed" in error


@pytest.mark.kind("the commands verify, evaluate and publish")
def test_options_may_stand_behind_flags(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--rollouts", 4, "--json", "seed=3")
    code, output, errors = run_main(capsys, "verify", *files, *options)
    assert code in (0, 1), errors
    record = json.loads(output)
    assert record["unreadable"] == record["rollouts"] - record["verdicts"]
    assert "the shipped base policy knows only" in errors


@pytest.mark.kind("the commands verify, evaluate and publish")
def test_a_notebook_and_an_untrained_baseline_are_refused(
    files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = files[1].with_suffix(".ipynb")
    notebook.write_text("{}")
    code, _, errors = run_main(capsys, "verify", files[0], notebook, files[2])
    assert (code, "is a notebook; save its code as a program (.py)" in errors) == (2, True)
    options = ("--baseline", "static", "--seed", 7, "outputs=nowhere")
    code, _, errors = run_main(capsys, "verify", *files, *options)
    assert (code, "run corpo train baseline=static seed=7" in errors) == (2, True)


@pytest.mark.kind("the commands verify, evaluate and publish")
def test_a_byte_order_mark_is_no_part_of_a_program(
    files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files[1].write_text("\ufeff" + RIGHT, encoding="utf-8")
    assert run_main(capsys, "verify", *files, "--rollouts", 2)[0] in (0, 1)


def test_the_seed_of_a_baseline_may_be_an_option(
    files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--baseline", "static", "seed=7", "outputs=nowhere")
    code, _, errors = run_main(capsys, "verify", *files, *options)
    assert (code, "run corpo train baseline=static seed=7" in errors) == (2, True)


def test_a_program_that_is_nested_too_deep_is_refused(
    files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files[1].write_text("x = " + "-" * 100_000 + "1\n")
    code, _, errors = run_main(capsys, "verify", *files)
    assert (code, "a.py: not Python (" in errors) == (2, True)
