"""Extract and compare final answers."""

from __future__ import annotations

import pytest

from corpo.data.execution.answers import final_answer, same_answer

FINAL = {
    "so 2+2=4\n#### 1,234": "1,234",
    "She pays\nA: $5.00": "$5.00",
    "Thus the answer is 3/4.": "3/4",
    "The final answer is: **7**.": "7",
    "Answer: 12": "12",
    "The answer is 3. No: the answer is 4": "4",
    r"so \boxed{\frac{1}{2}} it is": r"\frac{1}{2}",
    r"\boxed{1} or \boxed{\{1, \sqrt{2}\}}": r"\{1, \sqrt{2}\}",
    r"\boxed{\left\{1,2\right.}": r"\left\{1,2\right.",
    r"cut off \boxed{\frac{1}{2": None,
    "He has 3, 4, then 5, so": "5",
    "nothing": None,
    "####": None,
}
EQUAL = [
    ("1,234", "1234"),
    ("$5.00", "5"),
    (r"\$1,000", "1000"),
    ("3/4", "0.75"),
    (r"\frac{3}{4}", "3/4"),
    (r"2\sqrt{2}", r"\sqrt{8}"),
    ("x+1", "1+x"),
]
UNEQUAL = [
    ("1", "2"),
    ("3/4", "4/3"),
    ("(1,2)", "(2,1)"),
    ("", "5"),
    ("x", "5"),
    (r"\sqrt{2}", "1.5"),
    ("yes", "no"),
    ("1234", "1,235"),
]


@pytest.mark.parametrize("text", FINAL)
def test_final_answer_is_found_in_every_notation(text: str) -> None:
    assert final_answer(text) == FINAL[text]


def test_same_answer_compares_numbers_and_expressions() -> None:
    assert [pair for pair in EQUAL if not same_answer(*pair)] == []
    assert [pair for pair in UNEQUAL if same_answer(*pair)] == []


def test_same_answer_gives_up_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpo.data.execution.answers._SECONDS", 1)
    assert not same_answer("9^{9^{9}}", "5")
