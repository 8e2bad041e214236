"""The ways to check a candidate: function calls, assertions, runs on standard input, a final answer.

Each executable kind says how to run a program (`program`) and whether a result is right (`matches`).
`corpo.data.execution.labelling` and `corpo.data.execution.label_problems` run programs and compare the
results.
"""

from __future__ import annotations

import ast
import builtins
import marshal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from corpo.data.execution.comparison import TOLERANCE, close, same_words
from corpo.data.execution.literals import check_condition
from corpo.data.execution.sandbox import MIN_OUTPUT_BYTES, Mode, Program
from corpo.data.execution.values import read_value
from corpo.data.python_text import put_before

MAX_EVIDENCE_CHARS = 300
PASSED = "=True"  # the result of a test that reports by itself and passed
_CONDITION_MARK = "?"  # put before a condition, in the place of an expected result


@dataclass(frozen=True)
class CallChecks:
    """Calls of a function with their expected values.

    If `values` is None, the values of the first reference solution are expected.
    """

    entry: str  # an expression that gives the function, such as "f" or "Solution().solve"
    arguments: tuple[tuple[Any, ...], ...]
    values: tuple[Any, ...] | None = None
    before: str = ""  # source that runs before a program, such as the imports that LeetCode makes
    tolerance: float = TOLERANCE  # relative, for floats only

    def __post_init__(self) -> None:
        _check_lengths("call", self.arguments, "value", self.values)

    @cached_property
    def _max_output(self) -> int:
        return output_limit(sum(len(marshal.dumps(value)) for value in self.values or ()))

    def program(self, source: str) -> Program:
        """Return the calls of a candidate as a job for the sandbox."""
        entry = self.entry
        if "class Solution" not in source:  # the judges of APPS and LiveCodeBench take a plain function, too
            entry = entry.removeprefix("Solution().")
        whole = put_before(self.before, source)
        return Program(whole, self.arguments, Mode.function, entry, self._max_output)

    def oracle(self) -> Program | None:
        """Return a program whose results are the expected values, or None if they are not known.

        It makes the sandbox write the expected values in the same canonical form as a candidate's values.
        """
        if self.values is None:
            return None
        calls = tuple((value,) for value in self.values)
        return Program("def f(x):\n    return x\n", calls, Mode.function, "f", self._max_output)

    def matches(self, result: str, expected: str) -> bool:
        """Check that a result equals the expected one.

        Tuples equal lists, because JSON does not keep them apart. Floats may differ by the tolerance; whole
        numbers are compared exactly. A call on which the reference fails matches nothing, not even the same
        failure.
        """
        if not (result.startswith("=") and expected.startswith("=")):
            return False
        if result == expected:
            return True
        try:
            return close(read_value(result[1:]), read_value(expected[1:]), self.tolerance)
        except (ValueError, RecursionError):
            return False

    def describe_failure(self, index: int, result: str, expected: str) -> str:
        """Return the outcome of a failed call: `f([4, 1]) = 5, not 3` or `f([]) raises IndexError`."""
        call = f"{self.entry}({', '.join(map(repr, self.arguments[index]))})"
        return _describe(call, f"= {result[1:]}, not {expected[1:]}", result)


