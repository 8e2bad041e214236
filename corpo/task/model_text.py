"""Cut the parts of a language model's text that are not its answer: think blocks and run-on questions."""

from __future__ import annotations

import re

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
# A closing tag whose opening tag is in the prompt. A tag inside a comment of a program does not count.
_LONE_CLOSE = re.compile(rf"^[^#\n]*(?<!['\"`])(?:{_CLOSE})(?!{_QUOTE})", re.MULTILINE)
_LONE_OPEN = re.compile(rf"^[ \t]*(?:{_OPEN})(?!{_QUOTE})", re.MULTILINE)
# Elements in which some prompts ask for the answer.
_ANSWER = re.compile(r"<(answer|solution)>(.+?)</\1>|\[PYTHON\](.+?)\[/PYTHON\]", re.DOTALL)
_SPECIAL_TOKEN = r"(?:<\|[a-z_]+\|>|</s>|<\uff5c[^\uff5c\n]+\uff5c>)"
_END_OF_TURN = re.compile(rf"{_SPECIAL_TOKEN}\s*(?:\Z|{_SPECIAL_TOKEN}.*)", re.DOTALL)
# The start of another question, in the formats in which base models and chat models are prompted.
_NEXT_QUESTION = re.compile(
    r"^[ \t]*(?:[#*]{0,4}[ \t]*(?:question|q|problem|exercise|human|user|instruction)[ \t]*\d*[ \t]*\**:"
    r"|\[(?:question|problem)\]|<\|im_start\|>|<\|user\|>)",
    re.IGNORECASE | re.MULTILINE,
)


def without_thoughts(text: str) -> str:
    """Return the text without its think blocks.

    A closing tag alone ends a block that the prompt has opened. An opening tag alone begins a block that was
    cut off, so the text behind it holds no answer.
    """
    rest = _BLOCK.sub("", text)
    closings = list(_LONE_CLOSE.finditer(rest))
    if closings:
        rest = rest[closings[-1].end() :]
    if (opening := _LONE_OPEN.search(rest)) is not None:
        rest = rest[: opening.start()]
    return rest


def without_marks(text: str) -> str:
    """Return the content of the last answer element, or else the text, without special tokens at its end."""
    for match in _ANSWER.finditer(text):
        content = match[2] or match[3]
        text = content if content.strip() else text
    return _END_OF_TURN.sub("", text)


def next_question_starts(text: str) -> list[int]:
    """Return where further questions may start that a model asked itself."""
    return [match.start() for match in _NEXT_QUESTION.finditer(text)]
