"""Split assertions into an expression, run in the sandbox, and a condition on its value, checked outside.

Expected values stay in the condition, so they never enter the sandbox. An assertion that cannot be split
reports from inside the sandbox whether it passed.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable

from corpo.data.execution.checks import ScriptChecks
from corpo.data.execution.literals import BINARY, EVALUATION_ERRORS, FUNCTIONS, VALUE, evaluate, function_name

# Statements that prepare the tests but test nothing themselves, whatever functions they call.
_SET_UP = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.Pass,
    ast.Return,
    ast.Global,
)


def split_assertions(source: str, run: str = "", has_tests: bool = False) -> ScriptChecks:
    """Return the tests of a script, each reported separately, so that a failure does not stop the others.

    A test is a statement that asserts or calls a function of the script. It is at the top level, or in
    the function that `run` calls, such as "check(candidate)". All other statements prepare the tests. If an
    assertion can be split, its test gives the value of the expression under test, otherwise it reports
    whether it passed. `has_tests` says that the script calls test functions, which need no assertion.

    Raises ValueError if there is no assertion and SyntaxError if the script is not Python.
    """
    tree = ast.parse(source)
    bodies = [tree.body]
    if run:
        function = run.partition("(")[0]
        bodies = [
            node.body for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function
        ]
        tree.body += ast.parse(run).body
    if not has_tests and not _asserts(tree):
        raise ValueError("there is no assert in the tests")
    helpers = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    splitter = Splitter(tree)
    tests: list[str] = []
    conditions: list[str] = []
    for body in bodies:
        for index, statement in enumerate(body):
            if isinstance(statement, _SET_UP) or not (_asserts(statement) or _mentions(statement, helpers)):
                continue
            split = splitter.split(statement.test) if isinstance(statement, ast.Assert) else None
            expression, condition = split or (statement, "")
            body[index] = _reporting(len(tests), expression)
            tests.append(ast.unparse(statement))
            conditions.append(condition)
    if not tests:
        if run:
            raise ValueError(f"there is no assert in a function {run.partition('(')[0]!r}")
        raise ValueError(
            "there is no assert outside a function, where it would run; call your test functions, too"
        )
    return ScriptChecks(ast.unparse(ast.fix_missing_locations(tree)), tuple(tests), tuple(conditions))


def _asserts(tree: ast.AST) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree))


def _mentions(tree: ast.AST, names: set[str]) -> bool:
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(tree))


def _reporting(number: int, test: ast.stmt | ast.expr) -> ast.Try:
    """Return code that reports an expression's value, or whether a statement raises, as test `number`."""
    frame = ast.parse(
        f"try:\n    __value__({number})\n"
        f"except BaseException:\n    __failed__({number})\n"
        f"else:\n    __passed__({number})"
    ).body[0]
    assert isinstance(frame, ast.Try)
    if isinstance(test, ast.stmt):
        frame.body = [test]
        return frame
    assert isinstance(frame.body[0], ast.Expr)
    assert isinstance(frame.body[0].value, ast.Call)
    frame.body[0].value.args.append(test)
    frame.orelse = []
    return frame


