"""Replace names by the values that a test script gives them, and loops over such values by their steps.

Expected values often stand in a variable or in a table of cases. With their names replaced, an assertion can
be split, so that they stay outside the sandbox: `for x, y in [(1, 2), (3, 4)]: assert f(x) == y` becomes
`assert f(1) == 2` and `assert f(3) == 4`.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from corpo.data.execution.literals import FUNCTIONS, evaluate, function_name

MAX_STATEMENTS = 500  # of all unrolled loops of a script
_IMMUTABLE = (int, float, complex, str, bytes, type(None))
_SEE_ALL_NAMES = {"eval", "exec", "globals", "locals", "vars"}
_LEAVING = (ast.Break, ast.Continue, ast.Return, ast.Yield, ast.YieldFrom, ast.Await)
_PURE = (ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp, ast.BinOp, ast.Call)
_SIMPLE = (ast.Assert, ast.Assign, ast.AnnAssign, ast.Expr)


class _Use(Enum):
    """The places where a literal can take the place of a name."""

    anywhere = "anywhere"  # the value cannot change
    compared = "compared"  # the program never receives the value, so it cannot change it
    looped_over = "looped over"  # loops run over it, and nothing changes it between them


@dataclass(frozen=True)
class _Value:
    node: ast.expr
    use: _Use


class KnownValues:
    """The literals that names have at one place in a script.

    `scope` is the script, or the function of it whose statements follow each other. `is_constant` checks that
    an expression has literals and pure functions only.
    """

    def __init__(self, scope: ast.Module | ast.FunctionDef, is_constant: Callable[[ast.expr], bool]) -> None:
        self._is_constant = is_constant
        self._uses = _Uses(scope)
        self._values: dict[str, _Value] = {}
        self._learnt: set[ast.stmt] = set()
        self._room = [MAX_STATEMENTS]

    def inside(self, function: ast.FunctionDef) -> KnownValues:
        """Return the values at the start of a function that the script calls here, and only here."""
        known = KnownValues(function, self._is_constant)
        known._values, known._room = dict(self._values), self._room
        known._forget(_bound_names(function))
        return known

    def replace_names(self, statement: ast.stmt) -> ast.stmt:
        """Return a simple statement with literals for names.

        Names stay where identity counts, which is that of an object and not of its value.
        """
        is_simple = isinstance(statement, _SIMPLE)
        if not is_simple or any(isinstance(node, ast.Is | ast.IsNot) for node in ast.walk(statement)):
            return statement
        bound = _bound_names(statement)
        literals = {
            name: value.node
            for name, value in self._values.items()
            if value.use is not _Use.looped_over and name not in bound
        }
        replaced: ast.stmt = _Replacement(literals).visit(statement)
        return replaced

    def steps(self, loop: ast.For) -> list[ast.stmt] | None:
        """Return the statements of a loop over known values, one after the other; None for other loops."""
        if loop.orelse or any(isinstance(node, _LEAVING) for node in ast.walk(loop)):
            return None
        items = self._items(loop.iter)
        if items is None or len(items) * len(loop.body) > self._room[0]:
            return None
        self._room[0] -= len(items) * len(loop.body)
        steps: list[ast.stmt] = []
        for item in items:
            for target, value in _pairs(loop.target, item):
                steps.append(ast.copy_location(ast.Assign([target], value), loop))
            steps += copy.deepcopy(loop.body)
        return steps

    def learn(self, statement: ast.stmt) -> None:
        """Take note of what a statement assigns."""
        self._forget(_bound_names(statement))
        match statement:
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=value):
                pairs = _pairs(target, value) if value else []
            case _:
                return
        for name, node in pairs:
            if not isinstance(name, ast.Name) or name.id in self._uses.shared:
                continue
            use = self._use(name.id, node)
            if use is not None:
                self._values[name.id] = _Value(node, use)
        if all(isinstance(name, ast.Name) and self._is_constant(node) for name, node in pairs):
            self._learnt.add(statement)

    def without_unused(self, body: list[ast.stmt], scope: ast.AST) -> list[ast.stmt]:
        """Return a body without those assignments of literals whose names `scope` does not read any more."""
        read = {node.id for node in ast.walk(scope) if isinstance(node, ast.Name) and _is_load(node)}
        if self._uses.sees_all_names:
            return body
        return [
            statement
            for statement in body
            if statement not in self._learnt or _bound_names(statement) & (read | self._uses.shared)
        ]

    def _forget(self, names: set[str]) -> None:
        for name in names:
            self._values.pop(name, None)

    def _use(self, name: str, node: ast.expr) -> _Use | None:
        """Return where a literal can take the place of a name; None if nowhere."""
        if self._uses.sees_all_names or not self._is_constant(node):
            return None
        if _is_immutable(evaluate(node, {})):
            return _Use.anywhere
        if self._uses.compared[name] == self._uses.loads[name]:
            return _Use.compared
        if not isinstance(node, ast.List | ast.Tuple | ast.Dict):
            return None
        loads = self._uses.loads[name]
        is_changed = loads != self._uses.looped_over[name] or not _has_immutable_items(evaluate(node, {}))
        return _Use.looped_over if loads == 1 or not is_changed else None

    def _items(self, node: ast.expr) -> list[ast.expr] | None:
        """Return the expressions that a loop runs over, if they are constant."""
        items: list[ast.expr] = []
        match self._table(node):
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                items = list(elements)
            case ast.Call(func=ast.Attribute(value=owner, attr="items"), args=[], keywords=[]):
                table = self._table(owner)
                if not isinstance(table, ast.Dict):
                    return None
                for key, value in zip(table.keys, table.values, strict=True):
                    items.append(ast.Tuple([key or ast.Starred(value), value], ast.Load()))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if (
                name not in self._uses.stored
            ):
                return self._items_of_call(name, arguments)
            case _:
                return None
        return items if all(map(self._is_constant, items)) else None

    def _items_of_call(self, name: str, arguments: list[ast.expr]) -> list[ast.expr] | None:
        """Return the items of `range`, `zip` or `enumerate`."""
        if name == "range" and all(map(self._is_constant, arguments)):
            try:
                numbers = range(*(evaluate(argument, {}) for argument in arguments))
            except (TypeError, ValueError):
                return None
            return None if numbers[MAX_STATEMENTS:] else [_literal(number) for number in numbers]
        columns = [self._items(argument) for argument in arguments]
        if name not in ("zip", "enumerate") or not columns or None in columns:
            return None
        if name == "enumerate":
            columns = [[_literal(number) for number in range(len(columns[0] or ()))], *columns]
        rows = zip(*(column or () for column in columns), strict=False)
        return [ast.Tuple(list(row), ast.Load()) for row in rows]

    def _table(self, node: ast.expr) -> ast.expr:
        """Return the literal of a name, or else the node with literals for the names in it."""
        if isinstance(node, ast.Name) and node.id in self._values:
            return copy.deepcopy(self._values[node.id].node)
        literals = {name: value.node for name, value in self._values.items() if value.use is _Use.anywhere}
        replaced: ast.expr = _Replacement(literals).visit(copy.deepcopy(node))
        return replaced


class _Uses(ast.NodeVisitor):
    """The uses of names in a scope: how often it reads a name, and how often to compare or to loop only."""

    def __init__(self, scope: ast.AST) -> None:
        self.loads: Counter[str] = Counter()
        self.compared: Counter[str] = Counter()
        self.looped_over: Counter[str] = Counter()
        self.stored = _bound_names(scope)
        self.shared: set[str] = set()  # other functions may assign them
        self._weight = 1  # 2 and more within a loop
        self.visit(scope)
        self.sees_all_names = bool(_SEE_ALL_NAMES & self.loads.keys())

    def visit_Name(self, node: ast.Name) -> None:
        """Count a name."""
        if _is_load(node):
            self.loads[node.id] += self._weight

    def visit_Assert(self, node: ast.Assert) -> None:
        """Count the names in the sides of a comparison that no function of the program receives."""
        if isinstance(node.test, ast.Compare):
            for side in (node.test.left, *node.test.comparators):
                if _is_pure(side):
                    self.compared.update(dict.fromkeys(names_in(side), self._weight))
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        """Count the names of a loop. What it runs over is read once."""
        if _is_table(node.iter):
            self.looped_over.update(dict.fromkeys(names_in(node.iter), self._weight))
        self.visit(node.iter)
        self._weight += 1
        for part in (node.target, *node.body, *node.orelse):
            self.visit(part)
        self._weight -= 1

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        """Take note of names that several functions share."""
        self.shared.update(node.names)

    def _visit_repeated(self, node: ast.AST) -> None:
        self._weight += 1
        self.generic_visit(node)
        self._weight -= 1

    visit_Nonlocal = visit_Global
    visit_While = visit_Lambda = _visit_repeated
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_repeated


class _Replacement(ast.NodeTransformer):
    """Replace names by literals where a name of the same kind is not bound anew."""

    def __init__(self, literals: dict[str, ast.expr]) -> None:
        self._literals = literals

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name that is read."""
        if _is_load(node) and node.id in self._literals:
            return copy.deepcopy(self._literals[node.id])
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        """Keep a formatted text, in which not every literal can be written."""
        return node


