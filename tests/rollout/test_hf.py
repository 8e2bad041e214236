"""The transformers engine samples repeatably from the distribution of the model and ends rollouts right."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from corpo.rollout import Rollouts
from corpo.rollout.hf import SharedPrefixEngine, draw
from tests.sharpened_policy import TEXTS, sharpened_engine


@pytest.fixture(scope="module", params=[False, True], ids=["own keys per head", "heads share keys"])
def engine(request: pytest.FixtureRequest) -> SharedPrefixEngine:
    return sharpened_engine(max_new_tokens=9, rows=8, share_keys=request.param)


@pytest.fixture(scope="module")
def rollouts(engine: SharedPrefixEngine) -> Rollouts:
    return engine.generate(TEXTS, group=4, seed=1)


def test_a_prompts_rollouts_do_not_depend_on_the_batch_around_it(
    engine: SharedPrefixEngine, rollouts: Rollouts
) -> None:
    alone = engine.generate(TEXTS[1:2], group=4, seed=1, numbers=[1])
    assert alone.texts_PG[0] == rollouts.texts_PG[1]


def test_drawing_inverts_the_cumulative_distribution() -> None:
    logp_PGV = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0]).log().expand(1, 6, -1)
    uniform_PG = torch.tensor([[0.0, 0.2499, 0.25, 0.5, 0.9999, 1 - 2**-53]], dtype=torch.float64)
    assert draw(logp_PGV, uniform_PG).tolist() == [[1, 1, 3, 3, 3, 3]], "never a token of probability 0"


def test_one_seed_gives_the_same_rollouts_and_another_seed_gives_others(
    engine: SharedPrefixEngine, rollouts: Rollouts
) -> None:
    again = engine.generate(TEXTS, group=4, seed=1)
    assert torch.equal(again.completion_ids_PGT, rollouts.completion_ids_PGT)
    other = engine.generate(TEXTS, group=4, seed=2)
    assert not torch.equal(other.completion_ids_PGT[..., :3], rollouts.completion_ids_PGT[..., :3])


def test_first_tokens_follow_the_distribution_of_the_model(engine: SharedPrefixEngine) -> None:
    num_rollouts = 4000
    rollouts = engine.generate(TEXTS[:1], group=num_rollouts, seed=3)
    logits_V = engine.model(input_ids=torch.tensor(rollouts.prompt_ids)).logits[0, -1].detach()
    expected_V = torch.softmax(logits_V.float(), -1)
    first_tokens = rollouts.completion_ids_PGT[0, :, 0]
    frequency_V = torch.bincount(first_tokens, minlength=len(expected_V)) / num_rollouts
    deviation = (expected_V * (1 - expected_V) / num_rollouts).sqrt().sum()
    assert float((frequency_V - expected_V).abs().sum()) < 2.5 * float(deviation)


def test_a_rollout_ends_with_its_first_end_of_sequence(engine: SharedPrefixEngine) -> None:
    rollouts = engine.generate(TEXTS[:1], group=400, seed=5)
    eos = engine.tokenizer.eos_token_id
    for ids, mask in zip(rollouts.completion_ids_PGT[0], rollouts.mask_PGT[0], strict=True):
        tokens = ids[mask].tolist()
        assert eos not in tokens[:-1]
        assert len(tokens) == engine.max_new_tokens or tokens[-1] == eos


@pytest.mark.kind("responses of chat models and base models")
def test_a_rollout_ends_with_any_end_of_the_models_generation(
    engine: SharedPrefixEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name a frequent token as a second end, as chat models do with the end of a turn."""
    first_tokens = engine.generate(TEXTS[:1], group=400, seed=5).completion_ids_PGT[0, :, 0]
    second_end = int(first_tokens.bincount().argmax())
    ends = [engine.tokenizer.eos_token_id, second_end]
    monkeypatch.setattr(engine.model.generation_config, "eos_token_id", ends)
    rollouts = engine.generate(TEXTS[:1], group=400, seed=5)
    ended = rollouts.completion_ids_PGT[0, :, 0] == second_end
    assert bool(ended.any())
    assert rollouts.lengths_PG[0, ended].unique().tolist() == [1]
    assert {rollouts.texts_PG[0][index] for index in ended.nonzero().flatten().tolist()} == {""}


def test_a_rollout_ends_with_a_stop_string(engine: SharedPrefixEngine) -> None:
    stops = ["f", "ab"]
    free = engine.generate(TEXTS[:1], group=400, seed=5)
    stopped = replace(engine, stop=stops).generate(TEXTS[:1], group=400, seed=5)
    num_cut = 0
    for g, (before, after) in enumerate(zip(free.texts_PG[0], stopped.texts_PG[0], strict=True)):
        assert before.startswith(after)
        assert after == before or any(stop in after for stop in stops)
        ids_T, mask_T = stopped.completion_ids_PGT[0, g], stopped.mask_PGT[0, g]
        all_but_last = engine.tokenizer.decode(ids_T[mask_T][:-1])
        assert not any(stop in all_but_last for stop in stops), "the last token completes the stop string"
        num_cut += after != before
    assert num_cut > 3
    assert bool((stopped.logprobs_PGT[~stopped.mask_PGT] == 0).all())
