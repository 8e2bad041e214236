"""Select example rollouts for the report page, and compute their advantages under every baseline."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import pandas as pd
import torch

from corpo.analysis.study import Study
from corpo.baselines import group_advantages, needs_lengths
from corpo.data.pairing.splits import TRAIN
from corpo.report.names import label_of
from corpo.task import Pair, Verdict, parse_response
from corpo.tasks import Item, Question

# More would make the page and the records too large.
GROUPS_PER_SPLIT, MAX_PROMPTS_PER_SPLIT = 24, 6
MAX_KEPT_STEPS = 6
_CANDIDATE_FIELDS = ("text", "correct", "origin", "line", "passed", "total", "error", "evidence")


# --- records, which are computed once and stored ---


def examples(study: Study, items: Mapping[str, Item]) -> list[dict[str, Any]]:
    """Return one record per example prompt, with the groups of the base and of one seed of each baseline.

    Each split gives some prompts, spread over its families. `items` maps prompt ids to pairs or questions.
    """
    policies = [("base", study.base)]
    for run in study.runs:
        if run.seed == study.runs[0].seed:
            policies.append((run_title(run.baseline, run.seed), run.rollouts))
    prompts_per_split = max(1, min(MAX_PROMPTS_PER_SPLIT, GROUPS_PER_SPLIT // len(policies)))
    prompt_ids = _spread_over_families(study.base, prompts_per_split)
    groups = [(name, _groups(rollouts, prompt_ids)) for name, rollouts in policies]
    split_of = study.base.drop_duplicates("prompt_id").set_index("prompt_id")["split"]
    records = []
    for prompt_id in prompt_ids:
        record = _item_record(str(split_of[prompt_id]), items[prompt_id])
        record["policies"] = [_group_record(name, group_of[prompt_id], study) for name, group_of in groups]
        records.append(record)
    return records


def run_title(baseline: str, seed: int) -> str:
    """Return the name of a trained policy in the explorer."""
    return f"{baseline}, seed {seed}"


def _spread_over_families(rollouts: pd.DataFrame, prompts_per_split: int) -> list[str]:
    """Return prompt ids at equal distances in the prompts of each split, sorted by family."""
    prompts = rollouts.drop_duplicates("prompt_id")
    chosen: list[str] = []
    for _, split_prompts in prompts.groupby("split", sort=False):
        ids = split_prompts.sort_values(["family", "prompt_id"])["prompt_id"].tolist()
        chosen += evenly_spaced(ids, prompts_per_split)
    return chosen


def evenly_spaced(items: Sequence[Any], max_items: int) -> list[Any]:
    """Return at most `max_items` items at equal distances."""
    count = min(max_items, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def _groups(rollouts: pd.DataFrame, prompt_ids: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the rollouts of each of the given prompts."""
    chosen = rollouts[rollouts["prompt_id"].isin(prompt_ids)]
    return {str(prompt_id): group for prompt_id, group in chosen.groupby("prompt_id")}


def training_examples(
    kept: Mapping[str, pd.DataFrame], items: Sequence[Item], study: Study
) -> list[dict[str, Any]]:
    """Return one record per training prompt whose responses were kept, at some of the steps.

    `kept` has the kept rollouts (see `corpo.train.run_log`) of one seed of each baseline, with which the
    policy was trained at these prompts. `items` are those of training, pairs in both orders.
    """
    tables = [table.assign(baseline=baseline) for baseline, table in kept.items() if len(table)]
    if not tables:
        return []
    seed = study.runs[0].seed
    item_of = {_key(item): item for item in items}
    rollouts = pd.concat(tables, ignore_index=True)
    rollouts = rollouts[rollouts["step"].isin(_steps_to_show(sorted(set(rollouts["step"]))))]
    records = []
    for _, rows in rollouts.groupby(["step", "prompt"]):
        first = rows.iloc[0]
        record = _item_record(TRAIN, item_of[_key_of_row(first)]) | {"step": int(first["step"])}
        record["policies"] = []
        for baseline, group in rows.groupby("baseline", sort=False):
            name = run_title(str(baseline), seed)
            graded = _graded(group.reset_index(drop=True), study.threshold)
            record["policies"].append(_group_record(name, graded, study, str(baseline)))
        records.append(record)
    return records


def _key(item: Item) -> tuple[str, bool]:
    """Return what identifies an item of training: its name, and the order of a pair."""
    return item.id, isinstance(item, Pair) and item.is_swapped


def _key_of_row(row: pd.Series) -> tuple[str, bool]:
    """Return the key of the item of a kept rollout."""
    return (row["pair_id"], bool(row["swapped"])) if "pair_id" in row else (row["problem_id"], False)


def _steps_to_show(steps: Sequence[int]) -> list[int]:
    """Return at most `MAX_KEPT_STEPS` steps at about equal distances, with the first and the last one."""
    if len(steps) <= MAX_KEPT_STEPS:
        return list(steps)
    return [*evenly_spaced(steps[:-1], MAX_KEPT_STEPS - 1), steps[-1]]


