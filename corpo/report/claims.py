"""The verdicts of one study on the paper's claims, as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from corpo.analysis.claims import STATEMENTS, Finding
from corpo.analysis.subject import MIN_AUC
from corpo.utils.markdown import table as markdown_table

_TESTS = (
    "The tests are fixed in `corpo/analysis/claims.py`. Intervals cover new seeds and, if the seeds of a "
    "study share several warm starts, new warm starts. Intervals of accuracy on evaluation splits also cover "
    "new problems of the same kind. They are corrected for the number of tests of the same part of the "
    "claim. *Holds*: the estimate reaches the effect of interest, and the interval is above zero (for C1: "
    "above the effect of interest). *Does not hold*: the interval is below the effect of interest. "
    "*Undecided*: all other cases, also if less than the effect of interest can be gained. "
)
_NO_SUBJECT_OF_PAIRS = (
    "*No subject*: the base policies do not verify out of domain. The lower end of the 95% interval of their "
    f"AUC must reach {MIN_AUC:g}, and the AUC of the policies that do not verify. "
)
NO_SUBJECT_OF_QUESTIONS = (
    "*No subject*: the base policies do not answer questions out of domain. The lower end of the 95% "
    "interval of their pass@1 must exceed the highest floor. "
)
_DETECTABLE = (
    "*Untestable*: the training fixes what the claim is about. The *detectable effect* is the true effect at "
    "which the verdict would be *holds* with a probability of 80%."
)
CLAIMS_NOTE = _TESTS + _NO_SUBJECT_OF_PAIRS + _DETECTABLE
CLAIMS_NOTE_OF_QUESTIONS = _TESTS + NO_SUBJECT_OF_QUESTIONS + _DETECTABLE
EXPECTED_GRADIENTS = (
    "GRPO, static and RLOO follow the same gradient in expectation, up to a factor: a baseline changes the "
    "variance of an update and the mean advantage, but not which responses it favours on average "
    "({link}). CoRPO follows it approximately. So for one update per batch, a difference in C5 can only come "
    "from the variance, from the mean advantage, or from what is not linear in the advantages: AdamW, "
    "gradient clipping, and the feedback of many steps."
)


def claims_table(findings: Sequence[Finding]) -> str:
    """Return one row per test as Markdown; the statement of a claim is in its first row."""
    rows = []
    previous = None
    for finding in findings:
        statement = STATEMENTS[finding.claim] if finding.claim != previous else ""
        effects = (finding.estimate, finding.smallest_effect, finding.detectable_effect)
        rows.append((finding.claim, statement, finding.quantity, *effects, finding.verdict))
        previous = finding.claim
    columns = ("quantity", "estimate", "effect of interest", "detectable effect", "verdict")
    return markdown_table(("claim", "statement", *columns), rows)


def seeds_table(findings: Sequence[Finding], seeds: Sequence[int]) -> str:
    """Return the value of each seed for each test as Markdown, because a few seeds can decide a mean."""
    rows = []
    for finding in findings:
        if finding.by_seed:
            rows.append((finding.claim, finding.quantity, *finding.by_seed))
    return markdown_table(("claim", "quantity", *(f"seed {seed}" for seed in seeds)), rows)


def reasons(findings: Sequence[Finding]) -> list[str]:
    """Return why a study cannot test some claims, a text per claim; empty if it can test all."""
    texts = [
        f"{finding.claim}, {finding.verdict}: {finding.reason}." for finding in findings if finding.reason
    ]
    return list(dict.fromkeys(texts))


def reasons_list(findings: Sequence[Finding]) -> str:
    """Return the `reasons` as a list in Markdown."""
    return "\n".join(f"- {reason}" for reason in reasons(findings))
