"""The stages and how they hang together: data -> (warm start) -> train -> evaluate -> report."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.config import NEW, Config, TrackConfig, WarmStartConfig
from corpo.pipeline.data import data_stage, evaluated_key, evaluated_pairs, labelled_problems, split_pairs
from corpo.pipeline.models import (
    estimated_minutes,
    fits_context,
    is_nano,
    model_architecture,
    model_hash,
    model_path,
    model_spec,
    outputs,
    prompt_renderer,
    rollout_engine,
    sampling_spec,
)
from corpo.pipeline.stage import Stage, provenance
from corpo.policy.load import load_policy
from corpo.utils import ranks
from corpo.utils.files import read_jsonl, write_json, write_text
from corpo.utils.paths import command

if TYPE_CHECKING:
    from corpo.report.trackers import Trackers

log = logging.getLogger(__name__)
PROBLEMS, ROLLOUTS = "problems.parquet", "rollouts.parquet"
# The nano on two cores without AVX-512, for the dry run: minutes of its warm start, and rollouts a minute, learned from and evaluated.
WARM_START_MINUTES, LEARNED, EVALUATED = 23, 10_000, 40_000


# --- warm start ---------------------------------------------------------------------------------------------------------


def warm_start_stage(config: Config) -> Stage:
    """Of the nano from nothing, or of the configured model where that wants one."""
    sft_config = _warm_start(config)
    cache_spec = (
        {"model": model_spec(config, model_hash(config))}
        if _teaches_a_model(config)
        else {"nano": asdict(config.nano), "dtype": config.model.dtype}
    )
    spec = {
        "data": data_stage(config).key,
        **cache_spec,
        "max_new_tokens": config.rollout.max_new_tokens,
        "warm_start": asdict(sft_config),
    }
    rows = 2 * sft_config.pairs * sft_config.steps
    title = "warm start" + _of_seed(config)
    return Stage(
        "warm_start",
        spec,
        outputs(config),
        title,
        lambda: estimated_minutes(config, rows, 0) if _teaches_a_model(config) else WARM_START_MINUTES,
    )


def _teaches_a_model(config: Config) -> bool:
    return config.model.warm_start and config.model.path != NEW


def _warm_start(config: Config) -> WarmStartConfig:
    """That of this seed where every seed has its own."""
    return replace(config.warm_start, seed=config.seed) if config.study.own_warm_starts else config.warm_start


def _of_seed(config: Config) -> str:
    """Which of several warm starts."""
    return f" seed {config.seed}" if config.study.own_warm_starts else ""


def make_base_policy(config: Config) -> Path:
    """The policy that reinforcement learning starts from, in `policy/` of the stage's folder."""
    return warm_start_stage(config).run(lambda folder: _make_base_policy(config, folder))


def _make_base_policy(config: Config, folder: Path) -> None:
    from corpo.data.bank.selection import names, select
    from corpo.data.pairing.drawing import without_programs
    from corpo.data.pairing.splits import is_evaluation
    from corpo.data.store import content_hash, problem_rows, write_rows
    from corpo.data.types import Use
    from corpo.task import render_prompt
    from corpo.train.demonstrations import Demonstrator
    from corpo.train.new_nano import new_nano
    from corpo.train.sft import warm_start

    evaluated = {
        c.text for split, pair in split_pairs(config) if is_evaluation(split) for c in (pair.a, pair.b)
    }
    problems = without_programs(labelled_problems(config, {Use.warm_start}), evaluated)
    rows = problem_rows(problems)
    write_rows(folder / PROBLEMS, rows)
    bank = select(config.data.code_families, config.data.math_families)
    record = {
        "command": command("experiments.warm_start"),
        **provenance(),
        "data_hash": content_hash(rows),
        "code_families": names(bank.code),
        "math_families": names(bank.math),
        **warm_start_stage(config).spec,
    }
    sft_config = _warm_start(config)
    teach = partial(Demonstrator, rationale=sft_config.rationale, math_share=sft_config.math_share)
    if _teaches_a_model(config):
        model, tokenizer = load_policy(config.model, model_path(config))
        demonstrator = teach(prompt_renderer(config, tokenizer))
    else:
        demonstrator = teach(render_prompt)
        model, tokenizer = new_nano(problems, demonstrator, config.nano, config.model.dtype, sft_config.seed)
    started = time.time()
    curve = warm_start(
        model, tokenizer, problems, demonstrator, sft_config, config.rollout.max_new_tokens, folder
    )
    record |= {
        "warm_start_seconds": round(time.time() - started, 1),
        "parameters": model.num_parameters(),
        "curve": curve,
    }
    model.save_pretrained(folder / "policy")
    tokenizer.save_pretrained(folder / "policy")
    write_json(folder / "policy/provenance.json", record)


