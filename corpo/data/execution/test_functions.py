"""Turn tests of pytest, unittest and HumanEval into a script whose tests report one by one.

Each test function and each method of a test class is called, once for each of its sets of parameters, and
each assertion in it becomes a test. pytest itself is not in the sandbox; a few lines replace `raises`,
`approx` and `fail`. The modules that the tests import from, such as `solution`, are the program.
"""

from __future__ import annotations

import ast
import copy
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeGuard

from corpo.data.execution.checks import ScriptChecks
from corpo.data.execution.packages import OFFERED, is_other_package
from corpo.data.execution.split_asserts import split_assertions

_PYTEST = """
class pytest:
    class approx:
        def __init__(self, expected, rel=1e-6, abs=1e-12, nan_ok=False):
            self.expected, self.rel, self.abs = expected, rel, abs
        def __eq__(self, actual):
            return self.is_near(actual, self.expected)
        def is_near(self, a, b):
            if isinstance(b, dict):
                return a.keys() == b.keys() and all(self.is_near(a[key], b[key]) for key in b)
            if isinstance(b, (list, tuple)):
                return len(a) == len(b) and all(map(self.is_near, a, b))
            if isinstance(b, (int, float)) and not isinstance(b, bool):
                return a == b or abs(a - b) <= max(self.rel * abs(b), self.abs)
            return a == b
    class raises:
        def __init__(self, expected, *call, match=None, **words):
            self.expected, self.match = expected, match
            if call:
                with self:
                    call[0](*call[1:], **words)
        def __enter__(self):
            return self
        def __exit__(self, kind, error, trace):
            import re
            assert kind is not None, "no error was raised"
            self.value, self.type = error, kind
            return issubclass(kind, self.expected) and (
                self.match is None or re.search(self.match, str(error)) is not None
            )
    @staticmethod
    def fail(reason=""):
        raise AssertionError(reason)
"""
_RUN_METHOD = """
def __run_method__(kind, name, **words):
    instance = kind()
    setup = getattr(instance, "setup_method", None)
    if setup is not None:
        setup(*[None] * (setup.__code__.co_argcount - 1))
    getattr(instance, name)(**words)
"""
# Marks of pytest and decorators of unittest.
_SKIP = re.compile(r"\b(?:skip|skipif|skipIf|skipUnless|xfail|expectedFailure)\b")
_COMPARISONS = {
    "assertEqual": "==",
    "assertEquals": "==",
    "assertListEqual": "==",
    "assertDictEqual": "==",
    "assertTupleEqual": "==",
    "assertSetEqual": "==",
    "assertSequenceEqual": "==",
    "assertMultiLineEqual": "==",
    "assertNotEqual": "!=",
    "assertIs": "is",
    "assertIsNot": "is not",
    "assertIn": "in",
    "assertNotIn": "not in",
    "assertGreater": ">",
    "assertGreaterEqual": ">=",
    "assertLess": "<",
    "assertLessEqual": "<=",
}
_STATES = {
    "assertTrue": "({})",
    "assertFalse": "not ({})",
    "assertIsNone": "({}) is None",
    "assertIsNotNone": "({}) is not None",
}


def split_tests(source: str, entry: str | None = None) -> ScriptChecks:
    """Return the tests of a file of tests. `entry` is the argument of a function `check(candidate)`.

    Tests that pytest and unittest skip or expect to fail are left out, and those that are coroutines, which
    need a plugin of pytest.

    Raises ValueError if there is no test, and SyntaxError if the source is not Python.
    """
    tree = ast.parse(source)
    left_out = _take_skipped(tree)
    if left_out and not any(isinstance(node, ast.FunctionDef | ast.Assert) for node in ast.walk(tree)):
        raise ValueError(
            f"tests: all of them are skipped, expected to fail or coroutines: {', '.join(left_out)}"
        )
    checks = _split_tree(tree, entry)
    return replace(checks, left_out=tuple(left_out))


