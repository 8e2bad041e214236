"""Write what an interpreter computes when it runs a candidate on the example of its statement.

A trace holds each operation as the program writes it and the list after it, then the check of the result
against the wanted value, digit by digit until the first difference, then `ok` or `bad`:

    ;>3:46;+2:68;rev:86;check:8866--;ok

The check interleaves digits of the result and of the wanted value; `-` marks the end of either. So each word
of the trace depends on few tokens, and the last word follows from the last pair of the check.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from itertools import zip_longest

from corpo.data.pipelines.operations import LIST, Operation, fold
from corpo.data.pipelines.programs import read_program
from corpo.data.pipelines.slips import Slips
from corpo.utils.errors import DataError

OK, BAD = "ok", "bad"
END = "-"
_CUES = {"plus": "+", "times": "*", "first": "take", "skip": "drop", "reverse": "rev", "distinct": "uniq"}
_LIST = r"\[(?:[0-9](?:, [0-9])*)?\]"
_EXAMPLE = re.compile(rf"f\(({_LIST})\) == ({_LIST}|[0-9])$")

Value = list[int] | int


def write_example(values: Sequence[int], wanted: Value) -> str:
    """Return the example at the end of a statement, such as `f([7, 9]) == [9, 7]`."""
    return f"f({list(values)}) == {wanted}"


def read_example(statement: str) -> tuple[list[int], Value]:
    """Return the input and the wanted value of a statement's example. Raises DataError if there is none."""
    match = _EXAMPLE.search(statement)
    if match is None:
        raise DataError(f"the statement {statement!r} ends in no example such as 'f([7, 9]) == [9, 7]'")
    return ast.literal_eval(match[1]), ast.literal_eval(match[2])


def trace_program(program: str, statement: str, slips: Slips | None = None) -> str:
    """Return the trace of a program on the example of a statement.

    With `slips`, some values are wrong, and the trace goes on from them.
    """
    pipeline = read_program(program)
    values, wanted = read_example(statement)
    steps = []
    for operation in pipeline.operations:
        values = operation(values)
        if slips is not None:
            values = slips.digits(values)
        steps.append(f";{_cue(operation)}:{_digits(values)}")
    result: Value = values
    if pipeline.ending != LIST:
        result = fold(pipeline.ending, values)
        steps.append(f";{pipeline.ending}:{_digits(result)}")
    return "".join([*steps, check(result, wanted)])


def check(result: Value, wanted: Value) -> str:
    """Return the end of a trace: the digits compared until the first difference, and the verdict."""
    compared = ""
    is_equal = True
    for got, want in zip_longest(_digits(result) + END, _digits(wanted) + END, fillvalue=END):
        compared += got + want
        is_equal = got == want
        if not is_equal or got == END:
            break
    return f";check:{compared};{OK if is_equal else BAD}"


def _digits(value: Value) -> str:
    """Return the digits of a value; those of the empty list are END."""
    if isinstance(value, int):
        return str(value)
    return "".join(map(str, value)) or END


def _cue(operation: Operation) -> str:
    """Return an operation as the program writes it, so that it is copied and not computed."""
    k = operation.argument
    match operation.name, operation.variant:
        case "above", 0:
            return f">{k}"
        case "above", _:
            return f">={k + 1}"
        case "below", 0:
            return f"<{k}"
        case "below", _:
            return f"<={k - 1}"
        case "parity", _:
            return "odd" if k else "even"
        case (("reverse" | "distinct"), _):
            return _CUES[operation.name]
    return f"{_CUES[operation.name]}{k}"
