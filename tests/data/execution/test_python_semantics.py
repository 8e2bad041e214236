"""Label programs as Python runs them: large values, any object in an assertion, modules, ends, packages."""

from __future__ import annotations

from math import factorial

import pytest

from corpo.data.candidates.normal_form import distinct
from corpo.data.execution import packages, prelude
from corpo.data.execution.checks import CallChecks, Executable, StdioChecks
from corpo.data.execution.label_problems import Labelled, label_problems
from corpo.data.execution.sandbox import Sandbox
from corpo.data.execution.split_asserts import split_assertions
from corpo.data.python_text import unlimited_digits
from corpo.data.types import RawCandidate, RealProblem, UnlabelledProblem, Use
from corpo.task import Candidate, Domain

FACTORIAL = "import math\ndef f(n):\n    return math.factorial(n)\n"
POWER = "def f(n):\n    return 2 ** n\n"
LIST = "def f(n):\n    return list(range(n))\n"
DATACLASS = (
    "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n"
    "@dataclass\nclass P:\n    a: int\n\n\n"
    "def f(a):\n    return P(a).a\n"
)
PICKLE = (
    "import pickle\nclass P:\n    pass\n"
    "def f(a):\n    return type(pickle.loads(pickle.dumps(P()))).__name__\n"
)
HINTS = (
    "from __future__ import annotations\nimport typing\nclass P:\n    next: P\n"
    "def f(a):\n    return len(typing.get_type_hints(P))\n"
)
MATCH = "import re\ndef f(s):\n    return re.search(r'[0-9]', s)\n"
FRACTION = "from fractions import Fraction\ndef f(a, b):\n    return Fraction(a, b)\n"
DECIMAL = "from decimal import Decimal\ndef f(a):\n    return Decimal(a)\n"
DEQUE = "from collections import deque\ndef f(n):\n    return deque(range(n))\n"
CUSTOM_OUTPUT = (
    "import os, sys\n\nclass Output:\n    def __init__(self):\n        self.parts = []\n"
    "    def write(self, text):\n        self.parts.append(text)\n"
    "    def flush(self):\n        os.write(1, ''.join(self.parts).encode())\n        self.parts = []\n\n"
    "sys.stdout = Output()\nprint(int(input()) ** 2)\n"
)
WRITE_ONLY = (
    "import os, sys\nclass Output:\n    def write(self, text):\n        os.write(1, text.encode())\n"
    "sys.stdout = Output()\nprint(int(input()) ** 2)\n"
)
DETACHED = "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach())\nprint(int(input()) ** 2)\n"
EXIT = "import os, sys\nprint(int(input()) ** 2)\nsys.stdout.flush()\nos._exit({})\n"
SQUARE = StdioChecks(("3\n",), ("9\n",))
ASK = (
    "assert f('a1')\nassert f('b2') is not None\nassert not f('z')\nassert f('a') != 5\nassert f('z') is None"
)

