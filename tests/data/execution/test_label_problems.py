"""Label the candidates of real problems, with the class of the failure and evidence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from corpo.data.execution.checks import Answer, CallChecks, StdioChecks
from corpo.data.execution.label_problems import label_problems
from corpo.data.execution.sandbox import Sandbox
from corpo.data.execution.split_asserts import split_assertions
from corpo.data.types import RawCandidate, RealProblem, UnlabelledProblem, Use
from corpo.task import Candidate, Domain

CODE = RealProblem(
    "p",
    Domain.code,
    "Twice x.",
    CallChecks("f", ((1,), (2,), (10**7,)), (2, 4, 2 * 10**7)),
    ("def f(x):\n    return x * 2",),
)
LABELS = {  # program: passed, error, evidence
    "def f(x):\n    return x + x": (3, None, ""),
    "def f(x):\n    return x + 1": (1, "wrong answer", "f(2) = 3, not 4"),
    # The result is near the expected value, but whole numbers have to be equal.
    "def f(x):\n    return x * 2 + (x > 99)": (2, "wrong answer", "f(10000000) = 20000001, not 20000000"),
    "def f(x):\n    return [][x]": (0, "IndexError", "f(1) raises IndexError"),
    "def f(x):\n    while x > 1:\n        pass\n    return 2": (1, "timeout", "f(2) never ends"),
    "def f(x:": (
        0,
        "not a program",
        "f(1) cannot run: the program is not Python or defines no such function",
    ),
    "def f(x):\n    return x * 2.0": (3, None, ""),
    "def f(x):\n    return x * 2 + 1e-7": (0, "wrong answer", "f(1) = 2.0000001, not 2"),
    "def f(x):\n    return True if x == 1 else x * 2": (2, "wrong answer", "f(1) = True, not 2"),
}
SCRIPT = RealProblem(
    "s",
    Domain.code,
    "s",
    split_assertions("def check(c):\n    c(1)\n    assert c(1) == 2\n    assert c(2) == 4", "check(f)"),
    CODE.references,
)
STREAM = RealProblem(
    "t", Domain.code, "t", StdioChecks(("1\n", "2\n"), ("2", "4.0\n")), ("print(int(input()) * 2)",)
)
MATH = RealProblem("m", Domain.math, "m", Answer("1/2"), ("A: 1/2",))
FORGER = (
    "def f(x):\n    for name, it in list(globals().items()):\n        'passed' in name and it()\n    return 0"
)
OTHER_LABELS = [
    (SCRIPT, "def f(x):\n    return 2", 1, "wrong answer", "assert c(2) == 4 fails"),
    (
        SCRIPT,
        "def f(x):\n    return 1 // (x - 2) + 3",
        1,
        "ZeroDivisionError",
        "assert c(2) == 4 raises ZeroDivisionError",
    ),
    (SCRIPT, FORGER, 0, "wrong answer", "assert c(1) == 2 fails"),
    (STREAM, "print(int(input()) * 2)\nexit()", 2, None, ""),
    (
        STREAM,
        "import threading\nthreading.Thread(target=lambda: print(int(input()) * 2)).start()",
        2,
        None,
        "",
    ),
    (STREAM, "print(input())", 0, "wrong answer", "on the input '1' it prints '1', not '2'"),
    (STREAM, "print(2)\nraise SystemExit(1)", 0, "SystemExit", "on the input '1' it raises SystemExit"),
    (STREAM, "print('2' * (1 << 21))", 0, "OSError", "on the input '1' it raises OSError"),
    (MATH, "So it is 0.5\nA: 0.5", 1, None, ""),
    (MATH, "A: 2", 0, "wrong answer", "it gives 2, not 1/2"),
    (MATH, "no idea", 0, "no answer", "it gives no answer"),
]


def _label(problem: RealProblem, *texts: str) -> tuple[Candidate, ...]:
    """Label programs with arbitrary claims, which must not matter."""
    candidates = tuple(RawCandidate(text, "given", claimed=i % 2 == 0) for i, text in enumerate(texts))
    unlabelled = UnlabelledProblem("mine", problem, candidates, Use.evaluation)
    [labelled] = label_problems([unlabelled], Sandbox(cpu_seconds=0.5, seconds=3.0), None).problems
    assert [candidate.claimed for candidate in labelled.candidates] == [c.claimed for c in candidates]
    return labelled.candidates


def test_labels_of_calls_have_error_and_evidence() -> None:
    for candidate, (passed, error, evidence) in zip(_label(CODE, *LABELS), LABELS.values(), strict=True):
        assert (candidate.passed, candidate.error, candidate.evidence) == (passed, error, evidence)
        assert (candidate.total, candidate.correct) == (3, error is None)


@pytest.mark.parametrize(("problem", "text", "passed", "error", "evidence"), OTHER_LABELS)
def test_labels_of_scripts_runs_and_answers_have_error_and_evidence(
    problem: RealProblem, text: str, passed: int, error: str | None, evidence: str
) -> None:
    (candidate,) = _label(problem, text)
    assert (candidate.passed, candidate.error, candidate.evidence) == (passed, error, evidence)
    assert candidate.correct is (error is None)


def test_problems_with_failing_references_are_left_out_all_at_once() -> None:
    failing = "def f(x):\n    return [][x]"
    no_value = RealProblem("b", Domain.code, "s", CallChecks("f", ((1,),)), references=(failing,))
    wrong_value = RealProblem("s", Domain.code, "s", SCRIPT.checks, ("def f(x):\n    return 2",))
    unlabelled = [
        UnlabelledProblem("mine", problem, (RawCandidate(failing, "given"),), Use.evaluation)
        for problem in (no_value, CODE, wrong_value)
    ]
    labelled = label_problems(unlabelled, Sandbox(), None)
    assert [problem.id for problem in labelled.problems] == ["p"]
    assert labelled.left_out == {
        "b": "its reference fails: f(1) raises IndexError",
        "s": "its reference fails: assert c(2) == 4 fails",
    }


@pytest.mark.parametrize(
    ("make_checks", "message"),
    [
        (lambda: CallChecks("f", ()), "there is no call"),
        (lambda: StdioChecks((), ()), "there is no input"),
        (lambda: StdioChecks(("1", "2"), ("1",)), "each input needs one"),
        (lambda: CallChecks("f", ((1,),), ()), "each call needs one"),
    ],
)
def test_checks_without_tests_or_answers_are_refused(make_checks: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_checks()


def test_assertions_in_a_main_block_run() -> None:
    checks = split_assertions("if __name__ == '__main__':\n    assert f(1) == 2")
    problem = RealProblem("p", Domain.code, "s", checks)
    correct, wrong = _label(problem, "def f(x):\n    return 2", "def f(x):\n    return 1")
    assert (correct.correct, wrong.correct) == (True, False)


def test_a_label_that_rests_on_comparisons_of_the_program_says_so() -> None:
    inside = "for x in (1, 2):\n    assert f(x) == x + 1"
    for tests, evidence in (
        ("assert f(1) == 2", ""),
        (inside, "self-reported: 1 of 1 tests"),
        (f"assert f(1) == 2\n{inside}", "self-reported: 1 of 2 tests"),
    ):
        checks = split_assertions(tests)
        problem = RealProblem("p", Domain.code, "s", checks)
        right, wrong = _label(problem, "def f(x):\n    return x + 1", "def f(x):\n    return 9")
        assert (right.correct, right.evidence) == (True, evidence)
        assert not wrong.correct
        assert "self-reported" not in wrong.evidence


@pytest.mark.parametrize(
    "before",
    [
        "import builtins\nbuiltins.exec = lambda *a, **k: None\n",
        "import builtins\nbuiltins.compile = lambda *a, **k: 'for n in (0, 1): __passed__(n)'\n"
        "builtins.exec = lambda *a, **k: [a[1]['__passed__'](n) for n in (0, 1)]\n",
        "import ast\nast.parse = lambda *a, **k: 1 / 0\n",
        "import contextlib\ncontextlib.suppress = None\n",
        "import __main__\n__main__.EXCEPTIONS = ()\n__main__.exec = __main__.eval = None\n",
    ],
)
def test_replaced_functions_of_python_change_no_label(before: str) -> None:
    for checks in (split_assertions("import math\nfor x in (1, 2):\n    assert f(x) == x + 1"), CODE.checks):
        problem = RealProblem("p", Domain.code, "s", checks)
        plain = _label(problem, "def f(x):\n    return x + 1", "def f(x):\n    return 9")
        patched = _label(problem, f"{before}def f(x):\n    return x + 1", f"{before}def f(x):\n    return 9")
        assert [candidate.correct for candidate in patched] == [candidate.correct for candidate in plain]
