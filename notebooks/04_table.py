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
# # 04 · The table, its intervals, and what could have been seen
#
# From kept rollouts to the paper's table, step by step; then the question a table cannot answer: how large would a difference have to be for this
# evaluation to show it? It opens the study in `results/` that was written last (`make reproduce` makes one); set `CORPO_STUDY` to a results folder to
# open another.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from corpo.utils.paths import ROOT
from scipy.stats import norm

from corpo.analysis.splits import PUBLISHED, TITLES, results_table
from corpo.analysis.study import newest_study, read_study
from corpo.evaluate.intervals import clustered_bootstrap, paired_difference
from corpo.evaluate.pass_at_k import pass_at_k
from corpo.report.figures import NAMES, colour, figure_style
from corpo.report.tables import wide_table

folder = Path(os.environ.get("CORPO_STUDY") or newest_study(ROOT / "results"))
study, examples = read_study(folder)
print(
    f"{folder.name}: {', '.join(run.name for run in study.runs)}; {study.base['prompt_id'].nunique()} prompts evaluated"
)

k = max(study.ks)

# %% [markdown]
# ## pass@k
# Of n rollouts c are correct; pass@k is the chance that k drawn without replacement hold a correct one: 1 − C(n−c, k) / C(n, k). For a policy that
# tosses a coin for each candidate pass@16 is 99%: mind pass@1 beside it.

# %%
print(
    {c: round(pass_at_k(32, c, 16), 3) for c in (0, 1, 2, 4, 8)},
    "of 32;  a coin's pass@16:",
    round(1 - 0.75**16, 3),
)

# %% [markdown]
# ## The table, from rollouts

# %%
table = results_table(study)
assert (
    table.round(4).to_csv(index=False) == (folder / "table.csv").read_text()
)  # what the report says is what the rollouts say
wide_table(table, 1)

# %%
wide_table(table, k)

# %% [markdown]
# ## Intervals
# A problem gives several prompts, and each pair comes twice. Its prompts succeed or fail together, so whole problems are drawn anew, not prompts.
# What that does to an interval:

# %%
rows = []
for split in study.splits:
    prompts = study.prompts(study.baselines[-1])
    mine = prompts[prompts["split"] == split]
    values = mine["pass@1"].to_list()
    clustered, alone = (
        clustered_bootstrap(values, mine["problem_id"].to_list()),
        clustered_bootstrap(values, range(len(values))),
    )
    rows.append(
        {
            "split": split,
            "prompts": len(mine),
            "problems": mine["problem_id"].nunique(),
            "pass@1": clustered.mean,
        }
    )
    rows[-1] |= {
        "half width, by problem": (clustered.high - clustered.low) / 2,
        "half width, by prompt": (alone.high - alone.low) / 2,
    }
pd.DataFrame(rows).set_index("split").round(3)

# %% [markdown]
# ## Differences to GRPO
# The same prompts for every policy, so differences are paired. Dots are single seeds: where they lie on both sides of zero, more rollouts do not
# help, more seeds would.

# %%
reference = "grpo" if "grpo" in study.baselines else study.baselines[0]
others = [name for name in study.baselines if name != reference]
base = study.prompts(reference).set_index("prompt_id")


def difference(name, split):
    """Points of pass@1 over the reference: mean, 95% interval over problems."""
    mine = base["split"] == split
    other = study.prompts(name).set_index("prompt_id").loc[base.index]
    return paired_difference(
        list(100 * other[mine]["pass@1"]), list(100 * base[mine]["pass@1"]), list(base[mine]["problem_id"])
    )[0]


def of_seed(run, split):
    other = next(one for one in study.of(reference) if one.seed == run.seed).rollouts
    return 100 * (
        run.rollouts.loc[run.rollouts["split"] == split, "correct"].mean()
        - other.loc[other["split"] == split, "correct"].mean()
    )


found = {(name, split): difference(name, split) for name in others for split in study.splits}
with figure_style():
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(study.splits) + 1))
    for offset, name in zip(np.linspace(-0.15, 0.15, len(others)), others, strict=True):
        for row, split in enumerate(study.splits):
            interval = found[name, split]
            label = NAMES.get(name, name) if row == 0 else None
            axes.plot(
                [interval.low, interval.high],
                [row + offset] * 2,
                color=colour(study, name),
                linewidth=2,
                label=label,
            )
            points = [of_seed(run, split) for run in study.of(name)]
            axes.plot(
                points,
                [row + offset] * len(points),
                "o",
                markersize=4,
                color=colour(study, name),
                markeredgecolor="white",
            )
    axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_yticks(range(len(study.splits)), [TITLES.get(split, split) for split in study.splits])
    axes.invert_yaxis()
    axes.set(
        xlabel=f"points of pass@1 over {NAMES.get(reference, reference)}",
        title="Bars: 95% interval over problems. Dots: seeds",
    )
    axes.legend()

# %% [markdown]
# ## Power
# The least difference that this evaluation would find, at 5% two-sided, four times out of five: 2.8 standard errors of the paired difference.
# Problems are one source of error, seeds another; the second counts only where there are at least two.

# %%
factor = norm.ppf(0.975) + norm.ppf(0.8)
rows = []
for (name, split), interval in found.items():
    problems = base[base["split"] == split]["problem_id"].nunique()
    over_problems = (interval.high - interval.low) / (2 * norm.ppf(0.975))
    seeds = [of_seed(run, split) for run in study.of(name)]
    over_seeds = np.std(seeds, ddof=1) / np.sqrt(len(seeds)) if len(seeds) > 1 else np.nan
    published = PUBLISHED.get(split)
    rows.append(
        {
            "split": split,
            "baseline": name,
            "problems": problems,
            "least difference, problems": factor * over_problems,
            "least difference, seeds": factor * over_seeds,
            "paper's difference, pass@16": published[name] - published[reference]
            if published and name in published and reference in published
            else np.nan,
            "problems for 5 points": np.ceil(problems * (factor * over_problems / 5) ** 2),
        }
    )
pd.DataFrame(rows).set_index(["split", "baseline"]).round(1)
