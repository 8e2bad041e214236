"""Ask a language model to solve a problem, and read the program or the worked solution in its answer."""

from __future__ import annotations

from corpo.data.candidates.extract import (
    complete_code,
    does_something,
    extract_code,
    preamble,
    wanted_pattern,
)
from corpo.data.execution.checks import StdioChecks
from corpo.data.python_text import put_before
from corpo.data.types import RealProblem
from corpo.task import Domain


def text_to_continue(problem: RealProblem) -> str:
    """Return the prompt for a model that continues texts."""
    if problem.domain is Domain.math:
        return f"Question: {problem.statement}\nAnswer:"
    return problem.prompt or f'"""\n{problem.statement}\n"""\n'


def instruction(problem: RealProblem) -> str:
    """Return the message to a chat model."""
    if problem.domain is Domain.math:
        request = "Solve the problem step by step. End with a line `A: ` and the answer."
    elif isinstance(problem.checks, StdioChecks):
        request = (
            "Write a Python program that reads standard input and prints to standard output. "
            "Answer with one block of code."
        )
    else:
        request = "Write a Python function for this task. Answer with one block of code."
    return f"{request}\n\n{problem.statement}"


def solution(problem: RealProblem, answer: str, chat: bool) -> str:
    """Return the candidate in a model's answer. `chat` says that the model got the instruction."""
    if problem.domain is Domain.math:
        return answer.strip()
    return _with_preamble(problem, _extracted(problem, answer, chat), chat)


def readable_program(problem: RealProblem, answer: str, chat: bool) -> str | None:
    """Return the program in a model's answer, or None if nothing in it is a Python program."""
    program = _extracted(problem, answer, chat)
    if not does_something(program) or problem.starter.startswith(program.rstrip()):
        return None
    return _with_preamble(problem, program, chat)


def _extracted(problem: RealProblem, answer: str, chat: bool) -> str:
    if problem.prompt and not chat:
        return complete_code(problem.starter, answer)
    return extract_code(answer, wanted_pattern(problem.checks))


def _with_preamble(problem: RealProblem, program: str, chat: bool) -> str:
    """Return a program with the imports and helpers that the problem gives, unless it continues them."""
    if problem.prompt and not chat:
        return program
    return put_before(preamble(problem.starter), program) if program.strip() else ""
