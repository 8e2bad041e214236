"""Candidates of real problems: given, mutated or sampled. The same program under other names and blanks counts once."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from textwrap import dedent

from corpo.data.build_bank import LabelledProblem, Use
from corpo.data.candidates.mutate import program_mutants
from corpo.data.execution.answers import MISSING, final_answer, same_answer
from corpo.data.execution.checks import Answer, CallChecks, Executable, ScriptChecks, StdioChecks, wanted
from corpo.data.execution.labelling import LabelCache, compare, run_cached
from corpo.data.execution.sandbox import Program, Sandbox
from corpo.data.sources import RawCandidate, RealProblem
from corpo.task import Candidate, Domain
from corpo.utils.errors import DataError
from corpo.utils.progress import progress

MOST_EVIDENCE = 300  # characters
_UNREADABLE = (
    SyntaxError,
    ValueError,
    RecursionError,
    MemoryError,
)  # what Python raises on a text that is no program, or too deep a one


# --- makers -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """What makes candidates, beside whatever a source gives."""

    sources: tuple[str, ...]  # of MAKERS
    mutants: int  # of each reference
    seed: int


def _given(problem: RealProblem, recipe: Recipe) -> list[RawCandidate]:
    return list(problem.given)


def _references(problem: RealProblem, recipe: Recipe) -> list[RawCandidate]:
    return [
        RawCandidate(_as_mutants_are(text) if "mutants" in recipe.sources else text, "reference", True)
        for text in problem.references
    ]


def _mutants(problem: RealProblem, recipe: Recipe) -> list[RawCandidate]:
    """One-edit mutants of every reference, and where there is none, of the programs that its source accepts."""
    if problem.domain is not Domain.code:
        return []
    correct = problem.references or tuple(one.text for one in problem.given if one.claimed)[:3]
    rng = Random(f"{recipe.seed}/{problem.id}/mutants")
    found: list[RawCandidate] = []
    for text in correct:
        try:
            mutants = program_mutants(_as_mutants_are(text))
        except _UNREADABLE:  # a given program that is none: nothing to mutate
            continue
        found += [
            RawCandidate(one.text, one.mutation, None, one.line)
            for one in rng.sample(mutants, min(recipe.mutants, len(mutants)))
        ]
    return found


def _as_mutants_are(text: str) -> str:
    """Laid out as a mutant is, without comments: else its looks would tell the original from its mutants."""
    try:
        return ast.unparse(ast.parse(text)) + "\n"
    except _UNREADABLE:
        return text


MAKERS: dict[str, Callable[[RealProblem, Recipe], list[RawCandidate]]] = {
    "given": _given,
    "references": _references,
    "mutants": _mutants,
}
SAMPLED = "sampled"  # a stage of its own: it needs a language model


def unlabelled_problems(
    problem: RealProblem, recipe: Recipe, sampled: Sequence[RawCandidate] = ()
) -> list[RawCandidate]:
    """A problem's candidates, no text twice."""
    made = [one for maker in recipe.sources if maker in MAKERS for one in MAKERS[maker](problem, recipe)]
    return list({one.text: one for one in reversed([*made, *sampled]) if one.text.strip()}.values())[::-1]


# --- from a model's answer to a program ---------------------------------------------------------------------------------

_FENCE = re.compile(r"(```+|~~~+)[^\n`]*\n(.*?)(?:\1|\Z)", re.S)
_START = re.compile(r"^(?:def |class |import |from \S+ import |@|async def )", re.M)


def _fenced(answer: str) -> list[str]:
    return [dedent(block) for _, block in _FENCE.findall(answer)]


def extract_code(answer: str) -> str:
    """The program in a chatty answer: its longest fenced block, those that define something first; else from its first definition on.

    Cut back to where it is Python.
    """
    blocks = _fenced(answer)
    if blocks:
        return _longest_program(max(blocks, key=lambda block: (_START.search(block) is not None, len(block))))
    start = _START.search(answer)
    return _longest_program(answer[start.start() :] if start else answer)


def complete_code(starter: str, answer: str) -> str:
    """A continuation put behind what it continues, without whatever follows the function: up to the first line that is not indented.

    An answer that says the function once more, in a block, is a program of its own.
    """
    blocks = _FENCE.findall(answer)
    if any(_START.match(block) for block in _fenced(answer)):
        return extract_code(answer)
    body = blocks[0][1] if blocks else answer
    lines: list[str] = []
    for line in body.split("\n"):
        if lines and line.strip() and not line[0].isspace():
            break
        lines.append(line)
    return _longest_program(starter + "\n".join(lines))


