"""Draw the figure and print the table of docs/explanation/theory.md: `python -m docs.tools.theory`.

With a results folder as argument, draw the predictions for that study into the folder and print how they
compare with what was measured.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter

from corpo.analysis.study import Run, read_study
from corpo.analysis.theory import dependence, expected_advantage_stats, partly_drawn, predictions, spread
from corpo.report.figures import (
    COLOURS,
    LABEL_SIZE,
    WIDTH,
    figure_style,
    finish_figure,
    label_of,
    line_styles,
    predicted_failed_positive,
    reference_line,
    save,
)
from corpo.task import OrdinalReward
from corpo.utils.errors import CorpoError
from corpo.utils.markdown import table

FIGURE = Path(__file__).parents[1] / "explanation/theory.png"
GROUP_SIZE = 16
TEN_LEVELS = OrdinalReward(10)
PASS_RATES = np.linspace(0.02, 0.98, 49)
COLUMNS = ("positive_count", "negative_count", "count_ratio", "positive_sum", "negative_sum", "sum_ratio")
HEADER = (
    "pass rate",
    "baseline",
    "N⁺",
    "N⁻",
    "N⁺/N⁻",
    "ΣA⁺",
    "Σ\\|A⁻\\|",
    "ratio of sums",
    "failures rewarded",
)


def curve(
    reward: OrdinalReward, threshold: float, baseline: str, group_size: int, quantity: str
) -> list[float]:
    """Return a quantity of `expected_advantage_stats` at each pass rate. Levels are evenly used."""
    values = []
    for pass_rate in PASS_RATES:
        levels = spread(reward.failures, reward.successes, pass_rate, threshold)
        values.append(expected_advantage_stats(levels, baseline, group_size)[quantity])
    return values


def draw_failed_positive(axes: Axes) -> None:
    """Draw the share of failures that GRPO rewards, for several numbers of levels and two group sizes."""
    for count, opacity in ((2, 0.3), (4, 0.5), (6, 0.75), (10, 1.0)):
        reward = OrdinalReward(count, threshold=0.1)
        for group_size, style in ((4, ":"), (GROUP_SIZE, "-")):
            shares = curve(reward, 0.1, "grpo", group_size, "failed_positive_fraction")
            label = f"{count} levels" if group_size == GROUP_SIZE else None
            axes.plot(PASS_RATES, shares, style, color=COLOURS["grpo"], alpha=opacity, label=label)
    reference_line(axes, y=0.18)
    axes.text(0.98, 0.19, "CoRPO paper: 18%", ha="right", fontsize=LABEL_SIZE)
    title = f"Failures rewarded by GRPO\n(G = {GROUP_SIZE}; dotted: G = 4)"
    axes.set(title=title, xlabel="pass rate", ylabel="share of failures", ylim=(-0.01, 0.5))
    axes.legend()


def draw_clip_active(axes: Axes) -> None:
    """Draw the probability that the clip of CoRPO is active, for three group sizes."""
    for group_size, opacity in ((4, 0.35), (16, 0.65), (64, 1.0)):
        active = curve(TEN_LEVELS, 0.0, "corpo", group_size, "clip_active_fraction")
        axes.plot(PASS_RATES, active, color=COLOURS["corpo"], alpha=opacity, label=f"G = {group_size}")
    axes.set(title="Groups in which the clip\nof CoRPO is active", xlabel="pass rate", ylabel="probability")
    axes.legend()


def draw_count_ratio(axes: Axes) -> None:
    """Draw the expected ratio of counts of three baselines, with their names beside the lines."""
    # Above a pass rate of one half CoRPO compares as GRPO does, and below it as static does.
    for baseline, rate, height in (("grpo", 0.22, 1.15), ("static", 0.66, 8.0), ("corpo", 0.3, 0.12)):
        ratios = curve(TEN_LEVELS, 0.0, baseline, GROUP_SIZE, "count_ratio")
        style = line_styles([])[baseline]
        axes.plot(PASS_RATES, ratios, style, color=COLOURS[baseline], linewidth=1.8, label=label_of(baseline))
        axes.text(rate, height, label_of(baseline), color=COLOURS[baseline], fontsize=LABEL_SIZE)
    reference_line(axes, y=1)
    title = f"Expected N⁺/N⁻\n(10 levels, G = {GROUP_SIZE})"
    axes.set(title=title, xlabel="pass rate", ylim=(0.02, 50))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))


@figure_style()
def draw_curves() -> Figure:
    """Draw by pass rate: failures rewarded, groups with an active clip, and the ratio of counts."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(WIDTH, 3.6))
    draw_failed_positive(left)
    draw_clip_active(middle)
    draw_count_ratio(right)
    return finish_figure(figure)


def advantage_table() -> str:
    """Return the expected statistics per group by pass rate and baseline as a Markdown table."""
    rows: list[Sequence[object]] = []
    for tenths in (1, 3, 5, 7, 9):
        levels = spread(TEN_LEVELS.failures, TEN_LEVELS.successes, Fraction(tenths, 10), 0.0)
        for baseline in ("grpo", "static", "corpo"):
            stats = expected_advantage_stats(levels, baseline, GROUP_SIZE)
            cells = [f"{stats[column]:.2f}" for column in COLUMNS]
            rewarded = f"{stats['failed_positive_fraction']:.1%}"
            rows.append((f"{tenths / 10:.0%}", f"`{baseline}`", *cells, rewarded))
    return table(HEADER, rows)


def comparison(run: Run, threshold: float) -> str:
    """Return the measured and the predicted shares of rewarded failures of a run, as lines of text."""
    steps = [step for step in predictions(run.rewards, threshold) if not np.isnan(step.measured)]
    measured = np.mean([step.measured for step in steps])
    varied = np.mean([step.if_prompts_vary for step in steps])
    alike = np.mean([step.if_prompts_equal for step in steps])
    inside = np.mean([step.low <= step.measured <= step.high for step in steps])
    partly = [partly_drawn(rewards_PG, threshold) for rewards_PG in run.rewards.values()]
    with_counts, with_levels = np.nanmean(partly, axis=0)
    correlations = [dependence(rewards_PG, threshold) for rewards_PG in run.rewards.values()]
    error = np.nanstd(correlations) / np.sqrt(np.isfinite(correlations).sum())
    return (
        f"{run.name}: measured {measured:.1%}, predicted {varied:.1%}, if prompts were alike {alike:.1%}\n"
        f"    {inside:.0%} of {len(steps)} batches are inside the 95% band\n"
        f"    predicted with the number of failures per group {with_counts:.1%}, also with their levels "
        f"{with_levels:.1%}\n"
        f"    correlation of a prompt's pass rate and the mean reward of its failures "
        f"{np.nanmean(correlations):.2f} (standard error {error:.2f})"
    )


def main() -> None:
    """Draw the figure of the page, or the predictions for the results folder that the argument names."""
    if not sys.argv[1:]:
        save(draw_curves(), FIGURE)
        print(FIGURE)
        print(advantage_table())
        return
    folder = Path(sys.argv[1])
    try:
        study, _ = read_study(folder)
    except CorpoError as error:
        sys.exit(f"corpo: {error}")
    save(predicted_failed_positive(study), folder / f"figures/{predicted_failed_positive.__name__}.png")
    for run in study.runs:
        print(comparison(run, study.threshold))


if __name__ == "__main__":
    main()
