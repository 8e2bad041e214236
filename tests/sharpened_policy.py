"""A small policy whose rollouts differ in likelihood and in length, for tests of packing and sampling."""

from __future__ import annotations

import torch
from transformers import LlamaForCausalLM

from corpo.config import NanoConfig
from corpo.policy.nano import new_model, train_tokenizer
from corpo.rollout.hf import SharedPrefixEngine

TEXTS = ["def f(xs):\n    return 12\n", "<think>A fine</think> A: 9 B: 1", "a" * 40]


def sharpened_engine(max_new_tokens: int, rows: int, share_keys: bool = False) -> SharedPrefixEngine:
    """Return an engine for a Llama of two layers and two heads, which may share their keys and values.

    Scaled weights make its distributions sharp, and many rollouts end early.
    """
    tokenizer = train_tokenizer(TEXTS * 5, 400)
    torch.manual_seed(0)
    model = new_model(NanoConfig(width=48, layers=2, heads=2, mlp=64), tokenizer)
    if share_keys:
        model.config.num_key_value_heads = 1
        model = LlamaForCausalLM(model.config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
        model.get_input_embeddings().weight[tokenizer.eos_token_id].mul_(4.0)
    return SharedPrefixEngine(model, tokenizer, max_new_tokens=max_new_tokens, rows=rows)
