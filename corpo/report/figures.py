"""The paper's figures and the ones that tell whether to believe them. Each function draws one; `write_figures` saves them all."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from corpo.analysis import compare
from corpo.analysis import regrade as regrading
from corpo.analysis.claims import IN_DOMAIN, OUT_OF_DOMAIN
from corpo.analysis.runs import EARLY, runs_table
from corpo.analysis.splits import accuracy, rows_of
from corpo.analysis.study import Study
from corpo.analysis.theory import pooled, predictions
from corpo.baselines import advantages
from corpo.evaluate.intervals import FEW_SEEDS
from corpo.evaluate.metrics import confidences
from corpo.task import Kind
from corpo.utils.files import write_atomically

# A notebook names a backend of its own. Loaded here and not with the first figure, for `styled` would undo its settings.
plt.switch_backend(os.environ.get("MPLBACKEND", "Agg"))

NAMES = {
    "base": "base",
    "grpo": "GRPO",
    "static": "static",
    "corpo": "CoRPO",
    "corpo_loo": "CoRPO loo",
    "rloo": "RLOO",
    "reinforce_plus_plus_baseline": "REINFORCE++",
    "opo": "OPO",
    "quantile": "QAE",
    "ngrpo": "NGRPO",
    "maxrl": "MaxRL",
    "positive_only": "positive only",
    "negative_only": "negative only",
    "pass_at_k": "pass@k",
}
COLOURS = {"grpo": "#c44e52", "static": "#4c72b0", "corpo": "#55a868", "base": "#8c8c8c"}
_MORE = (
    "#8172b3",
    "#ccb974",
    "#64b5cd",
    "#dd8452",
    "#937860",
    "#da8bc3",
    "#084081",
    "#8c2d04",
    "#bcbd22",
    "#222222",
    "#f0a3a3",
)
MANY = 6  # baselines, above which a panel has no room for their names and bands
_STYLE: Any = {
    "figure.dpi": 130,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "axes.titlelocation": "left",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """The look of every figure, for those drawn elsewhere too."""
    with plt.rc_context(_STYLE):
        yield


def finish_figure(figure: Figure) -> Figure:
    """Ready to be returned, and not left for pyplot to show."""
    figure.tight_layout()
    plt.close(figure)
    return figure


@figure_style()  # ticks are placed only now
def save(figure: Figure, path: Path) -> None:
    """As PNG, without the time or the program that would make its bytes differ."""
    write_atomically(path, lambda beside: figure.savefig(beside, format="png", metadata={"Software": None}))


def colour(study: Study, name: str) -> str:
    """Of a baseline, or of "base": the same in every figure."""
    return colours(study.baselines)[name]


def colours(baselines: Sequence[str]) -> dict[str, str]:
    """Their own ones, and the base's; those that have none take turns."""
    unknown = [name for name in baselines if name not in COLOURS]
    return COLOURS | {name: _MORE[turn % len(_MORE)] for turn, name in enumerate(unknown)}


def _draw_curve(axes: Axes, study: Study, column: str, smooth: int = 1) -> None:
    """A line per baseline, its mean over seeds; the band spans the seeds, where it would not hide other lines."""
    for baseline in study.baselines:
        curve = study.curve(baseline, column)
        if curve.empty:
            continue
        curve = curve.rolling(smooth, min_periods=1, center=True).mean()
        shade = colour(study, baseline)
        axes.plot(
            curve.index, curve.mean(axis=1), color=shade, label=NAMES.get(baseline, baseline), linewidth=1.8
        )
        if curve.shape[1] > 1 and len(study.baselines) <= MANY:
            axes.fill_between(
                curve.index, curve.min(axis=1), curve.max(axis=1), color=shade, alpha=0.15, linewidth=0
            )


def _legend(panels: Sequence[Axes], **how: Any) -> None:
    """In the first panel; or, of many baselines, to the right of the last."""
    handles, labels = panels[0].get_legend_handles_labels()
    if len(labels) <= MANY:
        panels[0].legend(**how)
    else:
        panels[-1].legend(handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=7)


