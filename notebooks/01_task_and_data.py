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
# A policy reads a problem and two candidate programs. It reasons, and states for each candidate how confident it is, from 0 to 10, that it is
# correct. Whether a candidate *is* correct is decided by running it. Here we build a few problems from the bank, live, and follow one of them to its
# reward.

# %%
from random import Random

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from corpo.data.bank.selection import select
from corpo.data.build_bank import build
from corpo.data.execution.sandbox import Sandbox
from corpo.data.pairing.drawing import draw_pairs
from corpo.data.types import Use
from corpo.report.figures import figure_style
from corpo.task import Domain, Fault, Kind, OrdinalReward, Verdict, parse_response, render_prompt

# %% [markdown]
# ## A bank of families
# A family is an idea with parameters, several correct ways to write it, and a generator of calls. Of every correct program we draw mutants: programs
# with one edit. Six code families and one of math, with three mutants a solution, are enough to look at; experiments take more.

# %%
bank = select(code_families=6, math_families=1)
problems = build(
    bank, {Use.evaluation, Use.train}, seed=0, mutants_per_solution=3, sandbox=Sandbox(), cache=None
)
programs = pd.DataFrame(
    [
        {
            "family": p.family,
            "problem": p.id,
            "made by": c.origin,
            "correct": c.correct,
            "passed": c.passed,
            "tests": c.total,
            "first failure": c.error,
        }
        for p in problems
        if p.domain is Domain.code
        for c in p.candidates
    ]
)
print(
    f"{len(problems)} problems; {len(programs)} programs were run, {programs['correct'].mean():.0%} of them passed every test"
)
programs.sample(8, random_state=0)

# %% [markdown]
# How a program was made does not decide its label: some mutants turn out to be correct, and they are labelled so.

# %%
mutants = programs[programs["made by"] != "reference"]
mutants.groupby("made by")["correct"].agg(programs="size", correct="sum").sort_values(
    "programs", ascending=False
)

# %% [markdown]
# ## A pair
# Training sees pairs with exactly one correct candidate (*in domain*). *Both correct* and *both wrong* are kept for evaluation, out of domain.

# %%
code = [p for p in problems if p.domain is Domain.code]
pairs = {kind: draw_pairs(code, kind, 1, Random(1))[0] for kind in Kind}
pair = pairs[Kind.first_correct]


def numbered(candidate):
    """A candidate's lines with their numbers; the line that a mutation touched is marked."""
    lines = enumerate(candidate.text.splitlines(), start=1)
    return "\n".join(
        f"{number:2d} {'▸' if number == candidate.line else ' '} {line}" for number, line in lines
    )


display(Markdown(f"**Problem** (`{pair.problem.id}`): {pair.problem.statement}"))
for name, candidate in zip("AB", (pair.a, pair.b), strict=True):
    verdict = "passes every test" if candidate.correct else f"fails: `{candidate.evidence}`"
    display(
        Markdown(
            f"**{name}**, made by *{candidate.origin}*, {candidate.passed} of {candidate.total} tests, {verdict}\n```python\n{numbered(candidate)}\n```"
        )
    )

# %% [markdown]
# What the policy reads (the nano's short form; `model.style=instruct` spells the task out for a model that has never seen it):

# %%
print(render_prompt(pair))

# %% [markdown]
# ## A response, and how it is read
# One think block, then two scores. The parser takes any string and gives a verdict or the reason why it is none.

# %%
responses = [
    "<think>A returns the last item, B the first</think> A: 9 B: 2",
    "<think>both look fine</think> A: 8 B: 8",
    "<think>hm",
    "A: 9 B: 1",
    "<think></think> A: 11 B: 0",
]
for text in responses:
    read = parse_response(text)
    print(f"{text!r:70s} {'not a verdict: ' + read if isinstance(read, Fault) else read}")

# %% [markdown]
# ## The ordinal reward
# Correct means: both scores on their label's side of 5. Beyond that a reward says *how* right or wrong a verdict is, in levels. Every failure lies
# below R_min_correct, the dashed line of the scale; every success at or above it. This is where GRPO goes wrong, and what notebook 03 is about.

# %%
reward = OrdinalReward(levels=10)
scores = np.arange(0, 10.01, 0.5)
with figure_style():
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    for one, kind in zip(axes, (Kind.first_correct, Kind.both_correct), strict=True):
        labels = pairs[kind].labels
        rewards = np.array([[reward(Verdict(a, b), labels) for a in scores] for b in scores])
        image = one.imshow(
            rewards, origin="lower", extent=(-0.25, 10.25, -0.25, 10.25), cmap="RdYlGn", vmin=-1, vmax=1
        )
        one.axhline(5, color="black", linewidth=0.6)
        one.axvline(5, color="black", linewidth=0.6)
        one.set(title=str(kind).replace("_", " "), xlabel="score of A", ylabel="score of B")
        one.grid(False)
    bar = figure.colorbar(image, ax=list(axes), label="reward")
    bar.ax.axhline(reward.threshold, color="black", linestyle="--")

# %% [markdown]
# ## Splits
# The data of an experiment, with its content hash, families and mutations, has a card: `results/<name>/data_card.md`. Its evaluation splits use
# families that reinforcement learning never sees, and each pair comes in both orders, so that a policy that favours a position cannot hide.
