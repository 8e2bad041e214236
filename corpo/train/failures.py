"""Count the failures of a batch by verdict, those that a baseline rewards, and the faults of responses."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from corpo.task import CUT, Fault, Verdict

# The verdicts of failures: both candidates called correct, both called wrong, exactly one called correct
# although another verdict is right, or no verdict.
FAILURES = ("both_correct", "both_wrong", "swapped", "unparseable")


def failure_of(verdict: Verdict | Fault) -> str:
    """Return which of `FAILURES` a verdict is, if it is not correct."""
    if not isinstance(verdict, Verdict):
        return "unparseable"
    calls = (verdict.score_a > CUT, verdict.score_b > CUT)
    if all(calls):
        return "both_correct"
    return "swapped" if any(calls) else "both_wrong"


def count_faults(verdicts_PG: Sequence[Sequence[Verdict | Fault]]) -> dict[str, float]:
    """Return the number of rollouts with each kind of fault."""
    counts = {f"fault_{fault.name}": 0.0 for fault in Fault}
    for verdicts_G in verdicts_PG:
        for verdict in verdicts_G:
            if isinstance(verdict, Fault):
                counts[f"fault_{verdict.name}"] += 1
    return counts


def count_failures(
    verdicts_PG: Sequence[Sequence[Verdict | Fault]],
    rewards_PG: Tensor,
    advantages_PG: Tensor,
    threshold: float,
) -> dict[str, float]:
    """Return the number of failed rollouts of each type, and of those with a positive advantage.

    `threshold` is R_min_correct.
    """
    counts = dict.fromkeys(
        [*(f"failed_{name}" for name in FAILURES), *(f"rewarded_{name}" for name in FAILURES)], 0
    )
    is_failed_PG, is_rewarded_PG = (rewards_PG < threshold).tolist(), (advantages_PG > 0).tolist()
    for p, verdicts_G in enumerate(verdicts_PG):
        for g, verdict in enumerate(verdicts_G):
            if is_failed_PG[p][g]:
                name = failure_of(verdict)
                counts[f"failed_{name}"] += 1
                counts[f"rewarded_{name}"] += is_rewarded_PG[p][g]
    return {name: float(count) for name, count in counts.items()}
