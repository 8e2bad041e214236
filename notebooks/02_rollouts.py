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
# # 02 · Rollouts, before and after training
#
# What a policy says, how sure it is, and what training under each baseline makes of that. It opens the study in `results/` that was written last
# (`make reproduce` makes one); set `CORPO_STUDY` to a results folder to open another.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from corpo.utils.paths import ROOT
from IPython.display import Markdown, display

from corpo.analysis.splits import TITLES
from corpo.analysis.study import newest_study, read_study
from corpo.report.figures import NAMES, calibration, colour, distributions, figure_style, learning_curves

folder = Path(os.environ.get("CORPO_STUDY") or newest_study(ROOT / "results"))
study, examples = read_study(folder)
print(
    f"{folder.name}: {', '.join(run.name for run in study.runs)}; {study.base['prompt_id'].nunique()} prompts evaluated"
)

policies = {"base": pd.concat(study.bases.values())} | {
    name: pd.concat([run.rollouts for run in study.of(name)]) for name in study.baselines
}


# %% [markdown]
# ## How training went

# %%
learning_curves(study)

# %% [markdown]
# Rewards and advantages of the training rollouts, first and last batches:

# %%
distributions(study)

# %% [markdown]
# ## Where rewards lie, split by split
# One line a policy: the share of its rollouts that get at least a reward. Read at the dashed line, R_min_correct, it is pass@1.

# %%
levels = np.sort(np.unique(np.concatenate([rollouts["reward"] for rollouts in policies.values()])))
with figure_style():
    figure, axes = plt.subplots(
        2, int(np.ceil(len(study.splits) / 2)), figsize=(13, 5.4), sharex=True, sharey=True
    )
    for one, split in zip(axes.flat, study.splits, strict=False):
        for name, rollouts in policies.items():
            rewards = rollouts.loc[rollouts["split"] == split, "reward"]
            one.step(
                levels,
                [(rewards >= level).mean() for level in levels],
                where="pre",
                color=colour(study, name),
                label=NAMES.get(name, name),
            )
        one.axvline(study.threshold, color="#333333", linestyle="--", linewidth=0.8)
        one.set(title=TITLES.get(split, split), ylim=(0, 1.02))
    for one in axes[-1]:
        one.set_xlabel("reward")
    for one in axes[:, 0]:
        one.set_ylabel("share at least")
    axes.flat[0].legend()
    figure.tight_layout()

# %% [markdown]
# ## What they say: both scores at once
# The corners are the four confident verdicts. Training on pairs with exactly one correct program pulls rollouts into two of them; on *both correct*
# and *both wrong* those two are the wrong ones.

# %%
shown = [
    split
    for split in ("code_first_correct", "code_second_correct", "code_both_correct", "code_both_wrong")
    if split in study.splits
] or study.splits[:4]
edges = np.arange(-0.5, 11)
with figure_style():
    figure, axes = plt.subplots(
        len(policies),
        len(shown),
        figsize=(2.5 * len(shown), 2.4 * len(policies)),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for row, (name, rollouts) in zip(axes, policies.items(), strict=True):
        for one, split in zip(row, shown, strict=True):
            mine = rollouts[(rollouts["split"] == split) & rollouts["parsed"]]
            counts, *_ = np.histogram2d(mine["score_a"], mine["score_b"], bins=[edges, edges])
            one.imshow(np.sqrt(counts.T), origin="lower", extent=(-0.5, 10.5, -0.5, 10.5), cmap="Blues")
            one.axhline(5, color="#999999", linewidth=0.6)
            one.axvline(5, color="#999999", linewidth=0.6)
            one.grid(False)
        row[0].set_ylabel(f"{NAMES.get(name, name)}\nscore of B")
    for one, split in zip(axes[0], shown, strict=True):
        one.set_title(TITLES.get(split, split))
    for one in axes[-1]:
        one.set_xlabel("score of A")
    figure.tight_layout()

# %% [markdown]
# How often exactly one candidate is called correct, and how often no verdict could be read:

# %%
habits = [
    {
        "split": split,
        "policy": NAMES.get(name, name),
        "exactly one": ((mine["score_a"] > 5) != (mine["score_b"] > 5))[mine["parsed"]].mean(),
    }
    for name, rollouts in policies.items()
    for split, mine in rollouts.groupby("split", sort=False)
]
for name, rollouts in policies.items():
    print(f"{NAMES.get(name, name)}: no verdict in {1 - rollouts['parsed'].mean():.1%} of rollouts")
order = [NAMES.get(name, name) for name in policies]
pd.DataFrame(habits).pivot(index="split", columns="policy", values="exactly one").loc[
    study.splits, order
].style.format("{:.0%}")

# %% [markdown]
# Whether a score means what it says:

# %%
calibration(study)

# %% [markdown]
# ## Rollouts to read
# The results folder keeps whole responses of some prompts (all of them in the report page, `report.html`). Change `number`, or the split.

# %%
by_split = {split: [one for one in examples if one["split"] == split] for split in study.splits}


def read(split, number=0, rollouts=2):
    """A prompt with its two candidates, and what each policy says of it."""
    one = by_split[split][number]
    parts = [f"### {TITLES.get(split, split)}\n{one['statement']}"]
    for name, candidate in zip("AB", one["candidates"], strict=True):
        label = (
            "correct"
            if candidate["correct"]
            else f"wrong, line {candidate['line']}"
            + (f": `{candidate['evidence']}`" if candidate["evidence"] else "")
        )
        parts.append(f"**{name}** ({label})\n```python\n{candidate['text']}\n```")
    for policy in one["policies"]:
        for rollout in policy["rollouts"][:rollouts]:
            signals = ", ".join(f"{name} {value:+.2f}" for name, value in rollout["advantages"].items())
            parts.append(
                f"**{policy['name']}** · {'correct' if rollout['correct'] else 'failed'}, reward {rollout['reward']:+.2f} · advantage: {signals}\n"
                f"```text\n{rollout['response']}\n```"
            )
    display(Markdown("\n\n".join(parts)))


read(study.splits[0], number=0)
