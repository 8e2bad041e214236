"""The table, the figures and the claims of one study in one page: `report.md`, and `report.html` with rollouts to read."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from corpo.analysis.claims import STATEMENTS, Finding
from corpo.analysis.runs import EARLY
from corpo.analysis.study import PAGE
from corpo.report.explorer import ROLLOUTS
from corpo.report.published_section import section
from corpo.utils.files import write_text
from corpo.utils.markdown import table as markdown_table

_CAPTIONS = {
    "scoreboard": "Every baseline at a glance: failures that get a positive advantage in the first steps, pass@k as means over splits, and the distance from "
    "the base at the end. Dots are means, ticks are seeds, the dotted line is the base.",
    "advantage_ratio": "Positive over negative advantages by step; bands, of few baselines, span seeds. The paper's figure. "
    "Mean-centred GRPO has a sum ratio of 1 by algebra.",
    "failed_positive": "Left: failed rollouts that get a positive advantage. Right: groups in which CoRPO's clip is active (for the others: would be).",
    "predicted_failed_positive": "Failures that the group mean rewards, or would: predicted from how often each level occurs and how much prompts "
    "differ, against what happened. Nothing of how levels meet in groups is fitted. See docs/theory.md.",
    "regraded": "Failures that the group mean would reward among the rollouts of the evaluation, if they were graded in other levels or put in other groups, "
    "by how much of a group passed, and by split; and what other baselines would reward: before training and after it. Bars span seeds. Nothing is trained "
    "for it (`regraded.csv`).",
    "learning": "Training-batch reward and pass@1 (5-step means), and pass@1 on validation families.",
    "habits": "pass@1 on validation pairs of every kind, by step; training has pairs of the first two kinds only. Dotted: a coin.",
    "differences": "Each baseline minus GRPO, same prompts: mean, 95% interval (over seeds and problems where there are several seeds; of few it may "
    "go on beyond the frame), and single seeds.",
    "distributions": "Rewards and advantages of the first and last batches, failed rollouts in red, correct ones in green.",
    "calibration": "Score against the share of candidates with that score that are correct; levels with at least 50 candidates.",
    "conservatism": "Norms of gradients and weight updates, distance from the base, and entropy.",
}


CLAIMS_NOTE = (
    "Tests are fixed in `corpo/analysis/claims.py`. Intervals cover new seeds, and new problems of the families at hand where accuracy on evaluation splits "
    "is compared, and are corrected for the tests of their claim. *Holds*: estimated at the effect of interest or more, and the interval above zero (C1: "
    "above the effect of interest); *does not hold*: the interval below the effect of interest; else *undecided*. *Would have found* is the least effect "
    "that is found four times in five. Where less than the effect of interest is left to gain, nothing is decided (a rule that came with SmolLM2's "
    "pass@16 of 100%)."
)


def claims_table(found: Sequence[Finding]) -> str:
    """Every test with what the study says to it, as Markdown; a claim's statement stands at its first test."""
    first = {one.claim: at for at, one in reversed(list(enumerate(found)))}
    rows = [
        (
            one.claim,
            STATEMENTS[one.claim] if first[one.claim] == at else "",
            one.quantity,
            one.shown,
            one.least,
            one.found,
            one.verdict,
        )
        for at, one in enumerate(found)
    ]
    return markdown_table(
        ("claim", "the paper", "quantity", "here", "of interest", "would have found", "verdict"), rows
    )


def write_report(
    folder: Path,
    found: Sequence[Finding],
    figures: Sequence[str],
    runs: str,
    facts: dict[str, Any],
    warned: Sequence[Mapping[str, Any]],
) -> None:
    """Write `report.md` beside the tables and figures that it embeds.

    `runs` is the table of `corpo.analysis.runs`; `warned` are the warnings of training (`corpo.train.health`), with their runs.
    """
    tables = (folder / "table.md").read_text(encoding="utf-8")
    columns = [
        "candidate_accuracy",
        "better_accuracy",
        "ece",
        "brier",
        "unparseable",
        "exactly_one",
        "swap_consistency",
    ]
    summary = (
        pd.read_csv(folder / "summary.csv")
        .groupby(["policy", "split"], sort=False)[columns]
        .mean()
        .reset_index()
    )
    details = summary.round(3).astype(object).where(summary.notna(), "–")
    images = "\n\n".join(
        f"![{figure}](figures/{figure}.png)\n\n*{_CAPTIONS.get(figure, figure)}*" for figure in figures
    )
    provenance = markdown_table(("what", "value"), list(facts.items()))
    columns_warned = ("run", "step", "name", "text")
    warnings = (
        markdown_table(columns_warned, [[one[column] for column in columns_warned] for one in warned])
        if warned
        else "None."
    )
    write_text(
        folder / "report.md",
        f"""# {folder.name}

{tables}
pass@16 of a coin is 99%: read it beside pass@1. Each pair is evaluated in both orders; intervals resample
problems with all their pairs, within the families at hand: they say nothing about other families.

## Claims
{claims_table(found)}

{CLAIMS_NOTE} Differences to GRPO split by split: `differences.csv`; interquartile means and how often a run beats one of GRPO's: `aggregates.csv`.

## Figures
{images}

## Run by run
{runs}

In percent but for ratios and KL (nats a rollout, at the end, on validation prompts). `passed`, `failures rewarded` and whatever is `first`: of rollouts in the
first {EARLY} steps; `last`: of the last {EARLY}; `at most`: of any step. N and S: numbers and sums of positive and negative advantages.
Then pass@1, on validation families at the end and on the splits, of both orders together.

## The published table, read again
{section()}

## Accuracy, calibration and habits
{markdown_table(list(details.columns), details.to_numpy().tolist())}

Means over seeds (of each: `summary.csv`). ECE over 10 equal-width bins of score/10. `exactly_one`: share of verdicts that call exactly one candidate
correct. `swap_consistency`: share of pairs whose majority verdict is the same in both orders.

## Warnings of training
{warnings}

## Where this comes from
{provenance}
""",
    )


def write_page(
    folder: Path,
    found: Sequence[Finding],
    figures: Sequence[str],
    tables: Sequence[tuple[int, pd.DataFrame]],
    examples: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    config: str,
    records: Mapping[str, Any],
    warned: Sequence[Mapping[str, Any]],
) -> None:
    """Write `report.html`: one file that needs nothing beside it and no network. `tables` are wide, by k; `examples` as `explorer` makes them."""
    images = [
        {
            "name": figure,
            "caption": _CAPTIONS.get(figure, figure),
            "data": base64.b64encode((folder / f"figures/{figure}.png").read_bytes()).decode(),
        }
        for figure in figures
    ]
    write_text(
        folder / PAGE,
        render(
            "page.html",
            examples,
            name=folder.name,
            findings=found,
            statements=STATEMENTS,
            claims_note=CLAIMS_NOTE,
            warned=warned,
            figures=images,
            tables=tables,
            rollouts_shown=ROLLOUTS,
            facts={what: str(value).replace("`", "") for what, value in facts.items()},
            config=config,
            records=records,
        ),
    )


def render(template: str, examples: Sequence[Mapping[str, Any]], **values: Any) -> str:
    """A page of this folder that needs nothing beside it and no network; `examples` are what its script shows one by one."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    told = json.dumps(examples, allow_nan=False).replace(
        "<", "\\u003c"
    )  # so that no text in it can end the script
    return environment.get_template(template).render(examples_json=told, **values)
