"""Loading a policy warns about a dtype that the device does not multiply."""

from __future__ import annotations

import pytest
import torch

from corpo.config import ModelConfig
from corpo.policy import load
from corpo.utils.resources import shipped_policy


@pytest.mark.parametrize(
    ("has_instructions", "dtype", "is_warned"),
    [(True, "bfloat16", False), (False, "float32", False), (False, "bfloat16", True)],
)
def test_bfloat16_on_a_cpu_without_instructions_for_it_is_warned_about(
    has_instructions: bool,
    dtype: str,
    is_warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def multiplies_bfloat16() -> bool:
        return has_instructions

    monkeypatch.setattr(load, "multiplies_bfloat16", multiplies_bfloat16)
    model, _ = load.load_policy(ModelConfig(dtype=dtype), str(shipped_policy()))
    assert model.dtype == getattr(torch, dtype)
    assert ("model.dtype=float32 is many times faster" in caplog.text) is is_warned