def _is_load(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _literal(value: int) -> ast.expr:
    """Return the expression of a number. That of a negative one is no constant."""
    return ast.parse(str(value), mode="eval").body


def names_in(node: ast.AST) -> list[str]:
    """Return the names that a node reads or binds."""
    return [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]


def _bound_names(scope: ast.AST) -> set[str]:
    """Return the names that a statement, or a whole script or function, binds at any depth."""
    names: set[str] = set()
    for node in ast.walk(scope):
        match node:
            case ast.Name(id=name) if not _is_load(node):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name.partition(".")[0])
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
    return names


def _is_pure(node: ast.expr) -> bool:
    """Check that an expression has literals, names and pure functions only."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and function_name(inner.func) not in FUNCTIONS:
            return False
        if isinstance(inner, ast.expr) and not isinstance(inner, _PURE):
            return False
    return True


def _is_table(node: ast.expr) -> bool:
    """Check for a name, or for names in `zip`, `enumerate` and `.items()`, which change nothing."""
    for inner in ast.walk(node):
        match inner:
            case ast.Call(func=ast.Name(id="zip" | "enumerate")):
                continue
            case ast.Call(func=ast.Attribute(value=ast.Name(), attr="items")):
                continue
            case ast.Call():
                return False
    return True


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Return the single assignments that an assignment of a tuple consists of, if its items are given."""
    sequence = ast.Tuple | ast.List
    if not isinstance(target, sequence) or not isinstance(value, sequence):
        return [(target, value)]
    has_star = any(isinstance(item, ast.Starred) for item in (*target.elts, *value.elts))
    if has_star or len(target.elts) != len(value.elts):
        return [(target, value)]
    pairs = []
    for inner_target, inner_value in zip(target.elts, value.elts, strict=True):
        pairs += _pairs(inner_target, inner_value)
    return pairs


def _is_immutable(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_is_immutable, value))
    return isinstance(value, _IMMUTABLE)


def _has_immutable_items(value: Any) -> bool:
    return all(map(_is_immutable, value.values() if isinstance(value, dict) else value))
