"""Say in a few sentences what a study has run and what it has found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from corpo.analysis.claims import FAILS, HOLDS, NO_SUBJECT, UNDECIDED, UNTESTABLE, Finding
from corpo.analysis.runs import EARLY, rewarded_failures
from corpo.analysis.splits import accuracy, has_splits
from corpo.analysis.study import BASE, Study
from corpo.report.names import label_of

MAX_LISTED = 4  # with more baselines, only the range of their values is given
_VERDICTS = (HOLDS, FAILS, UNDECIDED, NO_SUBJECT, UNTESTABLE)


def overview(study: Study, findings: Sequence[Finding]) -> list[str]:
    """Return two paragraphs: what was run, and what was found."""
    return [" ".join(_what_was_run(study)), " ".join(_what_was_found(study, findings))]


def _what_was_run(study: Study) -> list[str]:
    baselines = _enumeration([label_of(name) for name in study.baselines])
    if len(study.baselines) > MAX_LISTED:
        baselines = f"{len(study.baselines)} baselines"
    verb = "was" if len(study.baselines) == 1 else "were"
    seeds = "one seed" if len(study.seeds) == 1 else f"{len(study.seeds)} seeds"
    bases = "one base policy" if len(study.bases) == 1 else f"{len(study.bases)} base policies"
    rewards = study.runs[0].rewards
    num_prompts, group_size = next(iter(rewards.values())).shape
    evaluated = study.base
    num_evaluated = evaluated["prompt_id"].nunique()
    return [
        f"{baselines} {verb} trained with {seeds} each from {bases}, for {_number(len(rewards), 'step')}.",
        f"Each step sampled {_number(group_size, 'response')} to each of {num_prompts} prompts.",
        f"Then the base and the trained policies were evaluated on {_number(num_evaluated, 'prompt')} "
        f"of {_number(len(study.splits), 'split')}, "
        f"with {_number(len(evaluated) // num_evaluated, 'response')} to each prompt.",
    ]


def _what_was_found(study: Study, findings: Sequence[Finding]) -> list[str]:
    sentences = _rewarded(study)
    k = min(study.ks)
    for place, splits in (("In domain", study.in_domain), ("Out of domain", study.out_of_domain)):
        if has_splits(study, splits):
            before = accuracy(study, BASE, splits, k).mean()
            after = {name: accuracy(study, name, splits, k).mean() for name in study.baselines}
            values = _values(after, "{:.1f}%")
            sentences.append(f"{place}, pass@{k} was {before:.1f}% before training, and {values} after it.")
    counts = Counter(finding.verdict for finding in findings)
    verdicts = [f"“{verdict}” for {counts[verdict]}" for verdict in _VERDICTS if counts[verdict]]
    if verdicts:
        tests = _number(len(findings), "test")
        sentences.append(f"Of {tests} of claims, the verdict is {_enumeration(verdicts)}.")
    if len(study.seeds) == 1:
        sentences.append("One seed gives no intervals, so it can decide few of the tests.")
    return sentences


def _rewarded(study: Study) -> list[str]:
    """Return sentences about failures with a positive advantage, as far as they were counted."""
    shares = {}
    for name in study.baselines:
        share = rewarded_failures(study, name, late=False).mean()
        if not np.isnan(share):
            shares[name] = 100 * share
    never = [name for name, share in shares.items() if share == 0 and _never_rewards(study, name)]
    others = {name: share for name, share in shares.items() if name not in never}
    sentences = []
    if others:
        values = _values(others, "{:.1f}%")
        sentences.append(
            f"In the first {EARLY} steps, the share of failures with a positive advantage was {values}."
        )
    if never:
        sentences.append(
            f"No failure ever had a positive advantage with {_enumeration(list(map(label_of, never)))}."
        )
    return sentences


def _never_rewards(study: Study, baseline: str) -> bool:
    return not np.nansum(study.curve(baseline, "failed_positive_fraction").to_numpy())


def _values(by_baseline: dict[str, float], form: str) -> str:
    """Return the values with the names of their baselines, or the range of many values."""
    if len(by_baseline) > MAX_LISTED:
        lowest, highest = min(by_baseline.values()), max(by_baseline.values())
        return f"{form.format(lowest)} to {form.format(highest)}"
    return _enumeration(
        [f"{form.format(value)} with {label_of(name)}" for name, value in by_baseline.items()]
    )


def _enumeration(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
