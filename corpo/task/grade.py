"""Parse and reward completions: the one module of the task that needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from corpo.task.response import Fault, Verdict, parse_response
from corpo.task.reward import Reward, TextReward
from corpo.task.types import Pair


@dataclass(frozen=True)
class Graded:
    """The verdict and the reward of each rollout."""

    verdicts_PG: list[list[Verdict | Fault]]
    rewards_PG: Tensor  # float32

    @property
    def unparseable(self) -> float:
        """Return the share of completions that could not be parsed."""
        verdicts = list(chain.from_iterable(self.verdicts_PG))
        return sum(isinstance(verdict, Fault) for verdict in verdicts) / len(verdicts)


def grade(texts_PG: Sequence[Sequence[str]], pairs: Sequence[Pair], reward: Reward) -> Graded:
    """Parse and reward the G completions of each of the P pairs."""
    verdicts_PG = [list(map(parse_response, texts_G)) for texts_G in texts_PG]
    rewards_PG = []
    for pair, texts_G, verdicts_G in zip(pairs, texts_PG, verdicts_PG, strict=True):
        rewards_PG.append(_rewards_of(texts_G, verdicts_G, pair, reward))
    return Graded(verdicts_PG, torch.tensor(rewards_PG, dtype=torch.float32))


def _rewards_of(
    texts_G: Sequence[str], verdicts_G: Sequence[Verdict | Fault], pair: Pair, reward: Reward
) -> list[float]:
    """Return the rewards of a group."""
    if isinstance(reward, TextReward):
        responses_G = zip(texts_G, verdicts_G, strict=True)
        return [reward.of_text(text, verdict, pair) for text, verdict in responses_G]
    return [reward(verdict, pair.labels) for verdict in verdicts_G]
