"""Assertions taken apart: what to evaluate in the sandbox, and what has to hold of its value outside, so that no expected value goes in.

Values come out as canonical text (`corpo.data.execution.worker`) and are read by a small interpreter of literals: nothing of a program runs here.
"""

from __future__ import annotations

import ast
import builtins
import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

_VALUE = "value"  # how a condition calls what came out of the sandbox
_LARGEST = 1 << 16  # items of a repeated sequence, bits of a power: a condition stays cheap whatever it is of

_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    **{ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv},
    **{ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow},
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    **{
        ast.Eq: operator.eq,
        ast.NotEq: operator.ne,
        ast.Lt: operator.lt,
        ast.LtE: operator.le,
        ast.Gt: operator.gt,
        ast.GtE: operator.ge,
    },
    **{
        ast.Is: operator.is_,
        ast.IsNot: operator.is_not,
        ast.In: lambda a, b: a in b,
        ast.NotIn: lambda a, b: a not in b,
    },
}
_CALLS: dict[str, Callable[..., Any]] = {
    **{kind.__name__: kind for kind in (set, frozenset, tuple, list, dict, float)},
    **{"abs": abs, "round": round, "sorted": sorted, "isclose": math.isclose, "math.isclose": math.isclose},
}
_ERRORS = (ValueError, TypeError, ArithmeticError, SyntaxError, RecursionError, MemoryError, KeyError)


def read_value(text: str) -> Any:
    """A canonical text's value: literals, inf, nan, sets. Raises ValueError where it is none."""
    try:
        return _evaluate(ast.parse(text, mode="eval").body, {"inf": math.inf, "nan": math.nan})
    except _ERRORS as error:
        raise ValueError(f"not a plain value ({type(error).__name__})") from None


def holds(condition: str, text: str) -> bool:
    """Whether a condition over `value` holds of a canonical text's value; equality is Python's, as in the assertion. An error is no."""
    try:
        return bool(_evaluate(_parsed(condition), {_VALUE: read_value(text)}))
    except _ERRORS:
        return False


@functools.lru_cache(4096)
def _parsed(condition: str) -> ast.expr:
    return ast.parse(condition, mode="eval").body


def _evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Literals, arithmetic, comparisons and a few pure functions. Raises ValueError for anything else."""
    of = lambda inner: _evaluate(inner, names)
    match node:
        case ast.Constant(value=found):
            return found
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.List(elts=items):
            return [of(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(of(item) for item in items)
        case ast.Set(elts=items):
            return {of(item) for item in items}
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {of(key): of(item) for key, item in zip(keys, values, strict=True) if key is not None}
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](of(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _arithmetic(type(op), of(left), of(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _COMPARE[type(op)](of(left), of(right))
        case ast.Call(func=func, args=args, keywords=keywords) if _name(func) in _CALLS and all(
            word.arg for word in keywords
        ):
            return _CALLS[_name(func)](*map(of, args), **{str(word.arg): of(word.value) for word in keywords})
    raise ValueError(f"not a literal: {type(node).__name__}")


def _arithmetic(op: type[ast.operator], a: Any, b: Any) -> Any:
    """Of numbers, and of sequences what stays small."""
    numbers = isinstance(a, int | float | complex) and isinstance(b, int | float | complex)
    if op is ast.Pow and not (
        numbers and (not isinstance(a, int) or not isinstance(b, int) or a.bit_length() * abs(b) <= _LARGEST)
    ):
        raise ValueError("a power too large")
    if op is ast.Mult and not numbers:
        sequence, times = (a, b) if isinstance(b, int) else (b, a)
        if not isinstance(times, int) or len(sequence) * times > _LARGEST:
            raise ValueError("a sequence too long")
    if op is ast.Mod and not numbers:
        raise ValueError("a text that is formatted")
    return _BINARY[op](a, b)


def _name(node: ast.expr) -> str:
    """A function's name as it is called, such as "math.isclose"; "" for anything but names and their attributes."""
    return (
        ast.unparse(node)
        if isinstance(node, ast.Name)
        or (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))
        else ""
    )


