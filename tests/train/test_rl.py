"""Tests of the policy-gradient loop: it learns, and a resumed run equals an uninterrupted one bit for bit."""

from __future__ import annotations

import math
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from corpo.config import LossConfig
from corpo.evaluate.rollouts import roll_out
from corpo.task import OrdinalReward, render_prompt
from corpo.tasks.verify import VerifyTask
from corpo.train.checkpoint import Checkpoint, load_latest, save_checkpoint
from corpo.train.loss import policy_loss, token_weights
from corpo.train.optimizer import MasterAdamW
from corpo.train.rl import PolicyGradientTrainer, batch_at
from corpo.train.run_log import KEPT_PROMPTS, KEPT_ROLLOUTS
from corpo.utils.files import read_jsonl
from tests.train.tiny_trainer import example_pairs, metrics_without_seconds, tiny_trainer, weights_of


def _interrupt_at(trainer: PolicyGradientTrainer, last_step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original_step = trainer.step

    def interrupted_step(pairs: Any, step: int) -> Any:
        if step == last_step:
            raise KeyboardInterrupt
        return original_step(pairs, step)

    monkeypatch.setattr(trainer, "step", interrupted_step)


SEVERAL_UPDATES = {"minibatches": 2, "epochs": 2, "loss": LossConfig(ppo_clip=0.2)}


@pytest.mark.parametrize(
    ("dtype", "options"),
    [(torch.float32, {}), (torch.bfloat16, {}), (torch.float32, SEVERAL_UPDATES)],
    ids=["float32", "bfloat16", "several updates"],
)
def test_resumed_run_equals_uninterrupted_run(
    tmp_path: Path, dtype: torch.dtype, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    first = tiny_trainer(dtype, "static", **options)
    first.train(example_pairs(4), example_pairs(1), whole)

    stopped = tiny_trainer(dtype, "static", **options)
    _interrupt_at(stopped, 3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        stopped.train(example_pairs(4), example_pairs(1), cut)
    with open(cut / "metrics.jsonl", "a") as torn:
        torn.write('{"step": 3, "half a li')
    resumed = tiny_trainer(dtype, "static", **options)
    resumed.train(example_pairs(4), example_pairs(1), cut)

    assert metrics_without_seconds(cut) == metrics_without_seconds(whole)
    assert (cut / "groups.jsonl").read_text() == (whole / "groups.jsonl").read_text()
    for name, value in weights_of(first).items():
        assert torch.equal(value, weights_of(resumed)[name]), name


def test_kept_rollouts_of_a_killed_run_equal_those_of_an_uninterrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"checkpoint_every": 2, "keep_rollouts_every": 3, "steps": 4}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    tiny_trainer(**options).train(example_pairs(4), example_pairs(1), whole)

    stopped = tiny_trainer(**options)
    _interrupt_at(stopped, 4, monkeypatch)  # after step 3 was kept, and before it was saved
    with pytest.raises(KeyboardInterrupt):
        stopped.train(example_pairs(4), example_pairs(1), cut)
    names = ["step-000001.parquet", "step-000003.parquet", "step-000004.parquet"]
    assert sorted(path.name for path in (cut / KEPT_ROLLOUTS).iterdir()) == names[:2]
    (cut / KEPT_ROLLOUTS / names[1]).write_bytes(b"half a file")
    tiny_trainer(**options).train(example_pairs(4), example_pairs(1), cut)

    assert sorted(path.name for path in (cut / KEPT_ROLLOUTS).iterdir()) == names
    for name in names:
        assert (cut / KEPT_ROLLOUTS / name).read_bytes() == (whole / KEPT_ROLLOUTS / name).read_bytes(), name


def test_kept_rollouts_are_those_of_the_first_prompts_of_the_batch(tmp_path: Path) -> None:
    pairs = example_pairs(4)
    tiny_trainer(baseline="static", steps=1, prompts_per_step=8).train(pairs, example_pairs(1), tmp_path)
    kept = pd.read_parquet(tmp_path / KEPT_ROLLOUTS / "step-000001.parquet")
    [record] = read_jsonl(tmp_path / "groups.jsonl")
    assert kept.groupby("prompt")["reward"].apply(list).tolist() == record["rewards"][:KEPT_PROMPTS]
    assert kept.groupby("prompt")["tokens"].apply(list).tolist() == record["lengths"][:KEPT_PROMPTS]
    assert kept["advantage"].equals(kept["reward"]), "static subtracts R_min_correct, which is 0"
    batch = batch_at(pairs, 8, 1, seed=0, bundle=2)[:KEPT_PROMPTS]
    prompts = kept.drop_duplicates("prompt")[["pair_id", "swapped"]].to_numpy().tolist()
    assert prompts == [[pair.id, pair.is_swapped] for pair in batch]


def test_damaged_checkpoint_is_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, Checkpoint(step, {"x": torch.full((3,), float(step))}, {}))
    assert len(list(tmp_path.glob("*.safetensors"))) == 2, "older ones are dropped"
    newest = tmp_path / "step-000003.safetensors"
    newest.write_bytes(newest.read_bytes()[:-4])
    checkpoint = load_latest(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 2
    assert "step-000003.safetensors is damaged" in caplog.text


def test_update_raises_probability_of_rewarded_rollouts() -> None:
    trainer = tiny_trainer(baseline="grpo", lr=1e-2)
    pairs = example_pairs(2)
    rollouts = trainer.engine.generate([render_prompt(pair) for pair in pairs], 4, seed=0)
    advantages_PG = torch.zeros(4, 4)
    advantages_PG[:, 0], advantages_PG[:, 1] = 1.0, -1.0
    logprobs_before_PG = trainer.logprobs(trainer.compute, rollouts)[0].detach().sum(-1)
    metrics = trainer.update(rollouts, advantages_PG, lr=1e-3)
    logprobs_after_PG = trainer.logprobs(trainer.compute, rollouts)[0].detach().sum(-1)
    change_PG = logprobs_after_PG - logprobs_before_PG
    assert bool((change_PG[:, 0] > change_PG[:, 1]).all())
    assert metrics["update_norm"] > 0


def test_micro_batches_do_not_change_the_update() -> None:
    updates = []
    for budget in (64, 100_000):
        trainer = tiny_trainer(token_budget=budget)
        rollouts = trainer.engine.generate([render_prompt(pair) for pair in example_pairs(4)], 4, seed=0)
        advantages_PG = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
        trainer.update(rollouts, advantages_PG, lr=1e-3)
        updates.append(weights_of(trainer))
    for name, value in updates[0].items():
        torch.testing.assert_close(value, updates[1][name], atol=1e-5, rtol=0)


def test_zero_advantage_groups_do_not_change_the_weights() -> None:
    trainer = tiny_trainer()
    before = weights_of(trainer)
    rollouts = trainer.engine.generate([render_prompt(pair) for pair in example_pairs(2)], 4, seed=0)
    metrics = trainer.update(rollouts, torch.zeros(4, 4), lr=1e-3)
    assert metrics["update_norm"] == 0
    assert all(torch.equal(value, weights_of(trainer)[name]) for name, value in before.items())


def test_kl_term_reduces_distance_from_the_start() -> None:
    trainer = tiny_trainer(loss=LossConfig(kl=1.0), lr=1e-3)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    trainer.optimizer = MasterAdamW(trainer.model)
    pairs = example_pairs(2)
    initial_kl = trainer.validate(pairs)["validation/kl_from_start"]
    for step in range(30):
        rollouts = trainer.engine.generate([render_prompt(pair) for pair in pairs], 8, seed=step)
        trainer.update(rollouts, torch.zeros(4, 8), lr=2e-3)
    assert trainer.validate(pairs)["validation/kl_from_start"] < 0.7 * initial_kl


def test_batch_holds_both_orders_and_epoch_holds_every_pair() -> None:
    pairs = example_pairs(6)
    first_epoch = [*batch_at(pairs, 4, 1, 0, 2), *batch_at(pairs, 4, 2, 0, 2), *batch_at(pairs, 4, 3, 0, 2)]
    second_epoch = [*batch_at(pairs, 4, 4, 0, 2), *batch_at(pairs, 4, 5, 0, 2), *batch_at(pairs, 4, 6, 0, 2)]
    assert len(first_epoch) == 12
    assert {pair.id for pair in first_epoch} == {pair.id for pair in pairs}
    for first, second in zip(first_epoch[::2], first_epoch[1::2], strict=True):
        assert first.swapped() == second
    assert first_epoch != second_epoch, "each epoch has an order of its own"


def test_small_updates_accumulate_in_float32_copies() -> None:
    """Check updates below the rounding step of bfloat16, which would vanish in bfloat16."""
    model = torch.nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    torch.nn.init.ones_(model.weight)
    optimizer = MasterAdamW(model)
    for _ in range(100):
        model(torch.ones(1, 1, dtype=torch.bfloat16)).sum().backward()
        optimizer.step(1e-4, 1e9)
    assert math.isclose(float(model.weight.item()), 0.99, abs_tol=0.004)


def test_masked_infinite_logprob_gives_no_nan_gradient() -> None:
    logprobs = torch.tensor([[[-1.0, -math.inf]]], requires_grad=True)
    mask = torch.tensor([[[True, False]]])
    loss = policy_loss(
        logprobs_PGT=logprobs,
        entropy_PGT=torch.zeros(1, 1, 2),
        advantages_PG=torch.ones(1, 1),
        weights_PGT=token_weights(mask, "token_sum", rollouts=1, tokens=1, max_tokens=2),
        sampled_logprobs_PGT=logprobs.detach(),
        reference_logprobs_PGT=None,
        config=LossConfig(),
    )
    loss.backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [[[-1.0, 0.0]]]


def test_resumed_evaluation_equals_uninterrupted_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpo.evaluate.rollouts.PART", 3)
    trainer, pairs = tiny_trainer(), [("mine", pair) for pair in example_pairs(5)]
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
            return trainer.engine.generate(prompts, group, seed, numbers, advance)

    def rolled_out(folder: Path, until: int) -> pd.DataFrame:
        calls.clear()
        return roll_out(
            pairs,
            Engine(until),
            render_prompt,
            bool,
            task=VerifyTask(OrdinalReward()),
            num_rollouts=4,
            seed=0,
            folder=tmp_path / folder,
            title="evaluate",
        )  # type: ignore[arg-type]

    whole = rolled_out(Path("whole"), 99)
    assert len(calls) == 4
    with pytest.raises(KeyboardInterrupt):
        rolled_out(Path("cut"), 2)
    done = [*calls]
    pd.testing.assert_frame_equal(rolled_out(Path("cut"), 99), whole)
    assert len(calls) == 2
    assert sorted(chain(*done, *calls)) == list(range(10)), "no prompt twice"
    assert whole["prompt_id"].tolist() == sorted(whole["prompt_id"])
    # The table has the order of the pairs, although they are evaluated in another order.
    assert whole["pair_id"].iloc[::4].tolist() == [pair.id for _, pair in pairs]
