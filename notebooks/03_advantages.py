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
# # 03 · Advantages, and the failures that GRPO rewards
#
# GRPO's baseline is the mean of a group. With ordinal rewards that mean can be below the reward of a
# failure. Such a failure, which is *less bad than its group*, is then rewarded. The paper finds this for
# 18% of the failed rollouts in an early batch. This notebook shows why it happens and how often it happens
# in our batches. It opens the study in `results/` that was written last (`make reproduce` makes one); set
# `CORPO_STUDY` to the folder of another study.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from corpo.analysis.runs import rewarded_failures
from corpo.analysis.study import read_study, study_folder
from corpo.baselines import advantage_stats, advantages, register_baseline
from corpo.report.figures import advantage_ratio, colour, failed_positive, figure_style, label_of
from corpo.task import OrdinalReward

folder = study_folder()
study, examples = read_study(folder)
print(f"{folder.name}: {', '.join(run.name for run in study.runs)}")

# %% [markdown]
# ## One group, three baselines
# Eight rollouts of one prompt fail, some more clearly than others. R_min_correct is 0.2.

# %%
BASELINES = ("grpo", "static", "corpo")


def advantage_table(rewards_PG, threshold):
    """Return the rewards of one group and its advantages under three baselines."""
    columns = {"reward": rewards_PG[0].numpy()}
    for name in BASELINES:
        columns[name] = advantages(rewards_PG, name, threshold=threshold)[0].numpy()
    return pd.DataFrame(columns).style.format("{:+.2f}")


def red_if_positive(value):
    """Return the style of a cell."""
    return "color: #c44e52" if value > 0 else ""


rewards_PG = torch.tensor([[-1.0, -1.0, -0.8, -0.8, -0.6, -0.4, -0.4, -0.2]], dtype=torch.float64)
advantage_table(rewards_PG, threshold=0.2).map(red_if_positive, subset=["grpo"])

# %% [markdown]
# Four failures in the column of GRPO are red: training *raises* their probability. Static and CoRPO lower the
# probability of all eight, of clear failures the most.
#
# Once the mean of the group reaches R_min_correct, CoRPO switches to preference. Its baseline is then the
# mean, and a marginal success gets a negative advantage. Static still rewards every success.

# %%
rewards_PG = torch.tensor([[-0.4, 0.2, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0]], dtype=torch.float64)
advantage_table(rewards_PG, threshold=0.2)

# %% [markdown]
# ## The expected share of rewarded failures
# We draw groups from a policy with a given pass rate, with failures and successes spread evenly over their
# levels. With two levels, a binary reward, no failure is less bad than another, and none is rewarded. With
# ordinal levels the share is largest at low pass rates, which means early in training.

# %%
rng = np.random.default_rng(0)


def rewarded_share(reward, pass_rate, num_groups=2000, group_size=16):
    """Return the share of failed rollouts with a positive advantage under GRPO in random groups."""
    size = (num_groups, group_size)
    failures, successes = rng.choice(reward.failures, size), rng.choice(reward.successes, size)
    rewards_PG = torch.tensor(np.where(rng.random(size) < pass_rate, successes, failures))
    stats = advantage_stats(rewards_PG, advantages(rewards_PG, "grpo"), reward.threshold)
    return stats["failed_positive_fraction"]


rates = np.linspace(0.02, 0.98, 25)
with figure_style():
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    for levels in (2, 4, 6, 10):
        reward = OrdinalReward(levels, threshold=0.1)
        axes.plot(rates, [rewarded_share(reward, rate) for rate in rates], label=f"{levels} levels")
    axes.axhline(0.18, color="#333333", linewidth=0.8, linestyle=":", label="the paper's early batch")
    title = "GRPO, groups of 16, levels drawn evenly"
    axes.set(xlabel="pass rate", ylabel="failed rollouts with A > 0", title=title)
    axes.legend()

# %% [markdown]
# ## The batches of this study

# %%
failed_positive(study)

# %%
print("failed rollouts with A > 0, all failures of the first five steps together (paper, GRPO: 18%):")
for name in study.baselines:
    print(f"{label_of(name)}: {rewarded_failures(study, name, late=False).mean():.1%} (mean of the seeds)")

# %% [markdown]
# ## The same rollouts with other baselines
# Training runs diverge, so their curves depend on two things: the baseline, and the policy that it has
# produced. The records have the rewards of every batch, so that baselines can be compared on *the same*
# rollouts. Here they are compared on those of the first run, step by step.

# %%
run = study.runs[0]
rows = []
for step, rewards in sorted(run.rewards.items()):
    rewards_PG = torch.tensor(rewards)
    for name in BASELINES:
        advantages_PG = advantages(rewards_PG, name, threshold=study.threshold)
        stats = advantage_stats(rewards_PG, advantages_PG, study.threshold)
        rows.append({"step": step, "baseline": name, **stats})
by_baseline = pd.DataFrame(rows).groupby("baseline", sort=False)
titles = {
    "failed_positive_fraction": "failed rollouts with A > 0",
    "count_ratio": "N⁺ / N⁻",
    "sum_ratio": "ΣA⁺ / Σ|A⁻|",
}
with figure_style():
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2))
    for panel, (column, title) in zip(axes, titles.items(), strict=True):
        for name, table in by_baseline:
            smoothed = table[column].rolling(5, min_periods=1, center=True).mean()
            panel.plot(table["step"], smoothed, color=colour(study, name), label=label_of(name))
        panel.set(title=title, xlabel="step")
    axes[0].legend()
    figure.suptitle(f"Rollouts of {run.name} under three baselines (5-step mean)", x=0.01, ha="left")
    figure.tight_layout()

# %% [markdown]
# ## The figure of the paper: positive over negative advantages
# Each baseline on the rollouts of its own policy:

# %%
advantage_ratio(study)

# %% [markdown]
# ## Your own baseline
# A baseline is a function of the rewards (P, G) and the threshold. Put it into a module, load the module with
# `plugins=[my_module]`, and use its name like that of `corpo`. It can also be tried here:


# %%
@register_baseline("median")
def median(rewards_PG, threshold):
    """Return advantages relative to the median of the group, which is at least the threshold."""
    return rewards_PG - rewards_PG.median(dim=1, keepdim=True).values.clamp(min=threshold)


rewards_PG = torch.tensor(run.rewards[min(run.rewards)])
columns = {}
for name in ("grpo", "corpo", "median"):
    advantages_PG = advantages(rewards_PG, name, threshold=study.threshold)
    columns[name] = advantage_stats(rewards_PG, advantages_PG, study.threshold)
pd.DataFrame(columns).round(3)
