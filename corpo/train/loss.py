"""The policy-gradient loss, as pure functions. P prompts, G rollouts per prompt, T completion tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from corpo.config import LossConfig


def token_weights(mask_PGT: Tensor, aggregation: str, rollouts: int, tokens: int, max_tokens: int) -> Tensor:
    """Return the weight of each token in the loss of a minibatch, (P, G, T); 0 where `mask_PGT` is false.

    `rollouts` and `tokens` are the totals of the whole minibatch, of which `mask_PGT` may be a part. With one
    update per batch, the minibatch is the batch.

    - token_sum: the mean over rollouts of the sum over tokens, as in the paper.
    - token_mean: every token of the minibatch has the same weight (DAPO, arXiv 2503.14476).
    - sequence_mean: every rollout has the same weight, and its tokens are averaged (GRPO, arXiv 2402.03300).
    - constant: the token sum divided by `max_tokens`, the longest possible completion (Dr. GRPO, arXiv
      2503.20783).
    """
    mask = mask_PGT.float()
    if aggregation == "token_sum":
        return mask / rollouts
    if aggregation == "token_mean":
        return mask / max(tokens, 1)
    if aggregation == "sequence_mean":
        return mask / (rollouts * mask.sum(-1, keepdim=True).clamp(min=1))
    return mask / (rollouts * max_tokens)


def policy_loss(
    logprobs_PGT: Tensor,
    entropy_PGT: Tensor,
    advantages_PG: Tensor,
    weights_PGT: Tensor,
    sampled_logprobs_PGT: Tensor,
    reference_logprobs_PGT: Tensor | None,
    config: LossConfig,
) -> Tensor:
    """Return the contribution of these tokens to the loss of an update, a scalar to backpropagate.

    `weights_PGT` are the `token_weights` of the whole minibatch. `sampled_logprobs_PGT` are the log-probs of
    the tokens under the policy that sampled them, and `ratio` is exp(logprobs - sampled_logprobs). The loss
    per token is:

    - by default, -A logprobs: its gradient is the plain policy gradient, the paper's equation for L;
    - with `importance_ratio_cap`, the same times min(ratio, cap), through which no gradient flows;
    - with `ppo_clip`, -min(ratio A, clip(ratio, 1 - ppo_clip, 1 + ppo_clip) A).

    `kl` adds the k3 estimate of KL(policy || reference), and `entropy` subtracts the entropy of the
    distribution.
    """
    # Log-probs are masked first, because an infinite log-prob of an excluded token would make the gradient
    # NaN.
    is_excluded_PGT = weights_PGT == 0
    logprobs_PGT = logprobs_PGT.masked_fill(is_excluded_PGT, 0.0)
    sampled_logprobs_PGT = sampled_logprobs_PGT.masked_fill(is_excluded_PGT, 0.0)
    advantages_PG1 = advantages_PG[..., None]
    if config.ppo_clip is not None:
        ratio_PGT = (logprobs_PGT - sampled_logprobs_PGT).exp()
        clipped_PGT = ratio_PGT.clamp(1 - config.ppo_clip, 1 + config.ppo_clip)
        loss_PGT = -torch.minimum(ratio_PGT * advantages_PG1, clipped_PGT * advantages_PG1)
    else:
        loss_PGT = -advantages_PG1 * logprobs_PGT
        if config.importance_ratio_cap is not None:
            ratio_PGT = (logprobs_PGT.detach() - sampled_logprobs_PGT).exp()
            loss_PGT = loss_PGT * ratio_PGT.clamp(max=config.importance_ratio_cap)
    if config.kl:
        assert reference_logprobs_PGT is not None
        log_ratio_PGT = reference_logprobs_PGT.masked_fill(is_excluded_PGT, 0.0) - logprobs_PGT
        loss_PGT = loss_PGT + config.kl * (log_ratio_PGT.exp() - log_ratio_PGT - 1)
    if config.entropy:
        loss_PGT = loss_PGT - config.entropy * entropy_PGT
    return (loss_PGT * weights_PGT).sum()


def is_ratio_limited(ratio_PGT: Tensor, advantages_PG: Tensor, config: LossConfig) -> Tensor:
    """Return for each token whether `policy_loss` limits its ratio, bool (P, G, T).

    With `ppo_clip`, these are the tokens without a policy gradient: the ratio is above the range and the
    advantage positive, or the ratio is below the range and the advantage negative. TRL and verl report the
    same share of tokens.
    """
    if config.ppo_clip is not None:
        advantages_PG1 = advantages_PG[..., None]
        is_above_PGT = (ratio_PGT > 1 + config.ppo_clip) & (advantages_PG1 > 0)
        is_below_PGT = (ratio_PGT < 1 - config.ppo_clip) & (advantages_PG1 < 0)
        return is_above_PGT | is_below_PGT
    if config.importance_ratio_cap is not None:
        return ratio_PGT > config.importance_ratio_cap
    return torch.zeros_like(ratio_PGT, dtype=torch.bool)
