"""Extract the program from a language model's answer."""

from __future__ import annotations

import ast
import re
from textwrap import dedent

# The exceptions that Python raises on a text that is not a program, or is nested too deeply.
PARSE_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)

_FENCE = re.compile(r"(```+|~~~+)[^\n`]*\n(.*?)(?:\1|\Z)", re.S)
_DEFINITION = re.compile(r"^(?:def |class |import |from \S+ import |@|async def )", re.M)


def extract_code(answer: str) -> str:
    """Return the program in a chat answer, cut back to the lines that are Python.

    Fenced blocks with a definition are preferred to others, and longer blocks to shorter ones. Without a
    block, the program is the text from the first definition on.
    """
    blocks = _fenced_blocks(answer)
    if blocks:
        return _longest_program(max(blocks, key=_block_rank))
    start = _DEFINITION.search(answer)
    return _longest_program(answer[start.start() :] if start else answer)


def complete_code(starter: str, answer: str) -> str:
    """Return the program that `starter` and its continuation form, without the text after the function.

    The function ends at the first line that is not indented. If the answer repeats the whole function in a
    block, that block is the program.
    """
    if any(_DEFINITION.match(block) for block in _fenced_blocks(answer)):
        return extract_code(answer)
    first_block = _FENCE.search(answer)
    body = first_block[2] if first_block else answer
    lines: list[str] = []
    for line in body.split("\n"):
        if lines and line.strip() and not line[0].isspace():
            break
        lines.append(line)
    return _longest_program(starter + "\n".join(lines))


def _fenced_blocks(answer: str) -> list[str]:
    return [dedent(block) for _, block in _FENCE.findall(answer)]


def _block_rank(block: str) -> tuple[bool, int]:
    return _DEFINITION.search(block) is not None, len(block)


def _longest_program(text: str) -> str:
    """Return as many leading lines as form a Python program, or the whole text if none do."""
    lines = text.rstrip().split("\n")
    for end in range(len(lines), 0, -1):
        head = "\n".join(lines[:end])
        try:
            if ast.parse(head).body:
                return head.rstrip() + "\n"
        except PARSE_ERRORS:
            continue
    return text.rstrip() + "\n"