class Splitter:
    """Takes the assertions of one script apart; `script` tells which names it binds otherwise than Python does."""

    def __init__(self, script: ast.Module) -> None:
        bound = {node.name for node in ast.walk(script) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        bound |= {node.arg for node in ast.walk(script) if isinstance(node, ast.arg)}
        bound |= {
            node.id
            for node in ast.walk(script)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        imported = {
            alias.asname or alias.name
            for node in ast.walk(script)
            if isinstance(node, ast.ImportFrom) and node.module == "math" and node.level == 0
            for alias in node.names
            if alias.asname is None
        }
        self._known = {
            name
            for name in _CALLS
            if name.partition(".")[0] not in bound and (name != "isclose" or "isclose" in imported)
        }

    def split(self, test: ast.expr) -> tuple[ast.expr, str] | None:
        """An expression to evaluate inside and a condition on its `value` outside; None where that would take the expected value inside.

        Taken apart are `EXPR == LITERAL` and the other comparisons, on either side, `EXPR`, `not EXPR`, `abs(EXPR - LITERAL) < LITERAL`
        and `math.isclose(EXPR, LITERAL)`. An expression that compares or judges by itself is not: its value would be a bare yes.
        """
        if self._closed(test):
            return ast.Constant(None), ast.unparse(test)
        found = self._opened(test)
        return (found[1], ast.unparse(found[0])) if found and not self._judges(found[1]) else None

    def _closed(self, node: ast.expr) -> bool:
        """Whether a text of literals and of pure functions that the script leaves alone."""
        if any(
            isinstance(inner, ast.Call) and _name(inner.func) not in self._known for inner in ast.walk(node)
        ):
            return False
        try:
            _evaluate(node, {})
        except _ERRORS:
            return False
        return True

    def _opened(self, node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
        """The same expression over `value`, and what that stands for: the one part that is not closed."""
        value = ast.Name(_VALUE, ast.Load())
        match node:
            case ast.UnaryOp(op=ast.Not() | ast.USub() as sign, operand=operand):
                inner = self._opened(operand)
                return (ast.UnaryOp(sign, inner[0]), inner[1]) if inner else None
            case ast.Compare(left=left, ops=[relation], comparators=[right]) if self._fair(
                relation, left, right
            ):
                return self._sides(left, right, lambda a, b: ast.Compare(a, [relation], [b]))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self._sides(left, right, lambda a, b: ast.BinOp(a, op, b))
            case ast.Call(func=func, args=[first], keywords=[]) if (
                _name(func) == "abs" and "abs" in self._known
            ):
                inner = self._opened(first)
                return (ast.Call(func, [inner[0]], []), inner[1]) if inner else None
            case ast.Call(func=func, args=[first, second], keywords=words) if (
                "isclose" in _name(func) and _name(func) in self._known
            ):
                if not all(self._closed(word.value) for word in words):
                    return None
                return self._sides(first, second, lambda a, b: ast.Call(func, [a, b], words))
            case ast.Call() | ast.Attribute() | ast.Subscript() | ast.Name():
                return value, node
        return None

    def _fair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> bool:
        """Identity only of what there is one of: another value is a copy out here."""
        return not isinstance(op, ast.Is | ast.IsNot) or any(
            isinstance(side, ast.Constant) and side.value in (None, True, False) for side in (left, right)
        )

    def _sides(
        self, left: ast.expr, right: ast.expr, join: Callable[[ast.expr, ast.expr], ast.expr]
    ) -> tuple[ast.expr, ast.expr] | None:
        if self._closed(right) and (inner := self._opened(left)):
            return join(inner[0], right), inner[1]
        if self._closed(left) and (inner := self._opened(right)):
            return join(left, inner[0]), inner[1]
        return None

    def _judges(self, asked: ast.expr) -> bool:
        """Whether what is asked inside is a comparison itself, as in `all(f(x) == y for ...)`, `near(f(x), 2.5)` or `np.abs(f(x) - 2.5)`."""
        if any(isinstance(node, ast.Compare | ast.BoolOp | ast.IfExp) for node in ast.walk(asked)):
            return True
        if not isinstance(asked, ast.Call):
            return False
        inside = [node for argument in asked.args for node in ast.walk(argument)]
        alone = len(asked.args) + len(asked.keywords) == 1 and not any(
            isinstance(node, ast.BinOp) for node in inside
        )
        return not alone and any(
            isinstance(node, ast.Call) and _name(node.func) not in dir(builtins) for node in inside
        )
