"""Take programs out of answers as models write them: think blocks, fences, prose, repeated functions."""

from __future__ import annotations

import re

import pytest

from corpo.data.candidates.extract import complete_code, extract_code, is_answer, sample_program
from corpo.data.python_text import put_before
from corpo.task.model_text import without_thoughts

pytestmark = pytest.mark.kind("programs in answers of models")

GOOD = "def total(xs):\n    return sum(xs)\n"
DRAFT = "def total(xs):\n    # walk through the list\n    result = 1\n    return result\n"
MARKDOWN = 'def md(code):\n    """Wrap code, as in\n\n    ```\n    x = 1\n    ```\n    """\n    return code\n'
TEXT = 'HELP = """\n```\nx = 1\n```\n"""\n\n\ndef f():\n    return HELP\n'

PAGE = "P = '''\n<code>\n<|user|>'''\n\n\ndef f():\n    return P\n"

ANSWERS = {
    "draft in a think block": (f"<think>\n```python\n{DRAFT}```\n</think>\n```python\n{GOOD}```\n", GOOD),
    "think block opened by the prompt": (f"Perhaps\n```\n{DRAFT}```\n</think>\n```python\n{GOOD}```", GOOD),
    "other tags": (f"<thinking>\n{DRAFT}</thinking>\n{GOOD}", GOOD),
    "Magistral's tags": (f"[THINK]\n{DRAFT}[/THINK]\n```\n{GOOD}```", GOOD),
    "two think blocks": (f"<think>a</think>\n<think>\n{DRAFT}</think>\n{GOOD}", GOOD),
    "think block cut off": (f"<think>\n```python\n{DRAFT}```\nNo,", ""),
    "answer before a cut-off thought": (f"```python\n{GOOD}```\n<think>\nOr", GOOD),
    "tags in a literal": (
        "```python\ndef f(s):\n    return s.split('</think>')[-1]\n```",
        "def f(s):\n    return s.split('</think>')[-1]\n",
    ),
    "correction after a draft": (f"```python\n{DRAFT}```\nNo, a shorter way:\n```python\n{GOOD}```", GOOD),
    "cut-off correction": (f"```python\n{GOOD}```\nBetter:\n```python\ndef total(xs):\n    ret", GOOD),
    "example of use": (f"```python\n{GOOD}```\nUse it:\n```python\nprint(total([1, 2]))\n```", GOOD),
    "tests after the program": (
        f"```python\n{GOOD}```\nTests:\n```python\ndef test_total():\n    assert total([1]) == 1\n```",
        GOOD,
    ),
    "shell after the program": (f"```python\n{GOOD}```\n```bash\npip install x\npython a.py\n```", GOOD),
    "closing fence alone": (f"{GOOD}```\n\nThis adds up all numbers.\n", GOOD),
    "closing fence at the end": (f"{GOOD}```", GOOD),
    "closing fence behind code": (f"```python\n{GOOD.rstrip()}```", GOOD),
    "fence in a docstring": (f"```python\n{MARKDOWN}```", MARKDOWN),
    "fence in a text at the margin": (f"```python\n{TEXT}```\nDone.", TEXT),
    "longer fence around": (f"````python\n{TEXT}````", TEXT),
    "program with a fence, without a block": (TEXT, TEXT),
    "fence in a list": (f"- ```python\n{GOOD}```", GOOD),
    "blank lines inside a literal": ("```python\nx = '''a\n   \nb'''\n```", "x = '''a\n   \nb'''\n"),
    "prose that is an annotation": (f"{GOOD}\nComplexity: linear\n", GOOD),
    "prose that is a call": (f"{GOOD}\nTime: O(n)\nO(n)\n", GOOD),
    "prose that is a name": (f"{GOOD}\nDone\n", GOOD),
    "code behind the program": (f"{GOOD}\nprint(total([1]))\n", f"{GOOD}\nprint(total([1]))\n"),
    "answer element": (f"<think>\nx\n</think>\n<answer>\n```python\n{GOOD}```\n</answer>", GOOD),
    "answer element around the fences": (f"<answer>```python\n{GOOD}```</answer>", GOOD),
    "answer element that is only mentioned": (f"I use <answer></answer>.\n```python\n{GOOD}```", GOOD),
    "elements of Code Llama": (f"[PYTHON]\n{GOOD}[/PYTHON]\n[TESTS]\nassert total([1]) == 1\n[/TESTS]", GOOD),
    "special token behind the fence": (f"```python\n{GOOD}```<|im_end|>", GOOD),
    "next turn": (f"```python\n{GOOD}```\n<|im_end|>\n<|im_start|>user\nThanks", GOOD),
    "special token behind code": (f"{GOOD.rstrip()}</s>", GOOD),
    "elements in a literal": (f"```python\n{PAGE}```", PAGE),
    "quotation": ("> ```python\n> def total(xs):\n>     return sum(xs)\n> ```\nDone", GOOD),
    "indented block": ("Here it is:\n\n    def total(xs):\n        return sum(xs)\n\nIt adds.", GOOD),
    "name of a file": (f"```python:main.py\n{GOOD}```", GOOD),
    "tests with imports": (
        f"```python\n{GOOD}```\n```python\nimport pytest\n\ndef test_it():\n    assert total([1]) == 1\n```",
        GOOD,
    ),
    "correction with an assertion": (
        f"```python\n{DRAFT}```\nFixed:\n```python\n{GOOD}assert total([]) == 0\n```",
        f"{GOOD}assert total([]) == 0\n",
    ),
    "program without a definition": (
        "Read it:\n\nn = int(input())\nprint(n * n)\n",
        "n = int(input())\nprint(n * n)\n",
    ),
}


