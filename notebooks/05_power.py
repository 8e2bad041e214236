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
# # 05 · What the published table can show
#
# The paper gives percentages without sizes and intervals. This notebook infers the counts, tests the
# differences, and computes how many problems and seeds would be needed to confirm each difference. Notebook
# 04 does the same for *our* evaluation.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from corpo.analysis.published import (
    OTHERS,
    by_size,
    possible_sizes,
    power_of,
    published_rows,
    reanalysis,
)
from corpo.analysis.splits import PUBLISHED, TITLES
from corpo.analysis.study import read_study, study_folder
from corpo.report.figures import figure_style, label_of
from corpo.report.figures.published import published_intervals

# %% [markdown]
# ## Sizes
# 50.0, 64.0 and 56.0% are whole counts of 50 problems, and of no smaller number. The possible sizes of each
# row:

# %%
sizes = {}
for split, percentages in PUBLISHED.items():
    sizes[TITLES[split]] = possible_sizes(list(percentages.values()), 250)
pd.Series(sizes, name="possible sizes").to_frame()

# %% [markdown]
# The size of *both correct* depends on a tie: 48 problems are possible only if 45 of 48, 93.75%, was
# printed as 93.7. If ties are rounded up, the smallest size is

# %%
possible_sizes(list(PUBLISHED["code_both_correct"].values()), 500, ties=False)[0]

# %% [markdown]
# ## Intervals and tests at the smallest sizes

# %%
published_intervals()

# %%
reanalysis().drop(columns="problems").round(2)

# %% [markdown]
# ## Larger sizes
# The same percentages of more problems are more certain. The p values of all differences from GRPO at every
# possible size up to 400:

# %%
p_values = by_size()
with figure_style():
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    for index, (split, in_split) in enumerate(p_values.groupby("split", sort=False)):
        for name, line_style in zip(OTHERS, ("--", "-"), strict=True):
            rows = in_split[in_split["baseline"] == name]
            label = TITLES[split] if line_style == "-" else None
            axes.plot(
                rows["size"],
                rows["p"],
                line_style,
                marker=".",
                markersize=3,
                linewidth=1,
                color=f"C{index}",
                label=label,
            )
    axes.axhline(0.05, color="#333333", linewidth=0.8, linestyle=":")
    title = "CoRPO (solid) and static (dashed) against GRPO, uncorrected"
    axes.set(yscale="log", xlabel="problems in the split", ylabel="p, two-sided Fisher", title=title)
    axes.legend(fontsize=7, loc="lower left")

# %% [markdown]
# ## Problems
# The power to detect a difference as large as the printed one, by the number of problems per method.

# %%
problems = np.unique(np.geomspace(20, 20_000, 60).astype(int))
with figure_style():
    figure, axes = plt.subplots(figsize=(7.5, 3.6))
    for row in published_rows():
        grpo, corpo = (row.counts[name] / row.size for name in ("grpo", "corpo"))
        if grpo != corpo:
            power = [power_of(grpo, corpo, n) for n in problems]
            axes.plot(problems, power, label=f"{TITLES[row.split]}: {row.points('corpo'):+.1f}")
    axes.axhline(0.8, color="#333333", linewidth=0.8, linestyle=":")
    title = f"{label_of('corpo')} against GRPO, points of pass@16 as published"
    axes.set(xscale="log", xlabel="problems per method", ylabel="power", title=title)
    axes.legend(fontsize=7, loc="upper left")

# %% [markdown]
# ## Seeds
# Problems are one source of error, training runs are another. The paper does not give the variation between
# seeds. The newest study here gives it at our scale: the standard deviation over seeds of the difference
# between two baselines in pass@16 on one split, as the root mean square over baselines and splits. The last
# column is the number of seeds for a power of 80% of a paired t test if the paper's runs vary as much.

# %%
study, _ = read_study(study_folder())
column = f"pass@{max(study.ks)}"
scores = {}
for name in study.baselines:
    by_seed = [100 * table.groupby("split")[column].mean() for table in study.by_seed(name)]
    scores[name] = np.array(by_seed)
reference, *others = study.baselines
variances = []
for name in others:
    if len(scores[name]) > 1:
        variances.append((scores[name] - scores[reference]).var(axis=0, ddof=1))
measured = float(np.sqrt(np.mean(variances))) if variances else np.nan
deviation = measured if measured > 0 else 5.0
note = "" if measured > 0 else "(assumed, because one seed is not enough)"
print(f"deviation between seeds: {deviation:.1f} points", note)
reanalysis(deviation)[["split", "baseline", "points", "problems", "seeds"]].round(1)
