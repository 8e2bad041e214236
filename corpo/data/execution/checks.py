"""How a candidate is checked: calls of a function, a script of assertions, runs on standard input, or a final answer.

Each kind says how a program is run (`program`) and what has to come of it (`wanted`); `corpo.data.execution.labelling` runs and compares.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from corpo.data.execution.sandbox import Mode, Program
from corpo.data.execution.split_asserts import Splitter, holds, read_value


@dataclass(frozen=True)
class CallChecks:
    """Function calls. `values` are what they should give; where they are not known, the first reference solution's are taken."""

    entry: str  # an expression that gives the function, such as "f" or "Solution().solve"
    arguments: tuple[tuple[Any, ...], ...]
    values: tuple[Any, ...] | None = None
    before: str = ""  # runs ahead of a program, such as the imports that LeetCode makes

    def __post_init__(self) -> None:
        _paired("call", len(self.arguments), "value", None if self.values is None else len(self.values))

    def program(self, source: str) -> Program:
        first = "" if "from __future__" in source else self.before  # which has to stand first
        return Program(first + source, self.arguments, Mode.function, self.entry)

    def oracle(self) -> Program | None:
        """A program whose results are the values wanted, written as the sandbox writes them."""
        if self.values is None:
            return None
        return Program(
            f"VALUES = {list(self.values)!r}\ndef f(i):\n    return VALUES[i]",
            tuple((i,) for i in range(len(self.values))),
        )

    def agree(self, got: str, wanted: str) -> bool:
        """Equal, but for tuples in place of lists and for the last digits of floats, which JSON cannot tell or keep.

        A call on which the reference itself fails agrees with nothing, not even with the same failure.
        """
        if not (got.startswith("=") and wanted.startswith("=")):
            return False
        if got == wanted:
            return True
        try:
            return _close(read_value(got[1:]), read_value(wanted[1:]))
        except (ValueError, RecursionError):
            return False

    def told(self, call: int, got: str, wanted: str) -> str:
        """What came of a failed call: `f([4, 1]) = 5, not 3` or `f([]) raises IndexError`."""
        asked = f"{self.entry}({', '.join(map(repr, self.arguments[call]))})"
        return f"{asked} = {got[1:]}, not {wanted[1:]}" if got.startswith("=") else f"{asked} {_ending(got)}"


PASSED = "=True"  # what a test that reports by itself reports
_HOLDS = "?"  # before a condition, among the results wanted


@dataclass(frozen=True)
class ScriptChecks:
    """Assertions over what a program defines, each a test of its own; made by `assertions`."""

    source: str
    tests: tuple[str, ...]
    conditions: tuple[
        str, ...
    ]  # on the value that each test hands over; "" where it has to report by itself that it passed

    def __post_init__(self) -> None:
        _paired("test", len(self.tests), "condition", len(self.conditions))

    def program(self, source: str) -> Program:
        return Program(source, self.tests, Mode.script, self.source)

    def agree(self, got: str, wanted: str) -> bool:
        if not wanted.startswith(_HOLDS):
            return got == wanted
        return got.startswith("=") and holds(wanted.removeprefix(_HOLDS), got[1:])

    def told(self, call: int, got: str, wanted: str) -> str:
        test = self.tests[call]
        return (
            f"{test} fails" if got == "!AssertionError" or got.startswith("=") else f"{test} {_ending(got)}"
        )


