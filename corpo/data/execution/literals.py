"""Evaluate literals and simple conditions on values, without running any code of a program.

Values leave the sandbox as canonical text, which `corpo.data.execution.values` reads. A small interpreter of
syntax trees evaluates the conditions, which come from the tests.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from corpo.data.execution.values import read_value

VALUE = "value"  # the name that a condition uses for the value from the sandbox
_MAX_SIZE = 1 << 16  # limit on items of a repeated sequence and on bits of a power


def _is_in(item: Any, container: Any) -> bool:
    return item in container


def _is_not_in(item: Any, container: Any) -> bool:
    return item not in container


class _Approx:
    """A number that equals those near it, as `pytest.approx` does.

    That of a list or a dict is evaluated in the sandbox, where it can be compared with arrays.
    """

    def __init__(self, expected: float, rel: float = 1e-6, abs: float = 1e-12) -> None:
        if not isinstance(expected, int | float):
            raise ValueError("not a number")
        self.expected, self.tolerance = expected, max(rel * math.fabs(expected), abs)

    def __eq__(self, value: Any) -> bool:
        return bool(value == self.expected or abs(value - self.expected) <= self.tolerance)

    __hash__ = None  # type: ignore[assignment]


_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: _is_in,
    ast.NotIn: _is_not_in,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "set": set,
    "frozenset": frozenset,
    "tuple": tuple,
    "list": list,
    "dict": dict,
    "float": float,
    "abs": abs,
    "round": round,
    "sorted": sorted,
    "isclose": math.isclose,
    "math.isclose": math.isclose,
    "pytest.approx": _Approx,
}
EVALUATION_ERRORS = (
    ValueError,
    TypeError,
    ArithmeticError,
    SyntaxError,
    RecursionError,
    MemoryError,
    KeyError,
)


def check_condition(condition: str, text: str) -> bool:
    """Check a condition over `value` on the value of a canonical text, with Python's equality.

    A condition that cannot be evaluated is false.
    """
    try:
        return bool(evaluate(_parse(condition), {VALUE: read_value(text)}))
    except EVALUATION_ERRORS:
        return False


@functools.lru_cache(4096)
def _parse(condition: str) -> ast.expr:
    return ast.parse(condition, mode="eval").body


def evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Evaluate literals, `names`, arithmetic, comparisons and the pure functions in FUNCTIONS.

    Raises ValueError for anything else, and whatever the operations raise.
    """

    def value_of(inner: ast.expr) -> Any:
        return evaluate(inner, names)

    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.List(elts=items):
            return [value_of(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(value_of(item) for item in items)
        case ast.Set(elts=items):
            return {value_of(item) for item in items}
        case ast.Dict(keys=keys, values=values) if None not in keys:
            items_of_dict = zip(keys, values, strict=True)
            return {value_of(key): value_of(item) for key, item in items_of_dict if key is not None}
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](value_of(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return _arithmetic(type(op), value_of(left), value_of(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _COMPARE[type(op)](value_of(left), value_of(right))
        case ast.Call(func=func, args=args, keywords=keywords) if function_name(func) in FUNCTIONS and all(
            word.arg for word in keywords
        ):
            options = {str(word.arg): value_of(word.value) for word in keywords}
            return FUNCTIONS[function_name(func)](*map(value_of, args), **options)
    raise ValueError(f"not a literal: {type(node).__name__}")


def _arithmetic(op: type[ast.operator], a: Any, b: Any) -> Any:
    """Apply a binary operator. Raises ValueError if the result could be large, or for formatting a text."""
    numbers = isinstance(a, int | float | complex) and isinstance(b, int | float | complex)
    if op is ast.Pow and not (
        numbers and (not isinstance(a, int) or not isinstance(b, int) or a.bit_length() * abs(b) <= _MAX_SIZE)
    ):
        raise ValueError("a power too large")
    if op is ast.Mult and not numbers:
        sequence, times = (a, b) if isinstance(b, int) else (b, a)
        if not isinstance(times, int) or len(sequence) * times > _MAX_SIZE:
            raise ValueError("a sequence too long")
    if op is ast.Mod and not numbers:
        raise ValueError("a text that is formatted")
    return BINARY[op](a, b)


def function_name(node: ast.expr) -> str:
    """Return a function's name as it is called, such as "math.isclose"; "" for any other expression."""
    is_attribute = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return ast.unparse(node) if isinstance(node, ast.Name) or is_attribute else ""