class Splitter:
    """A splitter of the assertions of one script, with the names that the script redefines."""

    def __init__(self, script: ast.Module) -> None:
        bound: set[str] = set()
        imported: set[str] = set()  # from math, under their own names
        for node in ast.walk(script):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                bound.add(node.name)
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.add(node.id)
            elif isinstance(node, ast.ImportFrom) and node.module == "math" and node.level == 0:
                imported |= {alias.name for alias in node.names if alias.asname is None}
        self._known = {
            name
            for name in FUNCTIONS
            if name.partition(".")[0] not in bound and (name != "isclose" or "isclose" in imported)
        }

    def split(self, test: ast.expr) -> tuple[ast.expr, str] | None:
        """Return an expression to evaluate in the sandbox and a condition on its `value`, or None.

        These forms can be split: `EXPR == LITERAL` and the other comparisons, on either side, `EXPR`,
        `not EXPR`, `abs(EXPR - LITERAL) < LITERAL` and `math.isclose(EXPR, LITERAL)`. An expression that is
        a comparison itself is not split: its value would only be True, which any program can give. Truth and
        identity are those of the object itself, so they are evaluated in the sandbox.
        """
        if (expression := self._tested_object(test)) is not None:
            return expression, VALUE
        if self._is_constant(test):
            return ast.Constant(None), ast.unparse(test)
        parts = self._isolate(test)
        if parts is None or self._compares(parts[1]):
            return None
        return parts[1], ast.unparse(parts[0])

    def _tested_object(self, test: ast.expr) -> ast.expr | None:
        """Return the test as an expression that is True or False, if it asks for truth or identity only."""
        tested: ast.expr
        expression: ast.expr
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand) if _is_simple(operand):
                tested, expression = operand, test
            case ast.Compare(
                left=left, ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None | True | False)]
            ) if _is_simple(left):
                tested, expression = left, test
            case _ if _is_simple(test):
                tested = test
                expression = ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not(), test))
            case _:
                return None
        return None if self._is_constant(tested) or self._compares(tested) else expression

    def _is_constant(self, node: ast.expr) -> bool:
        """Check that a node has only literals and pure functions that the script does not redefine."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and function_name(inner.func) not in self._known:
                return False
        try:
            evaluate(node, {})
        except EVALUATION_ERRORS:
            return False
        return True

    def _isolate(self, node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
        """Replace the only part of a node that is not constant by `value`. Return the node and that part."""
        value = ast.Name(VALUE, ast.Load())
        match node:
            case ast.UnaryOp(op=ast.Not() | ast.USub() as sign, operand=operand):
                inner = self._isolate(operand)
                return (ast.UnaryOp(sign, inner[0]), inner[1]) if inner else None
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[right]) if not self._is_constant(
                right
            ):
                return None  # any object can contain others
            case ast.Compare(left=left, ops=[relation], comparators=[right]) if _is_portable(
                relation, left, right
            ):
                return self._isolate_side(left, right, lambda a, b: ast.Compare(a, [relation], [b]))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return self._isolate_side(left, right, lambda a, b: ast.BinOp(a, op, b))
            case ast.Call(func=func, args=[first], keywords=[]) if (
                function_name(func) == "abs" and "abs" in self._known
            ):
                inner = self._isolate(first)
                return (ast.Call(func, [inner[0]], []), inner[1]) if inner else None
            case ast.Call(func=func, args=[first, second], keywords=words) if (
                "isclose" in function_name(func) and function_name(func) in self._known
            ):
                if not all(self._is_constant(word.value) for word in words):
                    return None
                return self._isolate_side(first, second, lambda a, b: ast.Call(func, [a, b], words))
            case ast.Call() | ast.Attribute() | ast.Subscript() | ast.Name():
                return value, node
        return None

    def _isolate_side(
        self, left: ast.expr, right: ast.expr, join: Callable[[ast.expr, ast.expr], ast.expr]
    ) -> tuple[ast.expr, ast.expr] | None:
        """Isolate the side that is not constant, if the other is; `join` puts the sides together again."""
        if self._is_constant(right) and (inner := self._isolate(left)):
            return join(inner[0], right), inner[1]
        if self._is_constant(left) and (inner := self._isolate(right)):
            return join(left, inner[0]), inner[1]
        return None

    def _compares(self, expression: ast.expr) -> bool:
        """Check whether an expression is itself a comparison.

        Examples are `all(f(x) == y for ...)`, `near(f(x), 2.5)` and `np.abs(f(x) - 2.5)`.
        """
        if any(isinstance(node, ast.Compare | ast.BoolOp | ast.IfExp) for node in ast.walk(expression)):
            return True
        if not isinstance(expression, ast.Call):
            return False
        inside: list[ast.AST] = []
        for argument in expression.args:
            inside += ast.walk(argument)
        has_one_argument = len(expression.args) + len(expression.keywords) == 1
        if has_one_argument and not any(isinstance(node, ast.BinOp) for node in inside):
            return False
        return any(
            isinstance(node, ast.Call) and function_name(node.func) not in dir(builtins) for node in inside
        )


def _is_simple(node: ast.expr) -> bool:
    return isinstance(node, ast.Call | ast.Attribute | ast.Subscript | ast.Name)


def _is_portable(relation: ast.cmpop, left: ast.expr, right: ast.expr) -> bool:
    """Check that a relation means the same outside the sandbox, where values are copies.

    Identity (`is`) means the same only for None, True and False.
    """
    return not isinstance(relation, ast.Is | ast.IsNot) or any(
        isinstance(side, ast.Constant) and side.value in (None, True, False) for side in (left, right)
    )
