"""The data sheet, a figure with plots of a data set, and a web page that shows its pairs one by one."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpo.data.pairing.matching import TOKEN
from corpo.data.pairing.splits import is_evaluation
from corpo.data.types import LabelledProblem
from corpo.evaluate.shortcut_floors import FLOORS, shortcut_floors
from corpo.report.explorer import evenly_spaced, pair_record
from corpo.report.figures import (
    CORRECT,
    NEUTRAL_COLOURS,
    WIDTH,
    WRONG,
    figure_style,
    finish_figure,
    reference_line,
    save,
)
from corpo.report.html import render
from corpo.task import Pair
from corpo.utils.files import write_text

PROMPTS_PER_SPLIT = 24  # more would make the page too large
MAX_BARS = 8  # most frequent classes


def write_sheet(path: Path, problems: Sequence[LabelledProblem], pairs: Sequence[tuple[str, Pair]]) -> None:
    """Write the data sheet as PNG."""
    save(sheet(problems, pairs), path)


@figure_style()
def sheet(problems: Sequence[LabelledProblem], pairs: Sequence[tuple[str, Pair]]) -> Figure:
    """Draw origins, errors, passed tests and lengths of candidates, sizes of splits, and shortcut floors."""
    figure = plt.figure(figsize=(WIDTH, 11))
    rows: Any = figure.subfigures(3, 1)  # long labels in one row do not narrow the panels of the others
    top, middle, bottom = rows
    left, right = top.subplots(1, 2)
    _draw_origins(left, problems)
    _draw_errors(right, problems)
    left, right = middle.subplots(1, 2)
    _draw_passed_tests(left, problems)
    _draw_lengths(right, pairs)
    left, right = bottom.subplots(1, 2)
    _draw_splits(left, pairs)
    _draw_floors(right, pairs)
    return finish_figure(figure)


def _draw_origins(axes: Axes, problems: Sequence[LabelledProblem]) -> None:
    counts: Counter[tuple[str, bool]] = Counter()
    totals: Counter[str] = Counter()
    for problem in problems:
        counts.update((candidate.origin, candidate.correct) for candidate in problem.candidates)
        totals.update(candidate.origin for candidate in problem.candidates)
    origins = [origin for origin, _ in totals.most_common(MAX_BARS)][::-1]
    names = [origin.replace("_", " ") for origin in origins]
    correct = np.array([counts[origin, True] for origin in origins])
    axes.barh(names, correct, color=CORRECT, label="correct")
    axes.barh(names, [counts[origin, False] for origin in origins], left=correct, color=WRONG, label="wrong")
    axes.set(title="Origin of the candidates", xlabel="candidates")
    _legend_below(axes)


def _draw_errors(axes: Axes, problems: Sequence[LabelledProblem]) -> None:
    errors: Counter[str] = Counter()
    for problem in problems:
        errors.update(candidate.error for candidate in problem.candidates if candidate.error)
    counts = errors.most_common(MAX_BARS)[::-1]
    axes.barh([name for name, _ in counts], [count for _, count in counts], color=WRONG)
    axes.set(title="First failure of wrong candidates", xlabel="candidates")


def _draw_passed_tests(axes: Axes, problems: Sequence[LabelledProblem]) -> None:
    percents = []
    for problem in problems:
        for candidate in problem.candidates:
            if not candidate.correct and candidate.total > 1:
                percents.append(100 * candidate.passed / candidate.total)
    axes.hist(percents, bins=list(np.linspace(0, 100, 21)), color=WRONG)
    axes.set(title="Tests that wrong programs pass", xlabel="passed tests (%)", ylabel="candidates")


def _draw_lengths(axes: Axes, pairs: Sequence[tuple[str, Pair]]) -> None:
    """Draw the lengths in pairs with exactly one correct candidate, in which a length bias would help."""
    lengths: dict[bool, list[int]] = {True: [], False: []}
    for _, pair in pairs:
        if pair.a.correct is not pair.b.correct:
            for candidate in (pair.a, pair.b):
                lengths[candidate.correct].append(len(TOKEN.findall(candidate.text)))
    if lengths[True]:
        bins = list(np.linspace(0, np.quantile([*lengths[True], *lengths[False]], 0.99) + 1, 31))
        looks = ((True, "correct", CORRECT, "-"), (False, "wrong", WRONG, "--"))
        for label, name, shade, line in looks:
            axes.hist(
                lengths[label],
                bins=bins,
                histtype="step",
                linewidth=1.8,
                linestyle=line,
                color=shade,
                label=name,
            )
        axes.legend()
    axes.set(
        title="Length in pairs with one correct candidate",
        xlabel="tokens (words and symbols)",
        ylabel="candidates",
    )


def _draw_splits(axes: Axes, pairs: Sequence[tuple[str, Pair]]) -> None:
    names = list(dict.fromkeys(split for split, _ in pairs))[::-1]
    pair_ids: dict[str, set[str]] = {name: set() for name in names}
    problem_ids: dict[str, set[str]] = {name: set() for name in names}
    for split, pair in pairs:
        pair_ids[split].add(pair.id)
        problem_ids[split].add(pair.problem.id)
    rows = np.arange(len(names))
    num_pairs = [len(pair_ids[name]) for name in names]
    num_problems = [len(problem_ids[name]) for name in names]
    axes.barh(rows + 0.2, num_pairs, height=0.38, color=NEUTRAL_COLOURS[0], label="pairs (unordered)")
    axes.barh(rows - 0.2, num_problems, height=0.38, color=NEUTRAL_COLOURS[2], label="problems")
    axes.set_yticks(rows, [_split_label(name) for name in names])
    axes.set(title="Size of the splits", xlabel="number")
    _legend_below(axes)


def _draw_floors(axes: Axes, pairs: Sequence[tuple[str, Pair]]) -> None:
    floors = shortcut_floors([(split, pair) for split, pair in pairs if is_evaluation(split)]).iloc[::-1]
    rows = np.arange(len(floors))
    for shift, name, shade in zip((0.2, -0.2), FLOORS, NEUTRAL_COLOURS[:2], strict=True):
        axes.barh(rows + shift, 100 * floors[name].fillna(0), height=0.38, color=shade, label=name)
    reference_line(axes, x=25, label="random guess")
    axes.axvline(50, color=NEUTRAL_COLOURS[0], linewidth=0.9, linestyle="--", label="random, one correct")
    axes.set_yticks(rows, [_split_label(str(name)) for name in floors["split"]])
    axes.set(title="Accuracy without understanding", xlabel="pairs judged right (%)", xlim=(0, 100))
    _legend_below(axes)


def _split_label(name: str) -> str:
    return name.replace("_families", "").replace("_", " ")


def _legend_below(axes: Axes) -> None:
    """Draw the legend below the panel, where it does not cover bars."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.35, -0.17), ncols=2)


def write_page(path: Path, sheet: Path, pairs: Sequence[tuple[str, Pair]]) -> None:
    """Write a self-contained HTML page with the data sheet and some pairs of every split."""
    records = []
    for split in dict.fromkeys(name for name, _ in pairs):
        split_pairs = sorted((pair for name, pair in pairs if name == split), key=_page_order)
        records += [pair_record(split, pair) for pair in evenly_spaced(split_pairs, PROMPTS_PER_SPLIT)]
    image = base64.b64encode(sheet.read_bytes()).decode()
    text = render("pairs.html", records, prompts=len(pairs), prompts_per_split=PROMPTS_PER_SPLIT, sheet=image)
    write_text(path, text)


def _page_order(pair: Pair) -> tuple[str, str, str]:
    return pair.problem.family, pair.problem.id, pair.id
