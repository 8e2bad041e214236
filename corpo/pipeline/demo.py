"""Sample one batch of the shipped base policy on a few problems that are made for it, within seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from corpo.config import PIPELINES, Config
from corpo.pipeline.data import require_pairs
from corpo.pipeline.models import model_path, prompt_renderer, rollout_engine
from corpo.utils.errors import ConfigError
from corpo.utils.files import hash_of

if TYPE_CHECKING:
    from torch import Tensor

    from corpo.report.demo import Demo
    from corpo.task import Pair


def sample_demo(config: Config) -> Demo:
    """Sample a batch as large as one of training and return one of its groups, with counts over all of them.

    The group is the one with most failures that GRPO rewards, among those with a correct response. Problems
    and responses depend on the seed of the config. Nothing is written. Raises ConfigError if the config has
    another task or other problems than pipelines.
    """
    require_pairs(config)
    from corpo.baselines import advantages
    from corpo.policy.load import load_policy
    from corpo.report.demo import Demo
    from corpo.report.names import PAPER_BASELINES
    from corpo.task import complete_responses
    from corpo.tasks import task_of
    from corpo.train.rl import rewards_of

    task = task_of(config)
    pairs = training_pairs(config)
    path = model_path(config)
    model, tokenizer = load_policy(config.model, path)
    render = prompt_renderer(config, tokenizer)
    prompts = [render(pair) for pair in pairs]
    seed = int(hash_of(["demo", config.seed], 8), 16)
    with rollout_engine(config, model, tokenizer, path) as engine:
        rollouts = engine.generate(prompts, config.train.group_size, seed)
    texts_PG = complete_responses(prompts, rollouts.texts_PG)
    rewards_PG = rewards_of(task.grade(texts_PG, pairs)).double()
    failed_PG = rewards_PG < task.threshold
    advantages_of, rewarded_of = {}, {}
    for baseline in PAPER_BASELINES:
        advantages_of[baseline] = advantages(rewards_PG, baseline, threshold=task.threshold)
        rewarded_of[baseline] = failed_PG & (advantages_of[baseline] > 0)
    index = _most_rewarded_failures(failed_PG, rewarded_of["grpo"])
    return Demo(
        seed=config.seed,
        policy=config.model.path,
        pair=pairs[index],
        responses=texts_PG[index],
        rewards=_rounded(rewards_PG[index]),
        advantages={baseline: _rounded(values_PG[index]) for baseline, values_PG in advantages_of.items()},
        threshold=task.threshold,
        num_prompts=len(pairs),
        num_failures=int(failed_PG.sum()),
        num_rewarded={baseline: int(rewarded_PG.sum()) for baseline, rewarded_PG in rewarded_of.items()},
    )


def training_pairs(config: Config) -> list[Pair]:
    """Return pairs like those of training, both orders of each, as many as a training step has prompts.

    One candidate of each is correct, and one wrong. All candidates are run in the sandbox.
    """
    from corpo.data.execution.sandbox import Sandbox
    from corpo.data.pairing.drawing import train_pairs
    from corpo.data.pairing.splits import TRAIN
    from corpo.data.pipelines.build import build
    from corpo.data.types import Use

    data = config.data
    if data.problems != PIPELINES or data.sources:
        raise ConfigError(f"the demonstration needs data.problems={PIPELINES}, without sources")
    num_pairs = config.train.prompts_per_step // 2
    few = replace(
        data.pipelines,
        warm_start_problems=1,
        math_warm_start_problems=1,
        validation_problems=1,
        evaluation_problems=1,
        train_problems=num_pairs,
    )
    built = build({Use.train}, few, data.mutants_per_solution, config.seed, Sandbox(), None)
    return [pair for _, pair in train_pairs(built.problems, TRAIN, num_pairs, config.seed)]


def _most_rewarded_failures(failed_PG: Tensor, rewarded_PG: Tensor) -> int:
    """Return the index of the group with most rewarded failures, if possible one with a correct response."""
    has_correct_P = ~failed_PG.all(dim=1)
    num_responses = failed_PG.shape[1]
    return int((rewarded_PG.sum(dim=1) + (num_responses + 1) * has_correct_P).argmax())


def _rounded(values_G: Tensor) -> list[float]:
    """Return rewards or advantages with the four decimals that records have."""
    return [round(value, 4) for value in values_G.tolist()]
