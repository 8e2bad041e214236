"""Check that a study has a subject: base policies that verify candidates out of domain.

Claim C5 is about generalisation of a skill. If the policy that training starts from does not have the skill,
accuracy out of domain measures a habit of answering, and the claim has no subject.
"""

from __future__ import annotations

from functools import cache

from corpo.analysis.study import Study
from corpo.analysis.verification import auc_on, can_be_measured

# The lower end of the 95% interval of the AUC of single responses must reach this value; 0.5 is chance.
MIN_AUC = 0.6
DOMAINS = {
    "code pairs of equal labels": ("code_both_wrong", "code_both_correct"),
    "mathematics": ("math_first_correct", "math_second_correct"),
}


@cache  # several tests of a study ask, and the bootstrap takes a second
def reason_for_no_subject(study: Study) -> str | None:
    """Return why a study has no subject for C5, or None if it has one.

    The policies must separate correct from wrong candidates in each domain that is out of domain: by more
    than chance, and by more than policies that do not verify.
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