def _longest_program(text: str) -> str:
    """As many of a text's first lines as are Python; the text itself where none are."""
    lines = text.rstrip().split("\n")
    for end in range(len(lines), 0, -1):
        head = "\n".join(lines[:end])
        try:
            if ast.parse(head).body:
                return head.rstrip() + "\n"
        except _UNREADABLE:
            continue
    return text.rstrip() + "\n"


# --- sameness -----------------------------------------------------------------------------------------------------------


def normal_form(text: str, domain: Domain) -> str:
    """Equal for programs that differ in layout, comments and local names, and for solutions that differ in blanks and case.

    Programs with the same normal form do the same when called by position. Programs without one are all no programs.
    """
    if domain is not Domain.code:
        return " ".join(text.lower().split())
    try:
        tree = ast.parse(text)
        return ast.dump(
            _Renamed(_local_names(tree, symtable.symtable(text, "<candidate>", "exec"))).visit(tree)
        )
    except SyntaxError:
        return " ".join(text.split())
    except _UNREADABLE:
        return text


# A program that mentions one of these can see what its variables are called.
_TELLING = {
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


def _local_names(tree: ast.AST, table: symtable.SymbolTable) -> dict[str, str]:
    """New names for those that are nothing but variables of functions, by the order in which they come.

    One that anywhere is a global, a built-in, a class's, an import's, a keyword or a part of another statement (`nonlocal`, `except`, `case`) keeps
    its name; and all do where a program calls with `**`, imports `*` or sees names. New ones are no identifiers, so they meet no other.
    """
    local, fixed = set[str](), set[str]()
    for scope in _scopes(table):
        for symbol in scope.get_symbols():
            ours = scope.get_type() == "function" and not symbol.is_global() and not symbol.is_imported()
            (local if ours else fixed).add(symbol.get_name())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            fixed |= {node.attr} & _TELLING
        elif isinstance(node, ast.keyword) and node.arg is None:
            return {}
        elif not isinstance(node, ast.Name | ast.arg | ast.Constant):
            values = [
                value
                for _, field in ast.iter_fields(node)
                for value in (field if isinstance(field, list) else [field])
            ]
            fixed |= {value for value in values if isinstance(value, str)}
    if fixed & {"*", *_TELLING}:
        return {}
    seen = [
        node.id if isinstance(node, ast.Name) else node.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.arg)
    ]
    return {
        name: f"#{at}"
        for at, name in enumerate(dict.fromkeys(name for name in seen if name in local - fixed))
    }


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _scopes(inner)