@dataclass(frozen=True)
class StdioChecks:
    """Whole runs: standard input and the output wanted, compared word by word."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        _paired("input", len(self.inputs), "output", len(self.outputs))

    def program(self, source: str) -> Program:
        return Program(source, self.inputs, Mode.stream, "")

    def agree(self, got: str, wanted: str) -> bool:
        if not got.startswith("="):
            return False
        mine, theirs = got[1:].split(), wanted[1:].split()
        return mine == theirs or (len(mine) == len(theirs) and all(map(_same_word, mine, theirs)))

    def told(self, call: int, got: str, wanted: str) -> str:
        asked = f"on the input {self.inputs[call].strip()!r}"
        return (
            f"{asked} it prints {got[1:].strip()!r}, not {wanted[1:].strip()!r}"
            if got.startswith("=")
            else f"{asked} it {_ending(got)}"
        )


@dataclass(frozen=True)
class Answer:
    """A final answer, compared by math-verify (`corpo.data.execution.answers`)."""

    value: str


Executable = CallChecks | ScriptChecks | StdioChecks
Checks = Executable | Answer


def _paired(asked: str, asks: int, answered: str, answers: int | None) -> None:
    """Raises ValueError where nothing is asked, which every program would pass, or where answers are missing."""
    if not asks:
        raise ValueError(f"not one {asked} to check a program on")
    if answers not in (None, asks):
        raise ValueError(f"{asks} {asked}s, but {answers} {answered}s; each {asked} needs one")


_ENDINGS = {
    "!timeout": "never ends",
    "!crash": "kills its process",
    "!process limit": "starts too many processes",
    "!output limit": "gives too much",
    "!not a value": "gives no plain value",
    "!not a program": "cannot run: the program is not Python or defines no such function",
    "!tampered": "is reported by the program itself",
}


def _ending(got: str) -> str:
    return _ENDINGS.get(got, f"raises {got[1:]}")


def _close(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        return len(mine) == len(theirs) and all(map(_close, mine, theirs))
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(_close(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, bool) or isinstance(theirs, bool):
        return mine is theirs
    if {float} <= {type(mine), type(theirs)} <= {int, float}:
        return _near(mine, theirs)
    return bool(mine == theirs)


def _near(mine: float, theirs: float) -> bool:
    try:
        return math.isclose(mine, theirs, rel_tol=1e-6, abs_tol=1e-9)
    except OverflowError:  # a whole number beyond all floats
        return False


def _same_word(mine: str, theirs: str) -> bool:
    """The same text, or the same number where one of them is written as a decimal."""
    if mine == theirs:
        return True
    try:
        return ("." in mine or "." in theirs) and _near(float(mine), float(theirs))
    except ValueError:
        return False


_SET_UP = (
    *(
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Import,
        ast.ImportFrom,
        ast.Assign,
        ast.AnnAssign,
        ast.AugAssign,
    ),
    *(ast.Pass, ast.Return, ast.Global),
)


def assertions(source: str, run: str = "") -> ScriptChecks:
    """The tests of a script, each reported on its own, failed ones leaving the others alone.

    A test is a statement that asserts or uses a function of the script, on the script's top level or in the function that `run` calls, such
    as "check(candidate)"; all others set them up, lest a mere call passes for a test. An assertion hands over the value that it is about
    wherever `corpo.data.execution.split_asserts` can take it apart, so that what is expected stays outside the sandbox. Raises ValueError where there is
    no assertion, SyntaxError where it is not Python.
    """
    tree = ast.parse(source)
    bodies = [tree.body]
    if run:
        bodies = [
            node.body
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == run.partition("(")[0]
        ]
        tree.body += ast.parse(run).body
    if not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        raise ValueError("there is no assert in the tests")
    helpers = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    splitter = Splitter(tree)
    tests: list[str] = []
    conditions: list[str] = []
    for body in bodies:
        for at, statement in enumerate(body):
            used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            asserts = any(isinstance(node, ast.Assert) for node in ast.walk(statement))
            if not isinstance(statement, _SET_UP) and (asserts or used & helpers):
                asked = splitter.split(statement.test) if isinstance(statement, ast.Assert) else None
                body[at] = _reported(len(tests), statement if asked is None else asked[0])
                tests.append(ast.unparse(statement))
                conditions.append("" if asked is None else asked[1])
    if not tests:
        where = (
            f"in a function {run.partition('(')[0]!r}"
            if run
            else "outside a function, where it would run; call your test functions, too"
        )
        raise ValueError(f"there is no assert {where}")
    return ScriptChecks(ast.unparse(ast.fix_missing_locations(tree)), tuple(tests), tuple(conditions))


def _reported(number: int, test: ast.stmt | ast.expr) -> ast.Try:
    """A test that hands over an expression's value, or that runs a statement and reports whether it raised."""
    frame = ast.parse(
        f"try:\n    __value__({number})\nexcept BaseException:\n    __failed__({number})\nelse:\n    __passed__({number})"
    ).body[0]
    assert isinstance(frame, ast.Try)
    if isinstance(test, ast.stmt):
        frame.body = [test]
        return frame
    assert isinstance(frame.body[0], ast.Expr)
    assert isinstance(frame.body[0].value, ast.Call)
    frame.body[0].value.args.append(test)
    frame.orelse = []
    return frame


def wanted(checks: Executable, oracle: Sequence[str] | None) -> tuple[str, ...]:
    """The results that a correct program gives; `oracle` is what the oracle or the reference gave, for calls."""
    match checks:
        case CallChecks():
            assert oracle is not None
            return tuple(oracle)
        case ScriptChecks(conditions=conditions):
            return tuple(_HOLDS + condition if condition else PASSED for condition in conditions)
        case StdioChecks(outputs=outputs):
            return tuple("=" + text for text in outputs)
