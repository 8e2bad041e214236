"""Recognise programs that are the same under other names and layout."""

from __future__ import annotations

from itertools import chain

import pytest

from corpo.data.candidates.normal_form import normal_form
from corpo.data.execution.sandbox import Program, Sandbox
from corpo.task import Domain

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
# Pairs that a careless renaming would merge, although f(3) differs.
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
        "def f(a):\n    e, x = 1, 2\n    try:\n        a.b\n    except AttributeError as e:\n"
        "        x = 0 if e else 1\n    return x",
        "def f(a):\n    x, e = 1, 2\n    try:\n        a.b\n    except AttributeError as e:\n"
        "        x = 0 if x else 1\n    return x + 9",
    ),
    "import as": (
        "def f(a):\n    import math as m, cmath as n\n    return m.sqrt(a)",
        "def f(a):\n    import math as n, cmath as m\n    return m.sqrt(a)",
    ),
    "case": (
        "def f(a):\n    y, z = 0, 5\n    match a:\n        case y:\n            pass\n    return y",
        "def f(a):\n    z, y = 0, 5\n    match a:\n        case y:\n            pass\n    return z",
    ),
    "names observed": ("def f(a):\n    return sorted(locals())", "def f(b):\n    return sorted(locals())"),
    "annotation": ("def f(a: List):\n    return a", "def f(a):\n    return a"),
    "inner function": (
        "def f(a):\n    def g(): return 1\n    def h(): return 2\n    return g()",
        "def f(a):\n    def h(): return 1\n    def g(): return 2\n    return g()",
    ),
    "order": ("def f(a, b=1):\n    return a - b", "def f(b, a=1):\n    return a - b"),
    "constant": ("def f(a):\n    return a + 1", "def f(a):\n    return a + True + 1"),
}


@pytest.mark.parametrize(("first", "second"), SAME.values(), ids=SAME.keys())
def test_normal_form_ignores_local_names_and_layout(first: str, second: str) -> None:
    assert normal_form(first, Domain.code) == normal_form(second, Domain.code)


def test_normal_form_separates_programs_that_behave_differently() -> None:
    texts = list(chain.from_iterable(DIFFERENT.values()))
    results = iter(Sandbox(cpu_seconds=1.0).run([Program(text, ((3,),)) for text in texts]))
    for name, (first, second) in DIFFERENT.items():
        assert next(results) != next(results), f"{name}: the example behaves the same"
        assert normal_form(first, Domain.code) != normal_form(second, Domain.code), name


def test_normal_form_separates_deeply_nested_programs() -> None:
    deep = "x = " + "-" * 5000 + "1"
    assert normal_form(deep, Domain.code) != normal_form(deep + "\nx = 1", Domain.code)
