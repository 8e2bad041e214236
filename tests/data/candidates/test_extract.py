"""Extract programs from chat answers."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpo.data.candidates.extract import _longest_program, complete_code, extract_code, is_answer
from corpo.data.candidates.normal_form import normal_form
from corpo.data.execution.answers import final_answer
from corpo.data.python_text import parses
from corpo.task import Domain

F = "def f(x):\n    return x\n"

CHAT_ANSWERS = {
    "fenced": f"Sure!\n```python\n{F}```\nIt returns x.",
    "longest": f"```\nf(1)\n```\nor\n```py\n{F}```",
    "definition before output": f"```python\n{F}```\nprints\n```text\n{'1 2 3 4 5 6 7 8 9 ' * 9}\n```",
    "no fence": F,
    "prose around": f"Here it is:\n\n{F}\nThis is what you want.",
    "prose with from": f"from here on I explain.\n{F}",
    "unclosed": f"```python\n{F}",
    "tildes": f"~~~\n{F}~~~",
    "indented": "1. Do this:\n\n   ```python\n   def f(x):\n       return x\n   ```\n",
    "info": f"```python title=f.py\n{F}```",
    "truncated": f"```python\n{F}\ndef g(y):\n    return (y +",
}


@pytest.mark.parametrize("answer", CHAT_ANSWERS.values(), ids=CHAT_ANSWERS.keys())
def test_extract_code_finds_the_program_in_a_chat_answer(answer: str) -> None:
    assert extract_code(answer) == F


def test_complete_code_ends_with_the_function() -> None:
    starter = "def f(x):\n"
    for answer in (
        "    return x\n\nassert f(1) == 1\n",
        "\n    return x\nprint(f(",
        f"Again:\n```python\n{F}```",
        "```\n    return x\n```",
    ):
        assert complete_code(starter, answer).replace("\n\n", "\n") == F


PIECES = (
    "```",
    "~~~\n",
    "def f(x):\n",
    "    return ",
    "x",
    "(",
    "\0",
    "\n",
    "lambda:",
    '"""',
    "nonlocal x",
    "\ud800",
)


@settings(max_examples=150, deadline=None)
@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_extraction_and_normal_form_never_raise(text: str) -> None:
    for program in (extract_code(text), complete_code("def f(x):\n", text)):
        assert isinstance(normal_form(program, Domain.code), str)
    assert isinstance(normal_form(text, Domain.code), str)
    final_answer(text)


def test_extract_code_returns_a_deeply_nested_program_unchanged() -> None:
    deep = "x = " + "-" * 5000 + "1"
    assert extract_code(deep).strip() == deep


_LINES = [
    "def f(x):",
    "    return x",
    "    if x:",
    "x = (1,",
    ")",
    "A line of prose.",
    '"""',
    "",
    "@f",
    "y \\",
    "!",
]


@given(st.lists(st.sampled_from(_LINES), max_size=8))
def test_the_longest_program_at_the_start_is_found(lines: list[str]) -> None:
    """Compare with all beginnings, tried one after the other."""
    lines = ["import math", *lines]
    beginnings = ["\n".join(lines[:end]) for end in range(len(lines), 0, -1)]
    longest = next(filter(parses, beginnings))
    assert _longest_program("\n".join(lines)) == longest.rstrip() + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "```\n" * 50_000,
        "<answer>\n" * 50_000,
        "<think>\n" * 50_000,
        "<think>\n" * 50_000 + "</think>",
        "question:" + " " * 300_000,
        " " * 300_000 + "x",
        "q:\n" * 50_000,
        "word word\n\n" * 5_000,
        "def f(x):\n" + "@f\n" * 20_000,
        "answer" + " " * 300_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_long_answer_takes_time_in_proportion_to_its_length(text: str) -> None:
    """Read what nobody has checked; with backtracking or repeated searches it would take minutes."""
    is_answer(text)
    extract_code(text)
    final_answer(text)


def test_parsing_a_program_of_a_model_prints_no_warning() -> None:
    code = "from corpo.data.python_text import parses; assert parses('x = 1if 1 else 2')"
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
