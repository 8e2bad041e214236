"""The view of a group of responses: its table, its number line and its page."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from rich.console import Console

from corpo.baselines import advantages
from corpo.report.demo import CORRECT, OTHER, REWARDED, Demo, number_line, terminal_view, write_page
from corpo.report.names import PAPER_BASELINES
from corpo.task import Candidate, Domain, Pair, Problem

REWARDS = [0.8, -0.2, -0.2, -0.4, -0.4, -0.4, -0.6, -0.6]  # their mean is -0.25
FAILURES = 7


def make_demo(rewards: list[float]) -> Demo:
    rewards_PG = torch.tensor([rewards], dtype=torch.float64)
    advantages_of = {
        name: advantages(rewards_PG, name, threshold=0.0)[0].tolist() for name in PAPER_BASELINES
    }
    problem = Problem("double", Domain.code, "code_seen_2", "seen", "doubled, sum: f([1, 2]) == 6")
    a = Candidate("def f(xs):\n    return 2 * sum(xs)", True, "reference", passed=21, total=21)
    b = Candidate("def f(xs):\n    return sum(xs)", False, "drop", line=2, evidence="f([1, 2]) = 3, not 6")
    responses = [f"<think>{index} {'long ' * 30}</think> A: 1 B: {index}" for index in range(len(rewards))]
    num_rewarded = {"grpo": 2, "static": 0, "corpo": 0}
    return Demo(
        seed=0,
        policy="nano_base",
        pair=Pair(problem, a, b),
        responses=responses,
        rewards=rewards,
        advantages=advantages_of,
        threshold=0.0,
        num_prompts=4,
        num_failures=20,
        num_rewarded=num_rewarded,
    )


def printed(demo: Demo, width: int) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(terminal_view(demo, width))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [60, 80])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = printed(make_demo(REWARDS), width)
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if line.startswith((CORRECT, REWARDED, OTHER)) and "think" in line]
    assert len(rows) == len(REWARDS), "each response takes one line"


def test_a_sign_marks_rewarded_failures_without_colour() -> None:
    lines = printed(make_demo(REWARDS), 80)
    rows = [line.split() for line in lines if "think>" in line]
    for sign, *_, reward, grpo, static, corpo in rows:
        is_failure = float(reward) < 0
        assert (sign == REWARDED) is (is_failure and float(grpo) > 0)
        assert not (is_failure and max(float(static), float(corpo)) > 0)
    assert sum(row[0] == REWARDED for row in rows) == 2
    assert "2 of 7 failures (▲) lie above it" in " ".join(" ".join(lines).split())


def test_the_wrong_line_of_a_program_is_marked() -> None:
    [line] = [line for line in printed(make_demo(REWARDS), 80) if "2 * sum" in line]
    assert line.split("!")[1].strip() == "return sum(xs)"


def test_number_line_has_a_mark_per_response_between_mean_and_threshold() -> None:
    demo = make_demo(REWARDS)
    label, *lines = [str(line) for line in number_line(demo, 80)]
    drawing = "".join(lines[:-1])  # without the legend
    assert [drawing.count(sign) for sign in (CORRECT, REWARDED, OTHER)] == [1, 2, 5]
    mean, threshold = lines[0].index("╎"), lines[0].index("│")
    for line in lines[:-1]:
        for column, mark in enumerate(line):
            assert mark != REWARDED or mean < column < threshold
    assert label.index("group mean -0.25") < mean < threshold < label.index("R_min_correct 0")


def test_labels_change_sides_if_the_mean_is_a_success() -> None:
    label, bars, *_ = [str(line) for line in number_line(make_demo([0.6, 0.8, -0.2, 0.6]), 80)]
    assert bars.index("│") < bars.index("╎")
    assert label.index("R_min_correct 0") < label.index("group mean +0.45")


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.is_cell = False

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.is_cell = tag == "td"

    def handle_data(self, data: str) -> None:
        if self.is_cell:
            self.cells.append(data)


def test_page_has_every_response_in_full(tmp_path: Path) -> None:
    demo = make_demo(REWARDS)
    write_page(demo, tmp_path / "demo.html")
    page = (tmp_path / "demo.html").read_text(encoding="utf-8")
    parser = _Texts()
    parser.feed(page)
    assert set(demo.responses) <= set(parser.cells)
    assert "2 of 20" in parser.cells
    assert "http" not in page.replace("http://www.w3.org", ""), "the page needs no network"


def test_a_batch_without_rewarded_failures_says_so() -> None:
    demo = replace(make_demo([-1.0, -1.0]), num_rewarded=dict.fromkeys(PAPER_BASELINES, 0))
    lines = printed(demo, 80)
    assert sum("rewards no failure" in line for line in lines) == len(PAPER_BASELINES)
