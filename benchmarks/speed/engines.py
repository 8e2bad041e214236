"""Compare the two rollout engines on the same policy and the same prompts.

    python -m benchmarks.speed.engines experiment=smollm2

It needs vLLM. For each engine it measures how far the log-probs of the sampled tokens are from those that the
trainer computes for the same tokens, and the mean reward. The table goes to results/<name>/engines.md.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from corpo.cli.failure import exit_with
from corpo.cli.hydra_app import Job, run_job
from corpo.config import Config
from corpo.data.pairing.splits import VALIDATION
from corpo.evaluate.intervals import Interval, clustered_bootstrap, paired_difference
from corpo.pipeline.data import data_stage, split_pairs
from corpo.pipeline.models import prompt_renderer, rollout_engine
from corpo.pipeline.provenance import provenance
from corpo.pipeline.stage import Stage, run_stages
from corpo.pipeline.study import results_folder
from corpo.pipeline.train import start_policy
from corpo.policy.load import load_policy
from corpo.policy.packing import group_logprobs
from corpo.rollout import Rollouts
from corpo.task import Pair
from corpo.task.grade import grade
from corpo.utils.errors import CorpoError
from corpo.utils.files import write_text
from corpo.utils.markdown import table

NUM_PROMPTS = 64
HEADER = (
    "engine",
    "mean distance, nats",
    "largest",
    "mean (trainer - engine)",
    "mean reward",
    "tokens per rollout",
    "tokens per second",
)


def stages(config: Config) -> list[Stage]:
    """Return what has to be there before the engines are compared: the pairs and the policy."""
    return [data_stage(config), *start_policy(config).inputs]


def run(config: Config) -> None:
    """Sample with both engines, print the comparison and write it to the results folder."""
    run_stages(stages(config))
    pairs = [pair for split, pair in split_pairs(config) if split == VALIDATION][:NUM_PROMPTS]
    clusters = [pair.problem.id for pair in pairs]
    path = start_policy(config).path()
    model, tokenizer = load_policy(config.model, path)
    render = prompt_renderer(config, tokenizer)
    prompts = [render(pair) for pair in pairs]
    rows, rewards = [], {}
    for name in ("transformers", "vllm"):
        rollout = dataclasses.replace(config.rollout, engine=name)
        engine_config = dataclasses.replace(config, rollout=rollout)
        with rollout_engine(engine_config, model, tokenizer, path) as engine:
            engine.generate(prompts[:2], config.train.group_size, seed=1)  # warm up
            started = time.perf_counter()
            rollouts = engine.generate(prompts, config.train.group_size, seed=0)
            seconds = time.perf_counter() - started
        rewards[name] = mean_rewards(config, rollouts, pairs)
        distances = logprob_distances(model, rollouts, config.rollout.temperature)
        interval = clustered_bootstrap(rewards[name], clusters)
        rows.append(_row(name, rollouts, distances, interval, seconds))
    difference, _ = paired_difference(rewards["vllm"], rewards["transformers"], clusters)
    page = _page(config, rows, difference, len(pairs))
    write_text(results_folder(config) / "engines.md", page)
    print(page)


def mean_rewards(config: Config, rollouts: Rollouts, pairs: Sequence[Pair]) -> list[float]:
    """Return the mean reward of each prompt."""
    rewards_PG = grade(rollouts.texts_PG, pairs, config.reward.build()).rewards_PG
    means: list[float] = rewards_PG.mean(1).tolist()
    return means


def logprob_distances(model: PreTrainedModel, rollouts: Rollouts, temperature: float) -> Tensor:
    """Return the trainer's log-prob minus the engine's for every sampled token, in nats, (N,)."""
    distances = []
    for prompt in range(len(rollouts.prompt_ids)):
        part = rollouts.of([prompt]).to(model.device)
        with torch.no_grad():
            own_PGT, _ = group_logprobs(
                model, part.prompt_ids, part.completion_ids_PGT, part.mask_PGT, temperature
            )
        distances.append((own_PGT - part.logprobs_PGT)[part.mask_PGT].cpu())
    return torch.cat(distances)


def _row(
    name: str, rollouts: Rollouts, distances: Tensor, reward: Interval, seconds: float
) -> tuple[str, ...]:
    return (
        name,
        f"{distances.abs().mean():.4f}",
        f"{distances.abs().max():.3f}",
        f"{distances.mean():+.5f}",
        f"{reward.mean:.3f} [{reward.low:.3f}, {reward.high:.3f}]",
        f"{float(rollouts.lengths_PG.float().mean()):.1f}",
        f"{float(rollouts.mask_PGT.sum()) / seconds:.0f}",
    )


def _page(config: Config, rows: Sequence[tuple[str, ...]], difference: Interval, num_prompts: int) -> str:
    machine = "; ".join(f"{key} {value}" for key, value in provenance().items())
    return f"""# Two engines, one policy

{config.name}: {num_prompts} validation prompts x {config.train.group_size} rollouts, temperature
{config.rollout.temperature:g}, {config.model.dtype}. Distances are between the log-probs of the sampled
tokens as the engine reported them and those that the trainer computes for the same tokens.

{table(HEADER, rows)}

Mean reward, vLLM minus transformers: {difference.mean:+.3f}
[{difference.low:+.3f}, {difference.high:+.3f}] (95% interval over problems).

{machine}. `python -m benchmarks.speed.engines {" ".join(sys.argv[1:])}`
"""


if __name__ == "__main__":
    try:
        run_job(Job("benchmarks.speed.engines", run, stages), sys.argv[1:])
    except CorpoError as error:
        exit_with(error)
