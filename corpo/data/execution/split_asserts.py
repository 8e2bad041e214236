"""Split assertions into an expression, run in the sandbox, and a condition on its value, checked outside.

Expected values stay in the condition, so they never enter the sandbox. Those in variables and in tables of
cases are found by `corpo.data.execution.known_values`. An assertion that cannot be split reports from inside
the sandbox whether it passed. Its operands are checked there, so that no object can lie about its equality.
"""

from __future__ import annotations

import ast
import builtins
from collections import deque
from collections.abc import Callable, Mapping
from itertools import chain

from corpo.data.execution.checks import ScriptChecks
from corpo.data.execution.known_values import KnownValues, names_in
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
_LEAVING = (ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.Global, ast.Nonlocal)
_INNER_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def split_assertions(source: str, run: str = "", called: Mapping[str, str] | None = None) -> ScriptChecks:
    """Return the tests of a script, each reported separately, so that a failure does not stop the others.

    A test is a statement that asserts or calls a function of the script. It is at the top level, or in a
    function that the script calls once, at its top level. All other statements prepare the tests. If an
    assertion can be split, its test gives the value of the expression under test, otherwise it reports
    whether it passed.

    `run` is a call to add to the script, such as "check(candidate)". `called` has the test functions that the
    script calls, which need no assertion: by call, such as "TestSum('test_zero').debug()", the function's
    name, such as "TestSum.test_zero".

    Raises ValueError if there is no assertion and SyntaxError if the script is not Python.
    """
    tree = ast.parse(source)
    if not called and not _asserts(tree):
        raise ValueError("there is no assert in the tests")
    function = run.partition("(")[0]
    if run and not _defines(tree, function):
        raise ValueError(f"there is no assert in a function {function!r}")
    tree.body += ast.parse(run).body
    tree.body = list(chain.from_iterable(map(_unwrapped, tree.body)))
    script = _Script(tree, called or {})
    tree.body = script.split_body(tree.body, KnownValues(tree, script.splitter.is_constant), tree)
    if not script.tests:
        if run:
            raise ValueError(f"there is no assert in a function {function!r}")
        raise ValueError(
            "there is no assert outside a function, where it would run; call your test functions, too"
        )
    if not all(script.conditions):
        _CheckedOperands().visit(tree)
    text = ast.unparse(ast.fix_missing_locations(tree))
    return ScriptChecks(text, tuple(script.tests), tuple(script.conditions))


def _defines(tree: ast.Module, function: str) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in ast.walk(tree))


