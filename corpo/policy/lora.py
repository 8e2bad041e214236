"""Low-rank adapters (LoRA, arXiv 2106.09685) with peft: add them to a model, merge them into its weights."""

from __future__ import annotations

import copy

from transformers import PreTrainedModel

from corpo.config import LoraConfig
from corpo.utils.errors import ModelError


def add_lora(model: PreTrainedModel, config: LoraConfig) -> None:
    """Add an adapter to each linear layer of the blocks and freeze all other weights.

    Raises ModelError if peft is missing.
    """
    try:
        import peft
    except ImportError:
        raise ModelError(
            f"train.lora.rank={config.rank}: needs the Python package peft; pip install 'corpo-rl[lora]'"
        ) from None
    adapters = peft.LoraConfig(
        r=config.rank, lora_alpha=config.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    # FSDP2 wants one dtype, and the optimizer's copies of the weights are float32 in any case.
    peft.get_peft_model(model, adapters, autocast_adapter_dtype=False)


def merge_adapters(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy with the adapters added to the weights, or the model itself if it has no adapters."""
    if not hasattr(model, "peft_config"):
        return model
    from peft.tuners.tuners_utils import BaseTunerLayer

    plain = copy.deepcopy(model)
    for name, module in list(plain.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(plain.get_submodule(parent), child, module.get_base_layer())
    del plain.peft_config
    return plain
