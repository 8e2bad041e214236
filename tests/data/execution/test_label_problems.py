"""Label the candidates of real problems, with the class of the failure and evidence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from corpo.data.execution.checks import Answer, CallChecks, StdioChecks
from corpo.data.execution.label_problems import label_problems
from corpo.data.execution.sandbox import Sandbox
from corpo.data.execution.split_asserts import split_assertions
from corpo.data.execution.test_functions import split_tests
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
    inside = "assert all(f(x) == x + 1 for x in (1, 2))"
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


_EQUAL = "class F(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
LIARS = {  # objects that would pass every comparison in the process of the program
    "equal to everything": "class E:\n    def __eq__(self, other): return True",
    "an integer": "class E(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__",
    "a method of Python": "class E(int):\n    __eq__ = int.__ne__\n    __hash__ = int.__hash__",
    "differences of zero": "class E:\n    def __sub__(self, other): return 0\n    __rsub__ = __sub__",
    "in its own order": (
        "class E:\n    def __sub__(self, other): return self\n    def __abs__(self): return self\n"
        "    def __lt__(self, other): return True\n    __le__ = __gt__ = __ge__ = __eq__ = __lt__"
    ),
    "a metaclass": (
        "class M(type):\n    def __getattribute__(self, name):\n"
        "        return int.__eq__ if name == '__eq__' else type.__getattribute__(self, name)\n"
        "    def __hash__(self): return hash(int)\n    def __eq__(self, other): return True\n"
        "class E(int, metaclass=M):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__"
    ),
    "in a list": (
        "class F:\n    def __eq__(self, other): return True\nclass L(list): pass\n"
        "E = lambda *values: L([F(), (F(),), {1: F()}])"
    ),
    "called": (
        "class F:\n    def __call__(self, *values): return self\n    def __eq__(self, other): return True\n"
        "E = lambda *values: F()"
    ),
    "of the library": "from unittest.mock import ANY\nE = lambda *values: ANY",
    "with the file name of the library": (
        "text = 'class E:\\n    def __eq__(self, other): return True'\n"
        "exec(compile(text, '/usr/lib/python3/fractions.py', 'exec'))"
    ),
    "behind a proxy": f"import weakref\n{_EQUAL}kept = F()\nE = lambda *values: weakref.proxy(kept)",
    "behind a proxy of a mapping": (
        "import types\nclass F:\n    def __getitem__(self, key): pass\n"
        "    def __eq__(self, other): return True\nE = lambda *values: types.MappingProxyType(F())"
    ),
    "a fraction": (
        f"from fractions import Fraction\n{_EQUAL}def E(*values):\n    value = Fraction(1)\n"
        "    value._numerator = value._denominator = F()\n    return value"
    ),
    "a list of the library": (
        f"from collections import UserList\n{_EQUAL}def E(*values):\n    value = UserList()\n"
        "    value.data = F()\n    return value"
    ),
    "a mapping": (
        f"from collections.abc import Mapping\n{_EQUAL}class E(Mapping):\n"
        "    __len__ = lambda self: 1\n    __iter__ = lambda self: iter([F()])\n"
        "    __getitem__ = lambda self, key: F()"
    ),
    "one after the other": f"{_EQUAL}def E(*values):\n    yield F()",
    "in an array": f"import numpy\n{_EQUAL}E = lambda *values: numpy.array([F()], object)",
    "in a masked array": "import numpy\nE = lambda *values: numpy.ma.masked_all(1)",
    "everything is in it": "class E(list):\n    def __contains__(self, item): return True",
}
SELF_REPORTING = (
    "assert all(f(x) == x + 1 for x in (1, 2))",
    "assert all(x + 1 == f(x) for x in (1, 2))",
    "assert all(abs(f(x) - x - 1) < 1e-6 for x in (1, 2))",
    "import pytest\nassert all(f(x) == pytest.approx(x + 1) for x in (1, 2))",
    "assert all([f(x)] == [x + 1] for x in (1, 2))",
    "assert 2 in f(1) and 3 in f(2)",
    "import unittest\nclass T(unittest.TestCase):\n    def test_f(self):\n"
    "        self.assertCountEqual([f(1)], [2])",
    "def same(a, b):\n    return a == b\nassert same(f(1), 2)\nassert same([f(2)], [3])",
    "import numpy as np\nnp.testing.assert_allclose(f(1), [2])",
)


@pytest.mark.parametrize("liar", LIARS)
def test_no_object_lies_about_its_equality_in_a_test_that_reports_by_itself(liar: str) -> None:
    program = f"{LIARS[liar]}\ndef f(x):\n    return E()"
    for tests in SELF_REPORTING:
        if liar == "everything is in it" and " in f" not in tests:
            continue
        checks = split_tests(tests)
        assert not all(checks.conditions)
        [candidate] = _label(RealProblem("p", Domain.code, "s", checks), program)
        assert not candidate.correct, tests


def test_objects_that_the_tests_or_python_define_are_compared() -> None:
    program = (
        "from dataclasses import dataclass\nfrom fractions import Fraction\n"
        "from collections import deque, Counter, UserList\nimport datetime\n"
        "@dataclass\nclass Money:\n    cents: int\n    def __add__(self, other):\n"
        "        return Money(self.cents + other.cents)\n"
        "class Bag:\n    def __init__(self, items):\n        self.items = items\n"
        "    def __contains__(self, item):\n        return item in self.items\n"
        "def half(x):\n    return Fraction(x, 2)\ndef day():\n    return datetime.date(2020, 1, 2)\n"
        "def queue():\n    return deque([1, Fraction(1, 2)])\ndef count():\n    return Counter('aab')\n"
        "def stream():\n    yield from range(10 ** 9)\ndef listed():\n    return UserList([1])\n"
        "def array():\n    import numpy\n    return numpy.array([1.5])\n"
    )
    checks = split_assertions(
        "import datetime\nfrom collections import deque\n"
        "assert Money(1) + Money(2) == Money(3)\nassert 3 in Bag([3]) and 4 not in Bag([3])\n"
        "assert all(half(x) == x / 2 for x in (1, 3))\nassert day() == datetime.date(2020, 1, 2)\n"
        "assert queue() == deque([1, 0.5])\nassert count() == {'a': 2, 'b': 1} and day().year == 2020\n"
        "assert 3 in stream() and 2 in {1: 2}.values() and listed() == [1]\nassert all(array() == [1.5])\n"
    )
    [candidate] = _label(RealProblem("p", Domain.code, "s", checks), program)
    assert candidate.correct, candidate.evidence


@pytest.mark.parametrize(
    "patch",
    [
        "import unittest\nunittest.TestCase.assertCountEqual = lambda *a, **k: None\n",
        "import unittest\nclass C(unittest.TestCase):\n    def debug(self): pass\nunittest.TestCase = C\n",
        "import math\nmath.isclose = lambda *a, **k: True\n",
        "import random\nrandom.randint = lambda a, b: 0\n",
        "import unittest\nunittest.TestCase.__getattribute__ = lambda *names: lambda *a, **k: None\n",
        "import math, types\nclass M(types.ModuleType):\n"
        "    def __getattribute__(self, name): return lambda *a, **k: True\nmath.__class__ = M\n",
        "import numpy as np\nnp.allclose = isclose = lambda *a, **k: True\n",
    ],
)
def test_tests_use_the_functions_of_python_and_not_those_of_the_program(patch: str) -> None:
    checks = split_tests(
        "import math, random, unittest\nfrom solution import f\n"
        "class T(unittest.TestCase):\n    def test_f(self):\n        self.assertCountEqual([f(1)], [2])\n"
        "    def test_near(self):\n        x = random.randint(5, 9)\n"
        "        assert math.isclose(f(x), x + 1)\n"
    )
    assert not any(checks.conditions)
    problem = RealProblem("p", Domain.code, "s", checks)
    right, wrong, zero = _label(
        problem,
        f"{patch}def f(x):\n    return x + 1",
        f"{patch}def f(x):\n    return 9",
        f"{patch}def f(x):\n    return 1 + (x == 1)",
    )
    assert [right.correct, wrong.correct, zero.correct] == [True, False, False]


@pytest.mark.parametrize(
    "before",
    [
        "import builtins\nbuiltins.exec = lambda *a, **k: None\n",
        "import builtins\nbuiltins.compile = lambda *a, **k: 'for n in (0, 1): __passed__(n)'\n"
        "builtins.exec = lambda *a, **k: [a[1]['__passed__'](n) for n in (0, 1)]\n",
        "import ast\nast.parse = lambda *a, **k: 1 / 0\n",
        "import contextlib\ncontextlib.suppress = None\n",
        "import __main__\n__main__.EXCEPTIONS = ()\n__main__.exec = __main__.eval = None\n",
        "import builtins\nbuiltins.all = lambda items: True\n",
        "all = lambda items: True\n",
        "import __main__\n__main__.IS_OF_PYTHON = 1 << 40\n__main__.HONEST_MODULES = ('__main__',)\n",
        "import sys\ndef trace(frame, event, argument):\n"
        "    if event == 'line' and frame.f_code.co_filename == '<tests>':\n"
        "        try: frame.f_lineno += 4\n        except ValueError: pass\n    return trace\n"
        "sys.settrace(trace)\n",
        "import math\nmath.floor = lambda number: type('E', (), {'__radd__': lambda a, b: f(b)})()\n",
        "import sys, types\nsys.modules['math'] = types.SimpleNamespace(floor=lambda x: 1 / 0)\n",
    ],
)
def test_replaced_functions_of_python_change_no_label(before: str) -> None:
    inside = split_assertions("import math\nassert all(f(x) == x + math.floor(1.5) for x in (1, 2))")
    assert inside.conditions == ("",)
    for checks in (inside, CODE.checks):
        problem = RealProblem("p", Domain.code, "s", checks)
        plain = _label(problem, "def f(x):\n    return x + 1", "def f(x):\n    return 9")
        patched = _label(problem, f"{before}def f(x):\n    return x + 1", f"{before}def f(x):\n    return 9")
        assert [candidate.correct for candidate in patched] == [candidate.correct for candidate in plain]


def test_a_program_cannot_stand_for_a_module_that_is_missing() -> None:
    checks = split_assertions("import absent\nassert all(absent.same(f(x), x + 1) for x in (1, 2))")
    fakes = [
        "import sys, types\nsys.modules['absent'] = types.SimpleNamespace(same=lambda *a: True)\n",
        "import sys\nopen('absent.py', 'w').write('same = lambda *a: True')\nsys.path.insert(0, '.')\n",
    ]
    problem = RealProblem("p", Domain.code, "s", checks)
    for candidate in _label(problem, *[f"{fake}def f(x):\n    return x" for fake in fakes]):
        assert candidate.error == "ModuleNotFoundError"


SKIPPED = """
import pytest
import unittest
from solution import f

