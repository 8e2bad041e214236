"""Read the tests of one's own problems: assertions, test functions, calls, or runs on standard input."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from corpo.data.candidates.extract import extract_code, is_answer
from corpo.data.execution.checks import CallChecks, Executable, StdioChecks
from corpo.data.execution.test_functions import split_tests
from corpo.data.python_text import PARSE_ERRORS
from corpo.data.sources import field_names
from corpo.data.sources.field_names import with_standard_names

_TEST = (
    "write each as {'args': [1], 'value': 2} for a call, {'input': '1', 'output': '2'} for a run, "
    'or "assert f(1) == 2"'
)
_ENTRY = re.compile(r"[^\W\d]\w*(?:\(\))?(?:\.[^\W\d]\w*)*")
_MAX_NAMES = 8  # names of functions in an error message


def read_checks(tests: Any, entry: Any, programs: list[str], set_up: str = "") -> Executable:
    """Return the checks that a field `tests` describes.

    `programs` are the candidates, which define `entry`; `set_up` is source that runs before assertions.
    Raises ValueError, with a remedy, if something is wrong.
    """
    if isinstance(tests, Mapping) and "inputs" in tests and "outputs" in tests:
        entry = entry or tests.get("fn_name")
        names = ("args", "value") if entry else ("input", "output")
        inputs, outputs = list(tests["inputs"]), list(tests["outputs"])
        if len(inputs) != len(outputs):
            raise ValueError(
                f"field 'tests' has {len(inputs)} inputs and {len(outputs)} outputs; each input needs one"
            )
        tests = [dict(zip(names, pair, strict=True)) for pair in zip(inputs, outputs, strict=True)]
    if isinstance(tests, str):
        return _script(set_up + tests, entry)
    if not isinstance(tests, list):
        raise ValueError(f"field 'tests' is {tests!r:.40}; expected a list; {_TEST}")
    if all(isinstance(test, str) for test in tests):
        return _script(set_up + "\n".join(tests), entry)
    if _is_call(tests[0], entry):
        calls = [_call(number, test) for number, test in enumerate(tests, start=1)]
        name = _checked_entry(entry, programs)
        return CallChecks(name, tuple(args for args, _ in calls), tuple(value for _, value in calls))
    runs = [_run(number, test) for number, test in enumerate(tests, start=1)]
    return StdioChecks(tuple(text for text, _ in runs), tuple(text for _, text in runs))


def _script(source: str, entry: Any) -> Executable:
    try:
        return split_tests(source, entry)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"tests: {str(error).removeprefix('tests: ')}") from None


def _is_call(test: Any, entry: Any) -> bool:
    """Check whether tests are calls. A list called `input` holds arguments if a function is named."""
    if not isinstance(test, Mapping):
        return True  # an error, which names both forms
    if test.get("args") is not None or test.get("arguments") is not None:
        return True
    standard = with_standard_names(test, field_names.RUN)
    if standard.get("input") is None or "output" not in standard:
        return True
    return entry is not None and isinstance(standard["input"], list)


def _call(number: int, test: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the arguments and the value of a call. The value may be None, because that can be expected.

    In a Parquet file every test has the fields of all tests, with None in those that it does not use.
    """
    standard = with_standard_names(test, field_names.CALL) if isinstance(test, Mapping) else {}
    if not isinstance(standard.get("args"), list | tuple) or "value" not in standard:
        raise ValueError(f"test {number} is {test!r:.60}; {_TEST}")
    return tuple(standard["args"]), standard["value"]


def _run(number: int, test: Any) -> tuple[str, str]:
    standard = with_standard_names(test, field_names.RUN) if isinstance(test, Mapping) else {}
    if standard.get("input") is None or "output" not in standard:
        raise ValueError(f"test {number} is {test!r:.60}; {_TEST}")
    return _lines(number, "input", standard["input"]), _lines(number, "output", standard["output"])


def _lines(number: int, name: str, value: Any) -> str:
    """Return the text of a standard input or output, which may be a number or a list of lines."""
    lines = value if isinstance(value, list) else [value]
    for line in lines:
        if isinstance(line, bool) or not isinstance(line, str | int | float):
            raise ValueError(f"test {number}: {name!r} is {value!r:.40}; expected a text or a list of lines")
    return "\n".join(map(str, lines))


def _checked_entry(entry: Any, programs: list[str]) -> str:
    """Return the entry, "f" by default. Raises ValueError unless a program defines that name."""
    defined: dict[str, None] = {}
    for program in programs:
        text = extract_code(program) if is_answer(program) else program
        defined |= dict.fromkeys(_definitions(text))
    names = f"the programs define {', '.join(list(defined)[:_MAX_NAMES]) or 'nothing'}"
    if entry is None:
        if defined and "f" not in defined:
            raise ValueError(f"there is no field 'entry', and no program defines 'f'; {names}")
        return "f"
    if not isinstance(entry, str) or not _ENTRY.fullmatch(entry):
        raise ValueError(
            f"field 'entry' is {entry!r:.60}; expected the name of a function, such as \"f\" or "
            f'"Solution().solve"; {names}'
        )
    if defined and re.split(r"[.(]", entry)[0] not in defined:
        raise ValueError(f"field 'entry' is {entry!r}, which no program defines; {names}")
    return entry


def _definitions(program: str) -> Iterator[str]:
    """Yield the names that a program defines at its top level."""
    try:
        body = ast.parse(program).body
    except PARSE_ERRORS:
        return
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id
