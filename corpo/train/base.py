"""Making a base policy: the nano from nothing, or a pretrained model taught the task; saved with where it came from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from corpo.config import NanoConfig, WarmStartConfig
from corpo.data.build import LabelledProblem
from corpo.files import write_json
from corpo.policy.nano import new_model, train_tokenizer
from corpo.train.demonstrations import Demonstrator
from corpo.train.warm_start import is_dev, warm_start

_TOKENIZER_PAIRS = 3000  # pairs whose text the tokenizer is trained on


def new_nano(problems: Sequence[LabelledProblem], demonstrator: Demonstrator, nano: NanoConfig, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """An untrained nano in bfloat16, with a tokenizer trained on demonstrations of `problems`."""
    shown = [problem for problem in problems if not is_dev(problem)]
    demonstrations = demonstrator.batch(shown, _TOKENIZER_PAIRS, Random(f"{seed}/tokenizer"))
    tokenizer = train_tokenizer([d.prompt + d.response for d in demonstrations], nano.vocabulary)
    torch.manual_seed(seed)
    model = new_model(nano, tokenizer).to(torch.bfloat16)
    return model, tokenizer


def make_base(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[LabelledProblem],
    demonstrator: Demonstrator,
    config: WarmStartConfig,
    max_new_tokens: int,
    folder: Path,
    provenance: dict[str, Any],
) -> None:
    """Warm-start a model on `problems`, checkpointed in `folder`; the result is `folder/policy`."""
    started = time.time()
    curve = warm_start(model, tokenizer, problems, demonstrator, config, max_new_tokens, folder)
    seconds = round(time.time() - started, 1)
    policy = folder / "policy"
    model.save_pretrained(policy)
    tokenizer.save_pretrained(policy)
    write_json(policy / "provenance.json", {**provenance, "warm_start_seconds": seconds, "parameters": model.num_parameters(), "curve": curve})
