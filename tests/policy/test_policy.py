"""The prompt computed once a group gives what G separate rows would: log-probs, gradients, rollouts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaForCausalLM, PreTrainedModel

from corpo.config import LossConfig, ModelConfig, NanoConfig
from corpo.policy import load
from corpo.policy import logprobs as head
from corpo.policy import tree_attention as attention
from corpo.policy.logprobs import output_weight, token_logprobs
from corpo.policy.nano import new_model, train_tokenizer
from corpo.policy.packing import group_logprobs
from corpo.rollout import Rollouts
from corpo.rollout.hf import SharedPrefixEngine, draw
from corpo.train.loss import policy_loss, token_weights

TEXTS = ["def f(xs):\n    return 12\n", "<think>A fine</think> A: 9 B: 1", "a" * 40]


@pytest.fixture(scope="module", params=["every head its own keys", "two heads share keys"])
def engine(request: pytest.FixtureRequest) -> SharedPrefixEngine:
    tokenizer = train_tokenizer(TEXTS * 5, 400)
    torch.manual_seed(0)
    model = new_model(NanoConfig(width=48, layers=2, heads=2, mlp=64), tokenizer)
    if "share" in request.param:
        model.config.num_key_value_heads = 1
        model = LlamaForCausalLM(model.config)
    with torch.no_grad():  # sharpen it, so that rollouts differ in likelihood, and let many end early
        for parameter in model.parameters():
            parameter.mul_(3.0)
        model.get_input_embeddings().weight[tokenizer.eos_token_id].mul_(4.0)
    return SharedPrefixEngine(model, tokenizer, max_new_tokens=9, rows=8)


@pytest.fixture(scope="module")
def rollouts(engine: SharedPrefixEngine) -> Rollouts:
    rollouts = engine.generate(TEXTS, group=4, seed=1)
    assert len(rollouts.lengths_PG.unique()) > 2, (
        "rollouts of different lengths, or packing has nothing to do"
    )
    return rollouts


def _padded_logprobs(model: PreTrainedModel, rollouts: Rollouts, temperature: float = 1.0) -> Tensor:
    """One row a rollout, no padding, no packing: the plain computation."""
    rows = []
    for prompt, group in zip(rollouts.prompt_ids, rollouts.completion_ids_PGT, strict=True):
        for completion in group:
            ids = torch.cat([torch.tensor(prompt), completion])[None]
            logp = torch.log_softmax(model(input_ids=ids).logits.float() / temperature, -1)
            rows.append(logp[0, len(prompt) - 1 : -1].gather(-1, completion[:, None]).squeeze(-1))
    return torch.stack(rows).view(rollouts.completion_ids_PGT.shape)


def test_on_two_threads_gradients_are_the_same_to_the_bit_every_time(engine: SharedPrefixEngine) -> None:
    prompts, group, steps = 3, 16, 32
    ids_PGT = torch.randint(3, 300, (prompts, group, steps), generator=torch.Generator().manual_seed(0))
    mask_PGT = torch.ones_like(ids_PGT, dtype=torch.bool)
    prompt_ids = [engine.tokenizer(text)["input_ids"] for text in TEXTS]
    weight = engine.model.model.layers[-1].mlp.down_proj.weight
    found: list[Tensor] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for _ in range(40):
            logprobs_PGT, _ = group_logprobs(engine.model, prompt_ids, ids_PGT, mask_PGT)
            found += torch.autograd.grad(logprobs_PGT.square().sum(), [weight])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0], other) for other in found)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_packed_logprobs_equal_separate_rows(
    engine: SharedPrefixEngine, rollouts: Rollouts, temperature: float
) -> None:
    packed, entropy = group_logprobs(
        engine.model, rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT, temperature
    )
    plain = _padded_logprobs(engine.model, rollouts, temperature)
    torch.testing.assert_close(packed[rollouts.mask_PGT], plain[rollouts.mask_PGT], atol=1e-4, rtol=0)
    assert bool((entropy >= 0).all())
    assert bool((packed[~rollouts.mask_PGT] == 0).all())


def test_rollouts_return_the_logprobs_they_were_sampled_at(
    engine: SharedPrefixEngine, rollouts: Rollouts
) -> None:
    plain = _padded_logprobs(engine.model, rollouts)
    torch.testing.assert_close(
        rollouts.logprobs_PGT[rollouts.mask_PGT], plain[rollouts.mask_PGT], atol=1e-4, rtol=0
    )
    assert bool((rollouts.logprobs_PGT[~rollouts.mask_PGT] == 0).all())


def test_packed_gradients_equal_separate_rows(engine: SharedPrefixEngine, rollouts: Rollouts) -> None:
    advantages_PG = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    weights = token_weights(
        rollouts.mask_PGT, "token_sum", rollouts=12, tokens=int(rollouts.mask_PGT.sum()), max_tokens=9
    )
    gradients = []
    for packed in (True, False):
        engine.model.zero_grad()
        if packed:
            logprobs, entropy = group_logprobs(
                engine.model, rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT
            )
        else:
            logprobs = _padded_logprobs(engine.model, rollouts)
            entropy = torch.zeros_like(logprobs)
        policy_loss(
            logprobs, entropy, advantages_PG, weights, rollouts.logprobs_PGT, None, LossConfig()
        ).backward()
        gradients.append(
            [parameter.grad.clone() for parameter in engine.model.parameters() if parameter.grad is not None]
        )
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_blocks_of_rollouts_and_chunks_of_tokens_change_nothing(
    engine: SharedPrefixEngine, rollouts: Rollouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> list[Tensor]:
        engine.model.zero_grad()
        logprobs, entropy = group_logprobs(
            engine.model, rollouts.prompt_ids, rollouts.completion_ids_PGT, rollouts.mask_PGT, 0.7
        )
        (logprobs.sum() + entropy.sum()).backward()
        return [logprobs, entropy, *(p.grad.clone() for p in engine.model.parameters() if p.grad is not None)]

    whole = run()
    monkeypatch.setattr(attention, "BLOCK", 1)
    monkeypatch.setattr(head, "CHUNK_BYTES", 3 * 4 * engine.model.config.vocab_size)
    monkeypatch.setattr(head, "KEPT_BYTES", 4 * 4 * engine.model.config.vocab_size)
    for one, other in zip(run(), whole, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_logprobs_and_entropy_from_hidden_states_are_those_of_whole_logits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hidden_NH, weight_VH = torch.randn(7, 5, dtype=torch.float64), torch.randn(11, 5, dtype=torch.float64)
    ids_N, slope_N, tilt_N = torch.randint(0, 11, (7,)), torch.randn(7), torch.randn(7)
    monkeypatch.setattr(head, "CHUNK_BYTES", 2 * 4 * 11)  # four chunks,
    monkeypatch.setattr(head, "KEPT_BYTES", 5 * 4 * 11)  # two of them kept
    results = []
    for ours in (True, False):
        hidden, weight = hidden_NH.float().requires_grad_(), weight_VH.float().requires_grad_()
        if ours:
            logprobs_N, entropy_N = token_logprobs(hidden, weight, ids_N, 0.6)
        else:
            logp_NV = torch.log_softmax(hidden @ weight.T / 0.6, -1)
            logprobs_N, entropy_N = (
                logp_NV.gather(1, ids_N[:, None]).squeeze(1),
                -(logp_NV.exp() * logp_NV).sum(-1),
            )
        (logprobs_N @ slope_N + entropy_N @ tilt_N).backward()
        results.append([logprobs_N, entropy_N, hidden.grad, weight.grad])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_head_that_is_more_than_a_product_is_refused() -> None:
    model = Gemma2ForCausalLM(
        Gemma2Config(
            vocab_size=8,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            head_dim=8,
        )
    )
    with pytest.raises(ValueError, match="final_logit_softcapping"):
        output_weight(model)


def test_a_prompts_rollouts_do_not_depend_on_the_batch_around_it(
    engine: SharedPrefixEngine, rollouts: Rollouts
) -> None:
    alone = engine.generate(TEXTS[1:2], group=4, seed=1, numbers=[1])
    assert alone.texts_PG[0] == rollouts.texts_PG[1]


def test_drawing_inverts_the_cumulative_distribution() -> None:
    logp_PGV = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0]).log().expand(1, 6, -1)
    chance_PG = torch.tensor([[0.0, 0.2499, 0.25, 0.5, 0.9999, 1 - 2**-53]], dtype=torch.float64)
    assert draw(logp_PGV, chance_PG).tolist() == [[1, 1, 3, 3, 3, 3]], "never one of probability 0"


def test_same_seed_same_rollouts_and_they_follow_the_distribution(
    engine: SharedPrefixEngine, rollouts: Rollouts
) -> None:
    again = engine.generate(TEXTS, group=4, seed=1)
    assert torch.equal(again.completion_ids_PGT, rollouts.completion_ids_PGT)
    assert not torch.equal(
        engine.generate(TEXTS, group=4, seed=2).completion_ids_PGT[:, :, :3],
        rollouts.completion_ids_PGT[:, :, :3],
    )
    many = engine.generate(TEXTS[:1], group=4000, seed=3)
    ids = torch.tensor(many.prompt_ids)
    expected = torch.softmax(engine.model(input_ids=ids).logits[0, -1].detach().float(), -1)
    seen = torch.bincount(many.completion_ids_PGT[0, :, 0], minlength=len(expected)) / 4000
    assert float((seen - expected).abs().sum()) < 2.5 * float((expected * (1 - expected) / 4000).sqrt().sum())


def test_a_rollout_ends_with_its_first_end_of_sequence(engine: SharedPrefixEngine) -> None:
    many = engine.generate(TEXTS[:1], group=400, seed=5)
    eos = engine.tokenizer.eos_token_id
    for ids, mask in zip(many.completion_ids_PGT[0], many.mask_PGT[0], strict=True):
        kept = ids[mask].tolist()
        assert eos not in kept[:-1]
        assert len(kept) == engine.max_new_tokens or kept[-1] == eos


def test_a_rollout_ends_with_a_stop_string(engine: SharedPrefixEngine) -> None:
    free = engine.generate(TEXTS[:1], group=400, seed=5)
    stopped = replace(engine, stop=["f", "ab"]).generate(TEXTS[:1], group=400, seed=5)
    cut = 0
    for before, after, ids, mask in zip(
        free.texts_PG[0], stopped.texts_PG[0], stopped.completion_ids_PGT[0], stopped.mask_PGT[0], strict=True
    ):
        assert before.startswith(after)
        assert (after == before) or "f" in after or "ab" in after
        kept = engine.tokenizer.decode(ids[mask][:-1])
        assert not any(text in kept for text in ("f", "ab")), "the token that completes it is the last one"
        cut += after != before
    assert cut > 3
    assert bool((stopped.logprobs_PGT[~stopped.mask_PGT] == 0).all())


def test_tokenizer_round_trip(engine: SharedPrefixEngine) -> None:
    for text in [*TEXTS, "if x >= 10:\n\tй = 'ü'", "<think></think> A: 10 B: 0"]:
        ids = engine.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert engine.tokenizer.decode(ids, skip_special_tokens=True) == text


def test_loss_aggregations_on_a_hand_made_batch() -> None:
    mask = torch.tensor([[[1, 1, 0], [1, 0, 0]]], dtype=torch.bool)
    logprobs = torch.tensor([[[-1.0, -2.0, -99.0], [-4.0, -99.0, -99.0]]])
    advantages_PG = torch.tensor([[1.0, -1.0]])
    expected = {
        "token_sum": (3 - 4) / 2,
        "token_mean": (3 - 4) / 3,
        "sequence_mean": (1.5 - 4) / 2,
        "constant": (3 - 4) / 6,
    }
    for aggregation, value in expected.items():
        weights = token_weights(mask, aggregation, rollouts=2, tokens=3, max_tokens=3)
        loss = policy_loss(
            logprobs,
            torch.zeros_like(logprobs),
            advantages_PG,
            weights,
            logprobs,
            None,
            LossConfig(aggregation=aggregation),
        )
        assert float(loss) == pytest.approx(value)


def test_clip_kl_and_entropy_by_hand() -> None:
    one = lambda value: torch.full((1, 1, 1), value)
    loss = lambda logprob, advantage, config, reference=None: float(
        policy_loss(
            one(logprob), one(0.5), torch.tensor([[advantage]]), one(1.0), one(-1.0), reference, config
        )
    )
    clip = LossConfig(ppo_clip=0.2)
    assert loss(-0.5, 1.0, clip) == pytest.approx(-1.2), "a positive advantage gains nothing beyond the clip"
    assert loss(-0.5, -1.0, clip) == pytest.approx(torch.tensor(0.5).exp().item()), (
        "a negative one is not clipped above"
    )
    assert loss(-1.5, -1.0, clip) == pytest.approx(0.8), "but gains nothing below the clip"
    assert loss(-1.5, 1.0, clip) == pytest.approx(-torch.tensor(-0.5).exp().item()), (
        "where a positive one is not clipped"
    )
    truncated = LossConfig(importance_ratio_cap=2.0)
    assert loss(-0.5, 1.0, truncated) == pytest.approx(0.5 * torch.tensor(0.5).exp().item()), (
        "the ratio weights the term"
    )
    assert loss(-0.1, 1.0, truncated) == pytest.approx(0.1 * 2.0), "from above it is truncated"
    assert loss(-1.0, 0.0, LossConfig(kl=2.0), one(-1.5)) == pytest.approx(
        2 * (torch.tensor(-0.5).exp().item() + 0.5 - 1)
    )
    assert loss(-1.0, 0.0, LossConfig(entropy=0.1)) == pytest.approx(-0.05)


def test_bfloat16_on_a_cpu_without_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for able, dtype, told in (
        (True, "bfloat16", False),
        (False, "float32", False),
        (False, "bfloat16", True),
    ):
        caplog.clear()
        monkeypatch.setattr(load, "multiplies_bfloat16", lambda able=able: able)
        model, _ = load.load_policy(ModelConfig(dtype=dtype), "data/nano_base")
        assert model.dtype == getattr(torch, dtype)
        assert ("model.dtype=float32 is many times faster" in caplog.text) is told