@figure_style()
def scoreboard(study: Study) -> Figure:
    """Every baseline in a row: failures that it rewards early, accuracy in and out of domain, distance from the base; the mean and every seed."""
    few, many = min(study.ks), max(study.ks)
    runs = runs_table(study)
    of_runs = lambda policy, column: runs.loc[runs["policy"] == policy, column].to_numpy()
    panels: dict[str, Callable[[str], np.ndarray]] = {
        "failures rewarded, first steps, %": lambda policy: 100 * of_runs(policy, "failed_positive"),
        f"in domain, pass@{few}, %": lambda policy: accuracy(study, policy, IN_DOMAIN, few),
        f"out of domain, pass@{few}, %": lambda policy: accuracy(study, policy, OUT_OF_DOMAIN, few),
        f"out of domain, pass@{many}, %": lambda policy: accuracy(study, policy, OUT_OF_DOMAIN, many),
        "KL from the base, nats a rollout": lambda policy: of_runs(policy, "kl"),
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(14, 1.1 + 0.26 * len(study.baselines)), sharey=True)
    for one, (title, measure) in zip(axes, panels.items(), strict=True):
        for place, baseline in enumerate(study.baselines):
            by_seed, shade = measure(baseline), colour(study, baseline)
            one.plot(by_seed, [place] * len(by_seed), "|", color=shade, markersize=7, alpha=0.7)
            one.plot(by_seed.mean(), place, "o", color=shade, markersize=5)
        if "pass@" in title:
            one.axvline(
                measure("base").mean(), color=COLOURS["base"], linewidth=1, linestyle=":", label="base"
            )
        one.set_title(title, fontsize=9)
    axes[0].set_yticks(range(len(study.baselines)), [NAMES.get(name, name) for name in study.baselines])
    axes[0].set_ylim(len(study.baselines) - 0.5, -0.5)
    axes[1].legend(fontsize=7)
    return finish_figure(figure)


@figure_style()
def advantage_ratio(study: Study) -> Figure:
    """The paper's figure: positive over negative advantage signal through training, by counts and by sums."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharex=True)
    for one, column, title in zip(
        axes,
        ("count_ratio", "sum_ratio"),
        ("counts: N⁺ / N⁻", "sums: ΣA⁺ / Σ|A⁻|  (GRPO is 1 by algebra)"),
        strict=True,
    ):
        _draw_curve(one, study, column, smooth=5)
        one.axhline(1.0, color="#333333", linewidth=0.8, linestyle=":")
        one.set(title=title, xlabel="step", yscale="log")
        one.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
        one.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        one.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    _legend(axes)
    axes[0].set_ylabel("ratio (log scale)")
    figure.suptitle("Positive against negative advantage signal (5-step mean)", x=0.01, ha="left")
    return finish_figure(figure)


@figure_style()
def failed_positive(study: Study) -> Figure:
    """Share of failed rollouts that are rewarded: the flaw (C1) and the guarantee (C2, C3)."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharex=True)
    _draw_curve(axes[0], study, "failed_positive_fraction", smooth=5)
    axes[0].axhline(0.18, color="#333333", linewidth=0.8, linestyle=":", label="the paper's early batch: 18%")
    axes[0].set(title="failed rollouts with A > 0", xlabel="step", ylabel="share of failed rollouts")
    axes[0].set_ylim(-0.01, 1.3 * axes[0].get_ylim()[1])  # room for the legend
    _legend(axes, loc="upper right", ncols=2)
    _draw_curve(axes[1], study, "clip_active_fraction", smooth=5)
    axes[1].set(title="groups whose mean is below R_min_correct", xlabel="step", ylabel="share of groups")
    axes[1].set_ylim(0, 1)
    return finish_figure(figure)


