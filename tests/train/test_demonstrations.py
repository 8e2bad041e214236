"""Demonstrate verdicts with rationales."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from corpo.config import RATIONALES, REWRITE, WarmStartConfig
from corpo.task import (
    Candidate,
    Domain,
    Pair,
    Problem,
    Verdict,
    complete_responses,
    parse_response,
    render_prompt,
)
from corpo.train.demonstrations import Demonstrator, rewrite


def test_a_rationale_rewrites_the_wrong_line() -> None:
    pair = Pair(
        Problem("1", Domain.code, "family", "topic", "Double x."),
        Candidate("def f(x):\n    return x * 2", True, "reference"),
        Candidate("def f(x):\n    return x + 2", False, "arithmetic", line=2, evidence="f(0) = 2, not 0"),
    )
    right = ["def f(x):\n    y = x\n    return y + x", "def f(x):\n    return x * 2"]
    rationale = rewrite(pair.swapped(), right)
    assert rationale.text == "A\n    y = x\nbad\nB\n    return x * 2\nfine\n"
    assert rationale.calls == (False, True)
    longer = replace(pair, b=replace(pair.b, text="def f(x):\n    y = x\n    return y - x", line=3))
    assert rewrite(longer, right).text == "A\n    return x * 2\nfine\nB\n    y = x\n    return y + x\nbad\n"
    demonstration = Demonstrator(render_prompt, REWRITE, 0.0).demonstrate(pair, right, Random(0))
    verdict = parse_response(demonstration.response)
    assert isinstance(verdict, Verdict)
    assert verdict.is_correct(pair.labels)
    for name in RATIONALES:
        WarmStartConfig(rationale=name)


@pytest.mark.parametrize("end_of_prompt", ["", "<think>\n", "<think>\n\n</think>\n\n"])
def test_a_demonstration_does_not_repeat_the_think_tags_of_its_prompt(end_of_prompt: str) -> None:
    pair = Pair(
        Problem("1", Domain.code, "family", "topic", "Double x."),
        Candidate("def f(x):\n    return x * 2", True, "reference"),
        Candidate("def f(x):\n    return x + 2", False, "arithmetic", line=2),
    )

    def render(pair: Pair) -> str:
        return render_prompt(pair) + end_of_prompt

    demonstration = Demonstrator(render, REWRITE, 0.0).demonstrate(pair, [pair.a.text], Random(0))
    [[response]] = complete_responses([demonstration.prompt], [[demonstration.response]])
    verdict = parse_response(response)
    assert isinstance(verdict, Verdict)
    assert verdict.is_correct(pair.labels)
    assert response.count("<think>") == response.count("</think>") == 1
