"""Baselines of other papers, by name beside the method's own; `docs/baselines.md` compares them.

P prompts, G rollouts; R_i the rewards of a group, mean and deviation over the group unless said otherwise, c_i = 1 where R_i >= R_min_correct
(the threshold) and 0 elsewhere. Rewards come as float64 and advantages go back in the same shape; `corpo.baselines.paper.advantages` checks
both. Where a paper and published code disagree, the docstring says which was taken.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from corpo.baselines.numerics import ROUNDING_TOLERANCE, is_correct, require_group_size, zero_rounding_error
from corpo.baselines.registry import register_baseline


def _successes(rewards_PG: Tensor, threshold: float) -> Tensor:
    """c: 1.0 or 0.0."""
    return is_correct(rewards_PG, threshold).double()


@register_baseline("rloo")
def rloo(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Leave-one-out (arXiv 2402.14740): A_i = R_i - mean of the others = G / (G - 1) (R_i - mean(R)).

    Unbiased, for the baseline does not depend on rollout i. As in TRL's RLOOTrainer and verl, without KL in the reward and without TRL's optional
    normalisation. A lone rollout is refused (TRL gives it 0, verl its raw reward).
    """
    require_group_size("rloo", rewards_PG, 2)
    return zero_rounding_error(rewards_PG - _mean_of_others(rewards_PG), rewards_PG)


@register_baseline("corpo_loo")
def corpo_loo(rewards_PG: Tensor, threshold: float) -> Tensor:
    """CoRPO's clip on the leave-one-out mean (ours, see docs/theory.md): A_i = R_i - max(mean of the others, R_min_correct).

    Unbiased as RLOO is, and never rewards a failure, as CoRPO. A lone rollout has no others, so its baseline is the threshold.
    """
    if rewards_PG.shape[1] == 1:
        return zero_rounding_error(rewards_PG - threshold, rewards_PG)
    return zero_rounding_error(rewards_PG - _mean_of_others(rewards_PG).clamp(min=threshold), rewards_PG)


def _mean_of_others(rewards_PG: Tensor) -> Tensor:
    return (rewards_PG.sum(dim=1, keepdim=True) - rewards_PG) / (rewards_PG.shape[1] - 1)


@register_baseline("reinforce_plus_plus_baseline")
def reinforce_plus_plus_baseline(
    rewards_PG: Tensor, threshold: float, lengths_PG: Tensor, eps: float = 1e-8
) -> Tensor:
    """REINFORCE++-baseline (arXiv 2501.03262): B_i = R_i - mean(R), then A_i = (B_i - mean B) / sqrt(var B + eps) over the whole batch.

    Mean and variance are over the batch's tokens, a rollout counting as often as it has tokens, the variance with Bessel's correction: the paper's
    equation and verl's `masked_whiten`. (Over rollouts, as TRL normalises RLOO, the mean would be 0.) As lengths and rewards
    go together, that mean is not 0, and a group of equal rewards gets an advantage, of either sign. No KL in the reward.
    """
    require_group_size("reinforce_plus_plus_baseline", rewards_PG, 2)
    centred_PG = zero_rounding_error(rewards_PG - rewards_PG.mean(dim=1, keepdim=True), rewards_PG)
    tokens = lengths_PG.sum()
    mean = (lengths_PG * centred_PG).sum() / tokens
    variance = (lengths_PG * (centred_PG - mean) ** 2).sum() / (tokens - 1).clamp(min=1)
    return zero_rounding_error(centred_PG - mean, rewards_PG) / (variance + eps).sqrt()


@register_baseline("opo")
def opo(rewards_PG: Tensor, threshold: float, lengths_PG: Tensor) -> Tensor:
    """On-policy RL with the optimal baseline (arXiv 2505.23585): A_i = R_i - sum(l R) / sum(l), l the tokens of each rollout.

    The baseline of least variance if a rollout's squared gradient grows with its length. As in verl, which gives a lone rollout its raw reward;
    here it is its own mean and gets 0, and is refused.
    """
    require_group_size("opo", rewards_PG, 2)
    mean_P1 = (lengths_PG * rewards_PG).sum(dim=1, keepdim=True) / lengths_PG.sum(dim=1, keepdim=True)
    return zero_rounding_error(rewards_PG - mean_P1, rewards_PG)


@register_baseline("quantile")
def quantile(
    rewards_PG: Tensor,
    threshold: float,
    share: float = 0.4,
    std: bool = True,
    ddof: int = 1,
    eps: float = 1e-6,
) -> Tensor:
    """Quantile advantage estimation, QAE (arXiv 2509.22611): A_i = (R_i - Q) / (std(R) + eps), Q the group's `share`-quantile.

    Q is the paper's: the least reward that at least that share of the group does not exceed, so always one of the rewards. (The authors' code calls
    torch.quantile, which interpolates between two.) Deviation with ddof 1 and eps as in that code.
    """
    require_group_size("quantile", rewards_PG, 2 if not std else max(2, ddof + 1))
    if not 0 < share <= 1:
        raise ValueError(f"baseline 'quantile' with share {share:g}: choose a share above 0 and at most 1")
    at = (
        math.ceil(round(share * rewards_PG.shape[1], 9)) - 1
    )  # rounded first: 0.7 x 10 is not 7 in floating point
    centred_PG = zero_rounding_error(rewards_PG - rewards_PG.sort(dim=1).values[:, at : at + 1], rewards_PG)
    return centred_PG / (rewards_PG.std(dim=1, correction=ddof, keepdim=True) + eps) if std else centred_PG


