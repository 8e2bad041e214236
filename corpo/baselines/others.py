"""Baselines of other papers, registered by name beside those of `corpo/baselines/paper.py`.

docs/reference/baselines.md compares them. P prompts, G rollouts per prompt. In the formulas, R_i are the
rewards of a group, l_i the lengths of its rollouts in tokens, R_min_correct is `threshold`, and c_i is 1 if
R_i >= R_min_correct, else 0. Means and standard deviations are over the group unless stated otherwise.
Rewards arrive in float64, and advantages are returned in the same shape; `corpo.advantages` checks both. If
a paper and its published code disagree, the docstring says which one is implemented.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from corpo.baselines.numerics import ROUNDING_TOLERANCE, is_correct, require_group_size, zero_rounding_error
from corpo.baselines.registry import register_baseline


def _successes(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Return c, which is 1.0 for a correct rollout and 0.0 for a failed one, (P, G)."""
    return is_correct(rewards_PG, threshold).double()


@register_baseline("rloo")
def rloo(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Subtract the mean of the other rollouts (leave-one-out, RLOO, arXiv 2402.14740).

    A_i = R_i - mean of the others = G / (G - 1) (R_i - mean(R)). It is unbiased, because the baseline does
    not depend on rollout i. TRL's RLOOTrainer and verl compute the same; KL in the reward and TRL's optional
    normalisation are left out. Raises ValueError for G = 1 (TRL returns 0, verl the raw reward).
    """
    require_group_size("rloo", rewards_PG, 2)
    return zero_rounding_error(rewards_PG - _mean_of_others(rewards_PG), rewards_PG)


@register_baseline("corpo_loo")
def corpo_loo(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Subtract the mean of the other rollouts, clipped from below at R_min_correct.

    This is CoRPO's clip on RLOO's baseline (ours, see docs/explanation/theory.md). A_i = R_i - max(mean of
    the others, R_min_correct). It is unbiased, as RLOO is, and never rewards a failure, as CoRPO. For G = 1
    there are no other rollouts, and the baseline is the threshold.
    """
    if rewards_PG.shape[1] == 1:
        return zero_rounding_error(rewards_PG - threshold, rewards_PG)
    return zero_rounding_error(rewards_PG - _mean_of_others(rewards_PG).clamp(min=threshold), rewards_PG)


def _mean_of_others(rewards_PG: Tensor) -> Tensor:
    """Return the mean reward of the other rollouts of the group, (P, G)."""
    return (rewards_PG.sum(dim=1, keepdim=True) - rewards_PG) / (rewards_PG.shape[1] - 1)


@register_baseline("reinforce_plus_plus_baseline")
def reinforce_plus_plus_baseline(
    rewards_PG: Tensor, threshold: float, lengths_PG: Tensor, eps: float = 1e-8
) -> Tensor:
    """Subtract the mean of the group, then whiten over the tokens of the batch.

    This is REINFORCE++-baseline (arXiv 2501.03262). B_i = R_i - mean(R), and A_i = (B_i - mean(B)) /
    sqrt(var(B) + eps). mean(B) and var(B) are over all tokens of the batch: a rollout counts as often as it
    has tokens, and the variance has Bessel's correction. This is the paper's equation and verl's
    `masked_whiten`. Lengths and rewards are correlated, so mean(B) is not 0, and a group of equal rewards
    gets an advantage of either sign. KL in the reward is left out.
    """
    require_group_size("reinforce_plus_plus_baseline", rewards_PG, 2)
    centred_PG = zero_rounding_error(rewards_PG - rewards_PG.mean(dim=1, keepdim=True), rewards_PG)
    tokens = lengths_PG.sum()
    mean = (lengths_PG * centred_PG).sum() / tokens
    variance = (lengths_PG * (centred_PG - mean) ** 2).sum() / (tokens - 1).clamp(min=1)
    return zero_rounding_error(centred_PG - mean, rewards_PG) / (variance + eps).sqrt()


@register_baseline("opo")
def opo(rewards_PG: Tensor, threshold: float, lengths_PG: Tensor) -> Tensor:
    """Subtract the mean of the group weighted by length (OPO, arXiv 2505.23585).

    A_i = R_i - sum(l R) / sum(l). It has the smallest variance of all baselines if the squared gradient of a
    rollout is proportional to its length. verl computes the same. Raises ValueError for G = 1 (verl returns
    the raw reward).
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
    """Subtract the `share`-quantile Q of the group (quantile advantage estimation, QAE, arXiv 2509.22611).

    A_i = (R_i - Q) / (std(R) + eps), or R_i - Q if `std` is false. Q is defined as in the paper: the smallest
    reward that at least this share of the group does not exceed, so that Q is one of the rewards. The
    authors' code calls torch.quantile, which interpolates between two rewards; `ddof` and `eps` are those of
    that code.
    """
    require_group_size("quantile", rewards_PG, 2 if not std else max(2, ddof + 1))
    if not 0 < share <= 1:
        raise ValueError(f"baseline 'quantile' with share {share:g}: choose a share above 0 and at most 1")
    # Rounded before ceil, because 0.7 x 10 is larger than 7 in floating point.
    rank = math.ceil(round(share * rewards_PG.shape[1], 9))
    quantile_P1 = rewards_PG.sort(dim=1).values[:, rank - 1 : rank]
    centred_PG = zero_rounding_error(rewards_PG - quantile_P1, rewards_PG)
    if not std:
        return centred_PG
    return centred_PG / (rewards_PG.std(dim=1, correction=ddof, keepdim=True) + eps)


@register_baseline("ngrpo")
def ngrpo(rewards_PG: Tensor, threshold: float, best: float = 1.0, eps: float = 1e-6) -> Tensor:
    """Compute GRPO's advantages with one more rollout of the best reward (NGRPO, arXiv 2509.18851).

    A_i = (R_i - mean(R, best)) / (std(R, best) + eps), with ddof 1 and the eps of the authors' code. A group
    whose rewards are all equal failures then gets negative advantages. The other half of the method, a
    tighter clipping of the ratios of negative advantages, is left out. It has no effect with one update per
    batch.
    """
    if float(rewards_PG.max()) > best + ROUNDING_TOLERANCE * abs(best):
        raise ValueError(
            f"baseline 'ngrpo' with best {best:g}: a reward is {float(rewards_PG.max()):g}; "
            "set best to the largest possible reward"
        )
    with_best_PG = torch.cat([rewards_PG, torch.full_like(rewards_PG[:, :1], best)], dim=1)
    centred_PG = zero_rounding_error(rewards_PG - with_best_PG.mean(dim=1, keepdim=True), rewards_PG)
    return centred_PG / (with_best_PG.std(dim=1, keepdim=True) + eps)


@register_baseline("maxrl")
def maxrl(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Divide the centred successes by the pass rate of the group (MaxRL, arXiv 2602.02710).

    A_i = (c_i - mean(c)) / mean(c), and 0 in a group without a success. The expected gradient is the gradient
    of the pass rate p times the sum of (1 - p)^j for j < G - 1, which approximates the gradient of log p. It
    is defined for binary rewards, so reward levels have no effect. The authors' code adds 1e-6 to the
    divisor; this function does not.
    """
    require_group_size("maxrl", rewards_PG, 2)
    correct_PG = _successes(rewards_PG, threshold)
    rate_P1 = correct_PG.mean(dim=1, keepdim=True)
    return torch.where(rate_P1 > 0, (correct_PG - rate_P1) / rate_P1, 0.0)


@register_baseline("positive_only")
def positive_only(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Reward successes only: A_i = c_i (positive sample reinforcement, PSR, arXiv 2506.01347).

    Reward levels have no effect.
    """
    return _successes(rewards_PG, threshold)


@register_baseline("negative_only")
def negative_only(rewards_PG: Tensor, threshold: float) -> Tensor:
    """Punish failures only: A_i = c_i - 1 (negative sample reinforcement, NSR, arXiv 2506.01347).

    Reward levels have no effect.
    """
    return _successes(rewards_PG, threshold) - 1


@register_baseline("weighted")
def weighted(rewards_PG: Tensor, threshold: float, positive: float = 0.1) -> Tensor:
    """Give a success the advantage `positive` and a failure -1 (W-REINFORCE, arXiv 2506.01347).

    The paper uses 0.1. Reward levels have no effect.
    """
    correct_PG = _successes(rewards_PG, threshold)
    return positive * correct_PG - (1 - correct_PG)


@register_baseline("pass_at_k")
def pass_at_k(rewards_PG: Tensor, threshold: float, k: int = 4) -> Tensor:
    """Maximise pass@k with the analytical advantage of pass@k training (arXiv 2508.10751).

    The advantage of rollout i is the mean, over all subsets of k rollouts that contain i, of the advantage of
    the subset. With F failures among G rollouts, rho = 1 - C(F, k) / C(G, k) and s = sqrt(rho (1 - rho)):

        success: A_i = (1 - rho) / s
        failure: A_i = (1 - rho - C(F - 1, k - 1) / C(G - 1, k - 1)) / s

    and 0 if s is 0, without the authors' 1e-6 in the divisor. k = 1 is GRPO on binary rewards, divided by the
    standard deviation with ddof 0. verl's `grpo_passk` is another method (arXiv 2503.19595).
    """
    group_size = rewards_PG.shape[1]
    if not 1 <= k < group_size:
        raise ValueError(
            f"baseline 'pass_at_k' with k {k} and group size {group_size}: "
            "choose k from 1 to below the group size, else all advantages are 0"
        )
    correct_PG = _successes(rewards_PG, threshold)
    table = torch.tensor(
        [_pass_at_k(num_failures, group_size, k) for num_failures in range(group_size + 1)],
        dtype=torch.float64,
        device=rewards_PG.device,
    )
    success_P, failure_P = table[(1 - correct_PG).sum(dim=1).long()].unbind(dim=1)
    return torch.where(correct_PG > 0, success_P[:, None], failure_P[:, None])


def _pass_at_k(num_failures: int, group_size: int, k: int) -> tuple[float, float]:
    """Return the advantages of a success and of a failure in a group with this number of failures."""
    # 1 - rho: the probability that no rollout of a subset passes
    fail_rate = math.comb(num_failures, k) / math.comb(group_size, k)
    if fail_rate in (0.0, 1.0):
        return 0.0, 0.0
    std = math.sqrt(fail_rate * (1 - fail_rate))
    fail_rate_of_others = math.comb(num_failures - 1, k - 1) / math.comb(group_size - 1, k - 1)
    return fail_rate / std, (fail_rate - fail_rate_of_others) / std
