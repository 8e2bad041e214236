"""The training stage: reinforcement learning of one policy with one baseline and one seed."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.baselines import non_default_options
from corpo.config import Config, TrackConfig, TrainConfig
from corpo.pipeline.data import data_stage, split_items
from corpo.pipeline.models import (
    fits_context,
    is_nano,
    model_architecture,
    model_hash,
    model_path,
    outputs,
    prompt_renderer,
    prompt_spec,
    rollout_engine,
    sampling_spec,
)
from corpo.pipeline.plugin_sources import plugin_spec
from corpo.pipeline.provenance import provenance
from corpo.pipeline.questions import grading_spec
from corpo.pipeline.stage import Stage
from corpo.pipeline.warm_start import POLICY, warm_start_stage
from corpo.utils import ranks
from corpo.utils.errors import DataError
from corpo.utils.files import read_jsonl, write_text

if TYPE_CHECKING:
    from corpo.report.trackers import Trackers
    from corpo.tasks import Item

log = logging.getLogger(__name__)

NANO_ROLLOUTS_PER_MINUTE = 3_800  # sampled and learned from, by a nano on two quiet cores without AVX-512


@dataclass(frozen=True)
class PolicySource:
    """A policy to train or to evaluate: the result of a stage, or the configured model."""

    inputs: tuple[Stage, ...]  # the stage that makes it, if any
    spec: dict[str, object]  # identifies a policy that no stage makes, for the key of a stage
    identity: str  # a key or a hash, for the model card
    path: Callable[[], str]


def start_policy(config: Config) -> PolicySource:
    """Return the policy that training starts from and that is evaluated as the base."""
    if config.model.warm_start:
        return _policy_of(warm_start_stage(config))
    identity = model_hash(config)
    return PolicySource((), {"policy": identity}, identity, lambda: model_path(config))


def trained_policy(config: Config) -> PolicySource:
    """Return the policy that this config trains."""
    return _policy_of(train_stage(config))


def _policy_of(stage: Stage) -> PolicySource:
    return PolicySource((stage,), {}, stage.key, lambda: str(stage.checked(POLICY)))


def train_stage(config: Config) -> Stage:
    """Return the stage that trains one policy and writes `policy/`, `metrics.jsonl` and `groups.jsonl`."""
    start, baseline = start_policy(config), config.baseline
    # An option that is spelled out with its default value is the same run as one that is left out.
    options = non_default_options(baseline.name, baseline.options)
    spec = {
        "model": {**start.spec, **prompt_spec(config)},
        "reward": asdict(config.reward),
        "baseline": {"name": baseline.name, "options": options},
        "rollout": sampling_spec(config),
        "train": _settings_of_result(config.train),
        "seed": config.seed,
        **grading_spec(config),
        **plugin_spec(config),
    }
    return Stage(
        name="train",
        title=f"train {baseline.name} seed {config.seed}",
        inputs=(data_stage(config), *start.inputs),
        spec=spec,
        outputs=outputs(config),
        work=lambda folder: _train_policy(config, start, folder),
        minutes=lambda: _minutes(config),
        parallel=True,
    )


def _settings_of_result(train: TrainConfig) -> dict[str, Any]:
    """Return the options of training that its result depends on, for the key of the stage."""
    settings = asdict(train)
    del settings["keep_rollouts_every"]
    return settings


def _minutes(config: Config) -> float:
    train = config.train
    if is_nano(config):
        rollouts = train.steps * train.prompts_per_step * train.group_size
        return train.epochs * rollouts / NANO_ROLLOUTS_PER_MINUTE
    from corpo.pipeline.budget import step_budget

    model = model_architecture(config)
    return train.steps * step_budget(config, model).step_seconds / 60 if model else math.nan


def _train_policy(config: Config, start: PolicySource, folder: Path) -> None:
    import torch

    from corpo.policy.load import load_policy
    from corpo.report.model_card import model_card
    from corpo.tasks import task_of
    from corpo.train.distributed import init_distributed
    from corpo.train.rl import PolicyGradientTrainer

    init_distributed()
    torch.manual_seed(config.seed)
    path = start.path()
    # Each of several processes needs whole weights for its engine only, and vLLM reads them from main memory.
    device = "cpu" if ranks.world_size() > 1 and config.rollout.engine == "vllm" else None
    model, tokenizer = load_policy(config.model, path, device)
    render, fits = prompt_renderer(config, tokenizer), fits_context(config, model, tokenizer)

    task = task_of(config)
    train_items, validation_items = _training_items(config, task.bundle, lambda item: fits(render(item)))
    with rollout_engine(config, model, tokenizer, path) as engine:
        trainer = PolicyGradientTrainer(
            model,
            tokenizer,
            engine,
            task=task,
            baseline=config.baseline.name,
            options=config.baseline.options,
            render=render,
            config=config.train,
            seed=config.seed,
            temperature=config.rollout.temperature,
        )
        run_name = f"{config.baseline.name}-seed{config.seed}"
        trackers = trackers_of(config, run_name, train_stage(config).key)
        _log_where_to_look(config)
        trainer.train(train_items, validation_items, folder, trackers.log_step)
        trackers.close()
        trainer.save(folder / POLICY)
    if ranks.rank() == 0:
        metrics = read_jsonl(folder / "metrics.jsonl")
        card = model_card(config, start.identity, data_stage(config).key, metrics, provenance())
        write_text(folder / POLICY / "README.md", card)


def _log_where_to_look(config: Config) -> None:
    from corpo.report.trackers import where_to_look

    if config.track.trackers:
        for line in where_to_look(outputs(config) / "tracking"):
            log.info(line)


def _training_items(
    config: Config, bundle: int, fits: Callable[[Item], bool]
) -> tuple[list[Item], list[Item]]:
    """Return the items to train on and to validate on, without those that are too long for the model.

    Each `bundle` consecutive items are left out together. Validation covers `train.validation_prompts` items
    of the first validation split, and half as many of every other one. Raises DataError if no items are left.
    """
    from corpo.data.pairing.splits import TRAIN, VALIDATION

    by_split: dict[str, list[Item]] = {}
    for split, item in split_items(config):
        if split == TRAIN or split.startswith(VALIDATION):
            by_split.setdefault(split, []).append(item)
    num_learnable = sum(map(len, by_split.values()))
    for split, of_split in by_split.items():
        by_split[split] = _fitting(of_split, bundle, fits)
    num_long = num_learnable - sum(map(len, by_split.values()))
    if num_long:
        log.warning(
            "%d training or validation items are longer than the model's context and are left out", num_long
        )
    if not by_split.get(TRAIN) or not by_split.get(VALIDATION):
        raise DataError(
            "data: no items to train on or none to validate with, which are those of the splits "
            f"{TRAIN!r} and {VALIDATION!r}; give more problems, or set data.sources.*.evaluation below 1"
        )
    prompts = config.train.validation_prompts
    validation = by_split[VALIDATION][:prompts]
    for split, of_split in by_split.items():
        if split not in (TRAIN, VALIDATION):
            validation += of_split[: max(2, prompts // 2)]
    return by_split[TRAIN], validation


def _fitting(items: Sequence[Item], bundle: int, fits: Callable[[Item], bool]) -> list[Item]:
    """Return the items whose whole bundle fits."""
    fitting: list[Item] = []
    for start in range(0, len(items), bundle):
        together = items[start : start + bundle]
        if all(map(fits, together)):
            fitting += together
    return fitting


def trackers_of(config: Config, name: str, key: str) -> Trackers:
    """Return the trackers of a run of this experiment. Only the first process tracks."""
    from corpo.report.trackers import Trackers

    track = config.track if ranks.rank() == 0 else TrackConfig()
    settings: dict[str, Any] = asdict(config)
    return Trackers(track, outputs(config) / "tracking", config.name, name, key, settings)
