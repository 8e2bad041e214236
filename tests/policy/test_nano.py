"""The tokenizer of the nano policy loses nothing."""

from __future__ import annotations

import pytest

from corpo.policy.nano import train_tokenizer
from tests.sharpened_policy import TEXTS


@pytest.mark.parametrize("text", [*TEXTS, "if x >= 10:\n\tй = 'ü'", "<think></think> A: 10 B: 0"])
def test_decoding_inverts_encoding(text: str) -> None:
    tokenizer = train_tokenizer(TEXTS * 5, 400)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
