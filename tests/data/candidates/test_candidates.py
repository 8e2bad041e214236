"""Candidates: code out of answers, sameness, labels with evidence; answers; pairing, floors, overlap."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpo.data.candidates.collect import (
    Recipe,
    UnlabelledProblem,
    complete_code,
    extract_code,
    labelled,
    normal_form,
    unlabelled_problems,
)
from corpo.data.execution.answers import final_answer, same_answer
from corpo.data.execution.checks import Answer, CallChecks, StdioChecks, assertions
from corpo.data.execution.sandbox import Isolation, Mode, Program, Sandbox, available_isolation
from corpo.data.pairing.contamination import overlaps
from corpo.data.pairing.matching import matched_pairs
from corpo.data.sources import RawCandidate, RealProblem
from corpo.data.types import LabelledProblem, Use
from corpo.evaluate.shortcut_floors import shortcut_floors
from corpo.task import Candidate, Domain, Kind
from corpo.utils.errors import DataError

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
F = "def f(x):\n    return x\n"

ANSWERS = {
    "fenced": f"Sure!\n```python\n{F}```\nIt returns x.",
    "longest": f"```\nf(1)\n```\nor\n```py\n{F}```",
    "definition before output": f"```python\n{F}```\nprints\n```text\n{'1 2 3 4 5 6 7 8 9 ' * 9}\n```",
    "no fence": F,
    "prose around": f"Here it is:\n\n{F}\nThis is what you want.",
    "prose with from": f"from here on I explain.\n{F}",
    "unclosed": f"```python\n{F}",
    "tildes": f"~~~\n{F}~~~",
    "indented": "1. Do this:\n\n   ```python\n   def f(x):\n       return x\n   ```\n",
    "info": f"```python title=f.py\n{F}```",
    "truncated": f"```python\n{F}\ndef g(y):\n    return (y +",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_code_in_a_chatty_answer(answer: str) -> None:
    assert extract_code(answer) == F


def test_a_continuation_ends_with_the_function() -> None:
    starter = "def f(x):\n"
    for answer in (
        "    return x\n\nassert f(1) == 1\n",
        "\n    return x\nprint(f(",
        f"Again:\n```python\n{F}```",
        "```\n    return x\n```",
    ):
        assert complete_code(starter, answer).replace("\n\n", "\n") == F


SAME = {
    "names": ("def f(x):\n    y = x + 1\n    return y", "def f(n):\n    m = n + 1\n    return m"),
    "layout": ("def f(x): return (x+\n 1)", "def f(x):\n\n    return x + 1  # more"),
    "docstring": ('def f(x):\n    "add"\n    return x + 1', "def f(x):\n    return x + 1"),
    "pass": ("def f(x):\n    pass", 'def f(x):\n    "nothing"'),
    "comprehension": (
        "def f(xs):\n    return [x for x in xs if x]",
        "def f(ys):\n    return [i for i in ys if i]",
    ),
    "lambda": (
        "def f(xs):\n    return sorted(xs, key=lambda x: -x)",
        "def f(a):\n    return sorted(a, key=lambda b: -b)",
    ),
    "closure": (
        "def f(x):\n    def g():\n        return x\n    return g()",
        "def f(y):\n    def g():\n        return y\n    return g()",
    ),
    "no programs": ("def f(x:\n  return", "def f(x:\n\n    return"),
}
# Pairs that a careless renaming would merge, though f(3) gives something else.
DIFFERENT = {
    "keyword of a call": (
        "def g(x, y):\n    return x - y\ndef f(a):\n    return g(x=a, y=1)",
        "def g(y, x):\n    return y - x\ndef f(a):\n    return g(x=a, y=1)",
    ),
    "keywords unpacked": (
        "def g(x, y):\n    return x - y\ndef f(a):\n    return g(**{'x': a, 'y': 1})",
        "def g(y, x):\n    return y - x\ndef f(a):\n    return g(**{'x': a, 'y': 1})",
    ),
    "keyword of a library": (
        "def f(a, key=str, reverse=True):\n    return sorted([a, 11], key=key)",
        "def f(a, reverse=str, key=True):\n    return sorted([a, 11], reverse=reverse)",
    ),
    "attribute": (
        "class A:\n    x = 1\n    y = 2\ndef f(a):\n    return A.x",
        "class A:\n    y = 1\n    x = 2\ndef f(a):\n    return A.x",
    ),
    "function as a variable": ("f = lambda a: a", "g = lambda a: a"),
    "built-in elsewhere": (
        "def g(list):\n    return list\ndef f(a):\n    return list([a, a])",
        "def g(set):\n    return set\ndef f(a):\n    return set([a, a])",
    ),
    "free name": ("def f(a):\n    return v0", "def f(a):\n    return a"),
    "star import": (
        "from math import *\ndef g(e):\n    return e\ndef f(a):\n    return e",
        "from math import *\ndef g(pi):\n    return pi\ndef f(a):\n    return pi",
    ),
    "global": (
        "x, y = 1, 2\ndef g():\n    global x\n    x = 5\ndef f(a):\n    g()\n    return x",
        "x, y = 1, 2\ndef g():\n    global y\n    y = 5\ndef f(a):\n    g()\n    return x",
    ),
    "nonlocal": (
        "def f(a):\n    x, y = 1, 2\n    def g():\n        nonlocal x\n        x = 5\n    g()\n    return x",
        "def f(a):\n    y, x = 1, 2\n    def g():\n        nonlocal x\n        x = 5\n    g()\n    return y",
    ),
    "except": (
        "def f(a):\n    e, x = 1, 2\n    try:\n        a.b\n    except AttributeError as e:\n        x = 0 if e else 1\n    return x",
        "def f(a):\n    x, e = 1, 2\n    try:\n        a.b\n    except AttributeError as e:\n        x = 0 if x else 1\n    return x + 9",
    ),
    "import as": (
        "def f(a):\n    import math as m, cmath as n\n    return m.sqrt(a)",
        "def f(a):\n    import math as n, cmath as m\n    return m.sqrt(a)",
    ),
    "case": (
        "def f(a):\n    y, z = 0, 5\n    match a:\n        case y:\n            pass\n    return y",
        "def f(a):\n    z, y = 0, 5\n    match a:\n        case y:\n            pass\n    return z",
    ),
    "names told": ("def f(a):\n    return sorted(locals())", "def f(b):\n    return sorted(locals())"),
    "annotation": ("def f(a: List):\n    return a", "def f(a):\n    return a"),
    "inner function": (
        "def f(a):\n    def g(): return 1\n    def h(): return 2\n    return g()",
        "def f(a):\n    def h(): return 1\n    def g(): return 2\n    return g()",
    ),
    "order": ("def f(a, b=1):\n    return a - b", "def f(b, a=1):\n    return a - b"),
    "constant": ("def f(a):\n    return a + 1", "def f(a):\n    return a + True + 1"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_alike_but_for_names_and_layout(one: str, other: str) -> None:
    assert normal_form(one, Domain.code) == normal_form(other, Domain.code)


def test_programs_that_behave_differently_are_never_merged() -> None:
    runs = iter(
        Sandbox(cpu_seconds=1.0).run([Program(text, ((3,),)) for pair in DIFFERENT.values() for text in pair])
    )
    for name, (one, other) in DIFFERENT.items():
        assert next(runs) != next(runs), f"{name}: the example shows nothing"
        assert normal_form(one, Domain.code) != normal_form(other, Domain.code), name


PIECES = (
    "```",
    "~~~\n",
    "def f(x):\n",
    "    return ",
    "x",
    "(",
    "\0",
    "\n",
    "lambda:",
    '"""',
    "nonlocal x",
    "\ud800",
)


