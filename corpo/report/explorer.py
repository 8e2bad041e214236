"""Single rollouts to read: prompts of every split with some rollouts of every policy, and their advantages under every baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch

from corpo.analysis.study import Study
from corpo.baselines import group_advantages, needs_lengths
from corpo.task import Pair

PROMPTS, ROLLOUTS = 6, 8  # of a split, and of a prompt and policy: what a page can hold


def examples(study: Study, pairs: Mapping[str, Pair]) -> list[dict[str, Any]]:
    """One record a prompt, `PROMPTS` of each split spread over its families; `pairs` by prompt id."""
    chosen = _spread(study.base)
    policies = [
        ("base", study.base),
        *(
            (f"{run.baseline}, seed {run.seed}", run.rollouts)
            for run in study.runs
            if run.seed == study.runs[0].seed
        ),
    ]
    tables = {
        name: dict(list(rollouts[rollouts["prompt_id"].isin(chosen)].groupby("prompt_id")))
        for name, rollouts in policies
    }
    return [
        {
            **_prompt(study.base, prompt_id, pairs[prompt_id]),
            "policies": [
                {"name": name, "rollouts": _group(tables[name][prompt_id], study)} for name, _ in policies
            ],
        }
        for prompt_id in chosen
    ]


def _spread(rollouts: pd.DataFrame) -> list[str]:
    """Prompt ids, evenly through the prompts of each split."""
    prompts = rollouts.drop_duplicates("prompt_id")
    chosen: list[str] = []
    for _, mine in prompts.groupby("split", sort=False):
        ids = mine.sort_values(["family", "prompt_id"])["prompt_id"].tolist()
        count = min(PROMPTS, len(ids))
        chosen += [ids[at * len(ids) // count] for at in range(count)]
    return chosen


def _prompt(rollouts: pd.DataFrame, prompt_id: str, pair: Pair) -> dict[str, Any]:
    return shown_pair(str(rollouts.loc[rollouts["prompt_id"] == prompt_id, "split"].iloc[0]), pair)


def shown_pair(split: str, pair: Pair) -> dict[str, Any]:
    """A pair as the pages show it."""
    told = ("text", "correct", "origin", "line", "passed", "total", "error", "evidence")
    sides = [{field: getattr(candidate, field) for field in told} for candidate in (pair.a, pair.b)]
    problem = pair.problem
    return {
        "split": split,
        "kind": str(pair.kind),
        "problem": problem.id,
        "family": problem.family,
        "statement": problem.statement,
        "candidates": sides,
    }


def _group(rollouts: pd.DataFrame, study: Study) -> list[dict[str, Any]]:
    """The first rollouts of a group; their advantages are relative to the whole group."""
    rewards_G = torch.tensor(rollouts["reward"].to_numpy())
    known = "tokens" in rollouts  # not in evaluations made before they were kept
    lengths_G = torch.tensor(rollouts["tokens"].to_numpy()) if known else torch.ones_like(rewards_G)
    drawn = [name for name in study.baselines if known or not needs_lengths(name)]
    by_baseline = {
        name: group_advantages(
            rewards_G, name, threshold=study.threshold, lengths_G=lengths_G, **study.options(name)
        ).tolist()
        for name in drawn
    }
    shown = rollouts.head(ROLLOUTS)
    return [
        {
            "response": row["response"],
            "scores": [row["score_a"], row["score_b"]] if row["parsed"] else None,
            "reward": round(row["reward"], 3),
            "correct": bool(row["correct"]),
            "advantages": {name: round(values[at], 3) for name, values in by_baseline.items()},
        }
        for at, row in enumerate(shown.to_dict("records"))
    ]
