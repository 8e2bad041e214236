"""Candidates of real problems: given, mutated or sampled. The same program under other names and blanks counts once."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from corpo.data.answers import MISSING, final_answer, same_answer
from corpo.data.build import LabelledProblem, Use
from corpo.data.checks import Answer, Calls, Executable, Script, Streams, wanted
from corpo.data.label import LabelCache, compare, run_cached
from corpo.data.mutate import program_mutants
from corpo.data.sandbox import Program, Sandbox
from corpo.data.sources import Given, RealProblem
from corpo.data.store import DataError
from corpo.progress import progress
from corpo.task import Candidate, Domain

MOST_EVIDENCE = 300  # characters


# --- makers -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """What makes candidates, beside whatever a source gives."""

    makers: tuple[str, ...]  # of MAKERS
    mutants: int  # of each reference
    seed: int


def _given(problem: RealProblem, recipe: Recipe) -> list[Given]:
    return list(problem.given)


def _references(problem: RealProblem, recipe: Recipe) -> list[Given]:
    return [Given(_as_mutants_are(text) if "mutants" in recipe.makers else text, "reference", True) for text in problem.references]


def _mutants(problem: RealProblem, recipe: Recipe) -> list[Given]:
    """One-edit mutants of every reference, and where there is none, of the programs that its source accepts."""
    if problem.domain is not Domain.code:
        return []
    correct = problem.references or tuple(one.text for one in problem.given if one.claimed)[:3]
    rng = Random(f"{recipe.seed}/{problem.id}/mutants")
    found: list[Given] = []
    for text in correct:
        try:
            mutants = program_mutants(_as_mutants_are(text))
        except SyntaxError:  # a given program that is none: nothing to mutate
            continue
        found += [Given(one.text, one.mutation, None, one.line) for one in rng.sample(mutants, min(recipe.mutants, len(mutants)))]
    return found


def _as_mutants_are(text: str) -> str:
    """Laid out as a mutant is, without comments: else its looks would tell the original from its mutants."""
    try:
        return ast.unparse(ast.parse(text)) + "\n"
    except SyntaxError:
        return text


MAKERS: dict[str, Callable[[RealProblem, Recipe], list[Given]]] = {"given": _given, "references": _references, "mutants": _mutants}
SAMPLED = "sampled"  # a stage of its own: it needs a language model


def suspects(problem: RealProblem, recipe: Recipe, sampled: Sequence[Given] = ()) -> list[Given]:
    """A problem's candidates, no text twice."""
    made = [one for maker in recipe.makers if maker in MAKERS for one in MAKERS[maker](problem, recipe)]
    return list({one.text: one for one in reversed([*made, *sampled]) if one.text.strip()}.values())[::-1]


# --- from a model's answer to a program ---------------------------------------------------------------------------------

_FENCE = re.compile(r"```[a-zA-Z0-9+]*[ \t]*\n(.*?)(?:```|\Z)", re.S)
_START = re.compile(r"^(?:def |class |import |from |@|async def )", re.M)


def extract_code(answer: str) -> str:
    """The program in a chatty answer: its longest fenced block, else from its first definition on; cut back to where it is Python."""
    blocks = _FENCE.findall(answer)
    if blocks:
        return _longest_program(max(blocks, key=len))
    start = _START.search(answer)
    return _longest_program(answer[start.start() :] if start else answer)


def complete_code(starter: str, answer: str) -> str:
    """A continuation put behind what it continues, without whatever follows the function: up to the first line that is not indented."""
    blocks = _FENCE.findall(answer)
    body = blocks[0] if blocks else answer
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
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return text.rstrip() + "\n"


# --- sameness -----------------------------------------------------------------------------------------------------------


def normal_form(text: str, domain: Domain) -> str:
    """Equal for programs that differ in layout, comments and the names they give, and for solutions that differ in blanks and case."""
    if domain is Domain.code:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return " ".join(text.split())
        return ast.dump(_Renamed(tree).visit(tree))
    return " ".join(text.lower().split())


class _Renamed(ast.NodeTransformer):
    """Names that a program binds, numbered in the order in which they come; docstrings dropped."""

    def __init__(self, tree: ast.AST) -> None:
        bound = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        bound += [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
        self.number = {name: f"v{at}" for at, name in enumerate(dict.fromkeys(bound))}

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.number.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self.number[node.arg])

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.Pass()
        return self.generic_visit(node)


def distinct(candidates: Sequence[Candidate], domain: Domain) -> tuple[Candidate, ...]:
    """The first of each normal form."""
    return tuple({normal_form(one.text, domain): one for one in reversed(candidates)}.values())[::-1]