# Each row has the checks, a program, and whether Python with these tests accepts the program.
Cases = dict[str, tuple[Executable, str, bool]]
LARGE: Cases = {
    "integer of 2,568 digits": (split_assertions(f"assert f(1000) == {factorial(1000)}"), FACTORIAL, True),
    "call with a large integer": (CallChecks("f", ((20000,),), (2**20000,)), POWER, True),
    "large integer, off by one": (CallChecks("f", ((20000,),), (2**20000 + 1,)), POWER, False),
    "large argument": (
        CallChecks("f", ((2**20000,),), (2**20000 + 1,)),
        "def f(n):\n    return n + 1\n",
        True,
    ),
    "printed number of 6,021 digits": (
        StdioChecks(("20000\n",), (hex(2**20000) + "\n",)),
        "n = int(input())\nassert len(str(2 ** n)) == 6021\nprint(hex(2 ** n))\n",
        True,
    ),
    "200,000 values": (CallChecks("f", ((200_000,),), (list(range(200_000)),)), LIST, True),
    "200,000 values, one wrong": (CallChecks("f", ((200_000,),), ([*range(199_999), 0],)), LIST, False),
    "tuple for a long list": (
        CallChecks("f", ((50_000,),), (list(range(50_000)),)),
        "def f(n):\n    return tuple(range(n))\n",
        True,
    ),
    "three megabytes of output": (
        StdioChecks(("1500000\n",), ("a\n" * 1_500_000,)),
        "print('a\\n' * int(input()))\n",
        True,
    ),
}
SEMANTICS: Cases = {
    "infinity": (
        CallChecks("f", (([],), ([3, 2],)), (float("inf"), 2)),
        "def f(a):\n    return min(a, default=float('inf'))\n",
        True,
    ),
    "not a number": (CallChecks("f", ((1,),), (float("nan"),)), "def f(a):\n    return float('nan')\n", True),
    "match object": (split_assertions(ASK), MATCH, True),
    "text for a match object": (split_assertions(ASK), "def f(s):\n    return 'nope'\n", False),
    "fraction": (split_assertions("assert f(1, 2) == 0.5\nassert f(4, 2) == 2"), FRACTION, True),
    "other fraction": (split_assertions("assert f(1, 3) == 0.5"), FRACTION, False),
    "fraction from a call": (CallChecks("f", ((1, 2),), (0.5,)), FRACTION, True),
    "decimal": (split_assertions("assert f('0.5') == 0.5"), DECIMAL, True),
    "contained in any object": (split_assertions("assert 3 in f(5)\nassert 7 not in f(5)"), DEQUE, True),
    "deque is no list": (split_assertions("assert f(2) == [0, 1]"), DEQUE, False),
    "source of a function": (
        CallChecks("f", ((1,),), (True,)),
        "import inspect\ndef f(x):\n    return 'def f' in inspect.getsource(f)\n",
        True,
    ),
    "named tuple": (
        split_assertions("assert f() == (1, 2)"),
        "from collections import namedtuple\nP = namedtuple('P', 'a b')\ndef f():\n    return P(1, 2)\n",
        True,
    ),
    "member of an enumeration": (
        split_assertions("assert f() == 1"),
        "from enum import IntEnum\nclass E(IntEnum):\n    A = 1\ndef f():\n    return E.A\n",
        True,
    ),
    "date": (
        split_assertions("from datetime import date\nassert f() == date(2020, 1, 2)"),
        "import datetime\ndef f():\n    return datetime.date(2020, 1, 2)\n",
        True,
    ),
    "coroutine": (
        split_assertions("import asyncio\nassert asyncio.run(f()) == 1"),
        "async def f():\n    return 1\n",
        True,
    ),
    "array in an assertion": (
        split_assertions("assert (f() == [1, 2]).all()"),
        "import numpy as np\ndef f():\n    return np.array([1, 2])\n",
        True,
    ),
    "array is no list": (
        CallChecks("f", ((),), ([1, 2],)),
        "import numpy as np\ndef f():\n    return np.array([1, 2])\n",
        False,
    ),
    "literal with tab, form feed and line separator": (
        CallChecks("f", ((),), ("a\tb \x0c\u2028c",)),
        "def f():\n    return 'a\tb \x0c\u2028c'\n",
        True,
    ),
    "input through the descriptor": (
        SQUARE,
        "import os\nprint(int(os.read(0, os.fstat(0).st_size)) ** 2)\n",
        True,
    ),
    "thread with a large stack": (
        StdioChecks(("50000\n",), ("50000\n",)),
        "import sys, threading\nsys.setrecursionlimit(10 ** 6)\nthreading.stack_size(1 << 27)\n"
        "def f(n):\n    return n and 1 + f(n - 1)\n"
        "threading.Thread(target=lambda: print(f(int(input())))).start()\n",
        True,
    ),
    "prompt of input": (SQUARE, "print(int(input('n: ')) ** 2)\n", False),
    "endless output": (SQUARE, "while True:\n    print(9)\n", False),
    "byte array": (split_assertions("assert f() == b'ab'"), "def f():\n    return bytearray(b'ab')\n", True),
    "truth of an object": (
        split_assertions("assert not f()"),
        "class E:\n    def __bool__(self):\n        return False\ndef f():\n    return E()\n",
        True,
    ),
    "generator is no list": (
        CallChecks("f", (([1, 2],),), ([1, 2],)),
        "def f(x):\n    yield from x\n",
        False,
    ),
    "dataclass": (split_assertions("assert f(3) == 3"), DATACLASS, True),
    "dataclass in a call": (CallChecks("f", ((3,),), (3,)), DATACLASS, True),
    "pickle": (CallChecks("f", ((3,),), ("P",)), PICKLE, True),
    "type hints": (CallChecks("f", ((3,),), (1,)), HINTS, True),
    "dataclass in a script": (SQUARE, f"{DATACLASS}print(f(int(input())) ** 2)\n", True),
    "imports of the tests": (
        split_assertions("import math\nassert f(9) == 3"),
        "def f(x):\n    return int(math.sqrt(x))\n",
        True,
    ),
    "own output": (SQUARE, CUSTOM_OUTPUT, True),
    "own output without flush": (SQUARE, WRITE_ONLY, True),
    "detached output": (SQUARE, DETACHED, True),
    "exit after the output": (SQUARE, EXIT.format(0), True),
    "exit with an error": (SQUARE, EXIT.format(3), False),
    "exit without output": (SQUARE, "import os\nos._exit(0)\n", False),
}
JUDGES: Cases = {
    "numpy": (
        CallChecks("f", (([1, 2],),), (3,)),
        "import numpy as np\ndef f(a):\n    return np.sum(a)\n",
        True,
    ),
    "recursion limit of LiveCodeBench": (
        CallChecks("f", ((5000,),), (5000,), prelude.LIVECODEBENCH),
        "def f(n):\n    return n and 1 + f(n - 1)\n",
        True,
    ),
    "imports of LiveCodeBench": (
        StdioChecks(("12 18\n",), ("6\n",), prelude.LIVECODEBENCH),
        "a, b = map(int, input().split())\nprint(gcd(a, b))\n",
        True,
    ),
    "imports of APPS": (
        StdioChecks(("3 1\n",), ("1 3\n",), prelude.APPS + prelude.NUMPY),
        "print(*np.sort(list(map(int, input().split()))))\n",
        True,
    ),
    "function for a method": (
        CallChecks("Solution().f", ((1,),), (2,), prelude.LIVECODEBENCH),
        "def f(n):\n    return n + 1\n",
        True,
    ),
}