@register_baseline("ngrpo")
def ngrpo(rewards_PG: Tensor, threshold: float, best: float = 1.0, eps: float = 1e-6) -> Tensor:
    """NGRPO's advantage calibration (arXiv 2509.18851): GRPO as if one more rollout had got the best reward there is.

    A_i = (R_i - mean(R, best)) / (std(R, best) + eps), the deviation with ddof 1 and eps as in the authors' code. Groups that all fail alike then speak.
    The method's other half, clipping negative ratios more tightly, does nothing in one update a batch and is left out.
    """
    if float(rewards_PG.max()) > best + ROUNDING_TOLERANCE * abs(best):
        raise ValueError(
            f"baseline 'ngrpo' with best {best:g}: a reward is {float(rewards_PG.max()):g}; set best to the largest reward there is"
        )
    with_best_PG = torch.cat([rewards_PG, torch.full_like(rewards_PG[:, :1], best)], dim=1)
    centred_PG = zero_rounding_error(rewards_PG - with_best_PG.mean(dim=1, keepdim=True), with_best_PG)
    return centred_PG / (with_best_PG.std(dim=1, keepdim=True) + eps)


@register_baseline("maxrl")
def maxrl(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Maximum likelihood RL (arXiv 2602.02710): A_i = (c_i - mean(c)) / mean(c), and 0 in a group without a success.

    Its expected gradient is that of log pass rate, to order G - 1: the sum of (1 - p)^j for j < G - 1, times that of the pass rate p. Defined for
    binary rewards, so levels play no part. The authors' code adds 1e-6 to the divisor; here it is exact.
    """
    require_group_size("maxrl", rewards_PG, 2)
    correct_PG = _successes(rewards_PG, threshold)
    rate_P1 = correct_PG.mean(dim=1, keepdim=True)
    return torch.where(rate_P1 > 0, (correct_PG - rate_P1) / rate_P1, 0.0)


@register_baseline("positive_only")
def positive_only(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Positive sample reinforcement, PSR (arXiv 2506.01347): A_i = c_i. Levels play no part."""
    return _successes(rewards_PG, threshold)


@register_baseline("negative_only")
def negative_only(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Negative sample reinforcement, NSR (arXiv 2506.01347): A_i = c_i - 1. Levels play no part."""
    return _successes(rewards_PG, threshold) - 1


@register_baseline("weighted")
def weighted(rewards_PG: Tensor, threshold: float, positive: float = 0.1) -> Tensor:
    """W-REINFORCE (arXiv 2506.01347): A_i = `positive` for a success (the paper's 0.1), -1 for a failure. Levels play no part."""
    correct_PG = _successes(rewards_PG, threshold)
    return positive * correct_PG - (1 - correct_PG)


@register_baseline("pass_at_k")
def pass_at_k(rewards_PG: Tensor, threshold: float, k: int = 4) -> Tensor:
    """Pass@k training, by its analytical advantage (arXiv 2508.10751): the mean, over all k-subsets with rollout i, of the subset's own advantage.

    With F failures of G, rho = 1 - C(F, k) / C(G, k) and s = sqrt(rho (1 - rho)): A_i = (1 - rho) / s for a success and
    (1 - rho - C(F - 1, k - 1) / C(G - 1, k - 1)) / s for a failure; 0 where s is 0, without the authors' 1e-6 in the divisor. k = 1 is GRPO on
    binary rewards, divided by the deviation with ddof 0. verl's `grpo_passk` is another method (arXiv 2503.19595).
    """
    group = rewards_PG.shape[1]
    if not 1 <= k < group:
        raise ValueError(
            f"baseline 'pass_at_k' with k {k} and group size {group}: choose k from 1 to below the group size, else all advantages are 0"
        )
    correct_PG = _successes(rewards_PG, threshold)
    table = torch.tensor(
        [_pass_at_k(failures, group, k) for failures in range(group + 1)],
        dtype=torch.float64,
        device=rewards_PG.device,
    )
    success_P, failure_P = table[(1 - correct_PG).sum(dim=1).long()].unbind(dim=1)
    return torch.where(correct_PG > 0, success_P[:, None], failure_P[:, None])


def _pass_at_k(failures: int, group: int, k: int) -> tuple[float, float]:
    """Advantages of a success and of a failure in a group with so many failures."""
    none_passes = math.comb(failures, k) / math.comb(group, k)
    if none_passes in (0.0, 1.0):
        return 0.0, 0.0
    deviation = math.sqrt(none_passes * (1 - none_passes))
    none_of_others = math.comb(failures - 1, k - 1) / math.comb(group - 1, k - 1)
    return none_passes / deviation, (none_passes - none_of_others) / deviation
