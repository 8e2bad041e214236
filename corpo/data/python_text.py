"""Check and combine texts of Python programs, without running them."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# The exceptions that Python raises on a text that is not a program, or is nested too deeply.
PARSE_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)
# Python warns of literals such as `1if x else 2`. Nobody can change what models write, so programs that are
# parsed give none. Their file name is "<unknown>". A filter holds in all threads.
warnings.filterwarnings("ignore", category=SyntaxWarning, module="<unknown>")


def parses(text: str) -> bool:
    """Check that a text is a Python program with at least one statement."""
    try:
        body = ast.parse(text).body
    except PARSE_ERRORS:
        return False
    # The parser accepts a return outside a function; the compiler does not.
    return bool(body) and not any(isinstance(statement, ast.Return) for statement in body)


def first_error_line(text: str) -> int:
    """Return the line, from 1, in which Python finds an error, or the number of lines if it finds none."""
    num_lines = text.count("\n") + 1
    try:
        ast.parse(text)
    except PARSE_ERRORS as error:
        return min(getattr(error, "lineno", None) or num_lines, num_lines)
    return num_lines


def put_before(prelude: str, program: str) -> str:
    """Return a program with a prelude before it, but behind its imports from `__future__`.

    Python requires these imports to be the first statements.
    """
    if not prelude or "__future__" not in program:
        return prelude + program
    try:
        body = ast.parse(program).body
    except PARSE_ERRORS:
        return prelude + program
    end = 0
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            end = statement.end_lineno or statement.lineno
    lines = program.split("\n")
    head = "".join(line + "\n" for line in lines[:end])
    return head + prelude + "\n".join(lines[end:])


@contextmanager
def unlimited_digits() -> Iterator[None]:
    """Allow texts of integers with more digits than Python reads and writes by default.

    Use it for tests, which are trusted. It holds for all threads.
    """
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)
