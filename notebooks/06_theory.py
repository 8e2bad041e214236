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
# # 06 · The theory of rewarded failures, and its predictions
#
# The page on theory in the documentation derives how often GRPO rewards a failure, when CoRPO switches, and
# how a baseline changes the expected gradient. This notebook uses the same functions, and compares the
# batches of a study with their predictions. It opens the study in `results/` that was written last (`make
# reproduce` makes one); set `CORPO_STUDY` to the folder of another study.

# %%
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from corpo.analysis.study import read_study, study_folder
from corpo.analysis.theory import (
    Variation,
    as_floats,
    effective_reward,
    expected_advantage_stats,
    joint,
    make_levels,
    pass_rate_with_mean,
    pooled,
    predictions,
    spread,
)
from corpo.report.figures import colour, figure_style, label_of, predicted_failed_positive
from corpo.task import OrdinalReward

folder = study_folder()
study, examples = read_study(folder)
print(f"{folder.name}: {', '.join(run.name for run in study.runs)}")

# %% [markdown]
# ## A small case, exactly
# There are three levels of failure and one of success, and groups of two. A failure is rewarded if the
# other rollout failed with a lower reward: (1 − p)(1 − Σf²) / 2.

# %%
rewards = [-1.0, -0.6, -0.2, 0.4]
probabilities = [Fraction(3, 10), Fraction(1, 10), Fraction(2, 5), Fraction(1, 5)]
levels = make_levels(rewards, probabilities, threshold=0.2)
sums_U, joint_LU = joint(levels, 2)
is_rewarded_LU = (levels.steps_L[:, None] > sums_U) & levels.failed_L[:, None]
share = joint_LU[is_rewarded_LU].sum() / Fraction(4, 5)
failure_shares = [Fraction(3, 8), Fraction(1, 8), Fraction(1, 2)]
formula = Fraction(4, 5) * (1 - sum(f * f for f in failure_shares)) / 2
print("share of failures rewarded:", share, "=", formula)

# %% [markdown]
# ## The effective reward
# The expected gradient with a baseline is that of E[A | R = v] as a reward, and only differences between
# levels matter. All five lines rise with a slope of 1 or, for the two baselines that contain the rollout
# itself, between 1 − 1/G and 1. In expectation these methods follow nearly the same gradient. They differ
# in the height of the line, which is the mean advantage.

# %%
ten_levels = OrdinalReward(10)
values = [*ten_levels.failures, *ten_levels.successes]


def evenly_spread(pass_rate):
    """Return failures and successes spread evenly over ten levels."""
    return spread(ten_levels.failures, ten_levels.successes, pass_rate, 0.0)


with figure_style():
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
    for panel, rate in zip(axes, (0.2, 0.6), strict=True):
        for name in ("grpo", "rloo", "static", "corpo", "corpo_loo"):
            panel.plot(values, effective_reward(evenly_spread(rate), name, 4), ".-", label=label_of(name))
        panel.axhline(0, color="#333333", linewidth=0.8)
        panel.axvline(0, color="#333333", linewidth=0.8, linestyle=":")
        panel.set(title=f"pass rate {rate:.0%}, G = 4", xlabel="reward")
    axes[0].set_ylabel("E[A | reward]")
    axes[0].legend()

# %% [markdown]
# ## Prompts with different pass rates
# The pooled shares are the same, but the pass rates of prompts are similar (large concentration) or
# different. Failures come from hard prompts, whose mean is low. The more the prompts differ, the more
# failures are rewarded, and the less the overall pass rate says about it.

# %%
concentrations = np.geomspace(0.3, 300, 25)
with figure_style():
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    for index, rate in enumerate((0.1, 0.3, 0.5, 0.7)):
        levels = evenly_spread(rate)
        shares = []
        for concentration in concentrations:
            variation = Variation(concentration, 1e4, 1e4)
            shares.append(expected_advantage_stats(levels, "grpo", 16, variation)["failed_positive_fraction"])
        axes.plot(concentrations, shares, color=f"C{index}", label=f"pass rate {rate:.0%}")
        if_alike = expected_advantage_stats(levels, "grpo", 16)["failed_positive_fraction"]
        axes.axhline(if_alike, color=f"C{index}", linewidth=0.8, linestyle=":")
    xlabel = "concentration of the pass rate (dotted: prompts alike)"
    axes.set(xscale="log", xlabel=xlabel, ylabel="failures rewarded", title="GRPO, 10 levels, G = 16")
    axes.legend()

# %% [markdown]
# ## Predicted and measured
# The predictions use the frequency of each level in a batch, and three fitted numbers for the variation
# between prompts.

# %%
predicted_failed_positive(study)

# %%
rows = []
for run in study.runs:
    batches = [batch for batch in predictions(run.rewards, study.threshold) if not np.isnan(batch.measured)]
    rows.append(
        {
            "run": run.name,
            "measured": np.mean([batch.measured for batch in batches]),
            "predicted, prompts differ": np.mean([batch.if_prompts_vary for batch in batches]),
            "predicted, prompts alike": np.mean([batch.if_prompts_equal for batch in batches]),
            "concentration of the pass rate": np.median([batch.variation.pass_rate for batch in batches]),
            "inside 95%": np.mean([batch.low <= batch.measured <= batch.high for batch in batches]),
        }
    )
pd.DataFrame(rows).set_index("run").round(3)

# %% [markdown]
# ## From correctness to preference
# The pass rate at which CoRPO would switch, for the levels of each batch, and the pass rate of the policy.

# %%
run = next((run for run in study.runs if run.baseline == "corpo"), study.runs[0])
steps, pass_rates, switches = [], [], []
for step, rewards_PG in sorted(run.rewards.items()):
    is_failed_PG = rewards_PG < study.threshold
    if is_failed_PG.any() and not is_failed_PG.all():
        levels = as_floats(pooled(rewards_PG, study.threshold))
        steps.append(step)
        pass_rates.append(float(levels.pass_rate))
        switches.append(pass_rate_with_mean(levels, study.threshold))
with figure_style():
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    axes.plot(steps, pass_rates, color=colour(study, run.baseline), label="pass rate")
    axes.plot(steps, switches, "--", color="#333333", label="CoRPO's switch")
    axes.set(xlabel="step", ylim=(0, 1), title=f"{run.name}: preference-seeking above the dashed line")
    axes.legend()
