"""Check that a study has a subject: base policies with the skill whose generalisation claim C5 is about.

If the policy that training starts from does not have the skill out of domain, accuracy there measures a habit
of answering, and the claim has no subject. Base policies of the paper's task have to verify candidates. Base
policies of other tasks have to answer questions.
"""

from __future__ import annotations

from functools import cache

import pandas as pd

from corpo.analysis.splits import floor_names, has_splits
from corpo.analysis.study import BASE, Study
from corpo.analysis.verification import auc_on, can_be_measured
from corpo.evaluate.intervals import Estimate, Interval, over_seeds_and_problems

# The lower end of the 95% interval of the AUC of single responses must reach this value; 0.5 is chance.
MIN_AUC = 0.6
DOMAINS = {
    "code pairs of equal labels": ("code_both_wrong", "code_both_correct"),
    "mathematics": ("math_first_correct", "math_second_correct"),
}


@cache  # several tests of a study ask, and the bootstrap takes a second
def reason_for_no_subject(study: Study) -> str | None:
    """Return why a study has no subject for C5, or None if it has one."""
    return _reason_for_pairs(study) if study.has_pairs else _reason_for_questions(study)


def _reason_for_pairs(study: Study) -> str | None:
    """Check that the policies separate correct from wrong candidates in each domain that is out of domain.

    They must do so by more than chance, and by more than policies that do not verify.
    """
    if not can_be_measured(study):
        return "the records have no scores of single responses"
    if not study.floors:
        return "policies that do not verify were not measured, so a memory of templates cannot be excluded"
    for domain, splits in DOMAINS.items():
        if not set(splits) <= set(study.splits):
            return f"{domain} were not evaluated"
        base = auc_on(list(study.bases.values()), splits)
        floor = max(auc_on([rollouts], splits).mean for rollouts in study.floors.values())
        required = max(MIN_AUC, floor)
        if not base.low >= required:
            return (
                f"on {domain} the base policies have an AUC of {base.mean:.2f} [{base.low:.2f}, "
                f"{base.high:.2f}]; the lower end must reach {required:.2f}"
            )
    return None


def _reason_for_questions(study: Study) -> str | None:
    """Check that pass@1 of the policies exceeds every floor out of domain.

    Pass@1 and floors are means over the splits out of domain. The lower end of the 95% interval of pass@1
    over problems must be higher than the highest floor, and higher than 0. This rule is our choice.
    """
    if not has_splits(study, study.out_of_domain):
        return "no splits out of domain were evaluated"
    base, floor = _base_accuracy(study), _highest_floor(study)
    if base.low > floor:
        return None
    return (
        f"out of domain the base policies have a pass@1 of {base.mean:.1%} [{base.low:.1%}, "
        f"{base.high:.1%}]; the lower end must exceed {floor:.1%}, the highest floor"
    )


def _base_accuracy(study: Study) -> Interval:
    """Return pass@1 of the base policies as the mean of the splits out of domain, with its interval."""
    tables = []
    for table in study.by_seed(BASE):
        in_splits = table[table["split"].isin(study.out_of_domain)]
        tables.append(in_splits.assign(accuracy=in_splits["c"] / in_splits["n"]))
    values_N = pd.concat(tables).groupby("prompt_id")["accuracy"].mean().to_numpy()
    prompts = tables[0].sort_values("prompt_id")
    estimate = over_seeds_and_problems(
        values_N[None], prompts["split"].to_list(), prompts["problem_id"].to_list()
    )
    _, by_problem = estimate.variances
    return Estimate(estimate.mean, (by_problem,)).interval()


def _highest_floor(study: Study) -> float:
    """Return the highest accuracy out of domain of answers that need no understanding.

    A split without a row has floors of 0, such as one of programs, of which no answer is known that is often
    right.
    """
    names = floor_names(study)
    if not names:
        return 0.0
    floors = study.shortcuts.set_index("split")[names].reindex(list(study.out_of_domain))
    return float(floors.fillna(0).mean().max())
