"""AdamW on fp32 master weights under a model of any dtype: bf16 multiplies faster, fp32 remembers small steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from corpo.train.distributed import all_reduce_sum, local
from corpo.utils.errors import NonFiniteError


class MasterAdamW:
    """Clips, steps fp32 copies of the weights, and writes them back into the model.

    A parameter at a time, so that nothing of the model's size is made in passing. `state()` and `load()` carry everything that a
    bit-exact resume needs, as named tensors; of sharded weights this process's part.
    """

    def __init__(
        self, model: nn.Module, weight_decay: float = 0.0, betas: tuple[float, float] = (0.9, 0.95)
    ) -> None:
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.betas, self.weight_decay = betas, weight_decay
        self.master = {name: local(p.detach()).float().clone() for name, p in self.parameters.items()}
        self.moments = {
            name: (torch.zeros_like(master), torch.zeros_like(master)) for name, master in self.master.items()
        }
        self.steps = {name: torch.zeros((), device=master.device) for name, master in self.master.items()}

    @torch.no_grad()
    def step(self, lr: float, max_norm: float) -> dict[str, float]:
        """One update at this learning rate. Returns the gradient's norm before clipping and the update's norm (L2, fp32).

        Raises NonFiniteError where the gradient is not finite, naming a weight; nothing has changed then.
        """
        graded = {name: p for name, p in self.parameters.items() if p.grad is not None}
        squares = [
            torch.linalg.vector_norm(local(p.grad), dtype=torch.float32).square()
            for p in graded.values()
            if p.grad is not None
        ]
        grad_norm = all_reduce_sum(torch.stack(squares).sum()).sqrt()
        if not grad_norm.isfinite():
            bad = next(
                (name for name, square in zip(graded, squares, strict=True) if not square.isfinite()),
                "some weight",
            )
            for parameter in graded.values():
                parameter.grad = None
            raise NonFiniteError(f"the gradient's norm is {float(grad_norm):g}, first of {bad}")
        shrink = torch.clamp(max_norm / (grad_norm + 1e-6), max=1.0)
        moved = torch.zeros((), device=grad_norm.device)
        for name, parameter in graded.items():
            assert parameter.grad is not None
            master, (first, second) = self.master[name], self.moments[name]
            before = master.clone()
            adamw(
                [master],
                [local(parameter.grad).float() * shrink],
                [first],
                [second],
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
            moved += torch.linalg.vector_norm(before.sub_(master)) ** 2
            local(parameter).copy_(master)
            parameter.grad = None
        return {"grad_norm": float(grad_norm), "update_norm": float(all_reduce_sum(moved).sqrt())}

    def state(self) -> dict[str, Tensor]:
        tensors = {f"master.{name}": master for name, master in self.master.items()}
        for name, (first, second) in self.moments.items():
            tensors |= {
                f"adamw.exp_avg.{name}": first,
                f"adamw.exp_avg_sq.{name}": second,
                f"adamw.step.{name}": self.steps[name],
            }
        return tensors

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            first, second = self.moments[name]
            self.master[name].copy_(tensors[f"master.{name}"])
            first.copy_(tensors[f"adamw.exp_avg.{name}"])
            second.copy_(tensors[f"adamw.exp_avg_sq.{name}"])
            self.steps[name].copy_(tensors[f"adamw.step.{name}"])
            local(parameter).copy_(self.master[name])
