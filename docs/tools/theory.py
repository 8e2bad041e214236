"""What docs/theory.md shows: `python -m experiments.theory` draws its figure and prints its table; with a results folder, draws that study's predictions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from corpo.analysis.study import read_study
from corpo.analysis.theory import dependence, expected_signal, partly_drawn, predictions, spread
from corpo.report.figures import COLOURS, NAMES, figure_style, finish_figure, predicted_failed_positive, save
from corpo.task import OrdinalReward
from corpo.utils.errors import DataError
from corpo.utils.markdown import table
from corpo.utils.paths import ROOT

PICTURE = ROOT / "docs/theory.png"
GROUP, RATES = 16, np.linspace(0.02, 0.98, 49)


@figure_style()
def curves() -> Figure:
    """By pass rate, failures and successes spread evenly over their levels: the flaw, the switch, the ratio of counts."""
    figure, (flaw, switch, ratio) = plt.subplots(1, 3, figsize=(12, 3.6))
    for count, shade in ((2, "#8c8c8c"), (4, "#ccb974"), (6, "#dd8452"), (10, "#c44e52")):
        reward = OrdinalReward(count, threshold=0.1)
        for group, style in ((4, ":"), (16, "-")):
            shares = [
                expected_signal(spread(reward.failures, reward.successes, p, 0.1), "grpo", group)[
                    "failed_positive_fraction"
                ]
                for p in RATES
            ]
            flaw.plot(RATES, shares, style, color=shade, label=f"{count} levels" if style == "-" else None)
    flaw.axhline(0.18, color="#333333", linewidth=0.8, linestyle="-.", label="paper's early batch")
    flaw.set(
        title="failures that GRPO rewards (G = 16; dotted: 4)",
        xlabel="pass rate",
        ylabel="share of failures",
        ylim=(-0.01, 0.5),
    )
    flaw.legend(fontsize=8)
    ten = OrdinalReward(10)
    for group in (4, 16, 64):
        active = [
            expected_signal(spread(ten.failures, ten.successes, p, 0.0), "corpo", group)[
                "clip_active_fraction"
            ]
            for p in RATES
        ]
        switch.plot(
            RATES,
            active,
            color=COLOURS["corpo"],
            alpha={4: 0.4, 16: 0.7, 64: 1.0}[group],
            label=f"G = {group}",
        )
    switch.set(title="groups in which CoRPO's clip is active", xlabel="pass rate", ylabel="probability")
    switch.legend(fontsize=8)
    for name, style in (("grpo", "-"), ("static", "-"), ("corpo", "--")):
        counts = [
            expected_signal(spread(ten.failures, ten.successes, p, 0.0), name, GROUP)["count_ratio"]
            for p in RATES
        ]
        ratio.plot(RATES, counts, style, color=COLOURS[name], linewidth=1.8, label=NAMES[name])
    ratio.axhline(1.0, color="#333333", linewidth=0.8, linestyle=":")
    ratio.set(
        title="N⁺ / N⁻, expected (10 levels, G = 16)", xlabel="pass rate", yscale="log", ylim=(0.02, 50)
    )
    ratio.legend(fontsize=8)
    return finish_figure(figure)


def ratios() -> str:
    """Expected signal per group by pass rate, as Markdown."""
    ten = OrdinalReward(10)
    rows: list[Sequence[object]] = []
    for tenths in (1, 3, 5, 7, 9):
        for name in ("grpo", "static", "corpo"):
            found = expected_signal(
                spread(ten.failures, ten.successes, Fraction(tenths, 10), 0.0), name, GROUP
            )
            cells = [
                f"{found[key]:.2f}"
                for key in (
                    "positive_count",
                    "negative_count",
                    "count_ratio",
                    "positive_sum",
                    "negative_sum",
                    "sum_ratio",
                )
            ]
            rows.append(
                (f"{tenths / 10:.0%}", f"`{name}`", *cells, f"{found['failed_positive_fraction']:.1%}")
            )
    return table(
        (
            "pass rate",
            "baseline",
            "N⁺",
            "N⁻",
            "N⁺/N⁻",
            "ΣA⁺",
            "Σ\\|A⁻\\|",
            "ratio of sums",
            "failures rewarded",
        ),
        rows,
    )


def main() -> None:
    if not sys.argv[1:]:
        save(curves(), PICTURE)
        print(PICTURE)
        print(ratios())
        return
    folder = Path(sys.argv[1])
    try:
        study, _ = read_study(folder)
    except DataError as error:
        sys.exit(f"corpo: {error}")
    save(predicted_failed_positive(study), folder / f"figures/{predicted_failed_positive.__name__}.png")
    for run in study.runs:
        found = [one for one in predictions(run.rewards, study.threshold) if one.measured == one.measured]
        means = (
            float(np.mean([getattr(one, what) for one in found])) for what in ("measured", "varied", "alike")
        )
        inside = np.mean([one.low <= one.measured <= one.high for one in found])
        print(
            f"{run.name}:",
            "measured {:.1%}, predicted {:.1%}, with prompts alike {:.1%};".format(*means),
            f"inside 95%: {inside:.0%} of {len(found)}",
        )
        kept = np.nanmean(
            [partly_drawn(rewards_PG, study.threshold) for rewards_PG in run.rewards.values()], axis=0
        )
        print(
            "    predicted with each group's number of failures as it was: {:.1%}; with their levels too: {:.1%}".format(
                *kept
            )
        )
        together = [dependence(rewards_PG, study.threshold) for rewards_PG in run.rewards.values()]
        spread_of_mean = np.nanstd(together) / np.sqrt(np.isfinite(together).sum())
        print(
            f"    a prompt's pass rate and its failures' mean reward correlate: {np.nanmean(together):.2f} (standard error {spread_of_mean:.2f})"
        )


if __name__ == "__main__":
    main()