def start_stages(config: Config) -> list[Stage]:
    """What comes before training: the data, and the warm start where the model wants one."""
    return [data_stage(config), *([warm_start_stage(config)] if config.model.warm_start else [])]


def start_key(config: Config) -> str:
    """What reinforcement learning starts from, for the keys of stages."""
    if config.model.warm_start:
        return warm_start_stage(config).key
    return model_hash(config)


def start_path(config: Config) -> str:
    """Where that is, warm-started first where the model wants it."""
    return str(make_base_policy(config) / "policy") if config.model.warm_start else model_path(config)


# --- reinforcement learning ---------------------------------------------------------------------------------------------


def _train_minutes(config: Config) -> float:
    if is_nano(config):
        return config.train.steps * config.train.prompts_per_step * config.train.group_size / LEARNED
    from corpo.pipeline.budget import step_budget

    model = model_architecture(config)
    return config.train.steps * step_budget(config, model).step_seconds / 60 if model else math.nan


def train_stage(config: Config) -> Stage:
    from corpo.baselines import non_default_options

    baseline = config.baseline
    spec = {
        "data": data_stage(config).key,
        "model": model_spec(config, start_key(config)),
        "reward": asdict(config.reward),
        # A default that is spelled out is the same run.
        "baseline": {"name": baseline.name, "options": non_default_options(baseline.name, baseline.options)},
        "rollout": sampling_spec(config),
        "train": asdict(config.train),
        "seed": config.seed,
    }
    return Stage(
        "train",
        spec,
        outputs(config),
        f"train {config.baseline.name} seed {config.seed}",
        lambda: _train_minutes(config),
    )


def train_policy(config: Config) -> Path:
    """One trained policy: `policy/`, `metrics.jsonl` and `groups.jsonl` in the stage's folder."""
    return train_stage(config).run(lambda folder: _train_policy(config, folder), together=True)


