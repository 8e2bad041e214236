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
# # 06 · What can be computed of the flaw, and does it match?
#
# `docs/theory.md` derives how often GRPO rewards a failure, when CoRPO switches, and what a baseline does to the expected gradient. Here are the same
# functions to play with, and a study's own batches beside their predictions. It opens the study in `results/` that was written last (`make reproduce`
# makes one); set `CORPO_STUDY` to a results folder to open another.

# %%
import os
from fractions import Fraction
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from corpo.analysis.study import newest_study, read_study
from corpo.analysis.theory import (
    Variation,
    as_floats,
    effective_reward,
    expected_signal,
    joint,
    make_levels,
    pass_rate_with_mean,
    pooled,
    predictions,
    spread,
)
from corpo.report.figures import NAMES, colour, figure_style, predicted_failed_positive
from corpo.task import OrdinalReward
from corpo.utils.paths import ROOT

folder = Path(os.environ.get("CORPO_STUDY") or newest_study(ROOT / "results"))
study, examples = read_study(folder)
print(f"{folder.name}: {', '.join(run.name for run in study.runs)}")

# %% [markdown]
# ## A small case, exactly
# Three levels of failure and one of success, groups of two. A failure is rewarded when the other rollout failed lower: (1 − p)(1 − Σf²) / 2.

# %%
levels = make_levels(
    [-1.0, -0.6, -0.2, 0.4], [Fraction(3, 10), Fraction(1, 10), Fraction(2, 5), Fraction(1, 5)], threshold=0.2
)
sums, probabilities = joint(levels, 2)
rewarded = probabilities[(levels.steps_L[:, None] > sums) & levels.failed_L[:, None]].sum()
shares = [Fraction(3, 8), Fraction(1, 8), Fraction(1, 2)]
print(
    "share of failures rewarded:",
    rewarded / Fraction(4, 5),
    "=",
    Fraction(4, 5) * (1 - sum(f * f for f in shares)) / 2,
)

# %% [markdown]
# ## The effective reward
# The expected gradient under a baseline is that of E[A | R = v] as a reward; only its differences between levels count. All five rise with a slope
# of 1 or, for the two that contain the rollout itself, between 1 − 1/G and 1: in expectation these methods follow nearly one gradient. What
# differs is the height of the line, the mean advantage.

# %%
ten = OrdinalReward(10)
values = [*ten.failures, *ten.successes]
with figure_style():
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
    for one, rate in zip(axes, (0.2, 0.6), strict=True):
        for name in ("grpo", "rloo", "static", "corpo", "corpo_loo"):
            one.plot(
                values,
                effective_reward(spread(ten.failures, ten.successes, rate, 0.0), name, 4),
                ".-",
                label=NAMES.get(name, name),
            )
        one.axhline(0, color="#333333", linewidth=0.8)
        one.axvline(0, color="#333333", linewidth=0.8, linestyle=":")
        one.set(title=f"pass rate {rate:.0%}, G = 4", xlabel="reward")
    axes[0].set_ylabel("E[A | reward]")
    axes[0].legend()

# %% [markdown]
# ## Prompts that differ in their pass rate
# The same pooled shares, over prompts whose pass rates are alike (large concentration) or not. Failures come from the hard prompts, and there the mean
# lies low: the more prompts differ, the more failures are rewarded, and the less the overall pass rate says.

# %%
concentrations = np.geomspace(0.3, 300, 25)
with figure_style():
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    for rate in (0.1, 0.3, 0.5, 0.7):
        some = spread(ten.failures, ten.successes, rate, 0.0)
        line = axes.plot(
            concentrations,
            [
                expected_signal(some, "grpo", 16, Variation(c, 1e4, 1e4))["failed_positive_fraction"]
                for c in concentrations
            ],
            label=f"pass rate {rate:.0%}",
        )
        axes.axhline(
            expected_signal(some, "grpo", 16)["failed_positive_fraction"],
            color=line[0].get_color(),
            linewidth=0.8,
            linestyle=":",
        )
    axes.set(
        xscale="log",
        xlabel="concentration of the pass rate (dotted: prompts alike)",
        ylabel="failures rewarded",
        title="GRPO, 10 levels, G = 16",
    )
    axes.legend()

# %% [markdown]
# ## Predicted against measured
# From how often each level occurs in a batch, and three fitted numbers for how much its prompts differ.

# %%
predicted_failed_positive(study)

# %%
rows = []
for run in study.runs:
    found = [one for one in predictions(run.rewards, study.threshold) if not np.isnan(one.measured)]
    row = {"run": run.name} | {
        what: np.mean([getattr(one, what) for one in found]) for what in ("measured", "varied", "alike")
    }
    row |= {"concentration of the pass rate": np.median([one.variation.pass_rate for one in found])}
    rows.append(row | {"inside 95%": np.mean([one.low <= one.measured <= one.high for one in found])})
pd.DataFrame(rows).set_index("run").round(3)

# %% [markdown]
# ## Where is this policy on its way from correctness to preference?
# The pass rate at which CoRPO would switch, for the levels that each step's batch uses, beside the pass rate it has.

# %%
run = next((one for one in study.runs if one.baseline == "corpo"), study.runs[0])
steps = sorted(
    step
    for step, rewards in run.rewards.items()
    if (rewards < study.threshold).any() and (rewards >= study.threshold).any()
)
batches = [as_floats(pooled(run.rewards[step], study.threshold)) for step in steps]
with figure_style():
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    axes.plot(
        steps, [float(one.pass_rate) for one in batches], color=colour(study, run.baseline), label="pass rate"
    )
    axes.plot(
        steps,
        [pass_rate_with_mean(one, study.threshold) for one in batches],
        "--",
        color="#333333",
        label="CoRPO's switch",
    )
    axes.set(xlabel="step", ylim=(0, 1), title=f"{run.name}: preference-seeking above the dashed line")
    axes.legend()
