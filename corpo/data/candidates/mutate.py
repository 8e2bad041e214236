"""Mutate correct programs: one edit to the syntax tree that makes a realistic mistake.

A mutant is not necessarily wrong. Running it decides that (`corpo.data.execution.labelling`).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """A program or worked solution with one change."""

    text: str
    mutation: str  # the name of the operator that made it
    line: int  # 1-based line (program) or step (worked solution) of the first difference
    evidence: str = ""  # the corrected step of a worked solution; empty for a program


_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.FloorDiv: (ast.Mod,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
}
_BUILTINS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "isalpha": "isalnum",
    "upper": "lower",
    "lower": "upper",
}

# An operator takes one node of the tree and yields edits, which change that node, or a list of statements
# in it, in place. Each edit is applied to a separate copy of the tree.
Edit = Callable[[], object]
Operator = Callable[[ast.AST], Iterator[Edit]]


def _comparison(node: ast.AST) -> Iterator[Edit]:
    """Replace a comparison by one that it is easily confused with."""
    if isinstance(node, ast.Compare):
        for other in _COMPARISONS.get(type(node.ops[0]), ()):
            yield partial(node.ops.__setitem__, 0, other())


def _arithmetic(node: ast.AST) -> Iterator[Edit]:
    """Replace an arithmetic operator by one that it is easily confused with."""
    if isinstance(node, ast.BinOp | ast.AugAssign):
        for other in _OPERATORS.get(type(node.op), ()):
            yield partial(setattr, node, "op", other())


def _is_int(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def _constant(node: ast.AST) -> Iterator[Edit]:
    """Change by 1 a constant that is neither an initial value nor a bound of a range or an index."""
    if isinstance(node, ast.Compare | ast.BinOp | ast.Return | ast.AugAssign):
        for name in ("left", "right", "value"):
            child = getattr(node, name, None)
            if _is_int(child):
                yield from _shifts(child)
    if isinstance(node, ast.Compare) and _is_int(node.comparators[0]):
        yield from _shifts(node.comparators[0])


def _shifts(constant: Any) -> Iterator[Edit]:
    for shift in (1, -1):
        yield partial(setattr, constant, "value", constant.value + shift)


def _letter(node: ast.AST) -> Iterator[Edit]:
    """Replace a letter by the next one in the alphabet, or another text by the empty one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if len(node.value) == 1 and node.value.isalpha():
            number = ord(node.value.lower()[0]) - ord("a")
            yield partial(setattr, node, "value", chr(ord("a") + (number + 1) % 26))
        elif node.value:
            yield partial(setattr, node, "value", "")


def _initial(node: ast.AST) -> Iterator[Edit]:
    """Change an assigned constant by 1; both edits turn 0 into 1."""
    if isinstance(node, ast.Assign) and _is_int(node.value):
        child: Any = node.value
        yield partial(setattr, child, "value", child.value + 1)
        yield partial(setattr, child, "value", child.value - 1 if child.value else 1)


