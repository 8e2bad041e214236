"""The paper's task: judge two programs for one problem, with a score for each.

Shape letters beside those of CONTRIBUTING.md: M measures of a rollout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from corpo.config import VERIFY, Config
from corpo.data.pairing.splits import IN_DOMAIN, OUT_OF_DOMAIN
from corpo.data.pipelines.grading import grade_traces, right_traces
from corpo.task import COMPACT_SYSTEM, CUT, Fault, Pair, Reward, Verdict, render_prompt
from corpo.task.grade import grade
from corpo.tasks.base import Grade, Task, Value
from corpo.tasks.verify_metrics import MEASURES, validation_metrics

# The verdicts of failures: both candidates called correct, both called wrong, exactly one called correct
# although another verdict is right, or no verdict.
FAILURES = ("both_correct", "both_wrong", "swapped", "unparseable")
_FORMAT = "teach the response format first (model.warm_start=true), or explain it (model.style=instruct)"
# What to do if most responses have the same fault.
_ADVICE = {
    Fault.no_think: f"{_FORMAT}, with model.chat_template=true for a chat model",
    Fault.unclosed_think: "raise rollout.max_new_tokens, or choose a model that thinks less",
    Fault.second_think: _FORMAT,
    Fault.no_scores: f"{_FORMAT}, or set rollout.stop if the responses run on",
    Fault.out_of_range: _FORMAT,
}


class VerifyTask(Task[Pair]):
    """The task whose items are pairs, both orders of each."""

    name = VERIFY
    noun = "pair"
    failures = FAILURES
    faults = {fault.name: f"{fault.value!r}; {advice}" for fault, advice in _ADVICE.items()}
    in_domain = IN_DOMAIN
    out_of_domain = OUT_OF_DOMAIN
    bundle = 2
    measures = MEASURES
    system = COMPACT_SYSTEM

    def __init__(self, reward: Reward) -> None:
        self.reward = reward

    @property
    def threshold(self) -> float:
        """Return R_min_correct."""
        return self.reward.threshold

    def prompt(self, item: Pair, style: str) -> str:
        """Return the text of the prompt of a pair."""
        return render_prompt(item, style)

    def grade(self, texts_PG: Sequence[Sequence[str]], items: Sequence[Pair]) -> list[list[Grade]]:
        """Return the grade of each of the G responses to each of the P pairs."""
        graded = grade(texts_PG, items, self.reward)
        grades_PG = []
        for verdicts_G, rewards_G in zip(graded.verdicts_PG, graded.rewards_PG.tolist(), strict=True):
            grades_PG.append(list(map(self._grade, verdicts_G, rewards_G)))
        return grades_PG

    def _grade(self, verdict: Verdict | Fault, reward: float) -> Grade:
        return Grade(
            reward,
            failure="" if reward >= self.threshold else failure_of(verdict),
            fault=verdict.name if isinstance(verdict, Fault) else "",
            answer=verdict,
        )

    def item_columns(self, item: Pair) -> dict[str, Value]:
        """Return the columns of a pair in an evaluation's table."""
        return {
            "pair_id": item.id,
            "swapped": item.is_swapped,
            "problem_id": item.problem.id,
            "family": item.problem.family,
            "kind": str(item.kind),
            "label_a": item.a.correct,
            "label_b": item.b.correct,
        }

    def rollout_columns(self, text: str, grade: Grade, item: Pair) -> dict[str, Value]:
        """Return the columns of a response in an evaluation's table. Scores are NaN without a verdict."""
        scored = verdict_columns(grade.answer, item)
        scores = (float(scored["score_a"]), float(scored["score_b"]))
        traced, follows = grade_traces(text, right_traces(item), scores)
        return {**scored, "traced": traced, "follows": follows}

    def validation_metrics(
        self, measures_PGM: np.ndarray, kl_from_start_P: np.ndarray, items: Sequence[Pair]
    ) -> dict[str, float]:
        """Return accuracy by kind of pair, and measures that tell skill from habit."""
        return validation_metrics(measures_PGM, kl_from_start_P, items)


def verify_task(config: Config) -> VerifyTask:
    """Return the task with the reward of a config."""
    return VerifyTask(config.reward.build())


def failure_of(verdict: Verdict | Fault) -> str:
    """Return which of `FAILURES` a verdict is, if it is not correct."""
    if not isinstance(verdict, Verdict):
        return "unparseable"
    calls = (verdict.score_a > CUT, verdict.score_b > CUT)
    if all(calls):
        return "both_correct"
    return "swapped" if any(calls) else "both_wrong"


def verdict_columns(verdict: Verdict | Fault, pair: Pair) -> dict[str, Value]:
    """Return the columns of a verdict; the scores are NaN if the response could not be parsed."""
    if not isinstance(verdict, Verdict):
        return {"score_a": math.nan, "score_b": math.nan, "parsed": False, "correct": False}
    return {
        "score_a": verdict.score_a,
        "score_b": verdict.score_b,
        "parsed": True,
        "correct": verdict.is_correct(pair.labels),
    }
