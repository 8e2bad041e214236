"""Tests of health checks: NaN and infinity stop a step in time; a collapse is reported once."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from corpo.cli.hydra_app import Job, run_job
from corpo.config import LossConfig
from corpo.task import Fault, OrdinalReward
from corpo.tasks.verify import VerifyTask
from corpo.train.checkpoint import load_latest
from corpo.train.health import REFERENCE_STEPS, health_warnings, require_answers, require_finite
from corpo.train.loss import policy_loss
from corpo.train.optimizer import MasterAdamW
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.errors import NonFiniteError, ResponseError
from corpo.utils.files import read_jsonl
from tests.train.tiny_trainer import example_pairs, tiny_trainer, weights_of

NAN, INF = math.nan, math.inf


def test_error_names_the_first_bad_value() -> None:
    values = torch.zeros(2, 3, 4)
    values[1, 2, 3], values[1, 2, 1] = NAN, -INF
    with pytest.raises(
        NonFiniteError, match=r"^the log-prob of pair b, rollout 2, token 1 is -inf, and 1 more$"
    ):
        require_finite("the log-prob", values, prompts=["pair a", "pair b"])
    require_finite("the log-prob", values, values == 0)
    with pytest.raises(NonFiniteError, match=r"^the loss is nan$"):
        require_finite("the loss", torch.tensor(NAN))


def _spoil(trainer: PolicyGradientTrainer, quantity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one quantity NaN or infinite at step 3."""
    is_step_3 = _watch_step_3(trainer, monkeypatch)
    if quantity == "reward":
        trainer.task = VerifyTask(_SpoiltReward(OrdinalReward(), is_step_3))
    elif quantity == "engine's log-prob":
        generate = trainer.engine.generate

        def spoilt_generate(*args: Any, **kwargs: Any) -> Any:
            rollouts = generate(*args, **kwargs)
            if is_step_3():
                rollouts.logprobs_PGT[1, 2, 0] = NAN
            return rollouts

        monkeypatch.setattr(trainer.engine, "generate", spoilt_generate)
    elif quantity == "log-prob":
        compute = trainer.compute

        def spoilt_compute(*args: Any) -> Any:
            logprobs_PGT, entropy_PGT = compute(*args)
            return (logprobs_PGT - INF if is_step_3() else logprobs_PGT), entropy_PGT

        trainer.compute = spoilt_compute
    elif quantity == "loss":

        def spoilt_loss(**tensors: Any) -> Any:
            return policy_loss(**tensors) * (NAN if is_step_3() else 1.0)

        monkeypatch.setattr("corpo.train.rl.policy_loss", spoilt_loss)
    elif quantity == "gradient":
        parameter = next(iter(trainer.optimizer.parameters.values()))
        parameter.register_hook(lambda grad: grad * INF if is_step_3() else grad)


def _watch_step_3(trainer: PolicyGradientTrainer, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Return a function that tells whether the trainer is in its third step."""
    original_step, current = trainer.step, [0]

    def watched_step(pairs: Any, step: int) -> Any:
        current[0] = step
        return original_step(pairs, step)

    monkeypatch.setattr(trainer, "step", watched_step)
    return lambda: current[0] == 3


class _SpoiltReward:
    def __init__(self, reward: Any, is_step_3: Callable[[], bool]) -> None:
        self.reward, self.threshold, self.is_step_3 = reward, reward.threshold, is_step_3

    def __call__(self, response: Any, labels: Any) -> float:
        return NAN if self.is_step_3() else self.reward(response, labels)


@pytest.mark.parametrize("quantity", ["reward", "engine's log-prob", "log-prob", "loss", "gradient"])
def test_bad_value_stops_the_run_and_the_previous_step_is_saved(
    quantity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    undisturbed = tiny_trainer(baseline="static", checkpoint_every=4)
    undisturbed.train(example_pairs(4), example_pairs(1), whole)
    trainer = tiny_trainer(baseline="static", checkpoint_every=4)
    with monkeypatch.context() as patch:
        _spoil(trainer, quantity, patch)
        with pytest.raises(NonFiniteError, match=f"^step 3: the {quantity}") as stopped:
            trainer.train(example_pairs(4), example_pairs(1), cut)
    assert "\n" not in str(stopped.value)
    assert quantity in ("loss", "gradient") or "pair " in str(stopped.value)
    checkpoint = load_latest(cut)
    assert checkpoint is not None
    assert checkpoint.step == 2
    resumed = tiny_trainer(baseline="static", checkpoint_every=4)
    resumed.train(example_pairs(4), example_pairs(1), cut)
    assert all(
        torch.equal(value, weights_of(resumed)[name]) for name, value in weights_of(undisturbed).items()
    )


def test_bad_value_after_an_update_of_the_step_saves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that no checkpoint holds weights from the middle of a step."""
    options = {"epochs": 2, "loss": LossConfig(ppo_clip=0.2), "checkpoint_every": 2}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    undisturbed = tiny_trainer(baseline="static", **options)
    undisturbed.train(example_pairs(4), example_pairs(1), whole)
    trainer = tiny_trainer(baseline="static", **options)
    optimizer_step = trainer.optimizer.step

    def spoilt_step(*args: Any) -> dict[str, float]:
        if trainer.num_updates == 7:  # the second update of step 4
            raise NonFiniteError("the gradient's norm is nan")
        return optimizer_step(*args)

    monkeypatch.setattr(trainer.optimizer, "step", spoilt_step)
    with pytest.raises(
        NonFiniteError, match=r"^step 4: .*; the same command resumes from the last checkpoint$"
    ):
        trainer.train(example_pairs(4), example_pairs(1), cut)
    checkpoint = load_latest(cut)
    assert checkpoint is not None
    assert checkpoint.step == 2
    resumed = tiny_trainer(baseline="static", **options)
    resumed.train(example_pairs(4), example_pairs(1), cut)
    assert all(
        torch.equal(value, weights_of(resumed)[name]) for name, value in weights_of(undisturbed).items()
    )


def test_non_finite_weights_are_not_saved(tmp_path: Path) -> None:
    trainer = tiny_trainer(checkpoint_every=1)
    next(iter(trainer.optimizer.master.values())).view(-1)[0] = NAN
    with pytest.raises(NonFiniteError, match="the weights after step 1 are not finite: nothing was saved"):
        trainer._save_checkpoint(tmp_path, 1)
    assert not list(tmp_path.iterdir())


def test_infinite_gradient_changes_no_weight_and_error_names_it() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1))
    optimizer = MasterAdamW(model)
    before = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    model[1].bias.grad = torch.tensor([INF])
    with pytest.raises(NonFiniteError, match=r"inf; the first bad weight is 1\.bias"):
        optimizer.step(1e-3, 1.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in optimizer.state().items())