def test_counts():
    assert f(1) == 2

@pytest.mark.skip(reason="later")
def test_later():
    assert f(1) == 99

@pytest.mark.xfail
def test_known_bug():
    assert f(1) == 99

async def test_coroutine():
    assert f(1) == 99

@pytest.mark.parametrize("x", [1, pytest.param(99, marks=pytest.mark.skip)])
def test_values(x):
    assert f(x) == x + (1 if x == 1 else 50)

@pytest.mark.skipif(True, reason="elsewhere")
class TestElsewhere:
    def test_f(self):
        assert f(1) == 99

class TestCases(unittest.TestCase):
    def test_f(self):
        self.assertEqual(f(2), 3)

    @unittest.skip("later")
    def test_later(self):
        self.assertEqual(f(2), 99)

    @unittest.expectedFailure
    def test_known_bug(self):
        self.assertEqual(f(2), 99)
"""


def test_skipped_tests_are_left_out_and_named() -> None:
    checks = split_tests(SKIPPED)
    assert checks.left_out == (
        "test_later",
        "test_known_bug",
        "test_coroutine",
        "TestElsewhere",
        "test_later",
        "test_known_bug",
        "pytest.param(99, marks=pytest.mark.skip)",
    )
    problem = RealProblem("p", Domain.code, "s", checks)
    right, wrong = _label(problem, "def f(x):\n    return x + 1", "def f(x):\n    return 2")
    assert right.correct, right.evidence
    assert not wrong.correct
    assert right.total == 3


def test_a_file_whose_tests_are_all_skipped_is_refused_by_their_names() -> None:
    with pytest.raises(ValueError, match="all of them are skipped, expected to fail or coroutines: test_f"):
        split_tests("async def test_f():\n    assert f(1) == 2\n")
