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
# # 04 · The results table, its intervals and its power
#
# This notebook computes the table of the paper from the rollouts. It then answers a question that the table
# does not answer: how large must a difference be for this evaluation to detect it? It opens the study in
# `results/` that was written last (`make reproduce` makes one); set `CORPO_STUDY` to the folder of another
# study.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm

from corpo.analysis.splits import PUBLISHED, TITLES, results_table
from corpo.analysis.study import read_study, study_folder
from corpo.evaluate.intervals import clustered_bootstrap, paired_difference
from corpo.evaluate.pass_at_k import pass_at_k
from corpo.report.figures import colour, figure_style, label_of
from corpo.report.tables import wide_table

folder = study_folder()
study, examples = read_study(folder)
print(f"{folder.name}: {', '.join(run.name for run in study.runs)}")
print(f"{study.base['prompt_id'].nunique()} prompts evaluated")

k = max(study.ks)

# %% [markdown]
# ## pass@k
# Of n rollouts c are correct. pass@k is the probability that at least one of k rollouts, drawn without
# replacement, is correct: 1 − C(n−c, k) / C(n, k). A policy that guesses each candidate independently has a
# pass@16 of 99%, so pass@16 must be read together with pass@1.

# %%
print({c: round(pass_at_k(32, c, 16), 3) for c in (0, 1, 2, 4, 8)}, "for c correct rollouts of 32")
print("pass@16 of a random guess:", round(1 - 0.75**16, 3))

# %% [markdown]
# ## The table

# %%
table = results_table(study)
written = folder / "table.csv"  # derived from the records, so it is not committed
if written.exists():
    assert table.round(4).to_csv(index=False) == written.read_text()
wide_table(table, 1)

# %%
wide_table(table, k)

# %% [markdown]
# ## Intervals
# A problem has several prompts, and each pair comes in two orders. The prompts of a problem succeed or fail
# together, so the bootstrap resamples whole problems and not prompts. The table compares both:

# %%
prompts = study.prompts(study.baselines[-1])
rows = []
for split in study.splits:
    in_split = prompts[prompts["split"] == split]
    values = in_split["pass@1"].to_list()
    by_problem = clustered_bootstrap(values, in_split["problem_id"].to_list())
    by_prompt = clustered_bootstrap(values, range(len(values)))
    rows.append(
        {
            "split": split,
            "prompts": len(in_split),
            "problems": in_split["problem_id"].nunique(),
            "pass@1": by_problem.mean,
            "half width, by problem": (by_problem.high - by_problem.low) / 2,
            "half width, by prompt": (by_prompt.high - by_prompt.low) / 2,
        }
    )
pd.DataFrame(rows).set_index("split").round(3)

# %% [markdown]
# ## Differences from GRPO
# All policies are evaluated on the same prompts, so differences are paired. Dots are single seeds. If they
# are on both sides of zero, more seeds are needed and more rollouts do not help.

# %%
reference = "grpo" if "grpo" in study.baselines else study.baselines[0]
others = [name for name in study.baselines if name != reference]
reference_prompts = study.prompts(reference).set_index("prompt_id")


def difference(name, split):
    """Return the points of pass@1 over the reference with their 95% interval over problems."""
    in_split = reference_prompts["split"] == split
    other = study.prompts(name).set_index("prompt_id").loc[reference_prompts.index]
    interval, _ = paired_difference(
        list(100 * other[in_split]["pass@1"]),
        list(100 * reference_prompts[in_split]["pass@1"]),
        list(reference_prompts[in_split]["problem_id"]),
    )
    return interval


def differences_by_seed(name, split):
    """Return the points of pass@1 over the reference for each seed."""
    points = []
    for run, reference_run in zip(study.of(name), study.of(reference), strict=True):
        means = []
        for rollouts in (run.rollouts, reference_run.rollouts):
            means.append(rollouts.loc[rollouts["split"] == split, "correct"].mean())
        points.append(100 * (means[0] - means[1]))
    return points


intervals = {}
for name in others:
    for split in study.splits:
        intervals[name, split] = difference(name, split)
with figure_style():
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(study.splits) + 1))
    for shift, name in zip(np.linspace(-0.15, 0.15, len(others)), others, strict=True):
        shade = colour(study, name)
        for row, split in enumerate(study.splits):
            interval = intervals[name, split]
            label = label_of(name) if row == 0 else None
            axes.hlines(row + shift, interval.low, interval.high, color=shade, linewidth=2, label=label)
            points = differences_by_seed(name, split)
            positions = [row + shift] * len(points)
            axes.plot(points, positions, "o", markersize=4, color=shade, markeredgecolor="white")
    axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_yticks(range(len(study.splits)), [TITLES.get(split, split) for split in study.splits])
    axes.invert_yaxis()
    title = "Bars: 95% interval over problems. Dots: seeds"
    axes.set(xlabel=f"points of pass@1 over {label_of(reference)}", title=title)
    axes.legend()

# %% [markdown]
# ## Power
# The detectable difference is the smallest one that a two-sided test at 5% finds with a power of 80%: 2.8
# standard errors of the paired difference. Problems are one source of error, seeds are another. The second
# one needs at least two seeds.

# %%
factor = norm.ppf(0.975) + norm.ppf(0.8)
rows = []
for (name, split), interval in intervals.items():
    problems = reference_prompts[reference_prompts["split"] == split]["problem_id"].nunique()
    error_over_problems = (interval.high - interval.low) / (2 * norm.ppf(0.975))
    points = differences_by_seed(name, split)
    error_over_seeds = np.std(points, ddof=1) / np.sqrt(len(points)) if len(points) > 1 else np.nan
    published = PUBLISHED.get(split, {})
    rows.append(
        {
            "split": split,
            "baseline": name,
            "problems": problems,
            "detectable, problems": factor * error_over_problems,
            "detectable, seeds": factor * error_over_seeds,
            "paper's difference, pass@16": published.get(name, np.nan) - published.get(reference, np.nan),
            "problems for 5 points": np.ceil(problems * (factor * error_over_problems / 5) ** 2),
        }
    )
pd.DataFrame(rows).set_index(["split", "baseline"]).round(1)
