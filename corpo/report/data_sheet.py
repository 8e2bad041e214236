"""A data set to look at: a sheet of plots, and a page with pairs one by one."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpo.data.pairing.matching import TOKEN
from corpo.data.pairing.splits import is_evaluation
from corpo.data.types import LabelledProblem
from corpo.evaluate.shortcut_floors import FLOORS, shortcut_floors
from corpo.report.explorer import shown_pair
from corpo.report.figures import figure_style, finish_figure, save
from corpo.report.page import render
from corpo.task import Pair
from corpo.utils.files import write_text

CORRECT, WRONG = "#55a868", "#c44e52"
_SHOWN = 24  # prompts of a split: what a page can hold
_BARS = 8  # most frequent classes


def write_sheet(path: Path, problems: Sequence[LabelledProblem], pairs: Sequence[tuple[str, Pair]]) -> None:
    save(sheet(problems, pairs), path)


@figure_style()
def sheet(problems: Sequence[LabelledProblem], pairs: Sequence[tuple[str, Pair]]) -> Figure:
    """Who wrote the candidates, how wrong ones fail, how long they are, how many pairs there are, and what style gives away."""
    figure, axes = plt.subplots(2, 3, figsize=(15, 8))
    _origins(axes[0][0], problems)
    _errors(axes[0][1], problems)
    _near_misses(axes[0][2], problems)
    _lengths(axes[1][0], pairs)
    _splits(axes[1][1], pairs)
    _floors(axes[1][2], pairs)
    return finish_figure(figure)


def _origins(axes: Axes, problems: Sequence[LabelledProblem]) -> None:
    counts = Counter((c.origin, c.correct) for p in problems for c in p.candidates)
    names = [
        name for name, _ in Counter(c.origin for p in problems for c in p.candidates).most_common(_BARS)
    ][::-1]
    left = np.array([counts[name, True] for name in names])
    axes.barh(names, left, color=CORRECT, label="correct")
    axes.barh(names, [counts[name, False] for name in names], left=left, color=WRONG, label="wrong")
    axes.set(title="Who wrote the candidates", xlabel="candidates")
    _legend_below(axes)


def _errors(axes: Axes, problems: Sequence[LabelledProblem]) -> None:
    counts = Counter(c.error for p in problems for c in p.candidates if c.error).most_common(_BARS)[::-1]
    axes.barh([str(name) for name, _ in counts], [count for _, count in counts], color=WRONG)
    axes.set(title="How wrong candidates fail first", xlabel="candidates")


def _near_misses(axes: Axes, problems: Sequence[LabelledProblem]) -> None:
    shares = [c.passed / c.total for p in problems for c in p.candidates if not c.correct and c.total > 1]
    axes.hist(shares, bins=list(np.linspace(0, 1, 21)), color=WRONG)
    axes.set(title="Near misses", xlabel="share of tests passed by wrong programs", ylabel="candidates")


def _lengths(axes: Axes, pairs: Sequence[tuple[str, Pair]]) -> None:
    """Of exactly-one-correct pairs: there a length that tells would help."""
    lengths = [
        (len(TOKEN.findall(c.text)), c.correct)
        for _, p in pairs
        if p.a.correct is not p.b.correct
        for c in (p.a, p.b)
    ]
    if lengths:
        bins = list(np.linspace(0, np.quantile([length for length, _ in lengths], 0.99) + 1, 31))
        for label, shade, name in ((True, CORRECT, "correct"), (False, WRONG, "wrong")):
            axes.hist(
                [length for length, correct in lengths if correct is label],
                bins=bins,
                histtype="step",
                linewidth=1.6,
                color=shade,
                label=name,
            )
        axes.legend()
    axes.set(
        title="Length, where exactly one is correct", xlabel="tokens (words and signs)", ylabel="candidates"
    )


def _splits(axes: Axes, pairs: Sequence[tuple[str, Pair]]) -> None:
    names = list(dict.fromkeys(split for split, _ in pairs))[::-1]
    units = {name: {p.id for split, p in pairs if split == name} for name in names}
    problems = {name: {p.problem.id for split, p in pairs if split == name} for name in names}
    at = np.arange(len(names))
    axes.barh(at + 0.2, [len(units[name]) for name in names], height=0.38, color="#4c72b0", label="pairs")
    axes.barh(
        at - 0.2, [len(problems[name]) for name in names], height=0.38, color="#8c8c8c", label="problems"
    )
    axes.set_yticks(at, [name.replace("_", " ") for name in names])
    axes.set(title="Splits", xlabel="pairs (unordered), problems")
    _legend_below(axes)


def _floors(axes: Axes, pairs: Sequence[tuple[str, Pair]]) -> None:
    floors = shortcut_floors([(split, pair) for split, pair in pairs if is_evaluation(split)]).iloc[::-1]
    at = np.arange(len(floors))
    for shift, name, shade in zip((0.2, -0.2), FLOORS, ("#ccb974", "#64b5cd"), strict=True):
        axes.barh(at + shift, 100 * floors[name].fillna(0), height=0.38, color=shade, label=name)
    axes.axvline(25, color="#333333", linewidth=0.8, linestyle=":", label="coin")
    axes.axvline(50, color="#333333", linewidth=0.8, linestyle="--", label="exactly one")
    axes.set_yticks(at, [str(name).replace("_", " ") for name in floors["split"]])
    axes.set(title="What style gives away", xlabel="pairs judged right, %", xlim=(0, 100))
    _legend_below(axes)


def _legend_below(axes: Axes) -> None:
    """Clear of the bars."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=4, fontsize=8)


def write_page(path: Path, sheet: Path, pairs: Sequence[tuple[str, Pair]]) -> None:
    """One file that needs nothing beside it."""
    chosen = []
    for split in dict.fromkeys(name for name, _ in pairs):
        mine = sorted(
            (pair for name, pair in pairs if name == split),
            key=lambda pair: (pair.problem.family, pair.problem.id, pair.id),
        )
        count = min(_SHOWN, len(mine))
        chosen += [shown_pair(split, mine[at * len(mine) // count]) for at in range(count)]
    picture = base64.b64encode(sheet.read_bytes()).decode()
    write_text(path, render("pairs.html", chosen, prompts=len(pairs), most=_SHOWN, sheet=picture))
