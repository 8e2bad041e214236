"""Decoding with static tensors, and with CUDA graphs, samples the same tokens as the eager loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from corpo.rollout import Rollouts, graph_decoder, hf
from corpo.rollout.hf import SharedPrefixEngine
from tests.sharpened_policy import TEXTS, sharpened_engine


@pytest.fixture(scope="module")
def engine() -> SharedPrefixEngine:
    """Return an engine on a CPU whose rollouts end after 1 to 40 tokens."""
    return replace(sharpened_engine(max_new_tokens=40, rows=64), static=False)


def _assert_same(rollouts: Rollouts, others: Rollouts) -> None:
    assert torch.equal(rollouts.completion_ids_PGT, others.completion_ids_PGT)
    assert torch.equal(rollouts.mask_PGT, others.mask_PGT)
    torch.testing.assert_close(rollouts.logprobs_PGT, others.logprobs_PGT, atol=1e-4, rtol=0)
    assert rollouts.texts_PG == others.texts_PG


@pytest.mark.parametrize("stop", [(), ("f", "ab")])
def test_static_decoding_samples_what_the_eager_loop_samples(
    engine: SharedPrefixEngine, stop: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Use small limits, so that the window of the cache grows four times and finished groups leave early."""
    eager = replace(engine, stop=stop).generate(TEXTS, group=4, seed=1)
    assert len(eager.lengths_PG.unique()) > 4
    monkeypatch.setattr(hf, "FIRST_WINDOW", 3)
    monkeypatch.setattr(graph_decoder, "CHECK_EVERY", 2)
    _assert_same(replace(engine, stop=stop, static=True).generate(TEXTS, group=4, seed=1), eager)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a CUDA device")
@pytest.mark.parametrize("stop", [(), ("f", "ab")])
def test_on_cuda_graphs_sample_what_the_eager_loop_samples(
    engine: SharedPrefixEngine, stop: Sequence[str], caplog: pytest.LogCaptureFixture
) -> None:
    model = engine.model.to("cuda")
    try:
        eager = replace(engine, stop=stop).generate(TEXTS, group=4, seed=1)
        _assert_same(replace(engine, stop=stop, static=None).generate(TEXTS, group=4, seed=1), eager)
    finally:
        model.to("cpu")
    assert "without a CUDA graph" not in caplog.text
