"""Load a policy from a folder or a hub id, or explain in one line why that fails."""

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

if TYPE_CHECKING:  # importing torch and transformers takes seconds, which plans and error messages avoid
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


log = logging.getLogger(__name__)


def accelerator() -> str:
    """Return the device of this process."""
    import torch

    return f"cuda:{ranks.local_rank()}" if torch.cuda.is_available() else "cpu"


def multiplies_bfloat16() -> bool:
    """Return whether the device of this process has instructions for bfloat16.

    A CPU without them takes about twenty times as long as in float32.
    """
    import torch

    return torch.cuda.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def load_policy(
    config: ModelConfig, path: str | None = None, device: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load model and tokenizer from `path`, or from `config.path` if it is None.

    Weights are read from safetensors only, and no remote code runs. The model is moved to `device`, or to the
    accelerator of this process if it is None. Raises ModelError.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = path or config.path
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=getattr(torch, config.dtype), use_safetensors=True
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise _load_error(source, error) from None
    if config.dtype == "bfloat16" and not multiplies_bfloat16():
        log.warning(
            "%s: this CPU has no instructions for bfloat16; model.dtype=float32 is many times faster on it",
            source,
        )
    return model.to(device or accelerator()), tokenizer


def _load_error(path: str, error: Exception) -> ModelError:
    """Return an error that names the remedy, and the library's reason unless the folder is missing."""
    remedy = "give a folder with config.json and *.safetensors, or a hub id"
    from huggingface_hub import is_offline_mode

    if not Path(path).exists() and is_offline_mode():
        return ModelError(
            f"model.path={path}: no such folder, it is not in the hub's cache, and downloads are off "
            f"(HF_HUB_OFFLINE=1); {remedy}"
        )
    reason = textwrap.shorten(str(error), 200, placeholder=" ...")
    return ModelError(f"model.path={path}: cannot be loaded ({reason}); {remedy}")


def policy_hash(path: str) -> str:
    """Return what identifies a policy in the key of a stage.

    This is the hash of the weights of a local folder, else the hub id and its commit. Raises ModelError
    if there is no policy, or if a weight file is cut short, which its header shows before any work is
    done.
    """
    folder = Path(path)
    if not folder.is_dir():
        from transformers import AutoConfig

        try:
            return f"{path}@{AutoConfig.from_pretrained(path)._commit_hash}"
        except (OSError, ValueError) as error:
            raise _load_error(path, error) from None
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
