"""Write a pipeline as a Python program in one of several styles, and read it back from the text."""

from __future__ import annotations

import re
from functools import cache

from corpo.data.pipelines.operations import (
    ARGUMENTS,
    FOLDS,
    LIST,
    NAMES,
    WITH_VARIANTS,
    Operation,
    Pipeline,
)
from corpo.utils.errors import DataError

# comprehension: each line assigns xs; steps: lines assign ys and zs in turn; loop: filters and maps are loops
STYLES = ("comprehension", "steps", "loop")
_INDENT = "    "
_LOOP_START, _LOOP_END = "ys = []", "xs = ys"


def write_program(pipeline: Pipeline, style: str) -> str:
    """Return a program that defines `f` and computes the pipeline."""
    lines, name = [], "xs"
    for index, operation in enumerate(pipeline.operations):
        if style == "loop":
            lines += _loop(operation)
            continue
        target = "xs" if style == "comprehension" else ("ys", "zs")[index % 2]
        lines.append(f"{target} = {_expression(operation, name)}")
        name = target
    lines.append(f"return {_ending(pipeline.ending, name)}")
    return "\n".join(["def f(xs):", *(_INDENT + line for line in lines)])


def _condition(operation: Operation) -> str:
    """Return the condition of a filter, such as `x > 3` or `x >= 4`."""
    k = operation.argument
    match operation.name, operation.variant:
        case "above", 0:
            return f"x > {k}"
        case "above", _:
            return f"x >= {k + 1}"
        case "below", 0:
            return f"x < {k}"
        case "below", _:
            return f"x <= {k - 1}"
    return f"x % 2 == {k}"


def _value(operation: Operation) -> str:
    """Return the new value of a map, such as `(x + 3) % 10` or `(3 + x) % 10`."""
    k = operation.argument
    if operation.name == "plus":
        return f"({k} + x) % 10" if operation.variant else f"(x + {k}) % 10"
    return f"{k} * x % 10" if operation.variant else f"x * {k} % 10"


def _expression(operation: Operation, name: str) -> str:
    """Return an operation on the list `name` as one expression."""
    k = operation.argument
    match operation.name, operation.variant:
        case (("above" | "below" | "parity"), _):
            return f"[x for x in {name} if {_condition(operation)}]"
        case (("plus" | "times"), _):
            return f"[{_value(operation)} for x in {name}]"
        case "first", _:
            return f"{name}[:{k}]"
        case "skip", _:
            return f"{name}[{k}:]"
        case "reverse", 0:
            return f"{name}[::-1]"
        case "reverse", _:
            return f"list(reversed({name}))"
    return f"list(dict.fromkeys({name}))"


def _loop(operation: Operation) -> list[str]:
    """Return an operation from xs to xs as a loop. Slices stay slices."""
    if operation.name in ("first", "skip", "reverse"):
        return [f"xs = {_expression(operation, 'xs')}"]
    head = [_LOOP_START, "for x in xs:"]
    if operation.name in ("plus", "times"):
        return [*head, f"    ys.append({_value(operation)})", _LOOP_END]
    test = "x not in ys" if operation.name == "distinct" else _condition(operation)
    return [*head, f"    if {test}:", "        ys.append(x)", _LOOP_END]


def _ending(ending: str, name: str) -> str:
    texts = {
        LIST: name,
        "len": f"len({name})",
        "max": f"max({name}, default=0)",
        "last": f"{name}[-1] if {name} else 0",
    }
    return texts[ending]


def read_program(text: str) -> Pipeline:
    """Return the pipeline that a program of ours computes, in the variants in which it is written.

    Raises DataError for any other program.
    """
    operations, endings = _operations_by_text(), _endings_by_text()
    lines = [line.removeprefix(_INDENT) for line in text.split("\n")]
    read: list[Operation] = []
    try:
        body = iter(lines[1:-1])
        for line in body:
            block = [line]
            while block[0] == _LOOP_START and block[-1] != _LOOP_END:
                block.append(next(body))
            read.append(operations[_key(block)])
        ending = endings[_in_xs(lines[-1].removeprefix("return "))]
    except (KeyError, StopIteration):
        raise DataError(
            f"this is not a program of data=pipelines, so its trace cannot be written: {text!r}"
        ) from None
    return Pipeline(tuple(read), ending)


def _key(block: list[str]) -> str:
    """Return the text that identifies an operation: a whole loop, or what an assignment assigns."""
    return "\n".join(block) if len(block) > 1 else _in_xs(block[0].partition(" = ")[2])


def _in_xs(expression: str) -> str:
    """Return an expression with every list called xs."""
    return re.sub(r"\b[yz]s\b", "xs", expression)


@cache
def _operations_by_text() -> dict[str, Operation]:
    by_text = {}
    for name in NAMES:
        for argument in ARGUMENTS[name]:
            for variant in range(2 if name in WITH_VARIANTS else 1):
                operation = Operation(name, argument, variant)
                by_text[_key(_loop(operation))] = operation
                by_text[_expression(operation, "xs")] = operation
    return by_text


@cache
def _endings_by_text() -> dict[str, str]:
    return {_ending(ending, "xs"): ending for ending in (LIST, *FOLDS)}
