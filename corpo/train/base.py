"""Making the nano base policy: tokenizer and model from nothing, warm-started, saved with where it came from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch

from corpo.config import NanoConfig, WarmStartConfig
from corpo.data.build import LabelledProblem
from corpo.files import write_json
from corpo.policy.nano import new_model, train_tokenizer
from corpo.train.demonstrations import draw_batch
from corpo.train.warm_start import is_dev, warm_start

_TOKENIZER_PAIRS = 3000  # pairs whose text the tokenizer is trained on


def make_base(problems: Sequence[LabelledProblem], nano: NanoConfig, config: WarmStartConfig, folder: Path, provenance: dict[str, Any]) -> None:
    """Warm-start a nano policy on `problems`, checkpointed in `folder`; the result is `folder/policy`, in bfloat16."""
    shown = [problem for problem in problems if not is_dev(problem)]
    demonstrations = draw_batch(shown, _TOKENIZER_PAIRS, config.math_share, Random(f"{config.seed}/tokenizer"))
    tokenizer = train_tokenizer([d.prompt + d.response for d in demonstrations], nano.vocabulary)
    torch.manual_seed(config.seed)
    model = new_model(nano, tokenizer).to(torch.bfloat16)
    model.set_attn_implementation("eager")  # on CPUs and short rows twice as fast as the fused kernel's backward pass
    started = time.time()
    curve = warm_start(model, tokenizer, problems, config, folder)
    seconds = round(time.time() - started, 1)
    policy = folder / "policy"
    model.save_pretrained(policy)
    tokenizer.save_pretrained(policy)
    write_json(policy / "provenance.json", {**provenance, "warm_start_seconds": seconds, "parameters": model.num_parameters(), "curve": curve})
