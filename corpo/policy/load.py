"""Load a policy from a folder or a hub id, or say in one line why not."""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from corpo.config import ModelConfig
from corpo.utils import ranks
from corpo.utils.errors import ModelError
from corpo.utils.files import file_hash, hash_of

if TYPE_CHECKING:  # torch and transformers take seconds to import: a plan and an error do without
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


log = logging.getLogger(__name__)


def accelerator() -> str:
    """This process's device."""
    import torch

    return f"cuda:{ranks.local_rank()}" if torch.cuda.is_available() else "cpu"


def multiplies_bfloat16() -> bool:
    """Whether this process's device does; a CPU without the instructions takes some twenty times as long as in float32."""
    import torch

    return torch.cuda.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def load_policy(
    config: ModelConfig, path: str | None = None, device: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of `path` (by default `config.path`), from safetensors only, no remote code. Raises ModelError.

    On this process's accelerator, unless another `device` is asked for.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = path or config.path
    try:
        tokenizer = AutoTokenizer.from_pretrained(where)
        model = AutoModelForCausalLM.from_pretrained(
            where, dtype=getattr(torch, config.dtype), use_safetensors=True
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise _unloadable(where, error) from None
    if config.dtype == "bfloat16" and not multiplies_bfloat16():
        log.warning(
            "%s: this CPU has no instructions for bfloat16; model.dtype=float32 is many times faster on it",
            where,
        )
    return model.to(device or accelerator()), tokenizer


def _unloadable(path: str, error: Exception) -> ModelError:
    """What to do, and the library's reason in short, but where the reason is only that there is nothing."""
    remedy = "give a folder with config.json and *.safetensors, or a hub id"
    from huggingface_hub import is_offline_mode

    if not Path(path).exists() and is_offline_mode():
        return ModelError(
            f"model.path={path}: no such folder, and no hub is asked (HF_HUB_OFFLINE=1) nor has it in its cache; {remedy}"
        )
    reason = textwrap.shorten(str(error), 200, placeholder=" ...")
    return ModelError(f"model.path={path}: cannot be loaded ({reason}); {remedy}")


def policy_hash(path: str) -> str:
    """What a policy is, for the key of a stage: the hash of a local folder's weights, else the hub id and its commit.

    Raises ModelError where there is none, or where weights are cut short: their headers tell before any work is spent.
    """
    folder = Path(path)
    if not folder.is_dir():
        from transformers import AutoConfig

        try:
            return f"{path}@{AutoConfig.from_pretrained(path)._commit_hash}"
        except (OSError, ValueError) as error:
            raise _unloadable(path, error) from None
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"model.path={path}: the folder holds no *.safetensors; point to a saved policy")
    for file in weights:
        try:
            with safe_open(file, "np"):
                pass
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"model.path={path}: {file.name} is damaged ({error}); copy or make the policy again"
            ) from None
    return hash_of([file_hash(file) for file in weights])
