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
# # 07 · CoRPO in TRL
#
# `CorpoTrainer` is TRL's `GRPOTrainer` with another baseline. This notebook trains the shipped base policy,
# which has 0.9 million parameters, for a few steps with GRPO and with CoRPO. It needs no GPU, no model hub
# and no results of this project, and runs in about two minutes on two cores. The next cell installs what it
# needs into the environment of the notebook, unless it is there already.

# %%
import importlib.util
import subprocess
import sys
import warnings

# These libraries warn about how they use each other.
warnings.filterwarnings("ignore", module="tqdm|transformers|trl")
if importlib.util.find_spec("trl") is None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "..[pipeline,trl]"]
    subprocess.run(command, check=True)

# %%
from random import Random

import matplotlib.pyplot as plt
import pandas as pd
import transformers
from datasets import Dataset, disable_progress_bars
from trl import GRPOConfig

from corpo.config import ModelConfig, PipelinesConfig
from corpo.data.execution.sandbox import Sandbox
from corpo.data.pairing.drawing import draw_pairs
from corpo.data.pipelines.build import build
from corpo.data.types import Use
from corpo.plugins.trl import CorpoTrainer
from corpo.policy.load import load_policy
from corpo.report.figures import figure_style, label_of
from corpo.report.figures.style import COLOURS
from corpo.task import Domain, Kind, OrdinalReward, parse_response, render_prompt
from corpo.utils.resources import shipped_policy

disable_progress_bars()
transformers.logging.set_verbosity_error()

# %% [markdown]
# ## Prompts
# Each prompt has a problem of four operations and two programs, one of them correct. Few responses are
# correct at first, as in the paper's early batches. The programs are labelled by running them in the
# sandbox. The data set has a column with the labels, which TRL passes to the reward function.

# %%
sizes = PipelinesConfig(
    train_problems=60, train_operations=[4], train_values=[6, 8], validation_problems=1, evaluation_problems=1
)
built = build({Use.train}, sizes, mutants=5, seed=0, sandbox=Sandbox(), cache=None)
problems = [problem for problem in built.problems if problem.domain is Domain.code]
pairs = draw_pairs(problems, Kind.first_correct, 64, Random(0))
rows = [{"prompt": render_prompt(pair), "labels": list(pair.labels)} for pair in pairs]
dataset = Dataset.from_list(rows)
print(dataset[0]["prompt"])

# %% [markdown]
# ## The reward
# A reward function of TRL gets the completions of a batch and the columns of the data set. The ordinal
# reward is negative for every failure, and at least R_min_correct, here 0, for every correct response.

# %%
ordinal = OrdinalReward(levels=10)


def reward(completions, labels, **_):
    """Return the ordinal reward of each completion."""
    return [
        ordinal(parse_response(text), tuple(pair)) for text, pair in zip(completions, labels, strict=True)
    ]


print("R_min_correct:", ordinal.threshold)

# %% [markdown]
# ## Training
# `scale_rewards="none"` switches off TRL's division by the standard deviation, which would change the
# advantages again. `threshold` is R_min_correct. With `baseline="grpo"` the trainer computes the advantages
# of GRPO, so that the two runs differ in the baseline only.


# %%
def train(baseline, num_steps=8):
    """Train the shipped policy and return the logged metrics, one row per step."""
    model, tokenizer = load_policy(ModelConfig(), str(shipped_policy()), device="cpu")
    arguments = GRPOConfig(
        output_dir="../outputs/trl",
        max_steps=num_steps,
        per_device_train_batch_size=128,  # completions: 8 prompts, 16 for each
        num_generations=16,
        max_completion_length=256,
        learning_rate=3e-4,
        beta=0.0,
        scale_rewards="none",
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        seed=0,
    )
    trainer = CorpoTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=reward,
        args=arguments,
        train_dataset=dataset,
        threshold=ordinal.threshold,
        baseline=baseline,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return pd.DataFrame(trainer.state.log_history[:num_steps])


logs = {baseline: train(baseline) for baseline in ("grpo", "corpo")}

# %% [markdown]
# ## What the trainer logs
# The metrics that begin with `advantages/` are this project's. `failed_positive_fraction` is the share of
# the failures of a batch that get a positive advantage. `clip_active_fraction` is the share of prompts for
# which CoRPO's baseline is R_min_correct and not the mean. If it is 0 from the start, the threshold lies
# below every group, and CoRPO is GRPO.

# %%
names = ["pass_rate", "failed_positive_fraction", "clip_active_fraction", "zero_advantage_fraction"]
columns = [f"advantages/{name}" for name in names]
for baseline, log in logs.items():
    print(baseline)
    print(log[columns].rename(columns=dict(zip(columns, names, strict=True))).round(3).to_string())

# %%
with figure_style():
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharex=True)
    for baseline, log in logs.items():
        steps = range(1, len(log) + 1)
        style = {"color": COLOURS[baseline], "marker": ".", "label": label_of(baseline)}
        axes[0].plot(steps, log["advantages/failed_positive_fraction"], **style)
        axes[1].plot(steps, log["advantages/pass_rate"], **style)
    axes[0].set(xlabel="step", title="failures with a positive advantage, share")
    axes[1].set(xlabel="step", title="pass rate of the batch", ylim=(0, 1))
    axes[0].legend()
    figure.tight_layout()

# %% [markdown]
# A few steps show the mechanism, and not which baseline is better. Replace the model, the data set and the
# reward by your own; the [guide](../docs/how_to/trl.md) explains the arguments.
