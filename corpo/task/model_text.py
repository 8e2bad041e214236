"""Cut the parts of a language model's text that are not its answer: think blocks and run-on questions.

Anybody can have written such a text, so each function takes time in proportion to its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# The tags around the reasoning of public models.
_TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
)
_QUOTE = "['\"`]"  # a tag beside a quotation mark or a back-tick is text about the tag
_OPEN = "|".join(re.escape(opening) for opening, _ in _TAGS)
_CLOSE = "|".join(re.escape(closing) for _, closing in _TAGS)
_BLOCK = re.compile(
    rf"^[ \t]*(?:{_OPEN})(?!{_QUOTE}).*?(?<!['\"`])(?:{_CLOSE})(?!{_QUOTE})", re.DOTALL | re.MULTILINE
)
_CLOSING = re.compile(rf"(?<!['\"`])(?:{_CLOSE})(?!{_QUOTE})")
# A closing tag whose opening tag is in the prompt. A tag inside a comment of a program does not count.
_LONE_CLOSE = re.compile(rf"^[^#\n]*(?<!['\"`])(?:{_CLOSE})(?!{_QUOTE})", re.MULTILINE)
_LONE_OPEN = re.compile(rf"^[ \t]*(?:{_OPEN})(?!{_QUOTE})", re.MULTILINE)
# Elements in which some prompts ask for the answer.
_CLOSING_OF_ANSWER = {"<answer>": "</answer>", "<solution>": "</solution>", "[PYTHON]": "[/PYTHON]"}
_OPENING_OF_ANSWER = re.compile("|".join(map(re.escape, _CLOSING_OF_ANSWER)))
_SPECIAL_TOKEN = r"(?:<\|[a-z_]+\|>|</s>|<\uff5c[^\uff5c\n]+\uff5c>)"
_END_OF_TURN = re.compile(rf"{_SPECIAL_TOKEN}\s*(?:\Z|{_SPECIAL_TOKEN}.*)", re.DOTALL)
# The start of another question, in the formats in which base models and chat models are prompted.
_NEXT_QUESTION = re.compile(
    r"^[ \t]*(?:(?:[#*]{1,4}[ \t]*)?(?:question|q|problem|exercise|human|user|instruction)"
    r"[ \t]*(?:\d+[ \t]*)?\**:"
    r"|\[(?:question|problem)\]|<\|im_start\|>|<\|user\|>)",
    re.IGNORECASE | re.MULTILINE,
)


def without_thoughts(text: str) -> str:
    """Return the text without its think blocks.

    A closing tag alone ends a block that the prompt has opened. An opening tag alone begins a block that was
    cut off, so the text behind it holds no answer.
    """
    last = 0  # no block ends behind the last closing tag, so none is looked for there
    for closing in _CLOSING.finditer(text):
        last = closing.end()
    rest = _BLOCK.sub("", text[:last]) + text[last:]
    closings = list(_LONE_CLOSE.finditer(rest))
    if closings:
        rest = rest[closings[-1].end() :]
    if (opening := _LONE_OPEN.search(rest)) is not None:
        rest = rest[: opening.start()]
    return rest


def without_marks(text: str) -> str:
    """Return the content of the last answer element, or else the text, without special tokens at its end."""
    answer = text
    for content in _answer_elements(text):
        answer = content if content.strip() else answer
    return _END_OF_TURN.sub("", answer)


def _answer_elements(text: str) -> Iterator[str]:
    """Yield the content of the answer elements that are closed and not empty, in order."""
    position, never_closed = 0, set[str]()
    while opening := _OPENING_OF_ANSWER.search(text, position):
        position = opening.end()
        if opening[0] in never_closed:
            continue
        closing = _CLOSING_OF_ANSWER[opening[0]]
        end = text.find(closing, opening.end() + 1)
        if end < 0:
            never_closed.add(opening[0])
            continue
        yield text[opening.end() : end]
        position = end + len(closing)


def next_question_starts(text: str) -> list[int]:
    """Return where further questions may start that a model asked itself."""
    return [match.start() for match in _NEXT_QUESTION.finditer(text)]
