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
# # 02 · Rollouts before and after training
#
# This notebook shows the verdicts of a policy, its confidence, and how training with each baseline changes
# them. It opens the study in `results/` that was written last (`make reproduce` makes one); set
# `CORPO_STUDY` to the folder of another study.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from corpo.analysis.splits import TITLES
from corpo.analysis.study import read_study, study_folder
from corpo.report.figures import (
    calibration,
    colour,
    distributions,
    figure_style,
    label_of,
    learning_curves,
    score_maps,
)

folder = study_folder()
study, examples = read_study(folder)
print(f"{folder.name}: {', '.join(run.name for run in study.runs)}")
print(f"{study.base['prompt_id'].nunique()} prompts evaluated")

policies = {"base": pd.concat(study.bases.values())}
for name in study.baselines:
    policies[name] = pd.concat([run.rollouts for run in study.of(name)])


# %% [markdown]
# ## Training

# %%
learning_curves(study)

# %% [markdown]
# Rewards and advantages of the training rollouts in the first and the last batches:

# %%
distributions(study)

# %% [markdown]
# ## Rewards on each split
# Each line shows the share of a policy's rollouts with at least a given reward. Its value at the dashed line,
# R_min_correct, is pass@1.

# %%
levels = np.sort(np.unique(np.concatenate([rollouts["reward"] for rollouts in policies.values()])))
num_columns = int(np.ceil(len(study.splits) / 2))
with figure_style():
    figure, axes = plt.subplots(2, num_columns, figsize=(13, 5.4), sharex=True, sharey=True)
    for panel, split in zip(axes.flat, study.splits, strict=False):
        for name, rollouts in policies.items():
            rewards = rollouts.loc[rollouts["split"] == split, "reward"]
            shares = [(rewards >= level).mean() for level in levels]
            panel.step(levels, shares, where="pre", color=colour(study, name), label=label_of(name))
        panel.axvline(study.threshold, color="#333333", linestyle="--", linewidth=0.8)
        panel.set(title=TITLES.get(split, split), ylim=(0, 1.02))
    for panel in axes[-1]:
        panel.set_xlabel("reward")
    for panel in axes[:, 0]:
        panel.set_ylabel("share at least")
    axes.flat[0].legend()
    figure.tight_layout()

# %% [markdown]
# ## Both scores at once
# The corners are the four confident verdicts, and a frame marks the correct ones. Training on pairs with
# exactly one correct program moves rollouts into two of the corners. On pairs with two correct or two wrong
# programs these two verdicts are wrong.

# %%
score_maps(study)

# %% [markdown]
# The share of verdicts that call exactly one candidate correct, and the share of responses without a verdict:

# %%
rows = []
for name, rollouts in policies.items():
    print(f"{label_of(name)}: no verdict in {1 - rollouts['parsed'].mean():.1%} of rollouts")
    for split, in_split in rollouts[rollouts["parsed"]].groupby("split", sort=False):
        exactly_one = (in_split["score_a"] > 5) != (in_split["score_b"] > 5)
        rows.append({"split": split, "policy": label_of(name), "exactly one": exactly_one.mean()})
order = [label_of(name) for name in policies]
table = pd.DataFrame(rows, columns=["split", "policy", "exactly one"])  # without rows if nothing was parsed
shares = table.pivot(index="split", columns="policy", values="exactly one")
shares.reindex(index=study.splits, columns=order).style.format("{:.0%}")

# %% [markdown]
# The calibration of the scores:

# %%
calibration(study)

# %% [markdown]
# ## Rollouts to read
# The results folder has whole responses to some prompts. The page `report.html` shows all of them. Change
# `number` or the split.

# %%
by_split = {split: [] for split in study.splits}
for example in examples:
    by_split.setdefault(example["split"], []).append(example)


def show(split, number=0, num_rollouts=2):
    """Display a prompt with its two candidates and the responses of each policy."""
    example = by_split[split][number]
    parts = [f"### {TITLES.get(split, split)}\n{example['statement']}"]
    for name, candidate in zip("AB", example["candidates"], strict=True):
        label = "correct"
        if not candidate["correct"]:
            label = f"wrong, line {candidate['line']}: `{candidate['evidence']}`"
        parts.append(f"**{name}** ({label})\n```python\n{candidate['text']}\n```")
    for policy in example["policies"]:
        for rollout in policy["rollouts"][:num_rollouts]:
            outcome = "correct" if rollout["correct"] else "failed"
            signals = ", ".join(f"{name} {value:+.2f}" for name, value in rollout["advantages"].items())
            title = (
                f"**{policy['name']}** · {outcome}, reward {rollout['reward']:+.2f} · advantage: {signals}"
            )
            parts.append(f"{title}\n```text\n{rollout['response']}\n```")
    display(Markdown("\n\n".join(parts)))


show(study.splits[0], number=0)
