"""The demonstration, in the terminal and as a page: a group of responses under the three baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from corpo.report.html import render
from corpo.report.names import PAPER_BASELINES, label_of
from corpo.task import Candidate, Pair
from corpo.utils.files import write_text

# Each kind of response has a sign of its own, for readers without colour.
CORRECT, REWARDED, OTHER = "■", "▲", "·"
STYLES = {CORRECT: "blue", REWARDED: "bold red", OTHER: ""}
MEANINGS = {
    CORRECT: "correct response",
    REWARDED: "failure that GRPO rewards",
    OTHER: "other failure",
}
TERMS = (
    "A response scores each program from 0 (certainly wrong) to 10 (certainly correct). It is correct if "
    "both scores are on the right side of 5. The advantage is the reward minus a baseline; training makes "
    "responses with a positive advantage more likely."
)
MARKS_PER_ROW = 3  # of the number line, for responses with equal rewards
BUG = "!"  # marks the line in which a wrong program differs
MIN_REWARD, MAX_REWARD = -1.0, 1.0  # the ends of the number line


@dataclass(frozen=True)
class Demo:
    """One group of responses, and counts over the batch that it comes from."""

    seed: int
    policy: str
    pair: Pair
    responses: Sequence[str]
    rewards: Sequence[float]
    advantages: Mapping[str, Sequence[float]]  # of each response, by baseline
    threshold: float  # R_min_correct
    num_prompts: int  # of the batch; each has as many responses as this one
    num_failures: int  # of the batch
    num_rewarded: Mapping[str, int]  # failures of the batch with a positive advantage, by baseline

    @property
    def mean(self) -> float:
        """Return the mean reward of the group."""
        return sum(self.rewards) / len(self.rewards)

    @property
    def signs(self) -> list[str]:
        """Return the sign of each response: CORRECT, REWARDED or OTHER."""
        signs = []
        for reward, advantage in zip(self.rewards, self.advantages["grpo"], strict=True):
            if reward >= self.threshold:
                signs.append(CORRECT)
            else:
                signs.append(REWARDED if advantage > 0 else OTHER)
        return signs

    @property
    def order(self) -> list[int]:
        """Return the indices of the responses by falling reward; equal ones keep their order."""
        return sorted(range(len(self.rewards)), key=lambda index: -self.rewards[index])


def signed(value: float, digits: int = 2) -> str:
    """Format a number with its sign; 0 has none."""
    return f"{value:+.{digits}f}" if value else f"{value:.{digits}f}"


def shortened(text: str, width: int) -> str:
    """Return the text in one line of at most `width` characters, with its middle left out if necessary.

    The scores stand at the end of a response.
    """
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    tail = min(18, width - 2)
    return f"{line[: width - tail - 1]}…{line[-tail:]}"


# --- the terminal ---


def terminal_view(demo: Demo, width: int) -> Group:
    """Return the demonstration for a terminal with this many columns, of which there should be 80."""
    title = (
        f"{len(demo.responses)} responses of {demo.policy} to one prompt (seed {demo.seed}). "
        f"Of {demo.num_prompts} prompts, it is the one in which GRPO rewards most failures."
    )
    batch = f"\nAll {demo.num_prompts} prompts, {demo.num_failures} failures in all:"
    parts: list[RenderableType] = [
        Text(title, style="bold"),
        Text(f"\n{demo.pair.problem.statement}\n"),
        _programs(demo.pair),
        Text(f"\n{TERMS}\n"),
        _responses(demo, width),
        Text(),
        *number_line(demo, width),
        Text(),
        _explanation(demo),
        Text(batch, style="bold"),
        _batch(demo),
    ]
    return Group(*parts)


def _programs(pair: Pair) -> Table:
    table = Table.grid(expand=True)
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    table.add_row(_label("A", pair.a), _label("B", pair.b))
    table.add_row(_program(pair.a), _program(pair.b))
    return table


def _label(name: str, candidate: Candidate) -> Text:
    if candidate.correct:
        return Text(f"[{name}] correct: it passes all {candidate.total} tests", style="blue")
    return Text(f"[{name}] wrong: {candidate.evidence}", style="red")


def _program(candidate: Candidate) -> Text:
    """Return a program with a mark before the line that makes it wrong."""
    text = Text()
    for number, line in enumerate(candidate.text.split("\n"), start=1):
        if number == candidate.line and not candidate.correct:
            text.append(f"{BUG}{line.removeprefix(' ')}\n", style="red")
        else:
            text.append(f"{line}\n")
    text.rstrip()
    return text


def _responses(demo: Demo, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("response")
    for name in ("reward", *map(label_of, PAPER_BASELINES)):
        table.add_column(name, justify="right", min_width=6)
    numbers = 2 + (len(PAPER_BASELINES) + 1) * 7
    signs = demo.signs
    for index in demo.order:
        sign = signs[index]
        advantages = []
        for baseline in PAPER_BASELINES:
            value = demo.advantages[baseline][index]
            is_rewarded_failure = sign != CORRECT and value > 0
            style = STYLES[REWARDED] if is_rewarded_failure else STYLES[CORRECT] if value > 0 else ""
            advantages.append(Text(signed(value), style=style))
        table.add_row(
            Text(sign, style=STYLES[sign]),
            Text(shortened(demo.responses[index], width - numbers - 1), style=STYLES[sign]),
            Text(signed(demo.rewards[index], 1), style=STYLES[sign]),
            *advantages,
        )
    return table


def number_line(demo: Demo, width: int) -> list[Text]:
    """Return the rewards of the group on a number line, with its mean and R_min_correct, as lines of text."""
    line = _NumberLine(width, demo.mean, demo.threshold)
    by_column: dict[int, list[str]] = {}
    for index in reversed(demo.order):
        by_column.setdefault(line.column(demo.rewards[index]), []).append(demo.signs[index])
    tallest = max(len(signs) for signs in by_column.values())
    rows = []
    for row in reversed(range(math.ceil(tallest / MARKS_PER_ROW))):
        marks = {}
        for column, signs in by_column.items():
            part = "".join(signs[row * MARKS_PER_ROW : (row + 1) * MARKS_PER_ROW])
            for offset, sign in enumerate(part):
                marks[column - len(part) // 2 + offset] = sign
        rows.append(line.row(marks))
    legend = Text()
    for sign, meaning in MEANINGS.items():
        legend.append(f"{sign} {meaning} ({demo.signs.count(sign)})   ", style=STYLES[sign])
    return [*line.labels(), *rows, line.axis(), line.numbers(), Text(), legend]


class _NumberLine:
    """The columns of a number line from MIN_REWARD to MAX_REWARD with two upright lines."""

    def __init__(self, width: int, mean: float, threshold: float) -> None:
        self.margin = 3
        self.width = width
        self.mean, self.threshold = mean, threshold
        self.bars = {self.column(mean): "╎", self.column(threshold): "│"}

    def column(self, reward: float) -> int:
        """Return the column of a reward. Rewards beyond the ends are drawn at the ends."""
        share = (min(max(reward, MIN_REWARD), MAX_REWARD) - MIN_REWARD) / (MAX_REWARD - MIN_REWARD)
        return self.margin + round(share * (self.width - 2 * self.margin - 1))

    def row(self, marks: Mapping[int, str]) -> Text:
        """Return a line with some marks; the upright lines show where there is no mark."""
        text = Text()
        for column in range(self.width):
            mark = marks.get(column) or self.bars.get(column, " ")
            text.append(mark, style=STYLES.get(mark, ""))
        text.rstrip()
        return text

    def labels(self) -> list[Text]:
        """Return the names of the upright lines, each on the side that is away from the other."""
        names = [
            (self.mean, f"group mean {signed(self.mean)}"),
            (self.threshold, f"R_min_correct {self.threshold:g}"),
        ]
        names.sort()
        text = " " * self.width
        for is_left, (value, name) in zip((True, False), names, strict=True):
            column = self.column(value)
            start = column - len(name) - 1 if is_left else column + 2
            start = min(max(start, 0), self.width - len(name))
            text = text[:start] + name + text[start + len(name) :]
        return [Text(text.rstrip()), self.row({})]

    def axis(self) -> Text:
        """Return the axis; between mean and R_min_correct it is thick."""
        low, high = sorted(self.bars)[0], sorted(self.bars)[-1]
        text = Text()
        for column in range(self.margin, self.width - self.margin):
            is_between = low < column < high and self.mean < self.threshold
            text.append("━" if is_between else "─", style=STYLES[REWARDED] if is_between else "")
        return Text(" " * self.margin) + text

    def numbers(self) -> Text:
        """Return the numbers below the axis."""
        text = " " * self.width
        for tenth in range(-10, 11, 2):
            label = f"{tenth / 10:g}"
            start = self.column(tenth / 10) - len(label) // 2
            text = text[:start] + label + text[start + len(label) :]
        return Text(text.rstrip())


def _explanation(demo: Demo) -> Text:
    num_failures = len(demo.signs) - demo.signs.count(CORRECT)
    num_rewarded = demo.signs.count(REWARDED)
    text = Text(f"GRPO subtracts the mean of the group, {signed(demo.mean)}. ")
    text.append(
        f"{num_rewarded} of {num_failures} failures ({REWARDED}) lie above it, so that training makes these "
        "wrong answers more likely.",
        style=STYLES[REWARDED] if num_rewarded else "",
    )
    text.append(
        f" static subtracts R_min_correct, {demo.threshold:g}, and CoRPO the larger of the two: neither "
        "rewards a failure."
    )
    return text


def _batch(demo: Demo) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for baseline in PAPER_BASELINES:
        count = demo.num_rewarded[baseline]
        share = count / demo.num_failures if demo.num_failures else 0.0
        style = STYLES[REWARDED] if count else ""
        counted = f"rewards {count} failures, {share:.1%} " if count else "rewards no failure"
        table.add_row(
            label_of(baseline), Text(counted, style=style), Text(REWARDED * round(100 * share), style=style)
        )
    return table


# --- the page ---


def write_page(demo: Demo, path: Path) -> None:
    """Write the demonstration as a page that needs no other files and no network."""
    signs = demo.signs
    rows = []
    for index in demo.order:
        rows.append(
            {
                "sign": signs[index],
                "meaning": MEANINGS[signs[index]],
                "response": demo.responses[index],
                "reward": signed(demo.rewards[index], 1),
                "advantages": [signed(demo.advantages[baseline][index]) for baseline in PAPER_BASELINES],
                "is_rewarded_failure": signs[index] == REWARDED,
                "is_correct": signs[index] == CORRECT,
            }
        )
    write_text(
        path,
        render(
            "demo.html",
            [],
            demo=demo,
            terms=TERMS,
            rows=rows,
            names={baseline: label_of(baseline) for baseline in PAPER_BASELINES},
            candidates={"A": demo.pair.a, "B": demo.pair.b},
            marks=_svg_marks(demo),
            svg_x=_svg_x,
            ticks=[tenth / 10 for tenth in range(-10, 11, 2)],
            mean=signed(demo.mean),
            rewarded=signs.count(REWARDED),
            failures=len(signs) - signs.count(CORRECT),
        ),
    )


def _svg_x(reward: float) -> float:
    """Return the horizontal position of a reward in the drawing of the page."""
    return round(40 + (reward - MIN_REWARD) / (MAX_REWARD - MIN_REWARD) * 720, 1)


def _svg_marks(demo: Demo) -> list[dict[str, object]]:
    """Return position, kind and text of the mark of each response, stacked over equal rewards."""
    heights: dict[float, int] = {}
    marks: list[dict[str, object]] = []
    for index in reversed(demo.order):
        reward, sign = demo.rewards[index], demo.signs[index]
        heights[reward] = heights.get(reward, 0) + 1
        title = f"{MEANINGS[sign]}, reward {signed(reward, 1)}: {demo.responses[index]}"
        marks.append({"x": _svg_x(reward), "height": heights[reward], "sign": sign, "title": title})
    return marks