@pytest.mark.parametrize(("answer", "program"), ANSWERS.values(), ids=ANSWERS.keys())
def test_extract_code_takes_the_program_and_nothing_else(answer: str, program: str) -> None:
    assert extract_code(answer) == program


def test_extract_code_prefers_the_requested_program() -> None:
    answer = (
        f"```python\n{GOOD}```\nA helper for tests:\n```python\ndef compare(a, b):\n    return a == b\n```"
    )
    assert extract_code(answer, re.compile("def total")) == GOOD


def test_a_prompt_that_has_opened_the_fence_is_continued() -> None:
    starter = "def total(xs):\n"
    answer = "    return sum(xs)\n```\n\nIt adds up the numbers."
    assert complete_code(starter, answer) == GOOD


@pytest.mark.parametrize(
    "answer",
    [
        "<think>\n```python\ndef total(xs):\n    return 0\n```\n</think>    return sum(xs)\n",
        "    return 0\nNo, that is wrong.</think>\n    return sum(xs)\n",
        "    return sum(xs)\n<think>Is it right? def total(xs): return 1",
    ],
)
def test_a_continuation_never_takes_code_from_a_thought(answer: str) -> None:
    assert complete_code("def total(xs):\n", answer).replace("\n\n", "\n") == GOOD


PROMPT = 'from typing import List\n\n\ndef twice(xs: List[int]) -> List[int]:\n    """Twice.\n    """\n'
STARTER = "from typing import List\n\n\ndef twice(xs: List[int]) -> List[int]:\n"
BODY = "    return [x + x for x in xs]\n"
WHOLE = f"def twice(xs: List[int]) -> List[int]:\n{BODY}"
SAMPLES = {
    "body": BODY,
    "function again": WHOLE,
    "whole prompt again": PROMPT + BODY,
    "function with other names": "def twice(a):\n    return [x * 2 for x in a]\n",
    "chat answer": f"Sure:\n```python\n{WHOLE}```\n",
    "chat answer with a future import": f"```python\nfrom __future__ import annotations\n\n{WHOLE}```",
    "chat answer after a thought": f"<think>\n```\ndef twice(xs):\n    return []\n```\n</think>\n{WHOLE}",
}


@pytest.mark.parametrize("completion", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_sample_that_repeats_the_function_runs_as_in_human_eval(completion: str) -> None:
    scope: dict = {}
    exec(sample_program(PROMPT, STARTER, completion), scope)
    assert scope["twice"]([1, 2]) == [2, 4]


def test_a_sample_that_does_not_run_stays_as_it_is() -> None:
    assert sample_program(PROMPT, STARTER, "return xs\n") == STARTER + "return xs\n"


def test_a_prelude_stands_behind_future_imports() -> None:
    program = '"""Doc."""\nfrom __future__ import annotations\nx = math.pi\n'
    scope: dict = {}
    exec(put_before("import math\n", program), scope)
    assert scope["x"] > 3
    assert put_before("import math\n", "x = 1\n") == "import math\nx = 1\n"


def test_only_a_text_that_is_no_program_is_a_chat_answer() -> None:
    assert is_answer(f"```python\n{GOOD}```")
    assert not is_answer(TEXT)
    assert not is_answer("def f(x:")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),
        ("a\n<think>b", "a\n"),
        ("`<think>` is a tag", "`<think>` is a tag"),
        ("plain", "plain"),
    ],
)
def test_thoughts_are_no_part_of_the_answer(text: str, rest: str) -> None:
    assert without_thoughts(text) == rest
