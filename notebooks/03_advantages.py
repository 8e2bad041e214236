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
# # 03 · Advantage signals, and the 18% figure
#
# GRPO's baseline is the mean of a group. With ordinal rewards that mean can lie below the reward of a failure: a failure that is *less bad than its
# group* is then rewarded. The paper counts 18% of failed rollouts in an early batch. Here is where that comes from, and what our batches say. It
# opens the study in `results/` that was written last (`make reproduce` makes one); set `CORPO_STUDY` to a results folder to open another.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from corpo.analysis.study import newest_study, read_study
from corpo.baselines import advantage_stats, advantages, register_baseline
from corpo.report.figures import NAMES, advantage_ratio, colour, failed_positive, figure_style
from corpo.task import OrdinalReward
from corpo.utils.paths import ROOT

folder = Path(os.environ.get("CORPO_STUDY") or newest_study(ROOT / "results"))
study, examples = read_study(folder)
print(
    f"{folder.name}: {', '.join(run.name for run in study.runs)}; {study.base['prompt_id'].nunique()} prompts evaluated"
)

# %% [markdown]
# ## One group, three baselines
# Eight rollouts of one prompt, all of them wrong, some less than others; R_min_correct is 0.2.

# %%
rewards_PG = torch.tensor([[-1.0, -1.0, -0.8, -0.8, -0.6, -0.4, -0.4, -0.2]], dtype=torch.float64)
group = {name: advantages(rewards_PG, name, threshold=0.2)[0].numpy() for name in ("grpo", "static", "corpo")}
pd.DataFrame({"reward": rewards_PG[0].numpy()} | group).style.format("{:+.2f}").map(
    lambda value: "color: #c44e52" if value > 0 else "", subset=["grpo"]
)

# %% [markdown]
# Four failures in GRPO's column are red: their probability is *raised*. Static and CoRPO lower all eight, the worse the more.
#
# Once the group's mean reaches R_min_correct, CoRPO turns to preference: its baseline becomes the mean, and a mere pass loses to a clear one. Static
# keeps praising it.

# %%
rewards_PG = torch.tensor([[-0.4, 0.2, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0]], dtype=torch.float64)
group = {name: advantages(rewards_PG, name, threshold=0.2)[0].numpy() for name in ("grpo", "static", "corpo")}
pd.DataFrame({"reward": rewards_PG[0].numpy()} | group).style.format("{:+.2f}")

# %% [markdown]
# ## How large should the flaw be?
# Draw groups from a policy with a given pass rate, failures and successes spread evenly over their levels, and count. With two levels (a binary
# reward) nothing can be less bad, and the flaw is gone whatever the pass rate. With ordinal levels it is largest where the policy mostly fails: early
# in training.

# %%
rates, rng = np.linspace(0.02, 0.98, 25), np.random.default_rng(0)
with figure_style():
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    for levels in (2, 4, 6, 10):
        reward = OrdinalReward(levels, threshold=0.1)
        shares = []
        for rate in rates:
            failures, successes = (
                rng.choice(values, (2000, 16)) for values in (reward.failures, reward.successes)
            )
            drawn_PG = torch.tensor(np.where(rng.random((2000, 16)) < rate, successes, failures))
            shares.append(
                advantage_stats(drawn_PG, advantages(drawn_PG, "grpo"), 0.1)["failed_positive_fraction"]
            )
        axes.plot(rates, shares, label=f"{levels} levels")
    axes.axhline(0.18, color="#333333", linewidth=0.8, linestyle=":", label="the paper's early batch")
    axes.set(
        xlabel="pass rate",
        ylabel="failed rollouts with A > 0",
        title="GRPO, groups of 16, levels drawn evenly",
    )
    axes.legend()

# %% [markdown]
# ## What this study's batches say

# %%
failed_positive(study)

# %%
early = {
    name: np.mean([run.metrics["failed_positive_fraction"].head(5).mean() for run in study.of(name)])
    for name in study.baselines
}
print(
    "failed rollouts with A > 0, first five steps:",
    ", ".join(f"{NAMES.get(name, name)} {share:.1%}" for name, share in early.items()),
    "(paper, GRPO: 18%)",
)

# %% [markdown]
# ## The same rollouts under another baseline
# Training runs drift apart, so their curves mix two things: the baseline, and the policies it made. The rewards of every batch are kept, so the
# baselines can be compared on *the same* rollouts: here those of the first run, step by step.

# %%
run = study.runs[0]
same = pd.DataFrame(
    [
        {"step": step, "baseline": name}
        | advantage_stats(rewards, advantages(rewards, name, threshold=study.threshold), study.threshold)
        for step, rewards in (
            (step, torch.tensor(rewards_PG)) for step, rewards_PG in sorted(run.rewards.items())
        )
        for name in ("grpo", "static", "corpo")
    ]
)
with figure_style():
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2))
    titles = {
        "failed_positive_fraction": "failed rollouts with A > 0",
        "count_ratio": "N⁺ / N⁻",
        "sum_ratio": "ΣA⁺ / Σ|A⁻|",
    }
    for one, (column, title) in zip(axes, titles.items(), strict=True):
        for name, mine in same.groupby("baseline", sort=False):
            one.plot(
                mine["step"],
                mine[column].rolling(5, min_periods=1, center=True).mean(),
                color=colour(study, name),
                label=NAMES[name],
            )
        one.set(title=title, xlabel="step")
    axes[0].legend()
    figure.suptitle(f"Rollouts of {run.name} under three baselines (5-step mean)", x=0.01, ha="left")
    figure.tight_layout()

# %% [markdown]
# ## The paper's figure: positive over negative signal
# Each baseline on the rollouts of its own policy:

# %%
advantage_ratio(study)

# %% [markdown]
# ## Your own baseline
# A function of rewards (prompts × group) and the threshold, in a file of yours; then `plugins=[mine]` and its name wherever `corpo` stands. Try one
# here first:


# %%
@register_baseline("median")
def median(rewards_PG, threshold):
    return rewards_PG - rewards_PG.median(dim=1, keepdim=True).values.clamp(min=threshold)


rewards_PG = torch.tensor(run.rewards[min(run.rewards)])
pd.DataFrame(
    {
        name: advantage_stats(
            rewards_PG, advantages(rewards_PG, name, threshold=study.threshold), study.threshold
        )
        for name in ("grpo", "corpo", "median")
    }
).round(3)
