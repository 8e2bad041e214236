"""AdamW and SGD on float32 copies of the weights, for a model of any dtype.

bfloat16 makes matrix products faster, but an update smaller than its rounding step would vanish. The float32
copies accumulate such updates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from corpo.config import ADAMW, TrainConfig
from corpo.policy.cores import single_threaded
from corpo.train.distributed import all_reduce_sum, local_shard
from corpo.utils.errors import NonFiniteError


def add_gradients(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    """Add gradients to those of the parameters. None stands for a parameter that the loss does not use."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)


class MasterOptimizer(ABC):
    """An optimizer of float32 copies of the weights, which are written back into the model.

    It works on one parameter at a time, so that no temporary of the model's size is allocated. `state` and
    `load` carry everything that a bit-exact resume needs, as named tensors; if weights are sharded, only this
    rank's part.
    """

    def __init__(self, model: nn.Module, weight_decay: float = 0.0) -> None:
        """Copy the trainable weights. Weight decay applies to matrices only, not to biases and norms."""
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.weight_decay = weight_decay
        self.master = {name: local_shard(p.detach()).float().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    @single_threaded()  # the order of the sums of a norm depends on the number of threads
    def step(self, lr: float, max_grad_norm: float | None) -> dict[str, float]:
        """Update the weights. Return the L2 norms of the gradient before clipping and of the update.

        The gradient is clipped to `max_grad_norm`; None does not clip. Raises NonFiniteError, before any
        weight changes, if the gradient is NaN or infinite. The error names a weight.
        """
        with_grad = {name: p for name, p in self.parameters.items() if p.grad is not None}
        grad_norm = self._grad_norm(with_grad)
        scale = torch.ones_like(grad_norm)
        if max_grad_norm is not None:
            scale = torch.clamp(max_grad_norm / (grad_norm + 1e-6), max=1.0)
        squared_update_norm = torch.zeros((), device=grad_norm.device)
        for name, parameter in with_grad.items():
            assert parameter.grad is not None
            before = self.master[name].clone()
            self._update(name, local_shard(parameter.grad).float() * scale, lr)
            squared_update_norm += torch.linalg.vector_norm(before.sub_(self.master[name])) ** 2
            local_shard(parameter).copy_(self.master[name])
            parameter.grad = None
        update_norm = all_reduce_sum(squared_update_norm).sqrt()
        return {"grad_norm": float(grad_norm), "update_norm": float(update_norm)}

    def _grad_norm(self, with_grad: dict[str, nn.Parameter]) -> Tensor:
        """Return the L2 norm of the gradient over all ranks. Raise if it is not finite."""
        squares = []
        for parameter in with_grad.values():
            assert parameter.grad is not None
            squares.append(
                torch.linalg.vector_norm(local_shard(parameter.grad), dtype=torch.float32).square()
            )
        grad_norm = all_reduce_sum(torch.stack(squares).sum()).sqrt()
        if grad_norm.isfinite():
            return grad_norm
        bad = [name for name, square in zip(with_grad, squares, strict=True) if not square.isfinite()]
        for parameter in with_grad.values():
            parameter.grad = None
        first = bad[0] if bad else "some weight"
        raise NonFiniteError(f"the gradient's norm is {float(grad_norm):g}; the first bad weight is {first}")

    @abstractmethod
    def _update(self, name: str, grad: Tensor, lr: float) -> None:
        """Update the float32 copy of one parameter."""

    def _decay_of(self, name: str) -> float:
        """Return the weight decay of a parameter."""
        return self.weight_decay if self.master[name].ndim > 1 else 0.0

    def state(self) -> dict[str, Tensor]:
        """Return the weights as named tensors."""
        return {f"master.{name}": master for name, master in self.master.items()}

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore the tensors that `state` returned, and write the weights into the model."""
        for name, parameter in self.parameters.items():
            self.master[name].copy_(tensors[f"master.{name}"])
            local_shard(parameter).copy_(self.master[name])


class MasterAdamW(MasterOptimizer):
    """AdamW (arXiv 1711.05101). `betas` are the decay rates of the two moments."""

    def __init__(
        self, model: nn.Module, weight_decay: float = 0.0, betas: tuple[float, float] = (0.9, 0.95)
    ) -> None:
        super().__init__(model, weight_decay)
        self.betas = betas
        self.moments = {
            name: (torch.zeros_like(master), torch.zeros_like(master)) for name, master in self.master.items()
        }
        self.steps = {name: torch.zeros((), device=master.device) for name, master in self.master.items()}

    def _update(self, name: str, grad: Tensor, lr: float) -> None:
        exp_avg, exp_avg_sq = self.moments[name]
        adamw(
            [self.master[name]],
            [grad],
            [exp_avg],
            [exp_avg_sq],
            [],
            [self.steps[name]],
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=lr,
            weight_decay=self._decay_of(name),
            eps=1e-8,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """Return weights, moments and step counts as named tensors."""
        tensors = super().state()
        for name, (exp_avg, exp_avg_sq) in self.moments.items():
            tensors |= {
                f"adamw.exp_avg.{name}": exp_avg,
                f"adamw.exp_avg_sq.{name}": exp_avg_sq,
                f"adamw.step.{name}": self.steps[name],
            }
        return tensors

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore the tensors that `state` returned, and write the weights into the model."""
        super().load(tensors)
        for name, (exp_avg, exp_avg_sq) in self.moments.items():
            exp_avg.copy_(tensors[f"adamw.exp_avg.{name}"])
            exp_avg_sq.copy_(tensors[f"adamw.exp_avg_sq.{name}"])
            self.steps[name].copy_(tensors[f"adamw.step.{name}"])


class MasterSGD(MasterOptimizer):
    """Plain stochastic gradient descent: the learning rate times the gradient, without momentum.

    The norm of an update is then proportional to that of its gradient. AdamW nearly fixes it.
    """

    def _update(self, name: str, grad: Tensor, lr: float) -> None:
        master = self.master[name]
        master.sub_(grad.add_(master, alpha=self._decay_of(name)), alpha=lr)


def make_optimizer(model: nn.Module, config: TrainConfig) -> MasterOptimizer:
    """Return the configured optimizer of a model's trainable weights."""
    if config.optimizer == ADAMW:
        return MasterAdamW(model, config.weight_decay)
    return MasterSGD(model, config.weight_decay)
