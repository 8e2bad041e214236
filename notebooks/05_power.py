# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · Can the published table tell?
#
# The paper prints percentages without sizes or intervals. Which counts do they imply, which differences are more than noise, and how many problems and
# seeds would settle each? What *our* evaluation can see is in notebook 04.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from corpo.utils.paths import ROOT

from corpo.analysis.published import (
    OTHERS,
    by_size,
    possible_sizes,
    power_of,
    published_rows,
    reanalysis,
)
from corpo.analysis.splits import PUBLISHED, TITLES
from corpo.analysis.study import newest_study, read_study
from corpo.report.figures import NAMES, figure_style
from corpo.report.figures.published import published_intervals

# %% [markdown]
# ## Sizes
# 50.0, 64.0 and 56.0% are whole counts of 50 problems, and of no fewer. A row's possible sizes, the smallest first:

# %%
pd.Series(
    {
        TITLES[split]: possible_sizes(list(percentages.values()), 250)
        for split, percentages in PUBLISHED.items()
    },
    name="possible sizes",
).to_frame()

# %% [markdown]
# One of them hangs on a tie: *both correct* fits 48 problems only if 45 of 48, 93.75%, was printed as 93.7. If ties were not printed down, the smallest is

# %%
possible_sizes(list(PUBLISHED["code_both_correct"].values()), 500, ties=False)[0]

# %% [markdown]
# ## Intervals and tests at the smallest sizes

# %%
published_intervals()

# %%
reanalysis().drop(columns="problems").round(2)

# %% [markdown]
# ## And at larger sizes?
# The same percentages of more problems are more certain. Every difference to GRPO at every possible size up to 400:

# %%
sizes = by_size()
with figure_style():
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    for split, mine in sizes.groupby("split", sort=False):
        line = None
        for name, style in zip(OTHERS, ("--", "-"), strict=True):
            one = mine[mine["baseline"] == name]
            line = axes.plot(
                one["size"],
                one["p"],
                style,
                marker=".",
                markersize=3,
                linewidth=1,
                color=line[0].get_color() if line else None,
            )
        line[0].set_label(TITLES[split])
    axes.axhline(0.05, color="#333333", linewidth=0.8, linestyle=":")
    axes.set(
        yscale="log",
        xlabel="problems in the split",
        ylabel="p, two-sided Fisher",
        title="CoRPO (solid) and static (dashed) against GRPO, uncorrected",
    )
    axes.legend(fontsize=7, loc="lower left")

# %% [markdown]
# ## How many problems?
# The chance to find a difference as large as the printed one, by the number of problems that each method is given.

# %%
problems = np.unique(np.geomspace(20, 20_000, 60).astype(int))
with figure_style():
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    for row in published_rows():
        shares = [row.counts[name] / row.size for name in ("grpo", "corpo")]
        if shares[0] != shares[1]:
            axes.plot(
                problems,
                [power_of(*shares, n) for n in problems],
                label=f"{TITLES[row.split]}: {row.points('corpo'):+.1f}",
            )
    axes.axhline(0.8, color="#333333", linewidth=0.8, linestyle=":")
    axes.set(
        xscale="log",
        xlabel="problems a method",
        ylabel="power",
        title=f"{NAMES['corpo']} against GRPO, points of pass@16 as published",
    )
    axes.legend(fontsize=7, loc="upper left")

# %% [markdown]
# ## And how many seeds?
# Problems are one source of chance, training is another. What a seed changes is not published; the newest study here tells how much it does at our
# scale: the deviation, over seeds, of a baseline's difference to another in pass@16 on one split
# (root mean square over baselines and splits). Seeds for 80% power by a paired t test, as if theirs varied alike.

# %%
study, _ = read_study(Path(os.environ.get("CORPO_STUDY") or newest_study(ROOT / "results")))
column = f"pass@{max(study.ks)}"
scores = {
    name: np.array([100 * table.groupby("split")[column].mean() for table in study.by_seed(name)])
    for name in study.baselines
}
reference, *others = study.baselines
variances = [
    (scores[name] - scores[reference]).var(axis=0, ddof=1) for name in others if len(scores[name]) > 1
]
measured = float(np.sqrt(np.mean(variances))) if variances else np.nan
deviation = measured if measured > 0 else 5.0
print(
    f"deviation between seeds: {deviation:.1f} points",
    "" if measured > 0 else "(assumed: one seed tells nothing of it)",
)
reanalysis(deviation)[["split", "baseline", "points", "problems", "seeds"]].round(1)