def _split_tree(tree: ast.Module, entry: str | None) -> ScriptChecks:
    """Return the tests of a file of which every test runs."""
    modules, uses_pytest = _take_imports(tree)
    tree.body = [statement for statement in tree.body if not _starts_a_runner(statement)]
    called = {node.func.id for node in _top_level_calls(tree) if isinstance(node.func, ast.Name)}
    if any(map(_is_check, tree.body)) and "check" not in called:
        if not entry:
            raise ValueError(
                "tests: the function check(candidate) needs a field 'entry': the function's name"
            )
        return split_assertions(_text(tree, modules, uses_pytest), f"check({entry})")
    _remove_fixture_marks(tree)
    calls: dict[str, str] = {}
    cases = _test_cases(tree)
    for node in list(tree.body):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test") and node.name not in called:
            calls |= _function_calls(node, tree)
        elif isinstance(node, ast.ClassDef):
            calls |= _class_calls(node, tree, is_unittest=node.name in cases)
    for call in calls:
        tree.body += ast.parse(call).body
    return split_assertions(_text(tree, modules, uses_pytest), called=calls)


def _take_skipped(tree: ast.Module) -> list[str]:
    """Remove the tests that do not run, and return their names."""
    names: list[str] = []
    owners: list[ast.Module | ast.ClassDef] = [tree]
    owners += [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for owner in owners:
        kept: list[ast.stmt] = []
        for node in owner.body:
            if _is_skipped(node):
                names.append(node.name)
            else:
                kept.append(node)
        if not kept and isinstance(owner, ast.ClassDef):
            kept.append(ast.Pass())
        owner.body = kept
    for sets in ast.walk(tree):
        if isinstance(sets, ast.List | ast.Tuple):
            skipped = [value for value in sets.elts if _is_skipped_parameter(value)]
            sets.elts = [value for value in sets.elts if value not in skipped]
            names += [ast.unparse(value) for value in skipped]
    return names


def _is_skipped(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Check for a coroutine that is a test, and for a mark that skips a test or expects it to fail."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test"):
        return True
    return any(_SKIP.search(ast.unparse(mark).partition("(")[0]) for mark in node.decorator_list)


def _is_skipped_parameter(value: ast.expr) -> bool:
    """Check for `pytest.param(..., marks=...)` with such a mark."""
    if not isinstance(value, ast.Call) or not ast.unparse(value.func).endswith("param"):
        return False
    return any(word.arg == "marks" and _SKIP.search(ast.unparse(word.value)) for word in value.keywords)


def _text(tree: ast.Module, modules: list[str], uses_pytest: bool) -> str:
    """Return the script with what replaces the modules that it imports."""
    head = ""
    for name in modules:
        head += f"__import__('sys').modules[{name!r}] = __import__('sys').modules['candidate']\n"
    helpers = _PYTEST if uses_pytest else ""
    body = ast.unparse(ast.fix_missing_locations(tree))
    if "__run_method__" in body:
        helpers += _RUN_METHOD
    return head + helpers + body


def _take_imports(tree: ast.Module) -> tuple[list[str], bool]:
    """Remove the imports of pytest, and return the modules that stand for the program.

    The second value says whether the tests use pytest.
    """
    modules: list[str] = []
    body: list[ast.stmt] = []
    uses_pytest = False
    aliases: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom):
            statement = _absolute(statement)
            if statement.module == "pytest":
                uses_pytest = True
                for alias in statement.names:
                    aliases[alias.asname or alias.name] = f"pytest.{alias.name}"
                continue
            modules += _program_modules([statement.module or ""])
        elif isinstance(statement, ast.Import):
            uses_pytest |= any(alias.name == "pytest" for alias in statement.names)
            statement.names = [alias for alias in statement.names if alias.name != "pytest"]
            if not statement.names:
                continue
            modules += _program_modules([alias.name for alias in statement.names])
        body.append(statement)
    tree.body = body
    _FullNames(aliases).visit(tree)
    return list(dict.fromkeys(modules)), uses_pytest