def _label(checks: Executable, *texts: str) -> Labelled:
    problem = RealProblem("p", Domain.code, "s", checks)
    candidates = tuple(RawCandidate(text, str(number)) for number, text in enumerate(texts))
    return label_problems(
        [UnlabelledProblem("x", problem, candidates, Use.evaluation)], Sandbox(cpu_seconds=2.0), None
    )


def _check(checks: Executable, program: str, accepted: bool) -> None:
    [problem] = _label(checks, program).problems
    [candidate] = problem.candidates
    assert candidate.correct is accepted, (candidate.error, candidate.evidence)


@pytest.mark.kind("large values and many tests")
@pytest.mark.parametrize(("checks", "program", "accepted"), LARGE.values(), ids=LARGE.keys())
def test_a_large_value_is_decided(checks: Executable, program: str, accepted: bool) -> None:
    _check(checks, program, accepted)


@pytest.mark.kind("semantics of Python")
@pytest.mark.parametrize(("checks", "program", "accepted"), SEMANTICS.values(), ids=SEMANTICS.keys())
def test_a_label_is_that_of_python(checks: Executable, program: str, accepted: bool) -> None:
    _check(checks, program, accepted)


@pytest.mark.kind("environments of the benchmarks' judges")
@pytest.mark.parametrize(("checks", "program", "accepted"), JUDGES.values(), ids=JUDGES.keys())
def test_a_program_has_what_the_judge_of_its_benchmark_has(
    checks: Executable, program: str, accepted: bool
) -> None:
    _check(checks, program, accepted)