def _bound(node: ast.AST) -> Iterator[Edit]:
    """Shift a bound of a range, an index or a slice by 1."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        for i in range(min(len(node.args), 2)):
            for shift in (1, -1):
                yield partial(_shift_item, node.args, i, shift)
        if len(node.args) == 1:
            yield partial(node.args.insert, 0, ast.Constant(1))
    if isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Slice):
            for name in ("lower", "upper"):
                if getattr(node.slice, name) is not None:
                    for shift in (1, -1):
                        yield partial(_shift_field, node.slice, name, shift)
            if node.slice.step is None and node.slice.lower is None:
                yield partial(setattr, node.slice, "lower", ast.Constant(1))
        elif not isinstance(node.slice, ast.Constant | ast.Name) or _is_int(node.slice):
            for shift in (1, -1):
                yield partial(_shift_field, node, "slice", shift)


def _shift_item(items: list[ast.expr], index: int, shift: int) -> None:
    items[index] = _shifted(items[index], shift)


def _shift_field(parent: ast.AST, name: str, shift: int) -> None:
    setattr(parent, name, _shifted(getattr(parent, name), shift))


def _shifted(old: Any, shift: int) -> ast.expr:
    """Return an expression plus `shift` as a person would write it: n + 1 shifted by -1 is n."""
    if _is_int(old):
        return ast.Constant(old.value + shift)
    inverse = ast.Sub if shift > 0 else ast.Add
    if isinstance(old, ast.BinOp) and isinstance(old.op, inverse) and ast.unparse(old.right) == "1":
        return old.left
    return ast.BinOp(old, ast.Add() if shift > 0 else ast.Sub(), ast.Constant(abs(shift)))


def _branch(node: ast.AST) -> Iterator[Edit]:
    """Swap the branches of an if, leave out its else, or negate its test."""
    if isinstance(node, ast.If) and node.orelse:
        yield partial(_swap, node, "body", "orelse")
        if not isinstance(node.orelse[0], ast.If):
            yield partial(setattr, node, "orelse", [])
    if isinstance(node, ast.IfExp):
        yield partial(_swap, node, "body", "orelse")
    if isinstance(node, ast.If | ast.While) and isinstance(node.test, ast.Name | ast.Call):
        yield partial(setattr, node, "test", ast.UnaryOp(ast.Not(), node.test))


def _swap(node: ast.AST, first: str, second: str) -> None:
    old = getattr(node, first)
    setattr(node, first, getattr(node, second))
    setattr(node, second, old)


def _logic(node: ast.AST) -> Iterator[Edit]:
    """Exchange `and` and `or`, leave out one of their operands, or leave out a `not`."""
    if isinstance(node, ast.BoolOp):
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield partial(setattr, node, "op", other())
        for i in range(len(node.values)):
            if len(node.values) > 2:
                yield partial(node.values.pop, i)
    for name in ("test", "value", "elt"):
        child = getattr(node, name, None)
        if isinstance(child, ast.UnaryOp) and isinstance(child.op, ast.Not):
            yield partial(setattr, node, name, child.operand)
        if isinstance(child, ast.BoolOp) and len(child.values) == 2:
            for value in child.values:
                yield partial(setattr, node, name, value)


def _accumulator(node: ast.AST) -> Iterator[Edit]:
    """Overwrite an accumulator: `total += x` becomes `total = x`."""
    for body in _bodies(node):
        for i, statement in enumerate(body):
            if isinstance(statement, ast.AugAssign):
                assignment = ast.Assign([statement.target], statement.value, lineno=statement.lineno)
                yield partial(body.__setitem__, i, assignment)


def _bodies(node: ast.AST) -> list[list[ast.stmt]]:
    """Return the lists of statements that a node holds, without the empty ones."""
    fields = (getattr(node, name, None) for name in ("body", "orelse"))
    return [field for field in fields if isinstance(field, list) and field]


def _edge_case(node: ast.AST) -> Iterator[Edit]:
    """Leave out a guard: an if that only returns, breaks or continues."""
    for body in _bodies(node):
        for i, statement in enumerate(body):
            if (
                isinstance(statement, ast.If)
                and not statement.orelse
                and len(statement.body) == 1
                and isinstance(statement.body[0], ast.Return | ast.Break | ast.Continue)
                and len(body) > 1
            ):
                yield partial(body.pop, i)


def _unconditional(node: ast.AST) -> Iterator[Edit]:
    """Leave out the test of an if or of a comprehension, so that it always applies."""
    for body in _bodies(node):
        for i, statement in enumerate(body):
            if (
                isinstance(statement, ast.If)
                and not statement.orelse
                and not isinstance(statement.body[0], ast.Return)
            ):
                yield partial(_replace_statement, body, i, statement.body)
    if isinstance(node, ast.comprehension) and node.ifs:
        yield node.ifs.pop


def _replace_statement(body: list[ast.stmt], index: int, statements: list[ast.stmt]) -> None:
    body[index : index + 1] = statements


def _forgotten(node: ast.AST) -> Iterator[Edit]:
    """Leave out a statement inside a block, such as an update or a reset."""
    if isinstance(node, ast.FunctionDef):
        return
    for body in _bodies(node):
        for i, statement in enumerate(body):
            if len(body) > 1 and isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):
                yield partial(body.pop, i)


def _early_return(node: ast.AST) -> Iterator[Edit]:
    """Repeat the final return at the end of the loop before it, so that the loop returns too early."""
    for body in _bodies(node):
        if len(body) > 1 and isinstance(body[-1], ast.Return) and isinstance(body[-2], ast.For | ast.While):
            yield partial(body[-2].body.append, copy.deepcopy(body[-1]))


def _builtin(node: ast.AST) -> Iterator[Edit]:
    """Replace a function or method by one that it is easily confused with."""
    if isinstance(node, ast.Name) and node.id in _BUILTINS:
        yield partial(setattr, node, "id", _BUILTINS[node.id])
    if isinstance(node, ast.Attribute) and node.attr in _BUILTINS:
        yield partial(setattr, node, "attr", _BUILTINS[node.attr])


OPERATORS: dict[str, Operator] = {
    "comparison": _comparison,
    "arithmetic": _arithmetic,
    "constant": _constant,
    "letter": _letter,
    "initial_value": _initial,
    "off_by_one": _bound,
    "branch": _branch,
    "logic": _logic,
    "accumulator": _accumulator,
    "edge_case": _edge_case,
    "unconditional": _unconditional,
    "forgotten": _forgotten,
    "early_return": _early_return,
    "builtin": _builtin,
}


def program_mutants(source: str) -> list[Mutant]:
    """Return every program that results from one edit of `source`, without repeats, in a fixed order.

    Raises SyntaxError if `source` is not Python.
    """
    original = ast.unparse(ast.parse(source))
    seen = {original}
    mutants = []
    for name, operator in OPERATORS.items():
        for node_index, edit_index in _sites(ast.parse(source), operator):
            tree = ast.parse(source)
            edits = list(operator(list(ast.walk(tree))[node_index]))
            edits[edit_index]()
            text = ast.unparse(ast.fix_missing_locations(tree))
            if text not in seen:
                seen.add(text)
                mutants.append(Mutant(text, name, _first_difference(original, text)))
    return mutants


def _sites(tree: ast.AST, operator: Operator) -> list[tuple[int, int]]:
    """Return (index of a node, index of an edit to it) for every edit to a tree."""
    sites = []
    for node_index, node in enumerate(ast.walk(tree)):
        for edit_index, _ in enumerate(operator(node)):
            sites.append((node_index, edit_index))
    return sites


def _first_difference(before: str, after: str) -> int:
    """Return the 1-based line of `after` at which the texts begin to differ."""
    old, new = before.split("\n"), after.split("\n")
    common = 0
    while common < min(len(old), len(new)) and old[common] == new[common]:
        common += 1
    return min(common + 1, len(new))
