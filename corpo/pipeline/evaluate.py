"""The evaluation stage: every rollout of one policy on the evaluation splits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from corpo.config import BANK, PIPELINES, Config
from corpo.pipeline.data import evaluated_data, evaluated_items
from corpo.pipeline.models import (
    estimated_minutes,
    fits_context,
    is_nano,
    outputs,
    prompt_renderer,
    prompt_spec,
    rollout_engine,
    sampling_spec,
)
from corpo.pipeline.plugin_sources import plugin_spec
from corpo.pipeline.questions import grading_spec
from corpo.pipeline.stage import Stage
from corpo.pipeline.train import start_policy, trained_policy
from corpo.pipeline.warm_start import warm_start_suffix
from corpo.task.response import CLOSE, OPEN

ROLLOUTS = "rollouts.parquet"
ROLLOUTS_WITHOUT_THOUGHT = 4  # per prompt
NANO_ROLLOUTS_PER_MINUTE = 13_000  # evaluated, by a nano on two quiet cores without AVX-512
# Evaluated prompts for each of `data.pairs_per_split`: both orders of five kinds of pairs, or of seven.
PROMPTS_PER_PAIR = {BANK: 10, PIPELINES: 14}


def evaluate_stage(config: Config, trained: bool, with_thought: bool = True) -> Stage:
    """Return the stage that evaluates the policy this config trains, or the base if not `trained`.

    Without thought, the policy is given an empty think block and writes the scores only.
    """
    policy = trained_policy(config) if trained else start_policy(config)
    if trained:
        title = f"evaluate {config.baseline.name} seed {config.seed}"
    else:
        title = f"evaluate {_policy_name(config)}{warm_start_suffix(config)}"
    data_inputs, data_spec = evaluated_data(config)
    num_rollouts = config.evaluate.num_rollouts
    prefix = ""
    if not with_thought:
        title += " without thought"
        num_rollouts = ROLLOUTS_WITHOUT_THOUGHT
        prefix = OPEN + CLOSE
    spec = {
        "model": {**policy.spec, **prompt_spec(config)},
        **data_spec,
        "reward": asdict(config.reward),
        "rollout": sampling_spec(config),
        "evaluate": {"num_rollouts": num_rollouts, "seed": config.evaluate.seed, "prefix": prefix},
        **grading_spec(config),
        **plugin_spec(config),
    }

    def minutes() -> float:
        num_prompts = PROMPTS_PER_PAIR[config.data.problems] * config.data.pairs_per_split
        all_rollouts = num_prompts * num_rollouts
        if is_nano(config):
            return all_rollouts / NANO_ROLLOUTS_PER_MINUTE
        return estimated_minutes(config, 0, all_rollouts)

    return Stage(
        name="evaluate",
        title=title,
        inputs=(*data_inputs, *policy.inputs),
        spec=spec,
        outputs=outputs(config),
        work=lambda folder: _evaluate_policy(
            config, policy.path(), title, folder, num_rollouts=num_rollouts, prefix=prefix
        ),
        minutes=minutes,
    )


def _policy_name(config: Config) -> str:
    for name, path in config.evaluate.policies.items():
        if path == config.model.path:
            return name
    return "base"


def _evaluate_policy(
    config: Config, path: str, title: str, folder: Path, num_rollouts: int, prefix: str
) -> None:
    from corpo.evaluate.rollouts import roll_out
    from corpo.policy.load import load_policy
    from corpo.tasks import task_of
    from corpo.utils.files import write_atomically

    items = evaluated_items(config)
    model, tokenizer = load_policy(config.model, path)
    render, fits = prompt_renderer(config, tokenizer), fits_context(config, model, tokenizer)
    with rollout_engine(config, model, tokenizer, path) as engine:
        rollouts = roll_out(
            items,
            engine,
            render,
            fits,
            task=task_of(config),
            num_rollouts=num_rollouts,
            seed=config.evaluate.seed,
            folder=folder,
            title=title,
            prefix=prefix,
        )
    write_atomically(folder / ROLLOUTS, lambda beside: rollouts.to_parquet(beside))
    for part in folder.glob("part-*.parquet"):
        part.unlink()