class _Script:
    """A script whose statements become tests, numbered in the order in which they run."""

    def __init__(self, tree: ast.Module, called: Mapping[str, str]) -> None:
        self.splitter = Splitter(tree)
        self.tests: list[str] = []
        self.conditions: list[str] = []
        self._helpers = {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        names: dict[str, str] = {}
        for statement in tree.body:
            match statement:
                case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
                    names[ast.unparse(statement)] = name
        names |= {ast.unparse(ast.parse(call)): name for call, name in called.items()}
        self._functions: dict[str, ast.FunctionDef] = {}
        for call, name in names.items():
            function = _function(tree, name)
            if function is not None and _runs_once(function, tree) and [*names.values()].count(name) == 1:
                self._functions[call] = function

    def split_body(
        self, body: list[ast.stmt], known: KnownValues, scope: ast.Module | ast.FunctionDef
    ) -> list[ast.stmt]:
        """Return the statements of a body with those that test something replaced by their reports."""
        pending, split = deque(body), []
        while pending:
            statement = pending.popleft()
            steps = known.steps(statement) if isinstance(statement, ast.For) and _asserts(statement) else None
            if steps is not None:
                pending.extendleft(reversed(steps))
                continue
            is_split = self._is_split_function(statement, known)
            statement = known.replace_names(statement)
            if not is_split and self._is_test(statement):
                statement = self._report(statement)
            known.learn(statement)
            split.append(statement)
        scope.body = split
        return known.without_unused(split, scope) or [ast.Pass()]

    def _is_split_function(self, statement: ast.stmt, known: KnownValues) -> bool:
        """Split the body of the function that a statement calls. Return whether there is any test in it."""
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            return False
        function = self._functions.get(ast.unparse(statement))
        if function is None:
            return False
        num_tests = len(self.tests)
        function.body = self.split_body(function.body, known.inside(function), function)
        return len(self.tests) > num_tests

    def _is_test(self, statement: ast.stmt) -> bool:
        if isinstance(statement, _SET_UP):
            return False
        return _asserts(statement) or bool(self._helpers.intersection(names_in(statement)))

    def _report(self, statement: ast.stmt) -> ast.stmt:
        """Add a test. Return the statement that reports it."""
        split = self.splitter.split(statement.test) if isinstance(statement, ast.Assert) else None
        expression, condition = split or (statement, "")
        self.tests.append(ast.unparse(statement))
        self.conditions.append(condition)
        return _reporting(len(self.tests) - 1, expression)


def _unwrapped(statement: ast.stmt) -> list[ast.stmt]:
    """Return what stands below `if __name__ == "__main__"`, or else the statement itself."""
    if isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'":
        return statement.body
    return [statement]


def _asserts(tree: ast.AST) -> bool:
    """Check for an assertion, or a call of a function such as `np.testing.assert_allclose`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and "assert" in _last_name(node.func):
            return True
    return False


def _last_name(function: ast.expr) -> str:
    """Return the last part of a function's name in small letters, such as "assertin" for `self.assertIn`."""
    return ast.unparse(function).rpartition(".")[2].lower()


def _function(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    """Return the function or method of a name such as "test_sum" or "TestSum.test_zero"."""
    owner, _, name = name.rpartition(".")
    bodies = [tree.body]
    if owner:
        bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner]
    functions = []
    for body in bodies:
        functions += [node for node in body if isinstance(node, ast.FunctionDef) and node.name == name]
    return functions[0] if len(functions) == 1 else None


def _runs_once(function: ast.FunctionDef, tree: ast.Module) -> bool:
    """Check that nothing but one call names a function, and that all its statements run in turn."""
    mentions = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            mentions += (node.id if isinstance(node, ast.Name) else node.attr) == function.name
    if mentions > 1 or function.decorator_list:
        return False
    pending: list[ast.AST] = [*function.body]
    if isinstance(function.body[-1], ast.Return):
        pending.pop()
    while pending:
        node = pending.pop()
        if isinstance(node, _LEAVING):
            return False
        if not isinstance(node, _INNER_SCOPES):
            pending += ast.iter_child_nodes(node)
    return True


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


class _CheckedOperands(ast.NodeTransformer):
    """Check what tests compare and compute with, because its classes can be the program's."""

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Check both sides of a comparison."""
        self.generic_visit(node)
        if isinstance(node.ops[0], ast.Is | ast.IsNot):
            return node
        node.left = _checked(node.left)
        for index, (relation, operand) in enumerate(zip(node.ops, node.comparators, strict=True)):
            node.comparators[index] = _checked(operand, isinstance(relation, ast.In | ast.NotIn))
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Check both sides of an operator."""
        self.generic_visit(node)
        node.left, node.right = _checked(node.left), _checked(node.right)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Check the arguments of a function that compares, such as `np.allclose` or `assertCountEqual`."""
        self.generic_visit(node)
        if any(part in _last_name(node.func) for part in ("assert", "equal", "close")):
            node.args = list(map(_checked, node.args))
        return node


def _checked(operand: ast.expr, is_searched: bool = False) -> ast.expr:
    """Return a call of the function that the worker offers for this, unless no program gives the operand.

    `is_searched` is true for the right side of `in`, whose items are compared.
    """
    if isinstance(operand, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Compare | ast.Starred):
        return operand
    arguments: list[ast.expr] = [operand]
    if is_searched:
        arguments.append(ast.Constant(True))
    return ast.Call(ast.Name("__checked__", ast.Load()), arguments, [])


class Splitter:
    """A splitter of the assertions of one script, with the names that the script redefines."""

    def __init__(self, script: ast.Module) -> None:
        bound: set[str] = set()
        imported: set[str] = set()  # from math, under their own names
        for node in ast.walk(script):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                if node.name != "pytest":  # the class that stands for it, see `test_functions`
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
        if self.is_constant(test):
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
        return None if self.is_constant(tested) or self._compares(tested) else expression

    def is_constant(self, node: ast.expr) -> bool:
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
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[right]) if not self.is_constant(
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
                if not all(self.is_constant(word.value) for word in words):
                    return None
                return self._isolate_side(first, second, lambda a, b: ast.Call(func, [a, b], words))
            case ast.Call() | ast.Attribute() | ast.Subscript() | ast.Name():
                return value, node
        return None

    def _isolate_side(
        self, left: ast.expr, right: ast.expr, join: Callable[[ast.expr, ast.expr], ast.expr]
    ) -> tuple[ast.expr, ast.expr] | None:
        """Isolate the side that is not constant, if the other is; `join` puts the sides together again."""
        if self.is_constant(right) and (inner := self._isolate(left)):
            return join(inner[0], right), inner[1]
        if self.is_constant(left) and (inner := self._isolate(right)):
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
