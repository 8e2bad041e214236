"""Several processes as one (torchrun): a batch's prompts shared out; weights, gradients and optimiser states sharded by FSDP2.

Losses are sums weighted for the whole batch, so gradients are summed over processes, not averaged.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from corpo.utils import ranks


def init_distributed() -> None:
    """Meet the other processes, where there are any: before an engine or a learner is made."""
    if ranks.world_size() == 1 or dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(ranks.local_rank())
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(
        backend, timeout=datetime.timedelta(hours=6)
    )  # others wait while the first one labels or evaluates


def shard(model: PreTrainedModel, compute: Callable[..., Any]) -> Callable[..., Any]:
    """Shard `model` layer by layer. Returns `compute(model, ...)` as a function that sees its weights whole."""
    mesh = init_device_mesh(model.device.type, (ranks.world_size(),))
    for layer in model.base_model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_force_sum_reduction_for_comms(True)
            module.set_gradient_divide_factor(1.0)
    model.compute = MethodType(compute, model)
    register_fsdp_forward_method(model, "compute")
    whole: Callable[..., Any] = model.compute
    return whole


@torch.no_grad()
def gather_weights_into(sharded: PreTrainedModel, replica: PreTrainedModel) -> None:
    """Put a sharded model's weights into a whole one. Every process has to call this."""
    targets = dict(replica.named_parameters())
    for name, parameter in sharded.named_parameters():
        targets[name].copy_(parameter.full_tensor() if isinstance(parameter, DTensor) else parameter)


def local(tensor: Tensor) -> Tensor:
    """This process's part of a sharded tensor; any other tensor itself."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def all_reduce_sum(values: Tensor) -> Tensor:
    """The sum over processes, element by element."""
    if ranks.world_size() > 1:
        dist.all_reduce(values)
    return values


def all_gather(values: Tensor) -> Tensor:
    """The processes' tensors, of one shape, one behind the other."""
    if ranks.world_size() == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(ranks.world_size())]
    dist.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def all_reduce_max(count: int) -> int:
    """The largest of the processes' counts."""
    return _reduced(count, dist.ReduceOp.MAX)


def all_reduce_min(count: int) -> int:
    """The smallest of the processes' counts."""
    return _reduced(count, dist.ReduceOp.MIN)


def _reduced(count: int, operation: Any) -> int:
    if ranks.world_size() == 1:
        return count
    value = torch.tensor(count)
    dist.all_reduce(value, operation)
    return int(value)
