"""AdamW on float32 copies of the weights, for a model of any dtype.

bfloat16 makes matrix products faster, but an update smaller than its rounding step would vanish. The float32
copies accumulate such updates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from corpo.train.distributed import all_reduce_sum, local_shard
from corpo.utils.errors import NonFiniteError


class MasterAdamW:
    """AdamW with gradient clipping, on float32 copies of the weights that are written back into the model.

    It works on one parameter at a time, so that no temporary of the model's size is allocated. `state` and
    `load` carry everything that a bit-exact resume needs, as named tensors; if weights are sharded, only this
    rank's part.
    """

    def __init__(
        self, model: nn.Module, weight_decay: float = 0.0, betas: tuple[float, float] = (0.9, 0.95)
    ) -> None:
        """Copy the trainable weights. Weight decay applies to matrices only, not to biases and norms."""
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.betas, self.weight_decay = betas, weight_decay
        self.master = {name: local_shard(p.detach()).float().clone() for name, p in self.parameters.items()}
        self.moments = {
            name: (torch.zeros_like(master), torch.zeros_like(master)) for name, master in self.master.items()
        }
        self.steps = {name: torch.zeros((), device=master.device) for name, master in self.master.items()}

    @torch.no_grad()
    def step(self, lr: float, max_grad_norm: float) -> dict[str, float]:
        """Update the weights. Return the L2 norms of the gradient before clipping and of the update.

        Raises NonFiniteError, before any weight changes, if the gradient is NaN or infinite. The error names
        a weight.
        """
        with_grad = {name: p for name, p in self.parameters.items() if p.grad is not None}
        grad_norm = self._grad_norm(with_grad)
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

    def _update(self, name: str, grad: Tensor, lr: float) -> None:
        """Apply AdamW to the float32 copy of one parameter."""
        master, (exp_avg, exp_avg_sq) = self.master[name], self.moments[name]
        adamw(
            [master],
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
            weight_decay=self.weight_decay if master.ndim > 1 else 0.0,
            eps=1e-8,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """Return weights, moments and step counts as named tensors."""
        tensors = {f"master.{name}": master for name, master in self.master.items()}
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
        for name, parameter in self.parameters.items():
            exp_avg, exp_avg_sq = self.moments[name]
            self.master[name].copy_(tensors[f"master.{name}"])
            exp_avg.copy_(tensors[f"adamw.exp_avg.{name}"])
            exp_avg_sq.copy_(tensors[f"adamw.exp_avg_sq.{name}"])
            self.steps[name].copy_(tensors[f"adamw.step.{name}"])
            local_shard(parameter).copy_(self.master[name])
