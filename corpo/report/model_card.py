"""The model card of a trained policy: what it is, how it was trained, and what it reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from corpo.config import PIPELINES, Config
from corpo.tasks import is_verify
from corpo.utils.markdown import table

METRICS = {
    "validation/pass@1": "pass@1, validation",
    "validation/reward": "mean reward",
    "validation/kl_from_start": "KL divergence from the base (nats per rollout)",
}


def model_card(
    config: Config, base: str, data: str, metrics: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
) -> str:
    """Return the README of a policy as Markdown with front matter for model hubs.

    `base` and `data` are content hashes, `metrics` the records of the run by step, and `facts` provenance.
    """
    validations = [record for record in metrics if "validation/pass@1" in record]
    rows = []
    for record in validations:
        rows.append((record["step"], *(f"{record[key]:.3f}" for key in METRICS)))
    warm_start = ", warm-started to teach it the response format" if config.model.warm_start else ""
    baseline, train = config.baseline, config.train
    texts = _texts_of_pairs(config, data) if is_verify(config) else _texts_of_questions(config, data)
    return f"""---
{yaml.safe_dump(_front_matter(config), sort_keys=False)}---

# {texts.title} trained with {config.baseline.name}

{texts.ability} It comes from an open replication of
[CoRPO](https://arxiv.org/abs/2511.04439). It is meant for research on advantage baselines, not for practical
use.

- **Base:** `{config.model.path}` ({base}){warm_start}.
- **Data:** {texts.data}
- **Method:** baseline `{baseline.name}` {baseline.options or ""}, {texts.reward}\
R_min_correct {config.reward.threshold:g}, {train.steps} steps of {train.prompts_per_step} prompts with
  {train.group_size} rollouts each, seed {config.seed}.
- **Licence:** MIT. A base policy from elsewhere keeps its own licence.

## Metrics during training

{texts.validation} used neither in training nor in the evaluation. `corpo evaluate`
with the same options evaluates the policy on the evaluation splits.

{table(("step", *METRICS.values()), rows)}

## Provenance

{table(("field", "value"), list(facts.items()))}

```yaml
{_settings(config)}```
"""


@dataclass(frozen=True)
class _Texts:
    """The parts of a card that depend on the task."""

    title: str
    ability: str
    data: str
    reward: str
    validation: str


def _texts_of_pairs(config: Config, data: str) -> _Texts:
    return _Texts(
        title="A verifier",
        ability="""This policy reads a problem and two candidate solutions, reasons in a think block, and \
states its confidence
(0 to 10) that each candidate is correct.""",
        data=f"pairs from {_problems(config)} (stage {data}), {_kinds(config)}. Labels come from execution.",
        reward=f"reward `{config.reward.name}` with {config.reward.levels}\n  levels, ",
        validation="Validation pairs come from problems that are",
    )


def _texts_of_questions(config: Config, data: str) -> _Texts:
    task = config.task
    options = f" with the options {dict(task.options)}" if task.options else ""
    return _Texts(
        title=f"A policy for the task {task.name}",
        ability=f"This policy answers the questions of the task `{task.name}`.",
        data=f"questions of the task `{task.name}`{options} (stage {data}).",
        reward="",
        validation="Validation questions are",
    )


def _front_matter(config: Config) -> dict[str, Any]:
    """Return the metadata that model hubs read from the top of the card."""
    fields: dict[str, Any] = {
        "license": "mit",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["corpo", config.baseline.name, "verifier" if is_verify(config) else config.task.name],
    }
    path = config.model.path
    if path not in ("nano_base", "new") and not path.startswith(("data/", "/", "package:")):
        fields["base_model"] = path
    return fields


def _problems(config: Config) -> str:
    """Describe where the problems come from."""
    if config.data.sources:
        return "real problems"
    if config.data.problems == PIPELINES:
        return "pipelines of list operations"
    return "the embedded problem bank"


def _kinds(config: Config) -> str:
    """Describe how many candidates of a training pair are correct."""
    pairing = config.data.pairing
    shares = {"both wrong": pairing.both_wrong, "both correct": pairing.both_correct}
    others = [f"{share:.0%} {name}" for name, share in shares.items() if share]
    exceptions = f", except for {' and '.join(others)}" if others else ""
    return f"with exactly one correct candidate{exceptions}"


def _settings(config: Config) -> str:
    """Return the options of training and sampling as YAML."""
    train = {key: value for key, value in asdict(config.train).items() if not isinstance(value, dict)}
    rollout = {"max_new_tokens": config.rollout.max_new_tokens, "temperature": config.rollout.temperature}
    return yaml.safe_dump({"train": train, "rollout": rollout}, sort_keys=False)