# --- labels -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Suspected:
    """A problem, its unlabelled candidates and what it is for."""

    source: str
    problem: RealProblem
    candidates: tuple[Given, ...]
    use: Use
    strict: bool  # a reference that fails is an error, and not a flaw of the benchmark


def labelled(suspected: Sequence[Suspected], sandbox: Sandbox, cache: LabelCache | None, most_tests: int) -> tuple[list[LabelledProblem], list[str]]:
    """Every candidate run or its answer checked; and the ids of problems left out because their own reference fails.

    Raises DataError where a strict source's reference fails, naming the test.
    """
    suspected = [replace(one, problem=replace(one.problem, checks=_fewer(one.problem.checks, most_tests))) for one in suspected]
    run = [one for one in suspected if not isinstance(one.problem.checks, Answer)]
    expected = _expected(run, sandbox, cache)
    jobs = [(one, given) for one in run for given in (*(Given(text, "") for text in one.problem.references), *one.candidates)]
    with progress("labelling programs", len(jobs)) as advance:
        results = run_cached([_program(one, given.text) for one, given in jobs], sandbox, cache, advance)
    of_problem: dict[str, list[Candidate]] = {one.problem.id: [] for one in suspected}
    for (one, given), got in zip(jobs, results, strict=True):
        of_problem[one.problem.id].append(_judged(one, given, got, expected[one.problem.id], str(sandbox.isolation)))
    for one in suspected:
        if isinstance(checks := one.problem.checks, Answer):
            answered = [*(Given(text, "") for text in one.problem.references), *one.candidates]
            of_problem[one.problem.id] = [_answered(given, checks.value) for given in answered]
    out: list[LabelledProblem] = []
    left_out = []
    for one in suspected:
        problem, known = one.problem, len(one.problem.references)
        references, candidates = of_problem[problem.id][:known], of_problem[problem.id][known:]
        failing = [reference for reference in references if not reference.correct]
        if failing and one.strict:
            raise DataError(f"{one.source}: problem {problem.id!r}: its reference fails: {failing[0].evidence or failing[0].error}; correct one of them")
        if failing:
            left_out.append(problem.id)
        else:
            out.append(LabelledProblem(problem.id, problem.domain, one.source, problem.topic, one.use, (problem.statement,), tuple(candidates)))
    return out, left_out


def _fewer(checks: Executable | Answer, most: int) -> Executable | Answer:
    match checks:
        case Calls():
            return replace(checks, arguments=checks.arguments[:most], values=checks.values[:most] if checks.values is not None else None)
        case Streams():
            return Streams(checks.inputs[:most], checks.outputs[:most])
    return checks  # a script is one run, however many tests it holds


def _executable(one: Suspected) -> Executable:
    assert not isinstance(one.problem.checks, Answer)
    return one.problem.checks


def _program(one: Suspected, text: str) -> Program:
    return _executable(one).program(text)


def _expected(run: Sequence[Suspected], sandbox: Sandbox, cache: LabelCache | None) -> dict[str, tuple[str, ...]]:
    """The results wanted of each problem; of calls without values those of the first reference."""
    oracles: dict[str, Program] = {}
    for one in run:
        if isinstance(checks := one.problem.checks, Calls):
            oracle = checks.oracle() or (checks.program(one.problem.references[0]) if one.problem.references else None)
            if oracle is None:
                raise DataError(f"{one.source}: problem {one.problem.id!r} has calls without values and no reference that could give them")
            oracles[one.problem.id] = oracle
    results = dict(zip(oracles, run_cached(list(oracles.values()), sandbox, cache), strict=True))
    return {one.problem.id: wanted(_executable(one), results.get(one.problem.id)) for one in run}


def _judged(one: Suspected, given: Given, got: Sequence[str], expected: Sequence[str], isolation: str) -> Candidate:
    checks = _executable(one)
    label = compare(got, expected, isolation, checks.agree)
    error = "wrong answer" if isinstance(checks, Script) and label.error == "AssertionError" else label.error
    told = min((checks.told(call, result, expected[call]) for call, result in label.failures), key=len, default="")
    evidence = told if len(told) <= MOST_EVIDENCE else told[: MOST_EVIDENCE - 1] + "…"
    return Candidate(
        given.text, label.correct, given.origin, given.line, label.passed, label.total, error, evidence, claimed=given.claimed, isolation=isolation
    )


def _answered(given: Given, answer: str) -> Candidate:
    mine = final_answer(given.text)
    correct = mine is not None and same_answer(mine, answer)
    error = None if correct else MISSING if mine is None else "wrong answer"
    evidence = "" if correct else "it gives no answer" if mine is None else f"it gives {mine}, not {answer}"
    return Candidate(given.text, correct, given.origin, given.line, int(correct), 1, error, evidence[:MOST_EVIDENCE], claimed=given.claimed)