@settings(max_examples=150, deadline=None)
@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_no_text_breaks_the_reading_of_programs(text: str) -> None:
    for made in (extract_code(text), complete_code("def f(x):\n", text)):
        assert isinstance(normal_form(made, Domain.code), str)
    assert isinstance(normal_form(text, Domain.code), str)
    final_answer(text)


def test_deep_programs_are_told_apart_without_an_error() -> None:
    deep = "x = " + "-" * 5000 + "1"
    assert normal_form(deep, Domain.code) != normal_form(deep + "\nx = 1", Domain.code)
    assert extract_code(deep).strip() == deep
    assert unlabelled_problems(
        RealProblem("p", Domain.code, "s", Answer("1"), (deep,)), Recipe(("references", "mutants"), 2, 0)
    )


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
    "def f(x):\n    return x * 2 + (x > 99)": (
        2,
        "wrong answer",
        "f(10000000) = 20000001, not 20000000",
    ),  # near, but a whole number
    "def f(x):\n    return [][x]": (0, "IndexError", "f(1) raises IndexError"),
    "def f(x):\n    while x > 1:\n        pass\n    return 2": (1, "timeout", "f(2) never ends"),
    "def f(x:": (
        0,
        "not a program",
        "f(1) cannot run: the program is not Python or defines no such function",
    ),
    "def f(x):\n    return x * 2.0": (3, None, ""),
    "def f(x):\n    return True if x == 1 else x * 2": (2, "wrong answer", "f(1) = True, not 2"),
}
SCRIPT = RealProblem(
    "s",
    Domain.code,
    "s",
    assertions("def check(c):\n    c(1)\n    assert c(1) == 2\n    assert c(2) == 4", "check(f)"),
    CODE.references,
)
STREAM = RealProblem(
    "t", Domain.code, "t", StdioChecks(("1\n", "2\n"), ("2", "4.0\n")), ("print(int(input()) * 2)",)
)
MATH = RealProblem("m", Domain.math, "m", Answer("1/2"), ("A: 1/2",))
FORGER = (
    "def f(x):\n    for name, it in list(globals().items()):\n        'passed' in name and it()\n    return 0"
)
ALIKE = [
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


def _label(problem: RealProblem, *texts: str, strict: bool = True) -> tuple[Candidate, ...]:
    # Claims are the opposite of the truth for every other candidate: they must not matter.
    candidates = tuple(RawCandidate(text, "given", claimed=at % 2 == 0) for at, text in enumerate(texts))
    ((found,), _) = labelled(
        [UnlabelledProblem("mine", problem, candidates, Use.evaluation, strict)],
        Sandbox(cpu_seconds=0.5, seconds=3.0),
        None,
        50,
    )
    assert [one.claimed for one in found.candidates] == [one.claimed for one in candidates]
    return found.candidates


def test_labels_come_with_class_and_evidence() -> None:
    for found, (passed, error, evidence) in zip(_label(CODE, *LABELS), LABELS.values(), strict=True):
        assert (found.passed, found.total, found.error, found.evidence, found.correct) == (
            passed,
            3,
            error,
            evidence,
            error is None,
        )
    for problem, text, passed, error, evidence in ALIKE:
        (found,) = _label(problem, text)
        assert (found.passed, found.error, found.evidence, found.correct) == (
            passed,
            error,
            evidence,
            error is None,
        ), text


def test_a_failing_reference_makes_nothing_correct() -> None:
    broken = RealProblem(
        "b", Domain.code, "s", CallChecks("f", ((1,),)), ("def f(x):\n    return [][x]",)
    )  # values are the reference's own
    suspected = UnlabelledProblem(
        "mine", broken, (RawCandidate("def f(x):\n    return [][x]", "given"),), Use.evaluation, False
    )
    assert labelled([suspected], Sandbox(), None, 50) == ([], ["b"])
    with pytest.raises(
        DataError,
        match=r"^data.sources.mine: problem 's': its reference fails: assert c\(2\) == 4 fails; correct [^\n]*$",
    ):
        _label(RealProblem("s", Domain.code, "s", SCRIPT.checks, ("def f(x):\n    return 2",)))
    for nothing in (
        lambda: CallChecks("f", ()),
        lambda: StdioChecks((), ()),
        lambda: StdioChecks(("1", "2"), ("1",)),
        lambda: CallChecks("f", ((1,),), ()),
    ):
        with pytest.raises(ValueError, match=r"not one|needs one"):
            nothing()


def test_assertions_are_tests_that_really_run() -> None:
    for nothing in ("def test_f():\n    assert f(1) == 2\nprint('done')", "f(1)"):
        with pytest.raises(ValueError, match="no assert"):
            assertions(nothing)
    main = assertions("if __name__ == '__main__':\n    assert f(1) == 2")
    problem = RealProblem("p", Domain.code, "s", main)
    assert [one.correct for one in _label(problem, "def f(x):\n    return 2", "def f(x):\n    return 1")] == [
        True,
        False,
    ]


LEVELS = [Isolation.process] + (
    [Isolation.namespaces] if available_isolation() is Isolation.namespaces else []
)


@pytest.mark.parametrize("level", LEVELS)
def test_programs_write_in_their_own_directory_only(level: Isolation, tmp_path: Path) -> None:
    import ctypes

    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 3:
        pytest.skip("this kernel has no Landlock, which keeps programs from writing elsewhere")
    kept = tmp_path / "kept"
    kept.write_text("kept")
    tries = (
        f"open('{kept}', 'w')",
        f"import os\nos.remove('{kept}')",
        f"import os\nos.mkdir('{tmp_path}/new')",
        f"import os\nos.truncate('{kept}', 0)",
    )
    own = "open('mine', 'w').write('1')\nimport os\nprint(input(), os.listdir('.'))"
    found = Sandbox(level).run([Program(text, ("7\n",), Mode.stream, "") for text in (*tries, own, own)])
    assert found == [("!PermissionError",)] * 4 + [("=7 ['mine']\n",)] * 2
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept", "kept")]


FINAL = {
    "so 2+2=4\n#### 1,234": "1,234",
    "She pays\nA: $5.00": "$5.00",
    "Thus the answer is 3/4.": "3/4",
    "The final answer is: **7**.": "7",
    "Answer: 12": "12",
    "The answer is 3. No: the answer is 4": "4",
    r"so \boxed{\frac{1}{2}} it is": r"\frac{1}{2}",
    r"\boxed{1} or \boxed{\{1, \sqrt{2}\}}": r"\{1, \sqrt{2}\}",
    r"\boxed{\left\{1,2\right.}": r"\left\{1,2\right.",
    r"cut off \boxed{\frac{1}{2": None,
    "He has 3, 4, then 5, so": "5",
    "nothing": None,
    "####": None,
}
EQUAL = [
    ("1,234", "1234"),
    ("$5.00", "5"),
    (r"\$1,000", "1000"),
    ("3/4", "0.75"),
    (r"\frac{3}{4}", "3/4"),
    (r"2\sqrt{2}", r"\sqrt{8}"),
    ("x+1", "1+x"),
]
UNEQUAL = [
    ("1", "2"),
    ("3/4", "4/3"),
    ("(1,2)", "(2,1)"),
    ("", "5"),
    ("x", "5"),
    (r"\sqrt{2}", "1.5"),
    ("yes", "no"),
    ("1234", "1,235"),
]


def test_answers() -> None:
    assert {text: final_answer(text) for text in FINAL} == FINAL
    assert [same_answer(*pair) for pair in (*EQUAL, *UNEQUAL)] == [True] * len(EQUAL) + [False] * len(UNEQUAL)


def test_an_answer_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpo.data.execution.answers._SECONDS", 1)
    assert not same_answer("9^{9^{9}}", "5")


# --- pairing, floors, overlap -----------------------------------------------------------------------------------------------


def _problem(at: int, texts: list[tuple[str, bool, str | None]], statement: str = "s") -> LabelledProblem:
    return LabelledProblem(
        f"p{at}",
        Domain.code,
        "mine",
        "",
        Use.evaluation,
        (statement,),
        tuple(Candidate(t, c, "given", error=e) for t, c, e in texts),
    )


def _drawn(rng: Random, at: int) -> LabelledProblem:
    texts = [
        (" ".join(rng.choices("abcdefgh", k=rng.randint(3, 30))) + f" {at} {n}", n % 2 == 0)
        for n in range(10)
    ]
    return _problem(
        at,
        [
            (text, right, None if right else rng.choice(["wrong answer", "NameError"]))
            for text, right in texts
        ],
    )


def test_pairs_are_matched() -> None:
    problems = [_drawn(Random(at), at) for at in range(40)]
    for kind, most in ((Kind.first_correct, 3), (Kind.both_wrong, 2), (Kind.both_correct, 2)):
        pairs = matched_pairs(problems, kind, 1000, most, "0")
        assert {pair.kind for pair in pairs} == {kind}
        for problem in problems:
            mine = [pair for pair in pairs if pair.problem.id == problem.id]
            texts = [one.text for pair in mine for one in (pair.a, pair.b)]
            assert len(mine) == most
            assert len(set(texts)) == len(texts)
        if kind is Kind.first_correct:
            signs = [(len(p.a.text) > len(p.b.text)) - (len(p.a.text) < len(p.b.text)) for p in pairs]
            assert abs(sum(signs)) <= 0.1 * len(pairs)
    assert matched_pairs(problems, Kind.both_wrong, 7, 2, "0") == matched_pairs(
        problems[::-1], Kind.both_wrong, 7, 2, "0"
    )
    hard = _problem(
        0,
        [
            ("a b c", True, None),
            ("a b c !", False, "NameError"),
            ("x y z", False, "wrong answer"),
            ("a b d", False, "wrong answer"),
        ],
    )
    assert matched_pairs([hard], Kind.first_correct, 9, 1, "0")[0].b.text == "a b d"


def _floors(
    texts_of: Callable[[Random, int], tuple[str, str]], problems: int = 60, each: int = 1
) -> tuple[float, float]:
    """The floors on both orders of `each` pairs a problem; `texts_of` gives a correct and a wrong program of a problem."""
    rng, found = Random(0), []
    for at in range(problems):
        drawn = [
            one
            for _ in range(each)
            for one in zip(texts_of(rng, at), (True, False), (None, "wrong answer"), strict=True)
        ]
        pairs = matched_pairs([_problem(at, drawn)], Kind.first_correct, each, each, "0")
        found += [("split", order) for pair in pairs for order in (pair, pair.swapped())]
    (row,) = shortcut_floors(found).to_dict("records")
    assert (row["prompts"], row["problems"]) == (2 * each * problems, problems)
    return row["length"], row["words"]


def _words(rng: Random, length: int = 12) -> str:
    return " ".join(rng.choices("abcdefgh", k=length))


def test_floors_find_planted_shortcuts_and_nothing_in_noise() -> None:
    assert _floors(lambda rng, at: (_words(rng) + " ok", _words(rng) + " no"))[1] > 0.95
    assert _floors(lambda rng, at: (_words(rng, 20), _words(rng, 12)))[0] == 1.0
    assert _floors(lambda rng, at: (_words(rng, 12), _words(rng, 20)))[0] == 1.0
    length, words = _floors(
        lambda rng, at: (_words(rng, rng.randint(8, 16)), _words(rng, rng.randint(8, 16))), problems=150
    )
    assert abs(length - 0.5) < 4 * math.sqrt(0.25 / 150)  # both orders of a pair are one draw
    assert abs(words - 0.25) < 4 * math.sqrt(0.25 / 150)
    # Tokens that tell all about one problem and nothing of the others: at chance, unless a judge has seen the problem.
    assert _floors(
        lambda rng, at: (_words(rng) + f" right{at}" * 3, _words(rng) + f" wrong{at}" * 3), each=3
    )[1] < 0.25 + 4 * math.sqrt(0.25 / 60)


def test_overlap_of_statements() -> None:
    run = "one two three four five six seven"
    trained = [
        _problem(0, [], f"Say {run.upper()}, please."),
        _problem(1, [], "one two three four six seven five"),
        _problem(2, [], "short one"),
    ]
    evaluated = [_problem(8, [], f"start {run} end"), _problem(9, [], "Short: one!")]
    assert [(one.trained, one.evaluated) for one in overlaps(trained, evaluated, 7)] == [
        ("p0", "p8"),
        ("p2", "p9"),
    ]
    assert overlaps(trained[:2], evaluated, 8) == []
