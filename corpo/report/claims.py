"""The verdicts of one study on the paper's claims, as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from corpo.analysis.claims import STATEMENTS, Finding
from corpo.utils.markdown import table as markdown_table

CLAIMS_NOTE = (
    "The tests are fixed in `corpo/analysis/claims.py`. Intervals cover new seeds; intervals of accuracy on "
    "evaluation splits also cover new problems of the same kind. They are corrected for the number of "
    "tests of the claim. *Holds*: the estimate reaches the effect of interest, and the interval is above "
    "zero (for C1: above the effect of interest). *Does not hold*: the interval is below the effect of "
    "interest. *Undecided*: all other cases. The *detectable effect* is the smallest effect that the study "
    "finds with a power of 80%. If less than the effect of interest can be gained, the test is undecided; "
    "this rule was added when SmolLM2 had a pass@16 of 100%."
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
