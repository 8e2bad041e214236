"""Completions into verdicts and rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corpo.task import Fault, Pair, Reward, Verdict, parse_response


@dataclass(frozen=True)
class Graded:
    """What each rollout said and what it earned."""

    verdicts_PG: list[list[Verdict | Fault]]
    rewards_PG: Tensor  # float32

    @property
    def unparseable(self) -> float:
        """Share of rollouts that are no verdict."""
        flat = [verdict for row in self.verdicts_PG for verdict in row]
        return sum(isinstance(verdict, Fault) for verdict in flat) / len(flat)


def judge(texts_PG: Sequence[Sequence[str]], pairs: Sequence[Pair], reward: Reward) -> Graded:
    """Parse and reward every completion of every pair."""
    verdicts_PG = [[parse_response(text) for text in texts] for texts in texts_PG]
    rewards = [
        [reward(verdict, pair.labels) for verdict in verdicts]
        for pair, verdicts in zip(pairs, verdicts_PG, strict=True)
    ]
    return Graded(verdicts_PG, torch.tensor(rewards, dtype=torch.float32))
