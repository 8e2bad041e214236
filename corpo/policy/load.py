"""Load a policy from a folder or a hub id, or explain in one line why that fails."""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from corpo.config import ModelConfig
from corpo.utils import ranks
from corpo.utils.errors import ModelError
from corpo.utils.files import file_hash, files_below, hash_of

if TYPE_CHECKING:  # importing torch and transformers takes seconds, which plans and error messages avoid
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


log = logging.getLogger(__name__)

_MAX_NAMES = 3  # of weights, in a message
_ADAPTER = "adapter_config.json"
# Files of a policy's folder that transformers does not read. All others are part of the key of a policy.
_UNUSED_FILES = ("provenance.json",)
_UNUSED_SUFFIXES = (".md", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".pkl")
_TEMPLATES = "additional_chat_templates"  # the only subfolder that transformers reads


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
    accelerator of this process if it is None. Raises ModelError, also if the files have other weights than
    the architecture in config.json, because transformers would initialise missing ones at random.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = path or config.path
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model, loading = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=getattr(torch, config.dtype),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # damaged files make the libraries raise many kinds of errors
        raise _load_error(source, error) from None
    _check_weights(source, loading)
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
    if "trust_remote_code" in str(error):
        return ModelError(
            f"model.path={path}: needs Python code from its folder, which is never run; "
            "choose a model that transformers itself supports"
        )
    reason = textwrap.shorten(f"{type(error).__name__}: {error}", 200, placeholder=" ...")
    return ModelError(f"model.path={path}: cannot be loaded ({reason}); {remedy}")


def _check_weights(path: str, loading: dict[str, Any]) -> None:
    """Raise ModelError if weights of the model are missing in the files, or others are in them."""
    for kind, names in (("missing", loading["missing_keys"]), ("unexpected", loading["unexpected_keys"])):
        if names:
            first_names = ", ".join(sorted(names)[:_MAX_NAMES]) + (", ..." if len(names) > _MAX_NAMES else "")
            raise ModelError(
                f"model.path={path}: {len(names)} weights are {kind} ({first_names}); "
                "give the config.json and the *.safetensors of one model"
            )


def policy_hash(path: str) -> str:
    """Return what identifies a policy in the key of a stage.

    This is the hash of all files of a local folder that loading reads: weights, config.json, tokenizer, chat
    template and generation config; else the hub id and its commit. Raises ModelError if there is no policy,
    if it is an adapter, or if a weight file is cut short, which its header shows before any work is done.
    """
    folder = Path(path)
    if not folder.is_dir():
        from transformers import AutoConfig

        try:
            return f"{path}@{AutoConfig.from_pretrained(path, trust_remote_code=False)._commit_hash}"
        except Exception as error:  # damaged files raise many kinds of errors, as in `load_policy`
            raise _load_error(path, error) from None
    if (folder / _ADAPTER).exists():
        raise ModelError(f"model.path={path}: is an adapter ({_ADAPTER}); merge it into its base model first")
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
    return hash_of([[file.relative_to(folder).as_posix(), file_hash(file)] for file in _files_read(folder)])


def _files_read(folder: Path) -> list[Path]:
    """Return the files of a policy's folder that loading it may read."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if (folder / _TEMPLATES).is_dir():
        files += files_below(folder / _TEMPLATES)
    return [file for file in files if file.name not in _UNUSED_FILES and file.suffix not in _UNUSED_SUFFIXES]
