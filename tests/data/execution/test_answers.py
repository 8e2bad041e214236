"""Extract and compare final answers."""

from __future__ import annotations

import pytest

from corpo.data.execution.answers import final_answer, same_answer

pytestmark = pytest.mark.kind("final answers of worked solutions")

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
    "<think>Perhaps the answer is 7.</think>\nIt comes to 5.": "5",
    "<think>Perhaps the answer is 7. Once more": None,
    "So it is 7?\n</think>\nThe answer is 5": "5",
    "It is 18.\n#### 18\n\nQuestion: A box holds 44. How many?\nAnswer: 44\n#### 44": "18",
    "It is 18.\n\nQ: A box holds 44. How many?\nA: 44": "18",
    "Question: How many are 9 and 9?\nAnswer: 18": "18",
    "Problem: 9 and 9?\nIt is \\boxed{18}.\n\n**Question 2:** 4 and 4?\nThe answer is 8.": "18",
    "The answer would be 12": "12",
    "<think>a</think>\n<answer>\neast\n</answer>": "east",
    "<answer>So \\boxed{7}</answer>": "7",
    "nothing": None,
    "####": None,
}
EQUAL = [
    ("1,234", "1234"),
    ("$5.00", "5"),
    ("\\$1,000", "1000"),
    ("3/4", "0.75"),
    ("\\frac{3}{4}", "3/4"),
    ("2\\sqrt{2}", "\\sqrt{8}"),
    ("x+1", "1+x"),
    ("x + 1", "x+1"),
    ("1e-3", "0.001"),
    ("\\frac{t}{m}", "t/m"),
    ("\\frac{ t }{ m }", "t/m"),
    ("E_1", "E_{1}"),
    ("29 dollars", "29"),
    ("29 cm", "29"),
    ("29cm", "29"),
    ("5, because 2+3=5", "5"),
    ("5 because 2+3=5", "5"),
    ("5 (five)", "5"),
    ("5. The rest is easy", "5"),
    ("0.333333", "1/3"),
    ("50%", "50"),
    ("50%", "0.5"),
    ("x=5", "5"),
    ("x = 5", "5"),
    ("\\text{east}", "east"),
    ("East", "east"),
    ("the east", "east"),
    ("east, since it lies there", "east"),
    ("6.02e23", "6.02 \\times 10^{23}"),
    ("\\frac12", "1/2"),
    ("10\\%", "10"),
    ("30^\\circ", "30"),
    ("5\\text{ cm}", "5"),
    ("1.0", "1"),
    ("3x+2", "2+3x"),
    ("5 hours", "5 hrs"),
    ("5 dollars", "$5"),
    ("$5", "5 dollars"),
    ("5 million", "5000000"),
    ("five", "5"),
    ("Yes", "yes"),
    ("yes, it is", "yes"),
    ("(B)", "B"),
    ("v=t/m", "\\frac{t}{m}"),
    ("\x0crac{t}{m}", "t/m"),
    ("18 in total", "18"),
    ("18 apples", "18 red apples"),
    ("xy", "yx"),
    ("-5", "−5"),
    ("about 5", "5"),
    ("$\\frac{1}{2}$", "0.5"),
    ("1,000,000", "1000000"),
    ("2.50", "2.5"),
    ("1 1/2", "3/2"),
    ("C) 12", "C"),
    ("\\text{(B) }12", "B"),
    ("5 cm^2", "5"),
    ("5 m²", "5 square meters"),
    ("USD 5", "5"),
    ("∞", "\\infty"),
    ("on Monday", "Monday"),
    ("twenty-one apples", "21"),
    ("5 000", "5000"),
    ("$5$. I hope it is correct", "5"),
    ("\\{1,2\\}", "\\{2, 1\\}"),
    ("1/3", "0.333333333"),
]
UNEQUAL = [
    ("1", "2"),
    ("3/4", "4/3"),
    ("(1,2)", "(2,1)"),
    ("", "5"),
    ("x", "5"),
    ("\\sqrt{2}", "1.5"),
    ("yes", "no"),
    ("1234", "1,235"),
    ("seat", "east"),
    ("\\frac{1}{2^{98}}", "\\frac{1}{2^{99}}"),
    ("1_000", "1"),
    ("1_000", "1000"),
    ("5 m", "5 cm"),
    ("5 or 6", "5"),
    ("5 and 6", "5"),
    ("5x", "5"),
    ("5 x", "5"),
    ("5 hours 30 minutes", "5"),
    ("5 million", "5"),
    ("1e-10", "2e-10"),
    ("1000000006.0", "1000000007"),
    ("12345678.1", "12345678.2"),
    ("no", "on"),
    ("E_2", "E_1"),
    ("m/t", "t/m"),
    ("5, 6", "5"),
    ("30 dollars", "29"),
    ("$5", "5 cents"),
    ("5 apples", "5 oranges"),
    ("0.3333", "1/3"),
    ("east", "5"),
    ("west", "east"),
    ("0.5", "5%"),
    ("3.14", "3.14159"),
    ("２９", "28"),
    ("11", "1 1"),
    ("C) 12", "D"),
    ("B) and C)", "B"),
    ("5 m^2", "5 m"),
    ("5^2", "5"),
    ("not east", "east"),
    ("more than 5", "5"),
    ("12 or 13", "12"),
    ("99999999999999999999", "100000000000000000000"),
    ("[0,1]", "(0,1)"),
    ("on", "in"),
]


@pytest.mark.parametrize("text", FINAL)
def test_final_answer_is_found_in_every_notation(text: str) -> None:
    assert final_answer(text) == FINAL[text]


@pytest.mark.parametrize(("answer", "expected"), EQUAL)
def test_equal_answers_are_the_same(answer: str, expected: str) -> None:
    assert same_answer(answer, expected)


@pytest.mark.parametrize(("answer", "expected"), UNEQUAL)
def test_other_answers_differ(answer: str, expected: str) -> None:
    assert not same_answer(answer, expected)


def test_same_answer_gives_up_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpo.data.execution.answers._SECONDS", 1)
    assert not same_answer("9^{9^{9}}", "5")


def test_long_answers_are_the_same_only_if_their_texts_are() -> None:
    """Compare answers that would take minutes to read as numbers or sentences."""
    digits = "0." + "1" * 200_000
    assert not same_answer(digits, "1/9")
    assert not same_answer("1" + " " * 200_000 + "2", "3")
    assert same_answer(digits, digits + " ")
