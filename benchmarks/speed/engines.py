"""Do both rollout engines sample the same policy? `python -m experiments.engines experiment=smollm2` (where vLLM is installed)

The same prompts, a group each from both: how far vLLM's log-probs are from the trainer's on the same tokens, and both mean rewards.
"""

from __future__ import annotations

import dataclasses
import time

from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.data import data_stage, split_pairs
from corpo.pipeline.models import prompt_renderer, rollout_engine
from corpo.pipeline.stage import Stage, provenance
from corpo.pipeline.study import results_folder
from corpo.pipeline.train import start_path, warm_start_stage
from corpo.utils.files import write_text
from corpo.utils.paths import command

PROMPTS = 64


def stages(config: Config) -> list[Stage]:
    return [data_stage(config), *([warm_start_stage(config)] if config.model.warm_start else [])]


def run(config: Config) -> None:
    import torch

    from corpo.data.pairing.splits import VALIDATION
    from corpo.evaluate.intervals import clustered_bootstrap, paired_difference
    from corpo.policy.load import load_policy
    from corpo.policy.packing import group_logprobs
    from corpo.task.grade import grade
    from corpo.utils.markdown import table

    pairs = [pair for split, pair in split_pairs(config) if split == VALIDATION][:PROMPTS]
    path = start_path(config)
    model, tokenizer = load_policy(config.model, path)
    render = prompt_renderer(config, tokenizer)
    rows, rewards, spread = [], {}, {}
    for name in ("transformers", "vllm"):
        rollout = dataclasses.replace(config.rollout, engine=name)
        with rollout_engine(dataclasses.replace(config, rollout=rollout), model, tokenizer, path) as engine:
            engine.generate([render(pair) for pair in pairs[:2]], config.train.group_size, seed=1)
            started = time.perf_counter()
            rollouts = engine.generate([render(pair) for pair in pairs], config.train.group_size, seed=0)
            seconds = time.perf_counter() - started
        rewards_PG = grade(rollouts.texts_PG, pairs, config.reward.build()).rewards_PG
        rewards[name] = rewards_PG.mean(1).tolist()
        gaps = []
        for p in range(len(pairs)):
            part = rollouts.of([p]).to(model.device)
            with torch.no_grad():
                own, _ = group_logprobs(
                    model, part.prompt_ids, part.completion_ids_PGT, part.mask_PGT, config.rollout.temperature
                )
            gaps.append((own - part.logprobs_PGT)[part.mask_PGT].cpu())
        gap = torch.cat(gaps)
        clusters = [pair.problem.id for pair in pairs]
        spread[name] = clustered_bootstrap(rewards[name], clusters)
        rows.append(
            (
                name,
                f"{gap.abs().mean():.4f}",
                f"{gap.abs().max():.3f}",
                f"{gap.mean():+.5f}",
                f"{spread[name].mean:.3f} [{spread[name].low:.3f}, {spread[name].high:.3f}]",
                f"{float(rollouts.lengths_PG.float().mean()):.1f}",
                f"{float(rollouts.mask_PGT.sum()) / seconds:.0f}",
            )
        )
    difference, _ = paired_difference(rewards["vllm"], rewards["transformers"], clusters)
    header = (
        "engine",
        "mean distance, nats",
        "largest",
        "mean (trainer - engine)",
        "mean reward",
        "tokens a rollout",
        "tokens a second",
    )
    text = f"""# Two engines, one policy

{config.name}: {len(pairs)} validation prompts x {config.train.group_size} rollouts, temperature {config.rollout.temperature:g}, {config.model.dtype}.
Distances: log-probs of the sampled tokens as the engine gave them, from those that the trainer computes for the same tokens.

{table(header, rows)}

Mean reward, vLLM minus transformers: {difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}] (95%, over problems).

{"; ".join(f"{key} {value}" for key, value in provenance().items())}. `{command("benchmarks.speed.engines")}`
"""
    write_text(results_folder(config) / "engines.md", text)
    print(text)


if __name__ == "__main__":
    app(run, stages)
