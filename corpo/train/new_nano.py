"""An untrained nano policy: a tokenizer and a model from nothing."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.config import NanoConfig
from corpo.policy.load import accelerator
from corpo.policy.nano import new_model, train_tokenizer
from corpo.train.teachers import Teacher


def new_nano(
    teacher: Teacher, nano: NanoConfig, dtype: str, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return an untrained nano on the accelerator, and a tokenizer trained on demonstrations."""
    tokenizer = train_tokenizer([d.prompt + d.response for d in teacher.sample(seed)], nano.vocabulary)
    torch.manual_seed(seed)
    return new_model(nano, tokenizer).to(accelerator(), getattr(torch, dtype)), tokenizer
