"""Find the fenced blocks of a text in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from textwrap import dedent

from corpo.data.python_text import parses

DEFINITION = re.compile(r"^(?:def (?!test)|class (?!Test)|import |from \S+ import |@|async def )", re.M)
_LIST_ITEM = r"(?:(?:>|[-*+]|\d+[.)])[ \t]*)?"
FENCE = re.compile(rf"(?P<indent>[ \t]*{_LIST_ITEM})(?P<mark>`{{3,}}|~{{3,}})[ \t]*(?P<info>[^`]*)")
PYTHON = ("", "python", "python3", "py", "py3", "python2", "ipython", "sage")  # languages of a block
_MAX_CLOSINGS = 20  # fences behind an opening one that are tried as its end
_MAX_BLOCKS = 300  # of a text


@dataclass(frozen=True)
class Block:
    """A fenced block of an answer."""

    text: str
    language: str
    is_closed: bool


def fenced_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a text in Markdown.

    A fence inside a literal of a program does not end its block: a block ends at the first fence that
    makes it a program, or else at the first fence. A fence that follows a program and opens nothing closes
    a block which the prompt has opened.
    """
    lines = text.split("\n")
    blocks: list[Block] = []
    number = 0
    while number < len(lines) and len(blocks) < _MAX_BLOCKS:
        fence = FENCE.fullmatch(lines[number])
        if fence is None:
            number += 1
            continue
        info = fence["info"].strip()
        language = re.split(r"[\s:,=]", info.strip("{}. "))[0].lower()
        head = _program_before(lines[:number]) if not blocks and not language else ""
        if head:
            blocks.append(Block(head, "", is_closed=True))
            number += 1
            continue
        block, number = _block(lines, number, fence, language)
        blocks.append(block)
    return [block for block in blocks if block.text.strip()]


def _block(lines: list[str], start: int, fence: re.Match[str], language: str) -> tuple[Block, int]:
    """Return the block that a fence opens, and the number of the first line behind it."""
    closings = list(islice(_closings(lines, start, fence["mark"]), _MAX_CLOSINGS))
    if not closings:
        content = _content(lines[start + 1 :], len(fence["indent"])).rstrip()
        content = content.removesuffix(fence["mark"])  # a fence at the end of the last line of code
        return Block(content, language, is_closed=False), len(lines)
    if language in PYTHON:
        for end in closings:
            content = _content(lines[start + 1 : end], len(fence["indent"]))
            if parses(content):
                return Block(content, language, is_closed=True), end + 1
    content = _content(lines[start + 1 : closings[0]], len(fence["indent"]))
    return Block(content, language, is_closed=True), closings[0] + 1


def _closings(lines: list[str], start: int, mark: str) -> Iterator[int]:
    """Yield the numbers of the lines that can close a block with this mark."""
    for number in range(start + 1, len(lines)):
        line = lines[number].strip("> \t\r")
        if len(line) >= len(mark) and set(line) == {mark[0]}:
            yield number


def _content(lines: list[str], indent: int) -> str:
    """Return the text of lines, without the indentation of their fence if they are no Python with it."""
    if lines and all(line.startswith(">") for line in lines):
        lines = [line[1:].removeprefix(" ") for line in lines]  # a quotation
    text = "\n".join(lines) + "\n"
    if not indent or parses(text):
        return text
    shortened = []
    for line in lines:
        margin = min(indent, len(line) - len(line.lstrip(" \t")))
        shortened.append(line[margin:])
    text = "\n".join(shortened) + "\n"
    return text if parses(text) else dedent(text)


def _program_before(lines: list[str]) -> str:
    """Return the program that ends at the end of these lines and starts at its first definition, or ""."""
    text = "\n".join(lines)
    start = DEFINITION.search(text)
    program = text[start.start() :] if start else ""
    return program if parses(program) else ""
