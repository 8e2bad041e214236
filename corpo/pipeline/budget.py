"""What a training step needs, before anything is loaded: memory of one device by part, tokens, and time.

Sizes of weights and of what the backward pass keeps are counted on a model without storage (torch's meta device), not guessed.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from corpo.config import Config
from corpo.policy import logprobs as head
from corpo.policy import tree_attention as attention
from corpo.policy.logprobs import hidden_states

_SAMPLE = 256  # tokens on which kept activations are counted
DECODING = 0.3  # share of the training speed that sampling reaches, for it waits for memory: 0.4 with SmolLM2 on two cores


@dataclass(frozen=True)
class Budget:
    parts: dict[str, float]  # bytes of one device
    parameters: int
    training_tokens: int  # a step, over all devices
    rollout_tokens: int
    step_seconds: float

    @property
    def memory(self) -> float:
        return sum(self.parts.values())


def architecture(path: str, known: dict[str, Any]) -> PretrainedConfig | None:
    """A model's config.json, from its folder, the cache or a hub; else what the experiment says of it; else None."""
    try:
        return AutoConfig.from_pretrained(path)
    except (OSError, ValueError):
        return AutoConfig.for_model(**known) if known else None


def step_budget(config: Config, model_config: PretrainedConfig) -> Budget:
    """The budget of one step of `config` with this architecture, with every completion as long as it may be."""
    train, rollout, plan = config.train, config.rollout, config.budget
    model = _model(model_config)
    parameters = sum(p.numel() for p in model.parameters())
    learning = _adapter_parameters(model, train.lora.rank) if train.lora.rank else parameters
    size = 4 if config.model.dtype == "float32" else 2
    group_tokens = plan.prompt_tokens + train.group_size * rollout.max_new_tokens
    micro_batch = max(train.token_budget, group_tokens)
    fixed, a_layer = _kept_per_token(model_config, size)
    layers = model_config.num_hidden_layers
    if train.gradient_checkpointing:
        activations = micro_batch * (fixed + a_layer + layers * size * model_config.hidden_size)
    else:
        activations = micro_batch * (fixed + layers * a_layer)
    parts = {
        "weights": size * parameters / plan.devices,
        "gradients": size * learning / plan.devices,
        "optimiser: master weights and two moments, float32": 12 * learning / plan.devices,
        "activations of a micro-batch": activations,
        "attention scores and logits, a block at a time": 3 * 4 * attention.BLOCK
        + 2.5 * head.CHUNK_BYTES
        + head.KEPT_BYTES,
    }
    if rollout.engine == "vllm":
        parts[
            "vLLM: weights and KV cache" + (" (asleep in training)" if rollout.vllm.enable_sleep_mode else "")
        ] = (
            0.0
            if rollout.vllm.enable_sleep_mode
            else rollout.vllm.gpu_memory_utilization * plan.memory_gib * 2**30
        )
    else:
        kv_heads = getattr(model_config, "num_key_value_heads", model_config.num_attention_heads)
        a_token = (
            2
            * layers
            * kv_heads
            * (
                getattr(model_config, "head_dim", None)
                or model_config.hidden_size // model_config.num_attention_heads
            )
            * size
        )
        parts["KV cache of rollouts"] = (
            a_token * rollout.max_rows * (plan.prompt_tokens / train.group_size + rollout.max_new_tokens)
        )
        if plan.devices > 1:
            parts["whole weights to sample from"] = size * parameters
    if train.loss.kl:
        parts["reference policy"] = size * parameters
    training_tokens = train.prompts_per_step * group_tokens
    rollout_tokens = train.prompts_per_step * train.group_size * rollout.max_new_tokens
    flops = (
        8 if train.gradient_checkpointing else 6
    ) * parameters * training_tokens + 2 * parameters * rollout_tokens / DECODING
    return Budget(
        parts, parameters, training_tokens, rollout_tokens, flops / (plan.teraflops * 1e12 * plan.devices)
    )


def parameter_count(model_config: PretrainedConfig) -> int:
    return sum(p.numel() for p in _model(model_config).parameters())


def _model(model_config: PretrainedConfig, device: str = "meta") -> Any:
    with torch.device(device):
        return AutoModelForCausalLM.from_config(model_config, dtype=torch.bfloat16)


def _adapter_parameters(model: Any, rank: int) -> int:
    """Of a pair of rank-r matrices beside every linear layer of the blocks."""
    linear = (m for m in model.base_model.modules() if isinstance(m, torch.nn.Linear))
    return sum(rank * (m.in_features + m.out_features) for m in linear)


def _kept_per_token(model_config: PretrainedConfig, size: int) -> tuple[float, float]:
    """Bytes that autograd keeps for a token: outside the layers, and in one layer."""
    one, two = (_kept(model_config, layers) / _SAMPLE for layers in (1, 2))
    scale = size / 2
    return (2 * one - two) * scale, (two - one) * scale


def _kept(model_config: PretrainedConfig, layers: int, device: str = "meta") -> int:
    """Bytes that the backward pass of a model of so many layers keeps of one rollout of `_SAMPLE` tokens, weights aside."""
    shallow = copy.deepcopy(model_config)
    shallow.num_hidden_layers = layers
    if getattr(shallow, "layer_types", None):
        shallow.layer_types = shallow.layer_types[:layers]
    model = _model(shallow, device)
    attention.use_tree_attention(model)
    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, tuple[Tensor, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = (
                tensor,
                storage.nbytes(),
            )  # holding the tensor keeps its storage's address its own
        return tensor

    ids = torch.zeros(1, _SAMPLE, dtype=torch.long, device=device)
    at = torch.arange(_SAMPLE - 1, device=device)[None]  # behind a prompt of one token
    tree = attention.Tree(at[None], at[None] >= 0, at, at >= 0)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden_states(
            model,
            input_ids=ids,
            attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device),
            tree=tree,
        )
    return sum(size for _, size in kept.values())
