"""Load a policy from a folder or a hub id, or say in one line why not."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from corpo.config import ModelConfig
from corpo.files import file_hash, hash_of


class ModelError(RuntimeError):
    """A model cannot be had."""


def load_policy(config: ModelConfig, path: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of `path` (by default `config.path`), from safetensors only, no remote code. Raises ModelError."""
    where = path or config.path
    try:
        tokenizer = AutoTokenizer.from_pretrained(where)
        model = AutoModelForCausalLM.from_pretrained(where, dtype=getattr(torch, config.dtype), use_safetensors=True)
    except (OSError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"model.path={where}: cannot be loaded ({reason}); give a folder with config.json and *.safetensors, or a hub id") from None
    return model, tokenizer


def policy_hash(path: str) -> str:
    """What a policy is, for the key of a stage: the hash of a local folder's weights, else the hub id itself."""
    folder = Path(path)
    if not folder.is_dir():
        return path
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"model.path={path}: the folder holds no *.safetensors; point to a saved policy")
    return hash_of([file_hash(file) for file in weights])
