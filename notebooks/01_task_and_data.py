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
# # 01 · The task and its data
#
# A policy reads a problem and two candidate programs. It reasons, and then states for each candidate a
# confidence from 0 to 10 that the candidate is correct. Whether a candidate *is* correct is decided by
# running it. This notebook builds a few problems and follows one of them to its reward.

# %%
from random import Random

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from corpo.config import PipelinesConfig
from corpo.data.execution.sandbox import Sandbox
from corpo.data.pairing.drawing import draw_pairs
from corpo.data.pipelines.build import build
from corpo.data.pipelines.traces import trace_program
from corpo.data.types import Use
from corpo.report.figures import figure_style
from corpo.report.figures.style import REWARD_MAP
from corpo.task import Domain, Fault, Kind, OrdinalReward, Verdict, parse_response, render_prompt

# %% [markdown]
# ## Pipelines of list operations
# A problem names two to five operations on a list, and shows one example. Its correct programs are written
# in several styles. Mutants are correct programs with one edit. *Unseen* problems combine operations that no
# training problem combines. There are also word problems in steps. Ten problems of each part are enough here;
# experiments use more.

# %%
sizes = PipelinesConfig(evaluation_problems=10)
problems = build({Use.evaluation}, sizes, mutants=5, seed=0, sandbox=Sandbox(), cache=None).problems
code_problems = [problem for problem in problems if problem.domain is Domain.code]
rows = []
for problem in code_problems:
    for candidate in problem.candidates:
        rows.append(
            {
                "family": problem.family,
                "problem": problem.id,
                "origin": candidate.origin,
                "correct": candidate.correct,
                "passed": candidate.passed,
                "tests": candidate.total,
                "first failure": candidate.error,
            }
        )
programs = pd.DataFrame(rows)
share_correct = programs["correct"].mean()
print(f"{len(problems)} problems; {share_correct:.0%} of {len(programs)} programs passed every test")
programs.sample(8, random_state=0)

# %% [markdown]
# The origin of a program does not decide its label: some mutants are correct, and they are labelled as
# correct.

# %%
mutants = programs[programs["origin"] != "reference"]
counts = mutants.groupby("origin")["correct"].agg(programs="size", correct="sum")
counts.sort_values("programs", ascending=False)

# %% [markdown]
# ## A pair
# Training uses pairs with exactly one correct candidate (*in domain*). Pairs with two correct or two wrong
# candidates are used for evaluation only (*out of domain*).

# %%
pairs = {kind: draw_pairs(code_problems, kind, 1, Random(1))[0] for kind in Kind}
pair = pairs[Kind.first_correct]


def numbered(candidate):
    """Return the lines of a candidate with their numbers; the line that a mutation changed is marked."""
    lines = []
    for number, line in enumerate(candidate.text.splitlines(), start=1):
        mark = "▸" if number == candidate.line else " "
        lines.append(f"{number:2d} {mark} {line}")
    return "\n".join(lines)


display(Markdown(f"**Problem** (`{pair.problem.id}`): {pair.problem.statement}"))
for name, candidate in zip("AB", (pair.a, pair.b), strict=True):
    outcome = "passes every test" if candidate.correct else f"fails: `{candidate.evidence}`"
    tests = f"{candidate.passed} of {candidate.total} tests"
    title = f"**{name}**, origin *{candidate.origin}*, {tests}, {outcome}"
    display(Markdown(f"{title}\n```python\n{numbered(candidate)}\n```"))

# %% [markdown]
# The prompt of the policy is below. This is the short form of the nano model; `model.style=instruct`
# explains the task to a model that has never seen it.

# %%
print(render_prompt(pair))

# %% [markdown]
# The shipped policy verifies: in its think block it runs each program on the example. These are the traces
# that it should write. Each has the operations with the list after them, the comparison with the wanted
# value, and the word `ok` or `bad`.

# %%
for name, candidate in zip("AB", (pair.a, pair.b), strict=True):
    print(name, trace_program(candidate.text, pair.problem.statement))

# %% [markdown]
# ## A response and its parser
# A response has one think block and two scores. The parser accepts any string. It returns a verdict, or the
# reason why there is none.

# %%
responses = [
    "<think>;A;rev:97;check:9977--;ok;B;uniq:79;check:79;bad</think> A: 9 B: 2",
    "<think>;A;rev:97;check:9977--;ok;B;rev:97;check:9977--;ok</think> A: 8 B: 8",
    "<think>hm",
    "A: 9 B: 1",
    "<think></think> A: 11 B: 0",
]
for text in responses:
    result = parse_response(text)
    print(f"{text!r:90s} {'not a verdict: ' + result if isinstance(result, Fault) else result}")

# %% [markdown]
# ## The ordinal reward
# A verdict is correct if both scores are on the side of 5 of their labels. The reward also says, in levels,
# *how* right or wrong a verdict is. Every failure is below R_min_correct, the dashed line of the scale, and
# every success is at or above it. Notebook 03 shows how GRPO can reward failures with such rewards.

# %%
reward = OrdinalReward(levels=10)
scores = np.arange(0, 10.01, 0.5)


def rewards_of(labels):
    """Return the rewards of all pairs of scores; rows are scores of B, columns scores of A."""
    rewards = np.empty((len(scores), len(scores)))
    for row, score_b in enumerate(scores):
        for column, score_a in enumerate(scores):
            rewards[row, column] = reward(Verdict(score_a, score_b), labels)
    return rewards


extent = (-0.25, 10.25, -0.25, 10.25)
with figure_style():
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    for panel, kind in zip(axes, (Kind.first_correct, Kind.both_correct), strict=True):
        rewards = rewards_of(pairs[kind].labels)
        image = panel.imshow(rewards, origin="lower", extent=extent, cmap=REWARD_MAP, vmin=-1, vmax=1)
        panel.axhline(5, color="black", linewidth=0.6)
        panel.axvline(5, color="black", linewidth=0.6)
        panel.set(title=str(kind).replace("_", " "), xlabel="score of A", ylabel="score of B")
        panel.grid(False)
    bar = figure.colorbar(image, ax=list(axes), label="reward")
    bar.ax.axhline(reward.threshold, color="black", linestyle="--")

# %% [markdown]
# ## Splits
# `results/<name>/data_card.md` describes the data of an experiment: content hash, splits and mutations.
# Half of the pairs of each evaluation split combine operations that no training problem combines, and the
# `code_long` splits have longer programs. Each pair comes in both orders, so that a policy that favours a
# position gains nothing on average.
