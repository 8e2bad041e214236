"""The budget of a training step before anything is loaded: memory of one device by part, tokens, and time.

The sizes of weights and of what the backward pass keeps are counted on a model without storage (torch's meta
device).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from corpo.config import Config
from corpo.policy import logprobs, tree_attention

_SAMPLE_TOKENS = 256  # on which kept activations are counted
# Sampling speed over training speed: decoding waits for memory. It is 0.4 for SmolLM2 on two cores.
DECODING = 0.3


@dataclass(frozen=True)
class Budget:
    """Memory, tokens and time of one training step."""

    parts: dict[str, float]  # bytes on one device
    parameters: int
    training_tokens: int  # per step, over all devices
    rollout_tokens: int
    step_seconds: float

    @property
    def memory(self) -> float:
        """Return the bytes of all parts."""
        return sum(self.parts.values())


def architecture(path: str, known: dict[str, Any]) -> PretrainedConfig | None:
    """Return the architecture from the model's folder, the cache or a hub, else from `known`, else None."""
    try:
        return AutoConfig.from_pretrained(path, trust_remote_code=False)
    except Exception:  # a damaged config.json raises many kinds of errors; loading explains them
        return AutoConfig.for_model(**known) if known else None


def step_budget(config: Config, model_config: PretrainedConfig) -> Budget:
    """Return the budget of one step with this architecture if every completion is as long as it may be."""
    train, rollout, limits = config.train, config.rollout, config.budget
    model = _meta_model(model_config)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    trained = _adapter_parameters(model, train.lora.rank) if train.lora.rank else parameters
    value_bytes = 4 if config.model.dtype == "float32" else 2
    group_tokens = limits.prompt_tokens + train.group_size * rollout.max_new_tokens
    parts = {
        "weights": value_bytes * parameters / limits.devices,
        "gradients": value_bytes * trained / limits.devices,
        "optimizer: master weights and two moments, float32": 12 * trained / limits.devices,
        "activations of a micro-batch": _activation_bytes(config, model_config, value_bytes, group_tokens),
        "attention scores and logits, a block at a time": _block_bytes(),
        **_rollout_parts(config, model_config, parameters, value_bytes),
    }
    if train.loss.kl:
        parts["reference policy"] = value_bytes * parameters
    training_tokens = train.prompts_per_step * group_tokens
    rollout_tokens = train.prompts_per_step * train.group_size * rollout.max_new_tokens
    flops_per_token = train.epochs * (8 if train.gradient_checkpointing else 6)
    if train.updates_per_step > 1 and train.loss.ppo_clip is not None:
        flops_per_token += 2  # the log-probs before the first update
    flops = flops_per_token * parameters * training_tokens + 2 * parameters * rollout_tokens / DECODING
    seconds = flops / (limits.teraflops * 1e12 * limits.devices)
    return Budget(parts, parameters, training_tokens, rollout_tokens, seconds)


def _activation_bytes(
    config: Config, model_config: PretrainedConfig, value_bytes: int, group_tokens: int
) -> float:
    """Return what the backward pass keeps of the largest micro-batch."""
    tokens = max(config.train.token_budget, group_tokens)
    outside_layers, per_layer = _kept_per_token(model_config, value_bytes)
    layers = model_config.num_hidden_layers
    if config.train.gradient_checkpointing:
        layer_inputs = layers * value_bytes * model_config.hidden_size
        return tokens * (outside_layers + per_layer + layer_inputs)
    return tokens * (outside_layers + layers * per_layer)


def _block_bytes() -> float:
    return 3 * 4 * tree_attention.BLOCK + 2.5 * logprobs.CHUNK_BYTES + logprobs.KEPT_BYTES


def _rollout_parts(
    config: Config, model_config: PretrainedConfig, parameters: int, value_bytes: int
) -> dict[str, float]:
    """Return the memory of sampling: vLLM's share of the device, or the cache of our own engine."""
    rollout, limits = config.rollout, config.budget
    if rollout.engine == "vllm":
        if rollout.vllm.enable_sleep_mode:
            return {"vLLM: weights and KV cache (asleep in training)": 0.0}
        share = rollout.vllm.gpu_memory_utilization
        return {"vLLM: weights and KV cache": share * limits.memory_gib * 2**30}
    kv_heads = getattr(model_config, "num_key_value_heads", model_config.num_attention_heads)
    head_size = getattr(model_config, "head_dim", None)
    head_size = head_size or model_config.hidden_size // model_config.num_attention_heads
    token_bytes = 2 * model_config.num_hidden_layers * kv_heads * head_size * value_bytes
    tokens_per_row = limits.prompt_tokens / config.train.group_size + rollout.max_new_tokens
    parts = {"KV cache of rollouts": token_bytes * rollout.max_rows * tokens_per_row}
    if limits.devices > 1:
        parts["whole weights to sample from"] = value_bytes * parameters
    return parts


def parameter_count(model_config: PretrainedConfig) -> int:
    """Return the number of parameters of a model with this architecture."""
    return sum(parameter.numel() for parameter in _meta_model(model_config).parameters())


def _meta_model(model_config: PretrainedConfig, device: str = "meta") -> Any:
    with torch.device(device):
        return AutoModelForCausalLM.from_config(model_config, dtype=torch.bfloat16)


def _adapter_parameters(model: Any, rank: int) -> int:
    """Return the parameters of a pair of rank-r matrices beside every linear layer of the blocks."""
    total = 0
    for module in model.base_model.modules():
        if isinstance(module, torch.nn.Linear):
            total += rank * (module.in_features + module.out_features)
    return total


def _kept_per_token(model_config: PretrainedConfig, value_bytes: int) -> tuple[float, float]:
    """Return the bytes that autograd keeps per token outside the layers and in one layer."""
    one_layer = _kept_bytes(model_config, 1) / _SAMPLE_TOKENS
    two_layers = _kept_bytes(model_config, 2) / _SAMPLE_TOKENS
    scale = value_bytes / 2
    return (2 * one_layer - two_layers) * scale, (two_layers - one_layer) * scale


def _kept_bytes(model_config: PretrainedConfig, layers: int, device: str = "meta") -> int:
    """Return the bytes besides the weights that the backward pass keeps of one rollout."""
    shallow = copy.deepcopy(model_config)
    shallow.num_hidden_layers = layers
    if getattr(shallow, "layer_types", None):
        shallow.layer_types = shallow.layer_types[:layers]
    model = _meta_model(shallow, device)
    tree_attention.use_tree_attention(model)
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, tuple[Tensor, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            # Holding the tensor keeps the address of its storage from being used again.
            kept[storage._cdata] = (tensor, storage.nbytes())
        return tensor

    ids = torch.zeros(1, _SAMPLE_TOKENS, dtype=torch.long, device=device)
    index_PT = torch.arange(_SAMPLE_TOKENS - 1, device=device)[None]  # behind a prompt of one token
    tree = tree_attention.Tree(index_PT[None], index_PT[None] >= 0, index_PT, index_PT >= 0)
    prompt_mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logprobs.hidden_states(model, input_ids=ids, attention_mask=prompt_mask, tree=tree)
    return sum(size for _, size in kept.values())
