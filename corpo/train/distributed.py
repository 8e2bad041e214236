"""Training in several processes (torchrun): collectives on small tensors, and weights sharded by FSDP2.

Each rank handles a share of the prompts of a batch. The loss is a sum whose weights are those of the whole
batch, so gradients are summed over ranks and not averaged. With one process, every collective returns its
argument.
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

TIMEOUT = datetime.timedelta(hours=6)  # the other ranks wait while rank 0 labels programs or evaluates


def init_distributed() -> None:
    """Connect to the other ranks, if there are any. Call it before creating an engine or a trainer."""
    if ranks.world_size() == 1 or dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(ranks.local_rank())
        dist.init_process_group("cpu:gloo,cuda:nccl", timeout=TIMEOUT)
    else:
        dist.init_process_group("gloo", timeout=TIMEOUT)


def shard(model: PreTrainedModel, compute: Callable[..., Any]) -> Callable[..., Any]:
    """Shard `model` layer by layer over all ranks.

    Returns `compute` with `model` as its bound first argument. FSDP gathers the weights of a layer while it
    runs.
    """
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
    sharded_compute: Callable[..., Any] = model.compute
    return sharded_compute


@torch.no_grad()
def gather_weights_into(sharded: PreTrainedModel, replica: PreTrainedModel) -> None:
    """Copy the weights of a sharded model into an unsharded one. Every rank has to call this."""
    targets = dict(replica.named_parameters())
    for name, parameter in sharded.named_parameters():
        targets[name].copy_(parameter.full_tensor() if isinstance(parameter, DTensor) else parameter)


def local_shard(tensor: Tensor) -> Tensor:
    """Return this rank's part of a sharded tensor, or the tensor itself if it is not sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def all_reduce_sum(values: Tensor) -> Tensor:
    """Return the sum over ranks, element by element. The argument is overwritten."""
    if ranks.world_size() > 1:
        dist.all_reduce(values)
    return values


def all_gather(values: Tensor) -> Tensor:
    """Gather equal-shaped tensors from all ranks, concatenated along dimension 0."""
    if ranks.world_size() == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(ranks.world_size())]
    dist.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def all_reduce_max(count: int) -> int:
    """Return the largest count of all ranks."""
    return _all_reduce(count, dist.ReduceOp.MAX)


def all_reduce_min(count: int) -> int:
    """Return the smallest count of all ranks."""
    return _all_reduce(count, dist.ReduceOp.MIN)


def _all_reduce(count: int, operation: Any) -> int:
    if ranks.world_size() == 1:
        return count
    value = torch.tensor(count)
    dist.all_reduce(value, operation)
    return int(value)
