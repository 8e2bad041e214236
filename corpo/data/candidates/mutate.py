"""Realistic mistakes: one edit to a correct program's syntax tree, or one slip in a worked solution.

A mutant is only a *suspect*: whether it is wrong is decided by running it (`corpo.data.execution.labelling`) or checking its answer.
"""

# mypy: disable-error-code="misc"
# (it cannot infer lambdas that bind loop variables as defaults, which every operator below does)

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from corpo.data.bank.base import Step


@dataclass(frozen=True)
class Mutant:
    text: str
    mutation: str  # name of the operator that made it
    line: int  # 1-based line (program) or step (worked solution) of the first difference
    evidence: str = ""  # of a worked solution: the step as it should be


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

# An operator looks at one node of the tree and yields edits: functions that change that node (or a list of statements) in place.
Edit = Callable[[], None]
Operator = Callable[[ast.AST], Iterator[Edit]]


def _comparison(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Compare):
        for other in _COMPARISONS.get(type(node.ops[0]), ()):
            yield lambda node=node, other=other: node.ops.__setitem__(0, other())


def _arithmetic(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp | ast.AugAssign):
        for other in _OPERATORS.get(type(node.op), ()):
            yield lambda node=node, other=other: setattr(node, "op", other())


def _is_int(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def _constant(node: ast.AST) -> Iterator[Edit]:
    """A constant that is neither an initial value nor a range or index bound, off by one."""
    if isinstance(node, ast.Compare | ast.BinOp | ast.Return | ast.AugAssign):
        for name in ("left", "right", "value"):
            child = getattr(node, name, None)
            if _is_int(child):
                for shift in (1, -1):
                    yield lambda child=child, shift=shift: setattr(child, "value", child.value + shift)
    if isinstance(node, ast.Compare) and _is_int(node.comparators[0]):
        child = node.comparators[0]
        for shift in (1, -1):
            yield lambda child=child, shift=shift: setattr(child, "value", child.value + shift)


def _letter(node: ast.AST) -> Iterator[Edit]:
    """A string constant confused with its neighbour in the alphabet or with the empty string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if len(node.value) == 1 and node.value.isalpha():
            yield lambda node=node: setattr(
                node, "value", chr(ord("a") + (ord(node.value.lower()) - ord("a") + 1) % 26)
            )
        elif node.value:
            yield lambda node=node: setattr(node, "value", "")


def _initial(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Assign) and _is_int(node.value):
        child = node.value
        assert isinstance(child, ast.Constant)
        yield lambda child=child: setattr(child, "value", child.value + 1)
        yield lambda child=child: setattr(child, "value", child.value - 1 if child.value else 1)


def _bound(node: ast.AST) -> Iterator[Edit]:
    """Off by one in a range, an index or a slice."""

    def bump(parent: object, name: str | int, shift: int) -> Edit:
        get = (lambda: parent[name]) if isinstance(parent, list) else (lambda: getattr(parent, name))  # type: ignore[arg-type,index]

        undone = ast.Sub if shift > 0 else ast.Add

        def edit() -> None:
            old = get()
            if _is_int(old):
                new: ast.expr = ast.Constant(old.value + shift)
            elif isinstance(old, ast.BinOp) and isinstance(old.op, undone) and ast.unparse(old.right) == "1":
                new = old.left  # n + 1 becomes n, as a person would write it
            else:
                new = ast.BinOp(old, ast.Add() if shift > 0 else ast.Sub(), ast.Constant(abs(shift)))
            if isinstance(parent, list):
                parent[name] = new  # type: ignore[index]
            else:
                setattr(parent, name, new)  # type: ignore[arg-type]

        return edit

    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        for i in range(min(len(node.args), 2)):
            for shift in (1, -1):
                yield bump(node.args, i, shift)
        if len(node.args) == 1:
            yield lambda node=node: node.args.insert(0, ast.Constant(1))
    if isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Slice):
            for name in ("lower", "upper"):
                if getattr(node.slice, name) is not None:
                    for shift in (1, -1):
                        yield bump(node.slice, name, shift)
            if node.slice.step is None and node.slice.lower is None:
                yield lambda node=node: setattr(node.slice, "lower", ast.Constant(1))
        elif not isinstance(node.slice, ast.Constant | ast.Name) or _is_int(node.slice):
            for shift in (1, -1):
                yield bump(node, "slice", shift)


def _branch(node: ast.AST) -> Iterator[Edit]:
    """A branch taken the wrong way round, or an else forgotten."""
    if isinstance(node, ast.If) and node.orelse:
        yield lambda node=node: _swap(node, "body", "orelse")
        if not isinstance(node.orelse[0], ast.If):
            yield lambda node=node: setattr(node, "orelse", [])
    if isinstance(node, ast.IfExp):
        yield lambda node=node: _swap(node, "body", "orelse")
    if isinstance(node, ast.If | ast.While) and isinstance(node.test, ast.Name | ast.Call):
        yield lambda node=node: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))


def _swap(node: ast.AST, first: str, second: str) -> None:
    old = getattr(node, first)
    setattr(node, first, getattr(node, second))
    setattr(node, second, old)


def _logic(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.BoolOp):
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield lambda node=node, other=other: setattr(node, "op", other())
        for i in range(len(node.values)):
            if len(node.values) > 2:
                yield lambda node=node, i=i: node.values.pop(i)
    for name in ("test", "value", "elt"):
        child = getattr(node, name, None)
        if isinstance(child, ast.UnaryOp) and isinstance(child.op, ast.Not):
            yield lambda node=node, name=name, child=child: setattr(node, name, child.operand)
        if isinstance(child, ast.BoolOp) and len(child.values) == 2:
            for i in range(2):
                yield lambda node=node, name=name, child=child, i=i: setattr(node, name, child.values[i])


def _accumulator(node: ast.AST) -> Iterator[Edit]:
    """`total += x` becomes `total = x`: the accumulator overwritten."""
    for body in _bodies(node):
        for i, statement in enumerate(body):
            if isinstance(statement, ast.AugAssign):
                yield lambda body=body, i=i, s=statement: body.__setitem__(
                    i, ast.Assign([s.target], s.value, lineno=s.lineno)
                )


def _bodies(node: ast.AST) -> list[list[ast.stmt]]:
    return [
        body for name in ("body", "orelse") if isinstance(body := getattr(node, name, None), list) and body
    ]


def _edge_case(node: ast.AST) -> Iterator[Edit]:
    """A guard (an if that only returns, breaks or continues) forgotten."""
    for body in _bodies(node):
        for i, statement in enumerate(body):
            if (
                isinstance(statement, ast.If)
                and not statement.orelse
                and len(statement.body) == 1
                and isinstance(statement.body[0], ast.Return | ast.Break | ast.Continue)
                and len(body) > 1
            ):
                yield lambda body=body, i=i: body.pop(i)


def _unconditional(node: ast.AST) -> Iterator[Edit]:
    """The test dropped: what was done sometimes is done always."""
    for body in _bodies(node):
        for i, statement in enumerate(body):
            if (
                isinstance(statement, ast.If)
                and not statement.orelse
                and not isinstance(statement.body[0], ast.Return)
            ):
                yield lambda body=body, i=i, s=statement: body.__setitem__(slice(i, i + 1), s.body)
    if isinstance(node, ast.comprehension) and node.ifs:
        yield lambda node=node: node.ifs.pop()


def _forgotten(node: ast.AST) -> Iterator[Edit]:
    """A statement inside a block left out (an update, a reset)."""
    for body in _bodies(node):
        if len(body) > 1:
            for i, statement in enumerate(body):
                if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr) and not isinstance(
                    node, ast.FunctionDef
                ):
                    yield lambda body=body, i=i: body.pop(i)


def _early_return(node: ast.AST) -> Iterator[Edit]:
    """The final return indented one level too deep, into the loop before it."""
    for body in _bodies(node):
        if len(body) > 1 and isinstance(body[-1], ast.Return) and isinstance(body[-2], ast.For | ast.While):
            loop = body[-2]
            yield lambda body=body, loop=loop: loop.body.append(copy.deepcopy(body[-1]))


def _builtin(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Name) and node.id in _BUILTINS:
        yield lambda node=node: setattr(node, "id", _BUILTINS[node.id])
    if isinstance(node, ast.Attribute) and node.attr in _BUILTINS:
        yield lambda node=node: setattr(node, "attr", _BUILTINS[node.attr])


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
    """Every program that one edit makes of `source`, without repeats, in a fixed order. Raises SyntaxError."""
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
    return [(i, j) for i, node in enumerate(ast.walk(tree)) for j, _ in enumerate(operator(node))]


def _first_difference(before: str, after: str) -> int:
    old, new = before.split("\n"), after.split("\n")
    same = next(
        (i for i, (x, y) in enumerate(zip(old, new, strict=False)) if x != y), min(len(old), len(new))
    )
    return min(same + 1, len(new))


# --- worked solutions -------------------------------------------------------------------------------------------------

_SYMBOLS = {"+": "-", "-": "+", "*": "+", "//": "*"}


@dataclass(frozen=True)
class Line:
    """A step as written: operands and result are numbers."""

    text: str
    left: int
    operator: str
    right: int
    result: int

    @property
    def sum(self) -> str:
        return f"{self.left} {'/' if self.operator == '//' else self.operator} {self.right} = {self.result}"

    def __str__(self) -> str:
        return f"{self.text}: {self.sum}"


def _apply(left: int, operator: str, right: int) -> int:
    if operator == "//":
        return left // right if right else 0
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def work_out(
    steps: tuple[Step, ...],
    values: dict[str, int],
    slip: tuple[int, str] | None = None,
    rng: Random | None = None,
) -> list[Line]:
    """The lines of a solution. `slip` = (step index, mutation) changes one step; later steps go on from its result."""
    known, lines = dict(values), []
    for i, step in enumerate(steps):
        left_name, operator, right_name = step.expression.split()
        left, right = _operand(left_name, known), _operand(right_name, known)
        mutation = slip[1] if slip and slip[0] == i else None
        if mutation == "operator":
            operator = _SYMBOLS[operator]
        elif mutation == "quantity":
            assert rng is not None
            others = sorted(v for v in set(known.values()) if v not in (left, right))
            if others and rng.random() < 0.5:
                left = rng.choice(others)
            elif others:
                right = rng.choice(others)
        elif mutation == "swapped":
            left, right = right, left
        result = _apply(left, operator, right)
        if mutation == "arithmetic":
            assert rng is not None
            result += rng.choice((-10, -2, -1, 1, 2, 10))
        known[step.name] = result
        lines.append(Line(step.text, left, operator, right, result))
    return lines


def _operand(name: str, known: dict[str, int]) -> int:
    return int(name) if name.lstrip("-").isdigit() else known[name]


STEP_MUTATIONS = ("arithmetic", "operator", "quantity", "swapped", "forgotten")


def solution_mutants(
    steps: tuple[Step, ...], values: dict[str, int], rng: Random, per_step: int = 2
) -> list[Mutant]:
    """Worked solutions with one slip each, without repeats; numbers stay within 0..199 as a careful writer's would."""
    right = work_out(steps, values)
    seen, mutants = {write_solution(right)}, []
    for i in range(len(steps)):
        for mutation in STEP_MUTATIONS:
            for _ in range(per_step if mutation in ("arithmetic", "quantity") else 1):
                if mutation == "forgotten":
                    lines = work_out(steps, values)
                    lines = lines[:-1] if i == len(steps) - 1 and i else []
                else:
                    lines = work_out(steps, values, (i, mutation), rng)
                if not lines or not all(0 <= line.result < 200 for line in lines):
                    continue
                text = write_solution(lines)
                if text not in seen:
                    seen.add(text)
                    mutants.append(Mutant(text, mutation, min(i + 1, len(lines)), right[i].sum))
    return mutants


def write_solution(lines: list[Line]) -> str:
    """The solution as a candidate shows it, ending in the answer that is checked."""
    return "\n".join([*map(str, lines), f"answer: {lines[-1].result}"])


def read_answer(text: str) -> int | None:
    """The final answer of a worked solution, or None where it states none."""
    last = text.rsplit("\n", 1)[-1]
    head, _, tail = last.partition("answer: ")
    return int(tail) if not head and tail.lstrip("-").isdigit() else None