@dataclass(frozen=True)
class ScriptChecks:
    """Assertions on what a program defines, each a test of its own.

    `corpo.data.execution.split_asserts` makes them.
    """

    source: str
    tests: tuple[str, ...]
    # A condition on the value that each test gives; "" for a test that reports by itself whether it passed.
    conditions: tuple[str, ...]
    left_out: tuple[str, ...] = ()  # names of tests that their file skips or expects to fail

    def __post_init__(self) -> None:
        _check_lengths("test", self.tests, "condition", self.conditions)

    def undefined_names(self) -> set[str]:
        """Return the names that the script uses and does not define: those that a program has to define."""
        tree = ast.parse(self.source)
        used: set[str] = set()
        defined = {*dir(builtins), "__value__", "__passed__", "__failed__", "__checked__"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                defined.add(node.name)
            elif isinstance(node, ast.arg):
                defined.add(node.arg)
            elif isinstance(node, ast.alias):
                defined.add((node.asname or node.name).partition(".")[0])
        return used - defined

    def program(self, source: str) -> Program:
        """Return the tests of a candidate as a job for the sandbox."""
        limit = output_limit(sum(map(len, self.conditions)))
        return Program(source, self.tests, Mode.script, self.source, limit)

    def matches(self, result: str, expected: str) -> bool:
        """Check that a test gave a value that meets its condition, or reported that it passed."""
        if not expected.startswith(_CONDITION_MARK):
            return result == expected
        return result.startswith("=") and check_condition(expected.removeprefix(_CONDITION_MARK), result[1:])

    def describe_failure(self, index: int, result: str, expected: str) -> str:
        """Return the outcome of a failed test: `assert f(1) == 2 fails` or `... raises IndexError`."""
        if result == "!AssertionError":
            return f"{self.tests[index]} fails"
        return _describe(self.tests[index], "fails", result)


@dataclass(frozen=True)
class StdioChecks:
    """Runs of a whole program: standard inputs and expected outputs, compared word by word."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    before: str = ""  # source that runs before a program, such as the imports that a benchmark's judge makes
    tolerance: float = TOLERANCE  # relative, for numbers with a decimal point only
    by_line: bool = False  # whether the words must also stand on the expected lines

    def __post_init__(self) -> None:
        _check_lengths("input", self.inputs, "output", self.outputs)

    @cached_property
    def _output_limits(self) -> tuple[int, int]:
        """Return the bytes that a program may give in one run, and in all runs together."""
        sizes = [len(output.encode(errors="replace")) for output in self.outputs]
        return output_limit(max(sizes)), output_limit(sum(sizes))

    def program(self, source: str) -> Program:
        """Return the runs of a candidate as a job for the sandbox."""
        whole = put_before(self.before, source)
        return Program(whole, self.inputs, Mode.stream, "", *self._output_limits)

    def matches(self, result: str, expected: str) -> bool:
        """Check that an output has the expected words; decimal numbers may differ by the tolerance."""
        if not result.startswith("="):
            return False
        text, expected_text = result[1:], expected[1:]
        if not self.by_line:
            return same_words(text, expected_text, self.tolerance)
        lines, expected_lines = text.strip().split("\n"), expected_text.strip().split("\n")
        if len(lines) != len(expected_lines):
            return False
        for line, expected_line in zip(lines, expected_lines, strict=True):
            if not same_words(line, expected_line, self.tolerance):
                return False
        return True

    def describe_failure(self, index: int, result: str, expected: str) -> str:
        """Return the outcome of a failed run: `on the input '1' it prints '2', not '3'`."""
        run = f"on the input {self.inputs[index].strip()!r} it"
        return _describe(run, f"prints {result[1:].strip()!r}, not {expected[1:].strip()!r}", result)


@dataclass(frozen=True)
class Answer:
    """The final answer of a worked solution, compared by `corpo.data.execution.answers`."""

    value: str


Executable = CallChecks | ScriptChecks | StdioChecks
Checks = Executable | Answer


def expected_results(checks: Executable, oracle: Sequence[str] | None) -> tuple[str, ...]:
    """Return the results that a correct program gives, in the form that `matches` takes.

    `oracle` holds the results of the oracle or of the reference; only calls need it.
    """
    match checks:
        case CallChecks():
            assert oracle is not None
            return tuple(oracle)
        case ScriptChecks(conditions=conditions):
            return tuple(map(_expected_result, conditions))
        case StdioChecks(outputs=outputs):
            return tuple("=" + text for text in outputs)


def _expected_result(condition: str) -> str:
    """Return a condition in the form of a result, or the result of a passed test without a condition."""
    return _CONDITION_MARK + condition if condition else PASSED


def output_limit(expected_bytes: int) -> int:
    """Return the bytes that a program may give, so that a right program has room.

    They are rounded up to a power of two, so that the limit says little about the expected values.
    """
    return max(MIN_OUTPUT_BYTES, 1 << (4 * expected_bytes).bit_length())


def _check_lengths(
    name: str, tests: Sequence[object], answer_name: str, answers: Sequence[object] | None
) -> None:
    """Raise ValueError if there are no tests, which every program would pass, or if answers are missing."""
    if not tests:
        raise ValueError(f"there is no {name} to check a program on; give at least one")
    if answers is not None and len(answers) != len(tests):
        raise ValueError(f"{len(tests)} {name}s, but {len(answers)} {answer_name}s; each {name} needs one")


_ERRORS = {
    "!timeout": "never ends",
    "!crash": "kills its process",
    "!process limit": "starts too many processes",
    "!output limit": "gives too much",
    "!not a value": "gives no plain value",
    "!not a program": "cannot run: the program is not Python or defines no such function",
    "!tampered": "is reported by the program itself",
}


def _describe(test: str, wrong_value: str, result: str) -> str:
    """Return a failed test with `wrong_value` if the test gave a value, otherwise with its error."""
    outcome = wrong_value if result.startswith("=") else _ERRORS.get(result, f"raises {result[1:]}")
    return f"{test} {outcome}"
