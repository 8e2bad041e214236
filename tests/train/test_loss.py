"""The policy-gradient loss on batches that can be computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from corpo.config import LossConfig
from corpo.train.loss import policy_loss, token_weights


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("token_sum", (3 - 4) / 2),
        ("token_mean", (3 - 4) / 3),
        ("sequence_mean", (1.5 - 4) / 2),
        ("constant", (3 - 4) / 6),
    ],
)
def test_loss_averages_tokens_by_the_aggregation(aggregation: str, expected: float) -> None:
    mask_PGT = torch.tensor([[[1, 1, 0], [1, 0, 0]]], dtype=torch.bool)
    logprobs_PGT = torch.tensor([[[-1.0, -2.0, -99.0], [-4.0, -99.0, -99.0]]])
    weights_PGT = token_weights(mask_PGT, aggregation, rollouts=2, tokens=3, max_tokens=3)
    loss = policy_loss(
        logprobs_PGT=logprobs_PGT,
        entropy_PGT=torch.zeros_like(logprobs_PGT),
        advantages_PG=torch.tensor([[1.0, -1.0]]),
        weights_PGT=weights_PGT,
        sampled_logprobs_PGT=logprobs_PGT,
        reference_logprobs_PGT=None,
        config=LossConfig(aggregation=aggregation),
    )
    assert float(loss) == pytest.approx(expected)


def _token(value: float) -> Tensor:
    return torch.full((1, 1, 1), value)


def _loss(logprob: float, advantage: float, config: LossConfig, reference: float | None = None) -> float:
    """Return the loss of one token that was sampled at log-prob -1 and has an entropy of 0.5."""
    loss = policy_loss(
        logprobs_PGT=_token(logprob),
        entropy_PGT=_token(0.5),
        advantages_PG=torch.tensor([[advantage]]),
        weights_PGT=_token(1.0),
        sampled_logprobs_PGT=_token(-1.0),
        reference_logprobs_PGT=None if reference is None else _token(reference),
        config=config,
    )
    return float(loss)


@pytest.mark.parametrize(
    ("logprob", "advantage", "expected", "reason"),
    [
        (-0.5, 1.0, -1.2, "a positive advantage gains nothing beyond the clip"),
        (-0.5, -1.0, math.exp(0.5), "a negative advantage is not clipped from above"),
        (-1.5, -1.0, 0.8, "a negative advantage gains nothing below the clip"),
        (-1.5, 1.0, -math.exp(-0.5), "a positive advantage is not clipped from below"),
    ],
)
def test_ppo_clip_limits_the_ratio_on_one_side(
    logprob: float, advantage: float, expected: float, reason: str
) -> None:
    assert _loss(logprob, advantage, LossConfig(ppo_clip=0.2)) == pytest.approx(expected), reason


def test_the_importance_ratio_weights_a_token_up_to_its_cap() -> None:
    config = LossConfig(importance_ratio_cap=2.0)
    assert _loss(-0.5, 1.0, config) == pytest.approx(0.5 * math.exp(0.5))
    assert _loss(-0.1, 1.0, config) == pytest.approx(0.1 * 2.0)


def test_kl_penalty_is_the_k3_estimate() -> None:
    loss = _loss(-1.0, 0.0, LossConfig(kl=2.0), reference=-1.5)
    assert loss == pytest.approx(2 * (math.exp(-0.5) + 0.5 - 1))


def test_the_entropy_bonus_lowers_the_loss() -> None:
    assert _loss(-1.0, 0.0, LossConfig(entropy=0.1)) == pytest.approx(-0.05)