class _Renamed(ast.NodeTransformer):
    """Variables under new names; without docstrings, loose texts and `pass`, which do nothing."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        self.generic_visit(node)
        return ast.arg(self.names.get(node.arg, node.arg), node.annotation)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)


def distinct(candidates: Sequence[Candidate], domain: Domain) -> tuple[Candidate, ...]:
    """The first of each normal form."""
    return tuple({normal_form(one.text, domain): one for one in reversed(candidates)}.values())[::-1]


# --- labels -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UnlabelledProblem:
    """A problem, its unlabelled candidates and what it is for."""

    source: str
    problem: RealProblem
    candidates: tuple[RawCandidate, ...]
    use: Use
    strict: bool  # a reference that fails is an error, and not a flaw of the benchmark


def labelled(
    suspected: Sequence[UnlabelledProblem], sandbox: Sandbox, cache: LabelCache | None, most_tests: int
) -> tuple[list[LabelledProblem], list[str]]:
    """Every candidate run or its answer checked; and the ids of problems left out because their own reference fails.

    Raises DataError where a strict source's reference fails, naming the test.
    """
    suspected = [
        replace(one, problem=replace(one.problem, checks=_fewer(one.problem.checks, most_tests)))
        for one in suspected
    ]
    run = [one for one in suspected if not isinstance(one.problem.checks, Answer)]
    expected = _expected(run, sandbox, cache)
    jobs = [
        (one, given)
        for one in run
        for given in (*(RawCandidate(text, "") for text in one.problem.references), *one.candidates)
    ]
    with progress("labelling programs", len(jobs)) as advance:
        results = run_cached([_program(one, given.text) for one, given in jobs], sandbox, cache, advance)
    of_problem: dict[str, list[Candidate]] = {one.problem.id: [] for one in suspected}
    for (one, given), got in zip(jobs, results, strict=True):
        of_problem[one.problem.id].append(
            _judged(one, given, got, expected[one.problem.id], str(sandbox.isolation))
        )
    for one in suspected:
        if isinstance(checks := one.problem.checks, Answer):
            answered = [*(RawCandidate(text, "") for text in one.problem.references), *one.candidates]
            of_problem[one.problem.id] = [_answered(given, checks.value) for given in answered]
    out: list[LabelledProblem] = []
    left_out = []
    for one in suspected:
        problem, known = one.problem, len(one.problem.references)
        references, candidates = of_problem[problem.id][:known], of_problem[problem.id][known:]
        failing = [reference for reference in references if not reference.correct]
        if failing and one.strict:
            why = " ".join((failing[0].evidence or str(failing[0].error)).split())
            raise DataError(
                f"data.sources.{one.source}: problem {problem.id!r}: its reference fails: {why}; correct the reference or the tests"
            )
        if failing:
            left_out.append(problem.id)
        else:
            out.append(
                LabelledProblem(
                    problem.id,
                    problem.domain,
                    one.source,
                    problem.topic,
                    one.use,
                    (problem.statement,),
                    tuple(candidates),
                )
            )
    return out, left_out


def _fewer(checks: Executable | Answer, most: int) -> Executable | Answer:
    match checks:
        case CallChecks():
            return replace(
                checks,
                arguments=checks.arguments[:most],
                values=checks.values[:most] if checks.values is not None else None,
            )
        case StdioChecks():
            return StdioChecks(checks.inputs[:most], checks.outputs[:most])
    return checks  # a script is one run, however many tests it holds


def _executable(one: UnlabelledProblem) -> Executable:
    assert not isinstance(one.problem.checks, Answer)
    return one.problem.checks


def _program(one: UnlabelledProblem, text: str) -> Program:
    return _executable(one).program(text)


def _expected(
    run: Sequence[UnlabelledProblem], sandbox: Sandbox, cache: LabelCache | None
) -> dict[str, tuple[str, ...]]:
    """The results wanted of each problem; of calls without values those of the first reference."""
    oracles: dict[str, Program] = {}
    for one in run:
        if isinstance(checks := one.problem.checks, CallChecks):
            oracle = checks.oracle() or (
                checks.program(one.problem.references[0]) if one.problem.references else None
            )
            if oracle is None:
                raise DataError(
                    f"data.sources.{one.source}: problem {one.problem.id!r} has calls without values and no reference that could give them"
                )
            oracles[one.problem.id] = oracle
    results = dict(zip(oracles, run_cached(list(oracles.values()), sandbox, cache), strict=True))
    return {one.problem.id: wanted(_executable(one), results.get(one.problem.id)) for one in run}


def _judged(
    one: UnlabelledProblem, given: RawCandidate, got: Sequence[str], expected: Sequence[str], isolation: str
) -> Candidate:
    checks = _executable(one)
    label = compare(got, expected, isolation, checks.agree)
    error = (
        "wrong answer"
        if isinstance(checks, ScriptChecks) and label.error == "AssertionError"
        else label.error
    )
    told = min(
        (checks.told(call, result, expected[call]) for call, result in label.failures), key=len, default=""
    )
    evidence = told if len(told) <= MOST_EVIDENCE else told[: MOST_EVIDENCE - 1] + "…"
    return Candidate(
        given.text,
        label.correct,
        given.origin,
        given.line,
        label.passed,
        label.total,
        error,
        evidence,
        claimed=given.claimed,
        isolation=isolation,
    )


def _answered(given: RawCandidate, answer: str) -> Candidate:
    mine = final_answer(given.text)
    correct = mine is not None and same_answer(mine, answer)
    error = None if correct else MISSING if mine is None else "wrong answer"
    evidence = "" if correct else "it gives no answer" if mine is None else f"it gives {mine}, not {answer}"
    return Candidate(
        given.text,
        correct,
        given.origin,
        given.line,
        int(correct),
        1,
        error,
        evidence[:MOST_EVIDENCE],
        claimed=given.claimed,
    )
