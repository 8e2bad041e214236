"""The loop: it learns, it resumes to the same bits, it survives a damaged checkpoint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from corpo.config import LossConfig, NanoConfig, TrainConfig
from corpo.evaluate.rollouts import roll_out
from corpo.policy.nano import new_model, train_tokenizer
from corpo.rollout.hf import SharedPrefixEngine
from corpo.task import Candidate, Domain, OrdinalReward, Pair, Problem, render_prompt
from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint
from corpo.train.loss import policy_loss, token_weights
from corpo.train.optimizer import MasterAdamW
from corpo.train.rl import PolicyGradientTrainer, batch_at
from corpo.utils.files import read_jsonl


def _pairs(count: int) -> list[Pair]:
    pairs = []
    for i in range(count):
        problem = Problem(str(i), Domain.code, "family", "topic", f"Return {i}.")
        pair = Pair(
            problem,
            Candidate(f"return {i}", True, "reference"),
            Candidate(f"return {i + 1}", False, "constant"),
        )
        pairs += [pair, pair.swapped()]
    return pairs


def _learner(
    dtype: torch.dtype = torch.float32, baseline: str = "grpo", **train: Any
) -> PolicyGradientTrainer:
    pairs = _pairs(4)
    tokenizer = train_tokenizer(
        [render_prompt(pair) + "<think></think> A: 9 B: 1" for pair in pairs] * 5, 330
    )
    torch.manual_seed(0)
    model = new_model(NanoConfig(width=32, layers=2, heads=2, mlp=64), tokenizer).to(dtype)
    config = TrainConfig(
        **{
            "steps": 4,
            "prompts_per_step": 4,
            "group_size": 4,
            "validate_every": 2,
            "checkpoint_every": 1,
            "warmup_steps": 1,
            "lr": 1e-3,
            **train,
        }
    )
    engine = SharedPrefixEngine(model, tokenizer, max_new_tokens=6)
    return PolicyGradientTrainer(
        model, tokenizer, engine, OrdinalReward(), baseline, {}, render_prompt, config, seed=0
    )


def _weights(learner: PolicyGradientTrainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in learner.model.state_dict().items()}


def _metrics(folder: Path) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in record.items() if not k.endswith("seconds")}
        for record in read_jsonl(folder / "metrics.jsonl")
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_resumed_is_uninterrupted(
    tmp_path: Path, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    first = _learner(dtype, "static")
    first.train(_pairs(4), _pairs(1), whole)

    stopped = _learner(dtype, "static")
    step = stopped.step
    monkeypatch.setattr(
        stopped,
        "step",
        lambda pairs, n: step(pairs, n) if n < 3 else (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(KeyboardInterrupt):
        stopped.train(_pairs(4), _pairs(1), cut)
    with open(cut / "metrics.jsonl", "a") as torn:
        torn.write('{"step": 3, "half a li')
    resumed = _learner(dtype, "static")
    resumed.train(_pairs(4), _pairs(1), cut)

    assert _metrics(cut) == _metrics(whole)
    assert (cut / "groups.jsonl").read_text() == (whole / "groups.jsonl").read_text()
    for name, value in _weights(first).items():
        assert torch.equal(value, _weights(resumed)[name]), name


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, Checkpoint(step, {"x": torch.full((3,), float(step))}, {}))
    assert len(list(tmp_path.glob("*.safetensors"))) == 2, "older ones are dropped"
    newest = tmp_path / "step-000003.safetensors"
    newest.write_bytes(newest.read_bytes()[:-4])
    found = load_latest(tmp_path)
    assert found is not None
    assert found.step == 2
    assert "step-000003.safetensors is damaged" in caplog.text


def test_one_step_moves_the_policy_towards_what_was_rewarded() -> None:
    learner = _learner(baseline="grpo", lr=1e-2)
    pairs = _pairs(2)
    rollouts = learner.engine.generate([render_prompt(pair) for pair in pairs], 4, seed=0)
    advantages_PG = torch.zeros(4, 4)
    advantages_PG[:, 0], advantages_PG[:, 1] = 1.0, -1.0
    likelihood = lambda: learner.logprobs(learner.compute, rollouts)[0].detach().sum(-1)
    before = likelihood()
    norms = learner.update(rollouts, advantages_PG, lr=1e-3)
    change = likelihood() - before
    assert bool((change[:, 0] > change[:, 1]).all())
    assert norms["update_norm"] > 0


def test_micro_batches_change_nothing() -> None:
    updates = []
    for budget in (64, 100_000):
        learner = _learner(token_budget=budget)
        rollouts = learner.engine.generate([render_prompt(pair) for pair in _pairs(4)], 4, seed=0)
        advantages_PG = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
        learner.update(rollouts, advantages_PG, lr=1e-3)
        updates.append(_weights(learner))
    for name, value in updates[0].items():
        torch.testing.assert_close(value, updates[1][name], atol=1e-5, rtol=0)


def test_silent_groups_cost_nothing_and_change_nothing() -> None:
    learner = _learner()
    before = _weights(learner)
    rollouts = learner.engine.generate([render_prompt(pair) for pair in _pairs(2)], 4, seed=0)
    report = learner.update(rollouts, torch.zeros(4, 4), lr=1e-3)
    assert report["update_norm"] == 0
    assert all(torch.equal(value, _weights(learner)[name]) for name, value in before.items())


def test_kl_pulls_back_to_the_warm_start() -> None:
    learner = _learner(loss=LossConfig(kl=1.0), lr=1e-3)
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    learner.optimizer = MasterAdamW(learner.model)
    pairs = _pairs(2)
    far = learner.validate(pairs)["validation/kl_from_start"]
    for step in range(30):
        rollouts = learner.engine.generate([render_prompt(pair) for pair in pairs], 8, seed=step)
        learner.update(rollouts, torch.zeros(4, 8), lr=2e-3)
    assert learner.validate(pairs)["validation/kl_from_start"] < 0.7 * far


def test_a_batch_holds_both_orders_and_a_pass_holds_every_pair() -> None:
    pairs = _pairs(6)
    seen = [pair for step in (1, 2, 3) for pair in batch_at(pairs, 4, step, seed=0)]
    assert len(seen) == 12
    assert {pair.id for pair in seen} == {pair.id for pair in pairs}
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        assert first.swapped() == second
    assert batch_at(pairs, 4, 4, 0) != batch_at(pairs, 4, 1, 0) or batch_at(pairs, 4, 5, 0) != batch_at(
        pairs, 4, 2, 0
    ), "reshuffled"


def test_small_steps_survive_in_the_masters() -> None:
    """A thousandth of a bf16 step vanishes in bf16 and adds up in fp32."""
    model = torch.nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    torch.nn.init.ones_(model.weight)
    optimizer = MasterAdamW(model)
    for _ in range(100):
        model(torch.ones(1, 1, dtype=torch.bfloat16)).sum().backward()
        optimizer.step(1e-4, 1e9)
    assert math.isclose(float(model.weight.item()), 0.99, abs_tol=0.004)


def test_a_masked_infinite_logprob_is_no_nan() -> None:
    logprobs = torch.tensor([[[-1.0, -math.inf]]], requires_grad=True)
    mask = torch.tensor([[[True, False]]])
    loss = policy_loss(
        logprobs,
        torch.zeros(1, 1, 2),
        torch.ones(1, 1),
        token_weights(mask, "token_sum", rollouts=1, tokens=1, max_tokens=2),
        logprobs.detach(),
        None,
        LossConfig(),
    )
    loss.backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [[[-1.0, 0.0]]]


def test_an_evaluation_that_was_killed_goes_on_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpo.evaluate.rollouts.PART", 3)
    learner, pairs = _learner(), [("mine", pair) for pair in _pairs(5)]
    calls: list[list[int]] = []

    class Engine:
        def __init__(self, until: int) -> None:
            self.until = until

        def generate(
            self, prompts: list[str], group: int, seed: int, numbers: list[int], advance: Any = None
        ) -> Any:
            if len(calls) == self.until:
                raise KeyboardInterrupt
            calls.append(numbers)
            return learner.engine.generate(prompts, group, seed, numbers, advance)

    def rolled_out(folder: Path, until: int) -> pd.DataFrame:
        calls.clear()
        return roll_out(
            pairs, Engine(until), render_prompt, bool, OrdinalReward(), 4, 0, tmp_path / folder, "evaluate"
        )  # type: ignore[arg-type]

    whole = rolled_out(Path("whole"), 99)
    assert len(calls) == 4
    with pytest.raises(KeyboardInterrupt):
        rolled_out(Path("cut"), 2)
    done = [*calls]
    pd.testing.assert_frame_equal(rolled_out(Path("cut"), 99), whole)
    assert len(calls) == 2
    assert sorted(number for numbers in done + calls for number in numbers) == list(range(10)), (
        "no prompt twice"
    )
    assert whole["prompt_id"].tolist() == sorted(whole["prompt_id"])
    assert [whole["pair_id"].iloc[4 * at] for at in range(10)] == [pair.id for _, pair in pairs], (
        "in the pairs' order, whatever the order of work"
    )
