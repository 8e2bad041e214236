"""Recognise candidates that are the same program under other names and layout."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator, Sequence

from corpo.data.python_text import PARSE_ERRORS
from corpo.task import Candidate, Domain

# A program that mentions one of these can observe the names of its variables.
_INTROSPECTION = {
    "eval",
    "exec",
    "locals",
    "globals",
    "vars",
    "dir",
    "inspect",
    "__doc__",
    "__code__",
    "__annotations__",
    "_getframe",
}


def distinct(candidates: Sequence[Candidate], domain: Domain) -> tuple[Candidate, ...]:
    """Return the first candidate of each normal form and outcome.

    Tests can tell programs apart that differ in names only, for example by a call with keywords.
    """
    first: dict[tuple[str, bool, str | None], Candidate] = {}
    for candidate in reversed(candidates):
        first[normal_form(candidate.text, domain), candidate.correct, candidate.error] = candidate
    return tuple(first.values())[::-1]


def normal_form(text: str, domain: Domain) -> str:
    """Return a text that is equal for equal candidates.

    Programs are equal if they differ only in layout, comments and local names, because such programs do the
    same if they are called by position. Worked solutions are equal if they differ only in white space and
    case. The normal form of a text that is not a program is the text itself.
    """
    if domain is not Domain.code:
        return " ".join(text.lower().split())
    try:
        tree = ast.parse(text)
        names = _local_names(tree, symtable.symtable(text, "<candidate>", "exec"))
        return ast.dump(_Renamer(names).visit(tree))
    except SyntaxError:
        return " ".join(text.split())
    except PARSE_ERRORS:
        return text


def _local_names(tree: ast.AST, table: symtable.SymbolTable) -> dict[str, str]:
    """Return new names for the variables of functions, numbered in order of appearance.

    A name keeps its text if anywhere in the program it is a global, a built-in, a name of a class or an
    import, a keyword, or part of another statement (`nonlocal`, `except`, `case`). All names keep theirs if
    the program calls with `**`, imports `*` or can observe names. The new names are not identifiers, so
    they cannot clash.
    """
    local, fixed = set[str](), set[str]()
    for scope in _scopes(table):
        for symbol in scope.get_symbols():
            is_local = scope.get_type() == "function" and not symbol.is_global() and not symbol.is_imported()
            (local if is_local else fixed).add(symbol.get_name())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            fixed |= {node.attr} & _INTROSPECTION
        elif isinstance(node, ast.keyword) and node.arg is None:
            return {}
        elif not isinstance(node, ast.Name | ast.arg | ast.Constant):
            fixed.update(_text_fields(node))
    if fixed & {"*", *_INTROSPECTION}:
        return {}
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.arg):
            name = node.id if isinstance(node, ast.Name) else node.arg
            if name in local and name not in fixed:
                names.setdefault(name, f"#{len(names)}")
    return names


def _text_fields(node: ast.AST) -> Iterator[str]:
    """Yield the texts that a node holds itself, such as the name of a function."""
    for _, field in ast.iter_fields(node):
        for value in field if isinstance(field, list) else [field]:
            if isinstance(value, str):
                yield value


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """Yield a scope and all scopes inside it."""
    yield table
    for inner in table.get_children():
        yield from _scopes(inner)


class _Renamer(ast.NodeTransformer):
    """A transformer that renames variables and removes `pass`, docstrings and other unused texts."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Rename a variable."""
        return ast.Name(self.names.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Rename an argument."""
        self.generic_visit(node)
        return ast.arg(self.names.get(node.arg, node.arg), node.annotation)

    def visit_Pass(self, node: ast.Pass) -> None:
        """Remove a `pass`."""
        return None

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Remove a statement that is only a text."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)
