"""Divide a batch into minibatches for several updates, and combine the metrics of the updates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

# The metrics of an update that is skipped because every advantage of its groups is 0.
NO_UPDATE = {
    "loss": 0.0,
    "entropy": math.nan,
    "mismatch_kl": math.nan,
    "ratio_mean": math.nan,
    "ratio_max": math.nan,
    "approx_kl": math.nan,
    "clip_fraction": math.nan,
    "grad_norm": 0.0,
    "update_norm": 0.0,
}


def minibatches_of(num_prompts: int, count: int, seed: str, bundle: int) -> list[list[int]]:
    """Divide the prompts of a batch at random into `count` minibatches of equal size.

    Returns the indices of the prompts of each minibatch, in ascending order. Each `bundle` consecutive
    prompts stay together, such as both orders of a pair. Each run of `count` consecutive bundles gives one to
    every minibatch. Therefore processes with contiguous shares of a batch have nearly equal shares of each
    minibatch, and the minibatches do not depend on the number of processes. The bundles of a batch are in
    random order already, so this restricts the division only little.
    """
    if count == 1:
        return [list(range(num_prompts))]
    generator = Random(seed)
    minibatches: list[list[int]] = [[] for _ in range(count)]
    for first in range(0, num_prompts // bundle, count):
        offsets = generator.sample(range(count), count)
        for minibatch, offset in zip(minibatches, offsets, strict=True):
            start = bundle * (first + offset)
            minibatch += range(start, start + bundle)
    return minibatches


def combine_updates(updates: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the metrics of a step from those of its updates. Skipped updates are left out.

    Each metric is the mean over the updates, with three exceptions: `mismatch_kl` is that of the first
    update, `ratio_max` is the maximum, and `update_norm` is the sum.
    """
    real_updates = [update for update in updates if not math.isnan(update["entropy"])]
    if not real_updates:
        return dict(NO_UPDATE)
    metrics = {}
    for name in NO_UPDATE:
        values = [update[name] for update in real_updates]
        metrics[name] = sum(values) / len(values)
    metrics["mismatch_kl"] = real_updates[0]["mismatch_kl"]
    metrics["ratio_max"] = max(update["ratio_max"] for update in real_updates)
    metrics["update_norm"] = sum(update["update_norm"] for update in real_updates)
    return metrics
