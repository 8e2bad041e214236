"""A reward for right trace lines. It is a contrast to the paper's reward, not a part of the replication.

`plugins=[corpo.data.pipelines.trace_reward] reward.name=traces` chooses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from corpo.data.pipelines.grading import right_line_share, right_traces
from corpo.task import Fault, OrdinalReward, Pair, Verdict, level_at, register_reward
from corpo.utils.errors import DataError


@register_reward("traces")
@dataclass(frozen=True)
class TraceReward(OrdinalReward):
    """A reward with the levels of OrdinalReward that ranks by the share of right lines in the traces.

    The verdict alone decides between failure and success, so R_min_correct keeps its meaning. Among failures
    and among successes, the level rises with the share of right lines. Confidence has no influence.
    """

    def __call__(self, response: Verdict | Fault, labels: tuple[bool, bool]) -> float:
        """Return the level of a response without any right line."""
        return self._at_share(response, labels, 0.0)

    def of_text(self, text: str, response: Verdict | Fault, pair: Pair) -> float:
        """Return the level of a response. Raises DataError if the pair has no right traces."""
        wanted = right_traces(pair)
        if wanted is None:
            raise DataError(
                f"reward.name=traces: problem {pair.problem.id!r} has no traces; choose data=pipelines"
            )
        return self._at_share(response, pair.labels, right_line_share(text, wanted))

    def _at_share(self, response: Verdict | Fault, labels: tuple[bool, bool], share: float) -> float:
        if isinstance(response, Fault):
            return self.failures[0]
        levels = self.successes if response.is_correct(labels) else self.failures
        return level_at(levels, share)
