"""The policies and rollout engines that a config names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from corpo.config import NEW, Config, ModelConfig
from corpo.policy.load import policy_hash
from corpo.utils.errors import ModelError
from corpo.utils.paths import ROOT

if TYPE_CHECKING:  # what is heavy is imported where it is used, so that --help and errors answer at once
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from corpo.rollout import RolloutEngine
    from corpo.task import Pair


def outputs(config: Config) -> Path:
    return ROOT / config.outputs


def model_path(config: Config) -> str:
    """A folder below the repository where there is one, a packaged model's folder, else what was given."""
    if config.model.path.startswith("package:"):
        from corpo.policy.packaged import unpacked

        return str(unpacked(config.model.path, outputs(config) / "models"))
    local = ROOT / config.model.path
    return str(local) if local.is_dir() else config.model.path


def model_hash(config: Config) -> str:
    """What the configured model is, for the keys of stages. Raises ModelError where it cannot be had."""
    try:
        return policy_hash(model_path(config))
    except ModelError:
        if (
            config.dry_run and not Path(model_path(config)).is_dir()
        ):  # a plan can be made for a model that is still to be fetched
            return config.model.path
        raise


def model_spec(config: Config, policy: str) -> dict[str, object]:
    """A policy and how it is asked, for the key of a stage."""
    return {
        "policy": policy,
        **{key: getattr(config.model, key) for key in ("dtype", "style", "chat_template")},
    }


def sampling_spec(config: Config) -> dict[str, object]:
    """What rollouts depend on, for the key of a stage."""
    return {key: getattr(config.rollout, key) for key in ("engine", "max_new_tokens", "temperature", "stop")}


@contextmanager
def rollout_engine(
    config: Config, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: str
) -> Iterator[RolloutEngine]:
    """The engine that the config names, for a model that was loaded from `path`; closed at the end, for memory has room for one."""
    engine = _make_engine(config, model, tokenizer, path)
    try:
        yield engine
    finally:
        engine.close()


def _make_engine(
    config: Config, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: str
) -> RolloutEngine:
    rollout = config.rollout
    if rollout.engine == "vllm":
        from corpo.rollout.vllm import VllmEngine

        return VllmEngine(
            model, tokenizer, path, rollout.max_new_tokens, rollout.temperature, rollout.vllm, rollout.stop
        )
    from corpo.rollout.hf import SharedPrefixEngine

    return SharedPrefixEngine(
        model, tokenizer, rollout.max_new_tokens, rollout.temperature, rollout.max_rows, rollout.stop
    )


def prompt_renderer(config: Config, tokenizer: PreTrainedTokenizerBase) -> Callable[[Pair], str]:
    """How the config's model is asked about a pair."""
    from corpo.task import chat_prompt, render_prompt

    style = config.model.style
    return (
        (lambda pair: chat_prompt(pair, tokenizer, style))
        if config.model.chat_template
        else (lambda pair: render_prompt(pair, style))
    )


def fits_context(
    config: Config, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> Callable[[str], bool]:
    """Whether a prompt leaves the model room for a whole completion."""
    room = int(model.config.max_position_embeddings) - config.rollout.max_new_tokens
    return lambda prompt: len(tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"]) <= room


def is_nano(config: Config) -> bool:
    return config.model.path in (ModelConfig.path, NEW)


def model_architecture(config: Config) -> PretrainedConfig | None:
    from corpo.pipeline.budget import architecture

    return architecture(model_path(config), config.model.architecture)


def estimated_minutes(config: Config, learned_rows: int, rollouts: int) -> float:
    """Of supervised rows and of rollouts, at the speed that the config states; nan where the model is not known."""
    from corpo.pipeline.budget import DECODING, parameter_count

    model = model_architecture(config)
    if model is None:
        return math.nan
    tokens = (
        6 * learned_rows * config.budget.prompt_tokens
        + 2 * rollouts * config.rollout.max_new_tokens / DECODING
    )
    return tokens * parameter_count(model) / (config.budget.teraflops * 1e12 * 60)