HEALTHY = {
    "zero_advantage_fraction": 0.2,
    "unparseable": 0.1,
    "clip_active_fraction": 0.5,
    "entropy": 1.0,
    "tokens_mean": 10.0,
}
COLLAPSES = {
    "no_signal": ({}, {"zero_advantage_fraction": 1.0}),
    "unparseable": ({}, {"unparseable": 0.6}),
    "entropy": ({}, {"entropy": 0.05}),
    "length": ({}, {"tokens_mean": 21.0}),
}


def _history(steps: int, early: dict[str, float], last: dict[str, float]) -> list[dict[str, float]]:
    history = [{"step": step, **HEALTHY, **early} for step in range(1, steps)]
    return [*history, {"step": steps, **HEALTHY, **last}]


def test_healthy_run_has_no_warnings() -> None:
    for steps in range(1, 12):
        assert health_warnings(_history(steps, {}, {}), "corpo") == []


def test_undefined_entropy_gives_no_warning() -> None:
    undefined: dict[str, Any] = {"entropy": None}  # no update took place
    assert health_warnings(_history(8, undefined, undefined), "corpo") == []


@pytest.mark.parametrize("name", COLLAPSES)
def test_collapse_gives_its_warning(name: str) -> None:
    [warning] = health_warnings(_history(8, *COLLAPSES[name]), "grpo")
    assert (warning.name, warning.step) == (name, 8)


def test_clip_that_is_never_active_gives_a_warning_for_corpo_only() -> None:
    inactive = {"clip_active_fraction": 0.0}
    never_active = _history(REFERENCE_STEPS, inactive, inactive)
    [warning] = health_warnings(never_active, "corpo")
    assert warning.name == "clip_never_active"
    assert health_warnings(_history(REFERENCE_STEPS, {}, inactive), "corpo") == [], "it was active before"
    assert health_warnings(never_active, "grpo") == [], "GRPO has no clip"


@pytest.mark.kind("responses of chat models and base models")
def test_a_run_with_one_fault_in_most_responses_stops_with_advice() -> None:
    faults = {f"fault_{fault.name}": 0.0 for fault in Fault}
    failing = {**HEALTHY, **faults, "unparseable": 0.95, "fault_unclosed_think": 95.0}
    mixed = {**failing, "fault_no_think": 95.0}
    with pytest.raises(ResponseError, match=r"'think block not closed'; raise rollout\.max_new_tokens"):
        require_answers([failing] * REFERENCE_STEPS, VerifyTask.faults)
    require_answers([failing] * (REFERENCE_STEPS - 1), VerifyTask.faults)
    require_answers([mixed] * REFERENCE_STEPS, VerifyTask.faults)
    require_answers([*[failing] * (REFERENCE_STEPS - 1), {**HEALTHY, **faults}], VerifyTask.faults)


def test_warning_is_given_once_even_if_the_run_resumes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Use an untrained model, whose rollouts have no verdict."""
    with caplog.at_level(logging.WARNING):
        for steps in (2, 4):
            tiny_trainer(steps=steps).train(example_pairs(4), example_pairs(1), tmp_path)
    warnings = read_jsonl(tmp_path / "warnings.jsonl")
    assert [record["step"] for record in warnings if record["name"] == "unparseable"] == [1]
    assert caplog.text.count("warning unparseable") == 1


def test_error_is_printed_as_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(config: Any) -> None:
        raise NonFiniteError("step 3: the loss is nan")

    monkeypatch.setattr(sys, "argv", ["corpo"])  # run_job replaces the arguments
    with pytest.raises(SystemExit) as stopped:
        run_job(Job("train", run, lambda config: []), [f"hydra.run.dir={tmp_path}"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "corpo: step 3: the loss is nan\n"