@pytest.mark.kind("large values and many tests")
def test_an_assertion_with_thousands_of_digits_is_decided() -> None:
    with unlimited_digits():
        checks = split_assertions(f"assert f(20000) == {2**20000}\nassert abs(f(1)) == 2")
        unsplit = split_assertions(f"assert f(20000) == {2**20000} and f(1) == 2")
    for tests in (checks, unsplit):
        [problem] = _label(tests, POWER, "def f(n):\n    return 2 ** n + n // 20000\n").problems
        assert [candidate.correct for candidate in problem.candidates] == [True, False]


@pytest.mark.kind("large values and many tests")
def test_a_test_beyond_the_limits_is_left_out_and_counted() -> None:
    checks = CallChecks("f", ((2_000_000,), (2,)), (list(range(2_000_000)), [0, 1]))
    labelled = _label(checks, LIST)
    assert labelled.unusable_tests["p"] == 1
    [candidate] = labelled.problems[0].candidates
    assert (candidate.correct, candidate.total) == (True, 1)
    only = _label(CallChecks("f", ((2_000_000,),), (list(range(2_000_000)),)), LIST)
    assert (only.problems, list(only.left_out)) == ([], ["p"])


@pytest.mark.kind("large values and many tests")
def test_the_tests_beyond_the_configured_number_are_counted() -> None:
    checks = CallChecks("f", tuple((i,) for i in range(60)), tuple(range(60)))
    candidates = (RawCandidate("def f(x):\n    return x if x < 55 else 0\n", "a"),)
    unlabelled = UnlabelledProblem(
        "x", RealProblem("p", Domain.code, "s", checks), candidates, Use.evaluation
    )
    whole, part = (label_problems([unlabelled], Sandbox(), None, max_tests) for max_tests in (None, 50))
    assert [whole.problems[0].candidates[0].correct, part.problems[0].candidates[0].correct] == [False, True]
    assert [whole.unused_tests["p"], part.unused_tests["p"]] == [0, 10]


@pytest.mark.kind("environments of the benchmarks' judges")
def test_a_program_that_needs_a_package_has_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = "import pandas as pd\ndef f(x):\n    return pd.Series([x]).sum()\n"
    old = "import Queue\ndef f(x):\n    return x\n"
    labelled = _label(CallChecks("f", ((1,),), (1,)), needs, old)
    assert labelled.undecided == {("p", "needs pandas"): 1}
    assert [candidate.error for candidate in labelled.problems[0].candidates] == ["ModuleNotFoundError"]
    monkeypatch.setattr(packages, "offered_packages", lambda: ())
    assert packages.missing_package("import numpy.linalg\n", "ModuleNotFoundError") == "numpy"
    assert packages.missing_package("np.sort([1])\n", "NameError") == "numpy"
    assert packages.missing_package("import os, numpyy\n", "wrong answer") is None


@pytest.mark.kind("semantics of Python")
def test_the_evidence_is_the_failure_that_came_first() -> None:
    checks = CallChecks("f", ((4_000_000_000,), (0,)), (1, 0))
    [problem] = _label(checks, "def f(x):\n    while x:\n        pass\n    return 0\n").problems
    assert problem.candidates[0].evidence == "f(4000000000) never ends"


@pytest.mark.kind("semantics of Python")
def test_programs_that_differ_in_names_stay_if_their_labels_differ() -> None:
    texts = [f"def f({name}):\n    return {name} * {name}\n" for name in ("x", "n", "m")]
    candidates = [
        Candidate(text, correct, "a") for text, correct in zip(texts, (False, True, True), strict=True)
    ]
    assert [candidate.text for candidate in distinct(candidates, Domain.code)] == texts[:2]
