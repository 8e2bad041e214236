"""The README of a trained policy: what it is, what it was made of and how, what it can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import yaml

from corpo.config import Config
from corpo.utils.markdown import table

MEASURED = {
    "validation/pass@1": "pass@1, validation families",
    "validation/reward": "mean reward",
    "validation/kl_from_start": "KL from the base, nats a rollout",
}


def _kinds(config: Config) -> str:
    pairing = config.data.pairing
    others = [
        f"{share:.0%} {name}"
        for name, share in (("both wrong", pairing.both_wrong), ("both correct", pairing.both_correct))
        if share
    ]
    return "exactly one of the two programs correct" + (f", but {' and '.join(others)}" if others else "")


def model_card(
    config: Config, base: str, data: str, metrics: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
) -> str:
    """Markdown with the hub's front matter. `base` and `data` are hashes; `metrics` are a run's records by step."""
    head = {
        "license": "mit",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["corpo", config.baseline.name, "verifier"],
    }
    if not config.model.path.startswith(("data/", "/", "package:")):
        head["base_model"] = config.model.path
    measured = [record for record in metrics if "validation/pass@1" in record]
    rows = [(record["step"], *(f"{record[key]:.3f}" for key in MEASURED)) for record in measured]
    train = {key: value for key, value in asdict(config.train).items() if not isinstance(value, dict)}
    return f"""---
{yaml.safe_dump(head, sort_keys=False)}---

# A verifier trained with {config.baseline.name}

Reads a problem and two candidate solutions, reasons in a think block, and states its confidence (0 to 10) that each is correct. Trained by
[corpo](https://arxiv.org/abs/2511.04439), an open replication of CoRPO; for research on baselines, not for use.

- **Base:** `{config.model.path}` ({base}){", taught the format by a warm start first" if config.model.warm_start else ""}.
- **Data:** pairs of {"real problems" if config.data.sources else "the embedded problem bank"} (stage {data}), {_kinds(config)}; labels by execution.
- **Method:** baseline `{config.baseline.name}` {config.baseline.options or ""}, reward `{config.reward.name}` in {config.reward.levels} levels, R_min_correct
  {config.reward.threshold:g}, {config.train.steps} steps of {config.train.prompts_per_step} prompts x {config.train.group_size} rollouts, seed {config.seed}.
- **Licence:** MIT for what we made; of a base from elsewhere, its own licence holds too.

## Measured while training

Pairs of families that were neither trained nor evaluated on. Evaluation on the six splits: `python -m experiments.evaluate` with the same options.

{table(("step", *MEASURED.values()), rows)}

## Where it comes from

{table(("what", "value"), list(facts.items()))}

```yaml
{yaml.safe_dump({"train": train, "rollout": {"max_new_tokens": config.rollout.max_new_tokens, "temperature": config.rollout.temperature}}, sort_keys=False)}```
"""