def _graded(group: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Add the columns that evaluations have and that kept rollouts of training lack."""
    group = group.assign(correct=group["reward"] >= threshold)
    if "pair_id" not in group:
        return group
    rows = []
    for response in group["response"]:
        verdict = parse_response(response)
        is_parsed, scores = False, (math.nan, math.nan)
        if isinstance(verdict, Verdict):
            is_parsed, scores = True, verdict.scores
        rows.append({"parsed": is_parsed, "score_a": scores[0], "score_b": scores[1]})
    return group.join(pd.DataFrame(rows))


def _item_record(split: str, item: Item) -> dict[str, Any]:
    """Return a pair or a question as the pages show it."""
    if isinstance(item, Pair):
        return pair_record(split, item)
    assert isinstance(item, Question)
    family = item.family or split
    return {
        "split": split,
        "kind": item.domain or family,
        "problem": item.id,
        "family": family,
        "statement": item.statement,
        "answer": item.answer,
    }


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


def _group_record(
    name: str, group: pd.DataFrame, study: Study, trained_with: str | None = None
) -> dict[str, Any]:
    """Return all rollouts of a policy to a prompt, with their mean reward and their advantages.

    If a policy was trained with these rollouts, `trained_with` is its baseline, and the column `advantage`
    has the advantages that it was trained with.
    """
    advantages_of = _advantages(group, study)
    if trained_with is not None:
        advantages_of[trained_with] = group["advantage"].tolist()
    has_scores = "score_a" in group
    rollouts = []
    for index, row in enumerate(group.to_dict("records")):
        advantages = {baseline: round(values_G[index], 3) for baseline, values_G in advantages_of.items()}
        rollouts.append(
            {
                "response": row["response"],
                "scores": [row["score_a"], row["score_b"]] if has_scores and row["parsed"] else None,
                "reward": round(row["reward"], 3),
                "correct": bool(row["correct"]),
                "advantages": advantages,
            }
        )
    return {"name": name, "mean": round(float(group["reward"].mean()), 4), "rollouts": rollouts}


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


# --- the data of the page, which are computed from records ---


def explorer_data(
    records: Sequence[Mapping[str, Any]], baselines: Sequence[str], threshold: float
) -> dict[str, Any]:
    """Return what the explorer of the page shows: prompts, and the groups of responses to them.

    Equal responses of a group share a row, which counts them. A row is a list: response, scores, reward,
    whether it is correct, number of responses, and the advantage under each of the baselines, which is None
    if it is not known. The scores are None if the response has none. The mean of a group is None if the
    records have only some of its responses, as those of earlier versions do.
    """
    prompts, groups = [], []
    for number, record in enumerate(records):
        prompt = {key: value for key, value in record.items() if key != "policies"}
        if "candidates" in record:
            texts = [candidate["text"] for candidate in record["candidates"]]
            prompt["lines"] = list(aligned_lines(*texts))
        prompts.append(prompt)
        for policy in record["policies"]:
            name, comma, seed = policy["name"].partition(", ")
            group = {"prompt": number, "policy": label_of(name) + comma + seed, "mean": policy.get("mean")}
            groups.append(group | {"rows": _rows(policy["rollouts"], baselines)})
    return {
        "baselines": [label_of(baseline) for baseline in baselines],
        "threshold": threshold,
        "prompts": prompts,
        "groups": groups,
    }


def _rows(rollouts: Sequence[Mapping[str, Any]], baselines: Sequence[str]) -> list[list[Any]]:
    """Return the rows of a group by falling reward; see `explorer_data`."""
    rows: dict[tuple[Any, ...], int] = {}
    for rollout in rollouts:
        advantages = tuple(rollout["advantages"].get(baseline) for baseline in baselines)
        scores = tuple(rollout["scores"]) if rollout["scores"] else None
        row = (rollout["response"], scores, rollout["reward"], rollout["correct"], advantages)
        rows[row] = rows.get(row, 0) + 1
    listed = []
    for (response, scores, reward, is_correct, advantages), count in rows.items():
        listed.append([response, scores, reward, is_correct, count, *advantages])
    return sorted(listed, key=_falling_reward)


def _falling_reward(row: Sequence[Any]) -> tuple[float, int]:
    return -row[2], -row[4]


def aligned_lines(a: str, b: str) -> Iterator[tuple[str | None, str | None]]:
    """Yield the lines of two texts side by side. If only one of them has a line there, the other is None."""
    a_lines, b_lines = a.split("\n"), b.split("\n")
    matcher = difflib.SequenceMatcher(None, a_lines, b_lines, autojunk=False)
    for _, a_start, a_end, b_start, b_end in matcher.get_opcodes():
        yield from zip_longest(a_lines[a_start:a_end], b_lines[b_start:b_end])
