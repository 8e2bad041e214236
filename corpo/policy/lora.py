"""Low-rank adapters (LoRA, arXiv 2106.09685) by peft, put into a model in place, and taken out again by merging."""

from __future__ import annotations

import copy

from transformers import PreTrainedModel

from corpo.config import LoraConfig
from corpo.utils.errors import ModelError


def add_lora(model: PreTrainedModel, config: LoraConfig) -> None:
    """Adapters beside every linear layer of the blocks; only they learn. Raises ModelError where peft is missing."""
    try:
        import peft
    except ImportError:
        raise ModelError(
            f"train.lora.rank={config.rank}: needs the Python package peft; pip install -e .[lora]"
        ) from None
    adapters = peft.LoraConfig(
        r=config.rank, lora_alpha=config.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    # In the model's own dtype, as FSDP2 wants it; the optimiser's masters are float32 anyway.
    peft.get_peft_model(model, adapters, autocast_adapter_dtype=False)


def merged(model: PreTrainedModel) -> PreTrainedModel:
    """The model itself where it has no adapters, else a copy with them added into its weights."""
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