@figure_style()
def predicted_failed_positive(study: Study) -> Figure:
    """Failures that the group mean would reward, predicted from each batch's levels alone, against what happened (docs/theory.md)."""
    found = {run.name: predictions(run.rewards, study.threshold) for run in study.runs}
    shown = next((run for run in study.runs if run.baseline == "grpo"), study.runs[0])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(3, 2))
    mine = found[shown.name]
    steps = [one.step for one in mine]
    shade = colour(study, shown.baseline)
    left.fill_between(
        steps,
        [one.low for one in mine],
        [one.high for one in mine],
        color=shade,
        alpha=0.15,
        linewidth=0,
        label="95% of such batches",
    )
    left.plot(
        steps, [one.varied for one in mine], color=shade, linewidth=1.8, label="predicted, prompts differ"
    )
    left.plot(
        steps,
        [one.alike for one in mine],
        color="#8c8c8c",
        linewidth=1.2,
        linestyle="--",
        label="predicted, prompts alike",
    )
    left.plot(steps, [one.measured for one in mine], ".", color="#333333", markersize=4, label="measured")
    left.set(
        title=f"{shown.name}: failed rollouts above the group mean",
        xlabel="step",
        ylabel="share of failed rollouts",
    )
    left.set_ylim(0, 1.25 * left.get_ylim()[1])  # room for the legend
    left.legend(fontsize=7, ncols=2, loc="upper center")
    for baseline in study.baselines:
        points = [
            one for run in study.of(baseline) for one in found[run.name] if not math.isnan(one.measured)
        ]
        inside = np.mean([one.low <= one.measured <= one.high for one in points])
        label = f"{NAMES.get(baseline, baseline)}: {inside:.0%} inside"
        right.plot(
            [one.varied for one in points],
            [one.measured for one in points],
            ".",
            markersize=3,
            alpha=0.6,
            color=colour(study, baseline),
            label=label,
        )
    limit = 1.25 * max(right.get_xlim()[1], right.get_ylim()[1])
    right.plot([0, limit], [0, limit], color="#333333", linewidth=0.8, linestyle=":")
    right.set(
        title="every batch of every run",
        xlabel="predicted, prompts differ",
        ylabel="measured",
        xlim=(0, limit),
        ylim=(0, limit),
    )
    _legend([right], fontsize=7, loc="upper left")
    return finish_figure(figure)


@figure_style()
def regraded(study: Study) -> Figure:
    """Failures that the group mean, or another baseline, rewards among the evaluation's rollouts, graded and grouped in other ways; bars span seeds."""
    table = regrading.regraded(study)
    figure, axes = plt.subplot_mosaic("LLLLGGGGPPPP;SSSSSBBBBBBB", figsize=(13, 6.4), sharey=True)
    policies = ["base", *study.baselines]
    for by, title in regrading.BY.items():
        one = axes[by[0].upper()]  # the letter of its panel above
        values = list(dict.fromkeys(table.loc[table["by"] == by, "value"]))
        for policy, shift in zip(policies, np.linspace(-0.2, 0.2, len(policies)), strict=True):
            mine = table[(table["by"] == by) & (table["policy"] == policy)].set_index("value").loc[values]
            at = np.arange(len(values)) + shift
            one.vlines(
                at,
                100 * mine["least"],
                100 * mine["most"],
                color=colour(study, policy),
                linewidth=1.5,
                alpha=0.5,
            )
            one.plot(
                at,
                100 * mine["rewarded"],
                "o",
                markersize=3.5,
                color=colour(study, policy),
                label=NAMES.get(policy, policy),
            )
        names = [NAMES.get(value, value.replace("_families", "").replace("_", " ")) for value in values]
        if by in ("split", "baseline"):
            one.set_xticks(
                range(len(values)), names, fontsize=7, rotation=20, ha="right", rotation_mode="anchor"
            )
        else:
            one.set_xticks(range(len(values)), names)
        one.set(title=title)
    for first in "LS":
        axes[first].set_ylabel("failures rewarded, %")
    axes["L"].set_ylim(bottom=-2)
    _legend([axes["L"], axes["P"]], fontsize=7, loc="upper left")
    return finish_figure(figure)


def learning(study: Study) -> Figure:
    """Reward and accuracy through training."""
    return _row_of_curves(
        study,
        ("reward_mean", "reward, training batch", 5),
        ("pass_rate", "pass@1, training batch", 5),
        ("validation/pass@1", "pass@1, validation families", 1),
    )


@figure_style()
def habits(study: Study) -> Figure:
    """Validation pairs of every kind through training: what is learned of a position, and of "exactly one is correct"."""
    kinds = (Kind.first_correct, Kind.second_correct, Kind.both_wrong, Kind.both_correct)
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.0), sharex=True, sharey=True)
    for one, kind in zip(axes, kinds, strict=True):
        _draw_curve(one, study, f"validation/pass@1/{kind}")
        one.axhline(0.25, color="#333333", linewidth=0.8, linestyle=":")
        one.set(title=str(kind).replace("_", " "), xlabel="step", ylim=(0, 1))
    axes[0].set_ylabel("pass@1, validation families")
    _legend(axes)
    return finish_figure(figure)


