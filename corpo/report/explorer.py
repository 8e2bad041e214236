"""Select example rollouts for the report page and compute their advantages under every baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch

from corpo.analysis.study import Study
from corpo.baselines import group_advantages, needs_lengths
from corpo.task import Pair

PROMPTS_PER_SPLIT, ROLLOUTS_PER_PROMPT = 6, 8  # more would make the page too large
_CANDIDATE_FIELDS = ("text", "correct", "origin", "line", "passed", "total", "error", "evidence")


def examples(study: Study, pairs: Mapping[str, Pair]) -> list[dict[str, Any]]:
    """Return one record per example prompt, with rollouts of the base and of the first seed of each baseline.

    Each split gives `PROMPTS_PER_SPLIT` prompts, spread over its families. `pairs` maps prompt ids to pairs.
    """
    prompt_ids = _spread_over_families(study.base)
    policies = [("base", study.base)]
    for run in study.runs:
        if run.seed == study.runs[0].seed:
            policies.append((f"{run.baseline}, seed {run.seed}", run.rollouts))
    groups = [(name, _groups(rollouts, prompt_ids)) for name, rollouts in policies]
    split_of = study.base.drop_duplicates("prompt_id").set_index("prompt_id")["split"]
    records = []
    for prompt_id in prompt_ids:
        record = pair_record(str(split_of[prompt_id]), pairs[prompt_id])
        record["policies"] = [
            {"name": name, "rollouts": _rollout_records(group_of[prompt_id], study)}
            for name, group_of in groups
        ]
        records.append(record)
    return records


def _spread_over_families(rollouts: pd.DataFrame) -> list[str]:
    """Return prompt ids at equal distances in the prompts of each split, sorted by family."""
    prompts = rollouts.drop_duplicates("prompt_id")
    chosen: list[str] = []
    for _, split_prompts in prompts.groupby("split", sort=False):
        ids = split_prompts.sort_values(["family", "prompt_id"])["prompt_id"].tolist()
        chosen += evenly_spaced(ids, PROMPTS_PER_SPLIT)
    return chosen


def evenly_spaced(items: Sequence[Any], max_items: int) -> list[Any]:
    """Return at most `max_items` items at equal distances."""
    count = min(max_items, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def _groups(rollouts: pd.DataFrame, prompt_ids: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the rollouts of each of the given prompts."""
    chosen = rollouts[rollouts["prompt_id"].isin(prompt_ids)]
    return {str(prompt_id): group for prompt_id, group in chosen.groupby("prompt_id")}


def pair_record(split: str, pair: Pair) -> dict[str, Any]:
    """Return a pair as the pages show it."""
    candidates = []
    for candidate in (pair.a, pair.b):
        candidates.append({name: getattr(candidate, name) for name in _CANDIDATE_FIELDS})
    problem = pair.problem
    return {
        "split": split,
        "kind": str(pair.kind),
        "problem": problem.id,
        "family": problem.family,
        "statement": problem.statement,
        "candidates": candidates,
    }


def _rollout_records(group: pd.DataFrame, study: Study) -> list[dict[str, Any]]:
    """Return the first rollouts of a prompt; their advantages are relative to all rollouts of the prompt."""
    advantages_of = _advantages(group, study)
    records = []
    for index, row in enumerate(group.head(ROLLOUTS_PER_PROMPT).to_dict("records")):
        advantages = {baseline: round(values_G[index], 3) for baseline, values_G in advantages_of.items()}
        records.append(
            {
                "response": row["response"],
                "scores": [row["score_a"], row["score_b"]] if row["parsed"] else None,
                "reward": round(row["reward"], 3),
                "correct": bool(row["correct"]),
                "advantages": advantages,
            }
        )
    return records


def _advantages(group: pd.DataFrame, study: Study) -> dict[str, list[float]]:
    """Return the advantages of a group under each baseline of the study.

    Evaluations of earlier versions do not hold token counts; baselines that need them are left out there.
    """
    rewards_G = torch.tensor(group["reward"].to_numpy())
    has_lengths = "tokens" in group
    lengths_G = torch.tensor(group["tokens"].to_numpy()) if has_lengths else torch.ones_like(rewards_G)
    advantages_of = {}
    for baseline in study.baselines:
        if has_lengths or not needs_lengths(baseline):
            options = study.options(baseline)
            values_G = group_advantages(
                rewards_G, baseline, threshold=study.threshold, lengths_G=lengths_G, **options
            )
            advantages_of[baseline] = values_G.tolist()
    return advantages_of
