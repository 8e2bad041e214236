"""Compare the optimizers on float32 copies with those of torch, and check their updates by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from corpo.config import ADAMW, SGD, TrainConfig
from corpo.train.optimizer import MasterOptimizer, make_optimizer

BETAS = {"betas": (0.9, 0.95)}  # those of MasterAdamW


def _model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))


def _backward(model: torch.nn.Module, step: int) -> None:
    inputs = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
    (10 * model(inputs).square()).mean().backward()


@pytest.mark.parametrize(
    ("name", "optimizer_class", "options"), [(ADAMW, torch.optim.AdamW, BETAS), (SGD, torch.optim.SGD, {})]
)
@pytest.mark.parametrize("max_grad_norm", [None, 0.5])
def test_updates_are_those_of_torch(
    name: str, optimizer_class: Any, options: dict[str, Any], max_grad_norm: float | None
) -> None:
    model, expected = _model(), _model()
    matrices = [parameter for parameter in expected.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in expected.parameters() if parameter.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    reference = optimizer_class(groups, lr=0.01, **options)
    optimizer = make_optimizer(model, TrainConfig(optimizer=name, weight_decay=0.1))
    for step in range(5):
        _backward(model, step), _backward(expected, step)
        optimizer.step(0.01, max_grad_norm)
        if max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(expected.parameters(), max_grad_norm)
        reference.step()
        reference.zero_grad()
    for parameter, other in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-5, atol=1e-7)


def _update_norms(optimizer: MasterOptimizer, gradient: float) -> dict[str, float]:
    for parameter in optimizer.parameters.values():
        parameter.grad = torch.full_like(parameter, gradient)
    return optimizer.step(0.01, None)


def test_update_of_sgd_is_as_long_as_its_gradient_and_that_of_adamw_is_not() -> None:
    for name, ratio in ((SGD, 100.0), (ADAMW, 1.0)):
        small = _update_norms(make_optimizer(_model(), TrainConfig(optimizer=name)), 0.1)
        large = _update_norms(make_optimizer(_model(), TrainConfig(optimizer=name)), 10.0)
        assert large["grad_norm"] == pytest.approx(100 * small["grad_norm"])
        assert large["update_norm"] == pytest.approx(ratio * small["update_norm"], rel=1e-4)
    assert small["update_norm"] == pytest.approx(0.01 * 29**0.5, rel=1e-4), "29 weights"


@pytest.mark.parametrize("name", [ADAMW, SGD])
def test_state_restores_the_optimizer(name: str) -> None:
    config = TrainConfig(optimizer=name)
    model, resumed = _model(), _model()
    optimizer = make_optimizer(model, config)
    _backward(model, 0)
    optimizer.step(0.01, 1.0)
    loaded = make_optimizer(resumed, config)
    loaded.load(optimizer.state())
    for current, its_optimizer in ((model, optimizer), (resumed, loaded)):
        _backward(current, 1)
        its_optimizer.step(0.01, 1.0)
    for parameter, other in zip(model.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(parameter, other)