@figure_style()
def differences(study: Study) -> Figure:
    """Every baseline against GRPO on each row of the table: 95% intervals over seeds and problems where there are several seeds, else over problems."""
    table = compare.differences(study)
    others = [name for name in study.baselines if name != compare.REFERENCE]
    ks = list(dict.fromkeys((min(study.ks), max(study.ks))))
    rows = list(rows_of(study.splits))
    height, reach = (0.36, 0.2) if len(others) <= MANY else (0.06 * len(others), 0.4)
    figure, axes = plt.subplots(
        1, len(ks), figsize=(5.4 * len(ks), 0.5 + height * len(rows)), sharey=True, squeeze=False
    )
    for one, k in zip(axes[0], ks, strict=True):
        for shift, name in zip(
            np.linspace(reach, -reach, len(others)) if len(others) > 1 else [0.0], others, strict=True
        ):
            mine = table[(table["baseline"] == name) & (table["k"] == k)].set_index("split").loc[rows]
            over_both = mine["both_low"].notna().all()
            low, high = (mine[f"both_{end}" if over_both else end].to_numpy() for end in ("low", "high"))
            at = np.arange(len(rows))[::-1] + shift
            one.hlines(at, low, high, color=colour(study, name), linewidth=2, alpha=0.8)
            one.plot(
                mine["points"],
                at,
                "o",
                color=colour(study, name),
                markersize=4,
                label=f"{NAMES.get(name, name)} - GRPO",
            )
            for row, where in zip(mine["by_seed"], at, strict=True):
                seeds = [float(points) for points in row.split()]
                one.plot(seeds, [where] * len(seeds), "|", color="#333333", markersize=5, alpha=0.6)
        seen = 1.2 * max(
            abs(float(points)) for row in table.loc[table["k"] == k, "by_seed"] for points in row.split()
        )
        if (
            seen and 1 < len(study.of(compare.REFERENCE)) < FEW_SEEDS
        ):  # what two seeds leave open would flatten all that they show
            left, right = one.get_xlim()
            one.set_xlim(max(left, -seen), min(right, seen))
        one.axvline(0, color="#333333", linewidth=0.8, linestyle=":")
        one.set(title=f"pass@{k}, points", yticks=range(len(rows)))
        one.set_yticklabels([row.replace("_", " ") for row in reversed(rows)])
    _legend(
        axes[0], fontsize=8, ncols=len(others), loc="lower right", bbox_to_anchor=(1, 1)
    )  # above: bars may reach anywhere
    return finish_figure(figure)


def conservatism(study: Study) -> Figure:
    """How far and how fast the weights move (C6)."""
    return _row_of_curves(
        study,
        ("grad_norm", "gradient norm before clipping", 5),
        ("update_norm", "norm of the weight update", 5),
        ("validation/kl_from_start", "KL from the base, nats a rollout", 1),
        ("entropy", "entropy, nats a token", 5),
    )


@figure_style()
def _row_of_curves(study: Study, *panels: tuple[str, str, int]) -> Figure:
    """Side by side, for each (metric, title, steps to average over)."""
    figure, axes = plt.subplots(1, len(panels), figsize=(3.7 * len(panels), 3.2))
    for one, (column, title, smooth) in zip(axes, panels, strict=True):
        _draw_curve(one, study, column, smooth)
        one.set(title=title, xlabel="step")
    _legend(axes)
    return finish_figure(figure)


@figure_style()
def distributions(study: Study) -> Figure:
    """Rewards and advantages in the first and the last batches of every baseline, a row each, failed and correct rollouts apart."""
    figure, axes = plt.subplots(
        len(study.baselines), 4, figsize=(12, 0.5 + 2 * len(study.baselines)), sharey="row", squeeze=False
    )
    for row, baseline in zip(axes, study.baselines, strict=True):
        for at, late in enumerate((False, True)):
            steps = [
                (run.rewards[s], run.lengths[s])
                for run in study.of(baseline)
                for s in _some_steps(run.rewards, late)
            ]
            rewards_PG, lengths_PG = (torch.tensor(np.concatenate(part)) for part in zip(*steps, strict=True))
            advantages_PG = advantages(
                rewards_PG,
                baseline,
                threshold=study.threshold,
                lengths_PG=lengths_PG,
                **study.options(baseline),
            )
            failed = (rewards_PG < study.threshold).flatten().numpy()
            reach = max(1.0, float(rewards_PG.abs().max())) * 1.05
            _split_histogram(
                row[at], rewards_PG.flatten().numpy(), failed, np.linspace(-reach, reach, 22), study.threshold
            )
            limit = max(2.0, float(advantages_PG.abs().max()))
            _split_histogram(
                row[2 + at], advantages_PG.flatten().numpy(), failed, np.linspace(-limit, limit, 41), 0.0
            )
            for place, what in ((at, "rewards"), (2 + at, "advantages")):
                axes[0][place].set_title(f"{what}, {'last' if late else 'first'} {EARLY} steps")
        row[0].set_ylabel(f"{NAMES.get(baseline, baseline)}\nshare of rollouts")
    axes[0][0].legend(loc="upper left", fontsize=8)
    return finish_figure(figure)