class _FullNames(ast.NodeTransformer):
    """Replace names such as `approx` by those with their module."""

    def __init__(self, aliases: dict[str, str]) -> None:
        self._aliases = aliases

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name that is imported."""
        if isinstance(node.ctx, ast.Load) and node.id in self._aliases:
            return ast.parse(self._aliases[node.id], mode="eval").body
        return node


def _absolute(statement: ast.ImportFrom) -> ast.ImportFrom:
    """Return a relative import as one of a module `solution`."""
    if statement.level:
        return ast.ImportFrom(statement.module or "solution", statement.names, 0)
    return statement


def _program_modules(names: list[str]) -> list[str]:
    """Return the modules, with their parents, that are neither in Python nor offered by the sandbox.

    Raises ValueError for an installed package, which is not the program.
    """
    modules = []
    for name in names:
        parts = name.split(".")
        if is_other_package(parts[0]):
            raise ValueError(f"tests: they need the package {parts[0]!r}, which the sandbox does not offer")
        if parts[0] in sys.stdlib_module_names or parts[0] in OFFERED:
            continue
        modules += [".".join(parts[: end + 1]) for end in range(len(parts))]
    return modules


def _remove_fixture_marks(tree: ast.Module) -> None:
    """Remove the decorators of fixtures, which are functions that a test calls."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            decorators = [ast.unparse(decorator).partition("(")[0] for decorator in node.decorator_list]
            if {"fixture", "pytest.fixture"} & set(decorators):
                node.decorator_list = []


def _starts_a_runner(statement: ast.stmt) -> bool:
    """Check for `unittest.main()` or `pytest.main()`, alone or below `if __name__ == "__main__"`."""
    calls = [ast.unparse(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)]
    is_short = isinstance(statement, ast.Expr | ast.If) and len(calls) <= 2
    return is_short and any(call in ("unittest.main", "pytest.main") for call in calls)


def _top_level_calls(tree: ast.Module) -> Iterator[ast.Call]:
    for statement in tree.body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            for node in ast.walk(statement):
                if isinstance(node, ast.Call):
                    yield node


def _is_check(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "check" and len(node.args.args) == 1


def _function_calls(function: ast.FunctionDef, tree: ast.Module, owner: str = "") -> dict[str, str]:
    """Return the calls of a test function, one per set of parameters, each with the name of the function.

    Remove its decorators. Literal parameters are assigned in a copy of the function, because an assertion on
    a known value can be split.
    """
    decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
    parameters = [node for node in function.decorator_list if _is_parametrize(node)]
    function.decorator_list = [
        node
        for node, text in zip(function.decorator_list, decorators, strict=True)
        if "mark." not in text and "fixture" not in text
    ]
    arguments = [argument.arg for argument in function.args.args if argument.arg != "self"]
    sets = [_parameter_sets(node, tree) for node in parameters if isinstance(node, ast.Call)]
    given: set[str] = set()
    loops: list[str] = []
    for choices in sets:
        given |= set(choices.names)
        if choices.loop:
            loops.append(choices.loop)
    fixtures = {name: _fixture_value(name, tree) for name in arguments if name not in given}
    calls: dict[str, str] = {}
    for combination in product(*(choices.values for choices in reversed(sets))):
        words = dict(fixtures)
        for choice in combination:
            words |= choice
        case = function
        if given and not loops and not function.args.defaults:
            case = _with_literals(function, words, f"{function.name}__{len(calls) + 1}")
            _siblings(function, tree, owner).append(case)
        texts = [
            f"{argument.arg}={words[argument.arg]}" for argument in case.args.args if argument.arg in words
        ]
        if owner:
            texts = [owner, repr(case.name), *texts]
        call = f"{'__run_method__' if owner else case.name}({', '.join(texts)})"
        calls[f"[{call} {' '.join(loops)}]" if loops else call] = f"{owner}.{case.name}".lstrip(".")
    if calls and f"{owner}.{function.name}".lstrip(".") not in calls.values():
        _siblings(function, tree, owner).remove(function)
    return calls


def _siblings(function: ast.FunctionDef, tree: ast.Module, owner: str) -> list[ast.stmt]:
    """Return the body that a function belongs to: that of the file, or that of the class `owner`."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == owner and function in node.body:
            return node.body
    return tree.body


def _with_literals(function: ast.FunctionDef, words: dict[str, str], name: str) -> ast.FunctionDef:
    """Return a copy of a function that assigns its literal arguments itself."""
    case = copy.deepcopy(function)
    case.name, case.args.args, assignments = name, [], []
    for argument in function.args.args:
        text = words.get(argument.arg, argument.arg)
        try:
            ast.literal_eval(text)
        except (ValueError, TypeError):  # TypeError: a list within a set
            case.args.args.append(argument)
        else:
            assignments += ast.parse(f"{argument.arg} = {text}").body
    case.body = [*assignments, *case.body]
    return case


def _is_parametrize(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.parametrize")


@dataclass(frozen=True)
class _ParameterSets:
    """The expressions of each set of parameters by name, or a loop over sets that only the sandbox knows."""

    names: list[str]
    values: list[dict[str, str]]
    loop: str = ""


def _parameter_sets(decorator: ast.Call, tree: ast.Module) -> _ParameterSets:
    """Return the sets of parameters of a decorator. Raises ValueError if a set has another length."""
    names_node, values_node = decorator.args[:2]
    names_value = ast.literal_eval(names_node)
    names = names_value.split(",") if isinstance(names_value, str) else list(names_value)
    names = [name.strip() for name in names]
    if isinstance(values_node, ast.Name):
        values_node = _assigned_value(values_node.id, tree) or values_node
    if not isinstance(values_node, ast.List | ast.Tuple):
        target = f"({', '.join(names)})" if len(names) > 1 else names[0]
        loop = f"for {target} in {ast.unparse(values_node)}"
        return _ParameterSets(names, [{name: name for name in names}], loop)
    sets = []
    for value in values_node.elts:
        values = [value]
        if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("param"):
            values = list(value.args)
        elif len(names) > 1 and isinstance(value, ast.List | ast.Tuple):
            values = list(value.elts)
        if len(values) != len(names):
            raise ValueError(f"tests: parametrize has {len(names)} names, but a set of {len(values)} values")
        sets.append(dict(zip(names, map(ast.unparse, values), strict=True)))
    return _ParameterSets(names, sets)


def _assigned_value(name: str, tree: ast.Module) -> ast.expr | None:
    """Return the list that a script assigns to a name; None if there is none or it may change."""
    values: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == name for target in node.targets):
            values.append(node.value)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == name:
            return None  # such as a method that appends
    return values[0] if len(values) == 1 and isinstance(values[0], ast.List | ast.Tuple) else None


def _fixture_value(name: str, tree: ast.Module) -> str:
    """Return the expression that gives a fixture of the file. Raises ValueError for any other fixture."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            arguments = [_fixture_value(argument.arg, tree) for argument in node.args.args]
            call = f"{name}({', '.join(arguments)})"
            has_yield = any(isinstance(inner, ast.Yield) for inner in ast.walk(node))
            return f"next({call})" if has_yield else call
    raise ValueError(f"tests: the fixture {name!r} is not available; pass the value in the test itself")


def _test_cases(tree: ast.Module) -> set[str]:
    """Return the names of the classes of unittest, also those that inherit from another class of the file."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base) for base in node.bases]
            if any(base.endswith("TestCase") or base in names for base in bases):
                names.add(node.name)
    return names


def _class_calls(node: ast.ClassDef, tree: ast.Module, is_unittest: bool) -> dict[str, str]:
    """Return the calls of the methods of a test class of pytest or unittest, each with the method's name."""
    calls: dict[str, str] = {}
    if not is_unittest and not node.name.startswith("Test"):
        return calls
    methods = [method for method in node.body if isinstance(method, ast.FunctionDef)]
    if any(method.name == "setUpClass" for method in methods):
        index = tree.body.index(node) + 1
        tree.body[index:index] = ast.parse(f"_ = {node.name}.setUpClass()").body
    for method in methods:
        if not method.name.startswith("test"):
            continue
        if is_unittest:
            _AssertionMethods().visit(method)
            calls[f"{node.name}({method.name!r}).debug()"] = f"{node.name}.{method.name}"
        else:
            calls |= _function_calls(method, tree, owner=node.name)
    return calls


class _AssertionMethods(ast.NodeTransformer):
    """Replace the assertion methods of unittest by assertions, which a program cannot replace."""

    def visit_With(self, node: ast.With) -> ast.AST | list[ast.stmt]:
        """Replace `with self.subTest(...)` by what is in it."""
        self.generic_visit(node)
        is_sub_test = all(ast.unparse(item).startswith("self.subTest(") for item in node.items)
        return node.body if is_sub_test else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Replace a call such as `self.assertEqual(a, b)`."""
        call = node.value
        if not isinstance(call, ast.Call) or not ast.unparse(call.func).startswith("self.assert"):
            return node
        name = ast.unparse(call.func).removeprefix("self.")
        values = [ast.unparse(value) for value in call.args]
        words = {word.arg: ast.unparse(word.value) for word in call.keywords}
        text = ""
        if name in _COMPARISONS and len(values) >= 2:
            text = f"({values[0]}) {_COMPARISONS[name]} ({values[1]})"
        elif name in _STATES and values:
            text = _STATES[name].format(values[0])
        elif name == "assertAlmostEqual" and len(values) >= 2:
            places = values[2] if len(values) > 2 else words.get("places", "7")
            limit = words.get("delta", f"0.5 * 10 ** -({places})")
            text = f"abs(({values[0]}) - ({values[1]})) <= {limit}"
        return ast.copy_location(ast.parse(f"assert {text}").body[0], node) if text else node
