"""Floors of skill: the verdicts of policies that do not verify.

One remembers templates of candidates and runs nothing. The other one calls exactly one candidate correct,
whatever the candidates are. They are computed for `data=pipelines`, whose data stage writes how often each
template was taught as correct. A third floor, the base policy with an empty think block, has to be sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from corpo.data.pipelines.taught import without_constants
from corpo.evaluate.rollouts import prompt_id
from corpo.task import CUT, Candidate, Pair, Reward, Verdict
from corpo.task.response import SCORE_MAX
from corpo.tasks.verify import VerifyTask, verdict_columns

_TIE = 0.1  # distance from the cut of a score without any preference


def memory_rollouts(pairs: Sequence[tuple[str, Pair]], taught: pd.DataFrame, reward: Reward) -> pd.DataFrame:
    """Return one rollout per pair, with the columns of an evaluation but without traces and response.

    A candidate's score is 10 times the share of correct ones among the taught candidates with the same words
    of the problem and the same text, both without constants. If there are none, it is the share among those
    with the same text, and else 5. A hash of the candidate moves a score of 5 up or down, because a score on
    the cut is no verdict. `taught` is the table of `corpo.data.pipelines.taught`.
    """
    memory = _Memory(taught)
    rows = []
    for number, (split, pair) in enumerate(pairs):
        verdict = Verdict(memory.score(pair, pair.a), memory.score(pair, pair.b))
        rows.append(_row(number, split, pair, verdict, reward, rollout=0))
    return pd.DataFrame(rows)


def exactly_one_rollouts(pairs: Sequence[tuple[str, Pair]], reward: Reward) -> pd.DataFrame:
    """Return two rollouts per pair, with the columns of `memory_rollouts`: only A is correct, only B is.

    So every number computed from them is the expectation for a policy that chooses one candidate at random.
    """
    rows = []
    for number, (split, pair) in enumerate(pairs):
        for rollout, verdict in enumerate((Verdict(SCORE_MAX, 0), Verdict(0, SCORE_MAX))):
            rows.append(_row(number, split, pair, verdict, reward, rollout))
    return pd.DataFrame(rows)


def _row(
    number: int, split: str, pair: Pair, verdict: Verdict, reward: Reward, rollout: int
) -> dict[str, Any]:
    return {
        "split": split,
        "prompt_id": prompt_id(number),
        **VerifyTask(reward).item_columns(pair),
        **verdict_columns(verdict, pair),
        "traced": float("nan"),
        "follows": float("nan"),
        "reward": reward(verdict, pair.labels),
        "rollout": rollout,
        "tokens": 0,
    }


class _Memory:
    """Shares of correct candidates by template."""

    def __init__(self, taught: pd.DataFrame) -> None:
        by_words = taught.set_index(["words", "text"])
        by_text = taught.groupby("text")[["correct", "seen"]].sum()
        self._by_words: dict[Any, float] = (by_words["correct"] / by_words["seen"]).to_dict()
        self._by_text: dict[Any, float] = (by_text["correct"] / by_text["seen"]).to_dict()

    def score(self, pair: Pair, candidate: Candidate) -> float:
        """Return the score of a candidate, which is never on the cut."""
        words, text = without_constants(pair.problem.id), without_constants(candidate.text)
        default = self._by_text.get(text, CUT / SCORE_MAX)
        share = self._by_words.get((words, text), default)
        score = SCORE_MAX * share
        if score == CUT:
            is_up = int(candidate.id, 16) % 2 == 0
            score += _TIE if is_up else -_TIE
        return score
