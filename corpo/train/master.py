"""AdamW on fp32 master weights under a model of any dtype: bf16 multiplies faster, fp32 remembers small steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MasterAdamW:
    """Clips, steps fp32 copies of the weights, and writes them back into the model.

    `state()` and `load()` carry everything that a bit-exact resume needs, as named tensors.
    """

    def __init__(self, model: nn.Module, lr: float, betas: tuple[float, float] = (0.9, 0.95), weight_decay: float = 0.0) -> None:
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.master = {name: p.detach().float().clone() for name, p in self.parameters.items()}
        decay = [master for master in self.master.values() if master.ndim > 1]
        plain = [master for master in self.master.values() if master.ndim <= 1]
        groups = [{"params": decay, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.adamw = torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, betas=betas, eps=1e-8, fused=True)

    def step(self, lr: float, max_norm: float) -> dict[str, float]:
        """One update at this learning rate. Returns the gradient's norm before clipping and the update's norm (L2, fp32)."""
        for name, parameter in self.parameters.items():
            self.master[name].grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        grad_norm = torch.nn.utils.clip_grad_norm_(self.master.values(), max_norm, error_if_nonfinite=True)
        before = torch.cat([master.detach().flatten() for master in self.master.values()])
        for group in self.adamw.param_groups:
            group["lr"] = lr
        self.adamw.step()
        self.adamw.zero_grad()
        after = torch.cat([master.detach().flatten() for master in self.master.values()])
        self._write_back()
        return {"grad_norm": float(grad_norm), "update_norm": float((after - before).norm())}

    @torch.no_grad()
    def _write_back(self) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(self.master[name])

    def state(self) -> dict[str, Tensor]:
        tensors = {f"master.{name}": master for name, master in self.master.items()}
        for name, master in self.master.items():
            for key, value in self.adamw.state[master].items():
                tensors[f"adamw.{key}.{name}"] = value
        return tensors

    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, master in self.master.items():
            master.data.copy_(tensors[f"master.{name}"])
            prefix = "adamw."
            state = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if (value := tensors.get(f"{prefix}{key}.{name}")) is not None:
                    state[key] = value.clone()
            if state:
                self.adamw.state[master] = state
        self._write_back()
