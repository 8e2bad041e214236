"""Numbers that are none stop a step before it changes anything; a collapse is named once."""

from __future__ import annotations

import logging
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from corpo.cli.hydra_app import app
from corpo.train.checkpoint import load_latest
from corpo.train.health import EARLY, collapsed, require_finite
from corpo.train.loss import policy_loss
from corpo.train.optimizer import MasterAdamW
from corpo.train.rl import PolicyGradientTrainer
from corpo.utils.errors import NonFiniteError
from corpo.utils.files import read_jsonl
from tests.train.test_rl import _learner, _pairs, _weights

NAN, INF = math.nan, math.inf


def test_the_first_bad_number_is_named() -> None:
    values = torch.zeros(2, 3, 4)
    values[1, 2, 3], values[1, 2, 1] = NAN, -INF
    with pytest.raises(
        NonFiniteError, match=r"^the log-prob of pair b, rollout 2, token 1 is -inf, and 1 more$"
    ):
        require_finite("the log-prob", values, prompts=["pair a", "pair b"])
    require_finite("the log-prob", values, values == 0)
    with pytest.raises(NonFiniteError, match=r"^the loss is nan$"):
        require_finite("the loss", torch.tensor(NAN))


def _spoil(learner: PolicyGradientTrainer, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From step 3 on one number is none."""
    steps, step = [0], learner.step

    def counted(pairs: Any, number: int) -> Any:
        steps[0] = number
        return step(pairs, number)

    monkeypatch.setattr(learner, "step", counted)
    generate, compute = learner.engine.generate, learner.compute
    if what == "reward":
        reward = learner.reward
        spoilt = lambda response, labels: NAN if steps[0] == 3 else reward(response, labels)
        spoilt.threshold = reward.threshold  # type: ignore[attr-defined]
        learner.reward = spoilt  # type: ignore[assignment]
    if what == "engine's log-prob":

        def sampled(*args: Any, **kwargs: Any) -> Any:
            rollouts = generate(*args, **kwargs)
            if steps[0] == 3:
                rollouts.logprobs_PGT[1, 2, 0] = NAN
            return rollouts

        monkeypatch.setattr(learner.engine, "generate", sampled)
    if what == "log-prob":

        def computed(*args: Any) -> Any:
            logprobs, entropy = compute(*args)
            return (logprobs - INF, entropy) if steps[0] == 3 else (logprobs, entropy)

        learner.compute = computed
    if what == "loss":
        monkeypatch.setattr(
            "corpo.train.rl.policy_loss", lambda *args: policy_loss(*args) * (NAN if steps[0] == 3 else 1.0)
        )
    if what == "gradient":
        parameter = next(iter(learner.optimizer.parameters.values()))
        parameter.register_hook(lambda grad: grad * INF if steps[0] == 3 else grad)


@pytest.mark.parametrize("what", ["reward", "engine's log-prob", "log-prob", "loss", "gradient"])
def test_a_run_stops_with_the_step_before_kept_and_goes_on_from_there(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    undisturbed = _learner(baseline="static", checkpoint_every=4)
    undisturbed.train(_pairs(4), _pairs(1), whole)
    learner = _learner(baseline="static", checkpoint_every=4)
    with monkeypatch.context() as patch:
        _spoil(learner, what, patch)
        with pytest.raises(NonFiniteError, match=f"^step 3: the {what}") as stopped:
            learner.train(_pairs(4), _pairs(1), cut)
    assert "\n" not in str(stopped.value)
    assert what in ("loss", "gradient") or "pair " in str(stopped.value)
    kept = load_latest(cut)
    assert kept is not None
    assert kept.step == 2
    resumed = _learner(baseline="static", checkpoint_every=4)
    resumed.train(_pairs(4), _pairs(1), cut)
    assert all(torch.equal(value, _weights(resumed)[name]) for name, value in _weights(undisturbed).items())


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    learner = _learner(checkpoint_every=1)
    next(iter(learner.optimizer.master.values())).view(-1)[0] = NAN
    with pytest.raises(NonFiniteError, match="the weights after step 1 are not finite: nothing was saved"):
        learner._save_checkpoint(tmp_path, 1)
    assert not list(tmp_path.iterdir())


def test_an_infinite_gradient_changes_nothing_and_names_a_weight() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1))
    optimizer = MasterAdamW(model)
    before = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    model[1].bias.grad = torch.tensor([INF])
    with pytest.raises(NonFiniteError, match=r"inf, first of 1\.bias"):
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
    return [{"step": step, **HEALTHY, **(last if step == steps else early)} for step in range(1, steps + 1)]


def test_a_healthy_run_raises_nothing() -> None:
    assert [one for steps in range(1, 12) for one in collapsed(_history(steps, {}, {}), "corpo")] == []
    assert collapsed(_history(8, {"entropy": None}, {"entropy": None}), "corpo") == [], (
        "where nothing was learned no entropy is known"
    )  # type: ignore[dict-item]


@pytest.mark.parametrize("name", COLLAPSES)
def test_a_collapse_has_a_name(name: str) -> None:
    [found] = collapsed(_history(8, *COLLAPSES[name]), "grpo")
    assert (found.name, found.step) == (name, 8)


def test_a_clip_that_never_fires_is_told_from_one_that_stops() -> None:
    never = {"clip_active_fraction": 0.0}
    assert [one.name for one in collapsed(_history(EARLY, never, never), "corpo")] == ["clip_never_active"]
    assert collapsed(_history(EARLY, {}, never), "corpo") == []
    assert collapsed(_history(EARLY, never, never), "grpo") == [], "it has no clip"


def test_a_warning_is_raised_once_even_over_a_resume(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rollouts of an untrained model are no verdicts."""
    with caplog.at_level(logging.WARNING):
        for steps in (2, 4):
            _learner(steps=steps).train(_pairs(4), _pairs(1), tmp_path)
    warned = read_jsonl(tmp_path / "warnings.jsonl")
    assert [record["step"] for record in warned if record["name"] == "unparseable"] == [1]
    assert caplog.text.count("warning unparseable") == 1


def test_a_user_reads_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(config: Any) -> None:
        raise NonFiniteError("step 3: the loss is nan")

    monkeypatch.setattr(sys, "argv", ["experiments.train", f"hydra.run.dir={tmp_path}"])
    with pytest.raises(SystemExit) as stopped:
        app(run, lambda config: [])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "corpo: step 3: the loss is nan\n"
