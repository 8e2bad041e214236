"""Figures of the two scores of a verdict: how often each pair of scores is given, and what it earns."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpo.analysis.study import BASE, Study
from corpo.report.figures.style import (
    COLOURS,
    CORRECT,
    LABEL_SIZE,
    MAX_BASELINES_WITH_BANDS,
    REFERENCE_COLOUR,
    REWARD_MAP,
    WIDTH,
    figure_style,
    finish_figure,
)
from corpo.report.names import label_of
from corpo.task import CUT, Kind
from corpo.task.response import SCORE_MAX

KINDS = {  # kind of pair -> whether A and B are correct
    Kind.first_correct: (True, False),
    Kind.second_correct: (False, True),
    Kind.both_correct: (True, True),
    Kind.both_wrong: (False, False),
}
_EDGES = np.arange(-0.5, SCORE_MAX + 1)
_EXTENT = (_EDGES[0], _EDGES[-1], _EDGES[0], _EDGES[-1])
_COLUMNS = ["score_a", "score_b", "label_a", "label_b", "parsed"]


def has_scores(study: Study) -> bool:
    """Return whether the rollouts of every policy have their scores and the labels of the candidates."""
    tables = [*study.bases.values(), *(run.rollouts for run in study.runs)]
    return all(set(_COLUMNS) <= set(table.columns) for table in tables)


@figure_style()
def score_maps(study: Study) -> Figure:
    """Draw how often each pair of scores is given, a row per policy and a column per kind of pair.

    Each quadrant has its percentage of the rollouts as a number, and a frame marks the correct quadrant. If
    there are many baselines, only those of the paper are shown.
    """
    policies = [BASE, *study.baselines]
    if len(study.baselines) > MAX_BASELINES_WITH_BANDS:
        policies = [policy for policy in policies if policy in COLOURS]
    figure, grid = plt.subplots(
        len(policies),
        len(KINDS),
        figsize=(WIDTH, 0.9 + 1.95 * len(policies)),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for row, policy in zip(grid, policies, strict=True):
        rollouts = _rollouts(study, policy)
        for panel, (kind, labels) in zip(row, KINDS.items(), strict=True):
            in_kind = rollouts[_has_labels(rollouts, labels)]
            _draw_frequencies(panel, in_kind)
            _frame_correct_quadrant(panel, labels)
            if row is grid[0]:
                panel.set_title(_name_of(kind))
            if row is grid[-1]:
                panel.set_xlabel("score of A")
        row[0].set_ylabel(f"{label_of(policy)}\nscore of B")
    return finish_figure(figure)


def _rollouts(study: Study, policy: str) -> pd.DataFrame:
    """Return the evaluation rollouts of a policy over all seeds, with the columns of scores and rewards."""
    tables = list(study.bases.values())
    if policy != BASE:
        tables = [run.rollouts for run in study.of(policy)]
    return pd.concat([table[[*_COLUMNS, "reward"]] for table in tables], ignore_index=True)


def _has_labels(rollouts: pd.DataFrame, labels: tuple[bool, bool]) -> pd.Series:
    return (rollouts["label_a"] == labels[0]) & (rollouts["label_b"] == labels[1])


def _name_of(kind: Kind) -> str:
    return str(kind).replace("_", " ").capitalize()


def _draw_frequencies(axes: Axes, rollouts: pd.DataFrame) -> None:
    """Draw a heat map of the scores of parsed responses, and the percentage of all rollouts by quadrant."""
    parsed = rollouts[rollouts["parsed"].astype(bool)]
    scores_a, scores_b = parsed["score_a"].to_numpy(float), parsed["score_b"].to_numpy(float)
    counts, *_ = np.histogram2d(scores_a, scores_b, bins=[_EDGES, _EDGES])
    # Square roots make rare scores visible beside frequent ones.
    axes.imshow(
        np.sqrt(counts.T),
        origin="lower",
        extent=_EXTENT,
        cmap="Greys",
        aspect="auto",
        interpolation="nearest",
    )
    _divide(axes)
    for calls_a in (False, True):
        for calls_b in (False, True):
            in_quadrant = ((scores_a > CUT) == calls_a) & ((scores_b > CUT) == calls_b)
            share = in_quadrant.sum() / max(1, len(rollouts))
            _write_in_quadrant(axes, (calls_a, calls_b), f"{share:.0%}")


def _divide(axes: Axes) -> None:
    """Draw the lines between the quadrants."""
    axes.axhline(CUT, color=COLOURS["base"], linewidth=0.7)
    axes.axvline(CUT, color=COLOURS["base"], linewidth=0.7)
    axes.set(xticks=(0, CUT, SCORE_MAX), yticks=(0, CUT, SCORE_MAX))
    axes.grid(visible=False)


def _write_in_quadrant(axes: Axes, calls: tuple[bool, bool], text: str) -> None:
    x, y = SCORE_MAX * (0.25 + 0.5 * np.array(calls))
    axes.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        fontsize=LABEL_SIZE,
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
    )


def _frame_correct_quadrant(axes: Axes, labels: Sequence[bool]) -> None:
    x, y = np.where(labels, CUT, _EDGES[0])
    size = SCORE_MAX / 2 + 0.5
    axes.add_patch(
        plt.Rectangle((x, y), size, size, fill=False, edgecolor=CORRECT, linewidth=2.5, clip_on=False)
    )


@figure_style()
def reward_map(study: Study) -> Figure:
    """Draw the mean reward of evaluation rollouts by their two scores, a panel per kind of pair.

    Pairs of scores that no rollout has are empty. The frame marks the correct verdicts.
    """
    rollouts = pd.concat([_rollouts(study, policy) for policy in (BASE, *study.baselines)])
    rollouts = rollouts[rollouts["parsed"].astype(bool)]
    reach = max(1.0, float(rollouts["reward"].abs().max()))
    figure, panels = plt.subplots(1, len(KINDS), figsize=(WIDTH, 2.9), sharex=True, sharey=True)
    for panel, (kind, labels) in zip(panels, KINDS.items(), strict=True):
        in_kind = rollouts[_has_labels(rollouts, labels)]
        rewards = in_kind.assign(
            a=np.digitize(in_kind["score_a"].astype(float), _EDGES) - 1,
            b=np.digitize(in_kind["score_b"].astype(float), _EDGES) - 1,
        )
        cells = rewards.groupby(["b", "a"])["reward"].mean().unstack()
        whole = range(int(SCORE_MAX) + 1)
        image = panel.imshow(
            cells.reindex(index=whole, columns=whole).to_numpy(dtype=float),
            origin="lower",
            extent=_EXTENT,
            cmap=REWARD_MAP,
            vmin=study.threshold - reach,
            vmax=study.threshold + reach,
            aspect="auto",
            interpolation="nearest",
        )
        _divide(panel)
        _frame_correct_quadrant(panel, labels)
        panel.set(title=_name_of(kind), xlabel="score of A")
    panels[0].set_ylabel("score of B")
    bar = figure.colorbar(image, ax=list(panels), label="reward", pad=0.02)
    bar.ax.axhline(study.threshold, color=REFERENCE_COLOUR, linewidth=1.2)
    bar.ax.grid(visible=False)
    return finish_figure(figure)
