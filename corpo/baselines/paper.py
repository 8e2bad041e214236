"""The method: three baselines, from the rewards of a group to its advantages (arXiv 2511.04439).

A prompt has G rollouts with rewards R_1..R_G. A baseline b turns rewards into advantages, A_i = R_i - b:

    grpo     b = mean(R)
    static   b = R_min_correct
    corpo    b = max(mean(R), R_min_correct)

GRPO rewards a failure that is less bad than the mean of its group. The other two never do. The static
baseline rewards every success, however marginal. CoRPO compares successes with each other once the mean of
the group is a success.

R_min_correct, the argument `threshold`, is the smallest reward of a correct rollout. The rewards arrive in
float64 as a matrix of P prompts x G rollouts. Call the baselines by name through `corpo.advantages`.
"""

from __future__ import annotations

from torch import Tensor

from corpo.baselines.numerics import require_group_size, zero_rounding_error
from corpo.baselines.registry import register_baseline


@register_baseline("grpo")
def grpo(rewards_PG: Tensor, threshold: float, std: bool = False, ddof: int = 1, eps: float = 1e-6) -> Tensor:
    """Subtract the mean of the group (GRPO, arXiv 2402.03300). The threshold has no effect.

    The paper drops GRPO's division by the standard deviation, and so does this function unless `std` is true.
    Published code disagrees on the details: `ddof` is 1 in torch, TRL and verl and 0 in numpy; `eps` is added
    to the deviation.
    """
    require_group_size("grpo", rewards_PG, 2)
    if std and ddof >= rewards_PG.shape[1]:
        raise ValueError(
            f"baseline 'grpo' with ddof {ddof} and group size {rewards_PG.shape[1]}: ddof must be smaller"
        )
    advantages_PG = zero_rounding_error(rewards_PG - rewards_PG.mean(dim=1, keepdim=True), rewards_PG)
    if std:
        advantages_PG = advantages_PG / (rewards_PG.std(dim=1, correction=ddof, keepdim=True) + eps)
    return advantages_PG


@register_baseline("static")
def static(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Subtract R_min_correct, whatever the rest of the group did."""
    return zero_rounding_error(rewards_PG - threshold, rewards_PG)


@register_baseline("corpo")
def corpo(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Subtract the mean of the group, clipped from below at R_min_correct (CoRPO)."""
    baseline_P1 = rewards_PG.mean(dim=1, keepdim=True).clamp(min=threshold)
    return zero_rounding_error(rewards_PG - baseline_P1, rewards_PG)