def _some_steps(rewards: dict[int, np.ndarray], late: bool) -> Sequence[int]:
    steps = sorted(rewards)
    return steps[-EARLY:] if late else steps[:EARLY]


def _split_histogram(
    axes: Axes, values: np.ndarray, failed: np.ndarray, bins: np.ndarray, line: float
) -> None:
    share = np.full(len(values), 1 / len(values))
    axes.hist(
        [values[failed], values[~failed]],
        bins=list(bins),
        weights=[share[failed], share[~failed]],
        stacked=True,
        color=["#c44e52", "#55a868"],
        label=["failed", "correct"],
    )
    axes.axvline(line, color="#333333", linewidth=0.8, linestyle=":")


@figure_style()
def calibration(study: Study) -> Figure:
    """Stated confidence against the share of correct candidates, over all evaluation splits."""
    figure, axes = plt.subplots(figsize=(4.6, 4.2))
    axes.plot([0, 1], [0, 1], color="#333333", linewidth=0.8, linestyle=":")
    policies = [
        ("base", list(study.bases.values())),
        *((name, [run.rollouts for run in study.of(name)]) for name in study.baselines),
    ]
    for name, tables in policies:
        stated, labels = (
            np.concatenate(part) for part in zip(*(confidences(table) for table in tables), strict=True)
        )
        levels = [level for level in np.unique(stated) if (stated == level).sum() >= 50]
        shares = [labels[stated == level].mean() for level in levels]
        axes.plot(
            levels, shares, "o-", markersize=3.5, color=colour(study, name), label=NAMES.get(name, name)
        )
    axes.set(
        title="Score calibration",
        xlabel="score / 10",
        ylabel="share of candidates that are correct",
        xlim=(-0.03, 1.03),
        ylim=(0, 1),
    )
    _legend([axes])
    return finish_figure(figure)


DRAWN = (
    scoreboard,
    advantage_ratio,
    failed_positive,
    predicted_failed_positive,
    regraded,
    learning,
    habits,
    differences,
    distributions,
    calibration,
    conservatism,
)


def _can_be_drawn(study: Study) -> list[Callable[[Study], Figure]]:
    """Not every study has what every figure needs.

    A scoreboard needs the paper's splits; differences, GRPO and another baseline; predictions, a common unit; regrading, as many rollouts of each prompt;
    habits, validation on all kinds.
    """
    left_out: set[Callable[[Study], Figure]] = set()
    if not {*IN_DOMAIN, *OUT_OF_DOMAIN} <= set(study.splits):
        left_out.add(scoreboard)
    if compare.REFERENCE not in study.baselines or len(study.baselines) == 1:
        left_out.add(differences)
    if not all(_on_a_lattice(run.rewards, study.threshold) for run in study.runs):
        left_out.add(predicted_failed_positive)
    if not any(f"validation/pass@1/{kind}" in run.metrics for run in study.runs for kind in Kind):
        left_out.add(habits)
    if not regrading.can_be_regraded(study):
        left_out.add(regraded)
    return [draw for draw in DRAWN if draw not in left_out]


def _on_a_lattice(rewards: dict[int, np.ndarray], threshold: float) -> bool:
    try:
        pooled(np.concatenate([rewards_PG.ravel() for rewards_PG in rewards.values()]), threshold)
    except ValueError:
        return False
    return True


def write_figures(study: Study, folder: Path) -> list[str]:
    """Every figure as PNG; returns their names."""
    drawn = _can_be_drawn(study)
    for draw in drawn:
        save(draw(study), folder / f"{draw.__name__}.png")
    return [draw.__name__ for draw in drawn]
