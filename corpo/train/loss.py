"""The policy-gradient loss, pure. Shapes: P prompts, G rollouts, T completion tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from corpo.config import LossConfig


def token_weights(mask_PGT: Tensor, aggregation: str, rollouts: int, tokens: int, max_tokens: int) -> Tensor:
    """The weight of every token in the loss of a batch that has so many rollouts and tokens in all, (P, G, T).

    - token_sum: the paper's, the mean over prompts of (1/G) sum over rollouts of the sum over tokens;
    - token_mean: every token of the batch alike (DAPO, arXiv 2503.14476);
    - sequence_mean: every rollout alike, its tokens averaged (GRPO, arXiv 2402.03300);
    - constant: the token sum over a fixed length, the longest a completion can be (Dr. GRPO, arXiv 2503.20783).
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
    """The part of the batch loss that these tokens carry (a scalar to backpropagate); weights are `token_weights` of the whole batch.

    Without ratio clipping the gradient is that of -A log pi (the paper's equation for L). With it, PPO's pessimistic minimum over the
    ratio to the log-probs at which the tokens were sampled. With an importance cap each token's term is weighted by that ratio,
    truncated from above and without a gradient of its own.
    """
    advantages_PG1 = advantages_PG[..., None]
    out_PGT = (
        weights_PGT == 0
    )  # before anything is computed: an infinite log-prob there would make the gradient nan
    logprobs_PGT, sampled_logprobs_PGT = (
        values.masked_fill(out_PGT, 0.0) for values in (logprobs_PGT, sampled_logprobs_PGT)
    )
    if config.ppo_clip is None:
        loss_PGT = -advantages_PG1 * logprobs_PGT
        if config.importance_ratio_cap is not None:
            loss_PGT = loss_PGT * (logprobs_PGT.detach() - sampled_logprobs_PGT).exp().clamp(
                max=config.importance_ratio_cap
            )
    else:
        ratio_PGT = (logprobs_PGT - sampled_logprobs_PGT).exp()
        clipped_PGT = ratio_PGT.clamp(1 - config.ppo_clip, 1 + config.ppo_clip)
        loss_PGT = -torch.minimum(ratio_PGT * advantages_PG1, clipped_PGT * advantages_PG1)
    if config.kl:
        assert reference_logprobs_PGT is not None
        gap_PGT = reference_logprobs_PGT.masked_fill(out_PGT, 0.0) - logprobs_PGT
        loss_PGT = loss_PGT + config.kl * (gap_PGT.exp() - gap_PGT - 1)
    if config.entropy:
        loss_PGT = loss_PGT - config.entropy * entropy_PGT
    return (loss_PGT * weights_PGT).sum()
