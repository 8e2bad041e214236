"""An untrained nano policy: a tokenizer and a model from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.config import NanoConfig
from corpo.data.types import LabelledProblem
from corpo.policy.load import accelerator
from corpo.policy.nano import new_model, train_tokenizer
from corpo.train.demonstrations import Demonstrator
from corpo.train.sft import is_dev

TOKENIZER_PAIRS = 3000  # pairs on whose text the tokenizer is trained


def new_nano(
    problems: Sequence[LabelledProblem], demonstrator: Demonstrator, nano: NanoConfig, dtype: str, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return an untrained nano on the accelerator, and a tokenizer trained on demonstrations."""
    train_problems = [problem for problem in problems if not is_dev(problem)]
    demonstrations = demonstrator.batch(train_problems, TOKENIZER_PAIRS, Random(f"{seed}/tokenizer"))
    tokenizer = train_tokenizer([d.prompt + d.response for d in demonstrations], nano.vocabulary)
    torch.manual_seed(seed)
    return new_model(nano, tokenizer).to(accelerator(), getattr(torch, dtype)), tokenizer