def _train_policy(config: Config, folder: Path) -> None:
    import torch

    from corpo.data.pairing.splits import MONITORED_SPLITS, TRAIN, VALIDATION, is_evaluation
    from corpo.report.model_card import model_card
    from corpo.train.distributed import init_distributed
    from corpo.train.rl import PolicyGradientTrainer
    from corpo.utils.errors import DataError

    init_distributed()
    pairs = split_pairs(config)
    torch.manual_seed(config.seed)
    path = start_path(config)
    # Of several processes each holds the weights whole only for its engine; vLLM copies them from main memory.
    model, tokenizer = load_policy(
        config.model, path, "cpu" if ranks.world_size() > 1 and config.rollout.engine == "vllm" else None
    )
    render, fits = prompt_renderer(config, tokenizer), fits_context(config, model, tokenizer)
    fitting_pairs = [
        (split, pair)
        for split, pair in pairs
        if not is_evaluation(split) and all(fits(render(one)) for one in (pair, pair.swapped()))
    ]
    if left_out := sum(not is_evaluation(split) for split, _ in pairs) - len(fitting_pairs):
        log.warning(
            "%d training or validation pairs are longer than the model's context and are left out", left_out
        )
    train, validation, *watched = (
        [pair for split, pair in fitting_pairs if split == name]
        for name in (TRAIN, VALIDATION, *MONITORED_SPLITS.values())
    )
    if not train or not validation:
        raise DataError(
            "data: no pairs to train on or none to validate with; set data.sources.*.evaluation below 1, or give more problems"
        )
    with rollout_engine(config, model, tokenizer, path) as engine:
        learner = PolicyGradientTrainer(
            model,
            tokenizer,
            engine,
            config.reward.build(),
            config.baseline.name,
            config.baseline.options,
            render,
            config.train,
            config.seed,
            config.rollout.temperature,
        )
        trackers = trackers_of(config, f"{config.baseline.name}-seed{config.seed}", train_stage(config).key)
        prompts = config.train.validation_prompts
        shown = [
            *validation[:prompts],
            *(pair for pairs_of_kind in watched for pair in pairs_of_kind[: max(2, prompts // 2)]),
        ]
        learner.train(train, shown, folder, trackers.step)
        trackers.close()
        learner.save(folder / "policy")
    if ranks.rank() == 0:
        card = model_card(
            config,
            start_key(config),
            data_stage(config).key,
            read_jsonl(folder / "metrics.jsonl"),
            provenance(),
        )
        write_text(folder / "policy/README.md", card)


def trackers_of(config: Config, name: str, key: str) -> Trackers:
    """Where people look at a run of this experiment, if anywhere."""
    from corpo.report.trackers import Trackers

    return Trackers(
        config.track if ranks.rank() == 0 else TrackConfig(),
        outputs(config) / "tracking",
        config.name,
        name,
        key,
        asdict(config),
    )


# --- evaluation ---------------------------------------------------------------------------------------------------------


def evaluate_stage(config: Config, trained: bool) -> Stage:
    """Evaluation of the trained policy of this config, or of the base it starts from."""
    policy = train_stage(config).key if trained else start_key(config)
    spec = {
        "model": model_spec(config, policy),
        "data": evaluated_key(config),
        "reward": asdict(config.reward),
        "rollout": sampling_spec(config),
        "evaluate": {"group": config.evaluate.num_rollouts, "seed": config.evaluate.seed},
    }
    name = next(
        (name for name, path in config.evaluate.policies.items() if path == config.model.path), "base"
    )
    title = (
        f"evaluate {config.baseline.name} seed {config.seed}"
        if trained
        else f"evaluate {name}{_of_seed(config)}"
    )
    rollouts = 10 * config.data.pairs_per_split * config.evaluate.num_rollouts
    return Stage(
        "evaluate",
        spec,
        outputs(config),
        title,
        lambda: rollouts / EVALUATED if is_nano(config) else estimated_minutes(config, 0, rollouts),
    )


def evaluate_policy(config: Config, trained: bool) -> Path:
    """Every rollout of a policy on the evaluation splits (or on `data.file`), as Parquet."""
    return evaluate_stage(config, trained).run(lambda folder: _evaluate_policy(config, trained, folder))


def _evaluate_policy(config: Config, trained: bool, folder: Path) -> None:
    from corpo.evaluate.rollouts import roll_out
    from corpo.utils.files import write_atomically

    pairs = evaluated_pairs(config)
    path = str(train_policy(config) / "policy") if trained else start_path(config)
    model, tokenizer = load_policy(config.model, path)
    title = evaluate_stage(config, trained).title
    render, fits, evaluate = (
        prompt_renderer(config, tokenizer),
        fits_context(config, model, tokenizer),
        config.evaluate,
    )
    with rollout_engine(config, model, tokenizer, path) as engine:
        rollouts = roll_out(
            pairs,
            engine,
            render,
            fits,
            config.reward.build(),
            evaluate.num_rollouts,
            evaluate.seed,
            folder,
            title,
        )
    write_atomically(folder / ROLLOUTS, lambda beside: rollouts.to_parquet(beside))
    for part in folder.glob("part-*.parquet"):
        part.unlink()
