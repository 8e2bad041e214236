"""Write the report of one study: `report.md`, and `report.html`, which also shows example rollouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from corpo.analysis.claims import (
    CLAIM_TITLES,
    FAILS,
    HOLDS,
    NO_SUBJECT,
    STATEMENTS,
    UNDECIDED,
    UNTESTABLE,
    Finding,
)
from corpo.analysis.runs import EARLY
from corpo.analysis.study import PAGE
from corpo.analysis.summary import summary_means
from corpo.data.pairing.splits import TRAIN
from corpo.report.claims import CLAIMS_NOTE, claims_table, reasons, reasons_list, seeds_table
from corpo.report.explorer import explorer_data
from corpo.report.figures import caption_of, spec_of
from corpo.report.figures.style import DARK_COLOURS
from corpo.report.html import render
from corpo.report.names import label_of
from corpo.report.published_section import section
from corpo.report.skill import TITLE, SkillSection
from corpo.report.svg import colour_variable, inline_svg
from corpo.report.tables import FAILURES_NOTE, FLOOR_COLUMNS, FLOORS_NOTE
from corpo.utils.files import write_text
from corpo.utils.markdown import table as markdown_table

RUNS_NOTE = f"""All values are percentages, except ratios and KL (nats per rollout at the end of training, on
validation prompts). `passed`, `failures rewarded` and columns named `first` cover the rollouts of the first
{EARLY} steps; columns named `last` cover the last {EARLY} steps; `at most` is the maximum over all steps. A
rewarded failure is a failed rollout with a positive advantage. N and S: numbers and sums of positive and
negative advantages. Rollouts are counted over these steps before they are divided. The last columns are
pass@1 on the evaluation splits, averaged over both orders. If a study has several warm starts, the seed of a
base is the number of its warm start; a run starts from the warm start with its seed modulo their number."""
VALIDATION_NOTE = """Each cell has the first and the last measurement during training. The first validation
is that of the policy before training. All values are measured on validation problems, not on those of the
evaluation splits. They are percentages, except AUC. The columns up to `both wrong` are pass@1; the
columns `pass@1`, `unseen` and `math` cover pairs with exactly one correct candidate. `unseen`: combinations
of operations that training does not use; the other columns cover seen combinations. AUC: the probability that
a correct candidate gets a higher score than a wrong one. Equal labels: both candidates are correct, or both
are wrong. `exactly one`: share of verdicts that call exactly one candidate correct, on
pairs of two correct or two wrong candidates. `traced`: share of traces without a mistake. Metrics that were
not measured have no column."""
SUMMARY_NOTE = """Means over seeds; `summary.csv` has the values of each seed. ECE uses 10 equal-width bins of
score / 10. `exactly_one`: share of verdicts that call exactly one candidate correct. `swap_consistency`:
share of pairs with the same majority verdict in both orders."""
INTERVALS_NOTE = """Each pair is evaluated in both orders. Intervals resample problems with all their pairs.
They cover new problems of the same kind, but not other kinds of problems."""

# Each verdict has a symbol of its own, for readers without colour.
SYMBOLS = {HOLDS: "✓", FAILS: "✗", UNDECIDED: "?", NO_SUBJECT: "–", UNTESTABLE: "–"}
# The colours of figures, and those that a dark page shows instead: ground, grid and lines, and baselines.
PAGE_COLOURS = {
    "#ffffff": "#1e2125",
    "#e6e6e6": "#33373d",
    "#333333": "#e6e6e3",
    "#000000": "#e6e6e3",
    **DARK_COLOURS,
}
PAPER_ROWS = ("in domain", "OOD")  # how the names of the splits of the paper begin


@dataclass(frozen=True)
class Report:
    """The contents that the Markdown report and the web page of a study have in common."""

    figures: Sequence[str]  # names of the files in the folder `figures`, without their extensions
    findings: list[Finding]
    seeds: list[int]  # of training
    facts: dict[str, object]  # provenance
    warnings: Sequence[Mapping[str, Any]]  # of training (`corpo.train.health`), with the names of their runs
    tables: list[tuple[int, pd.DataFrame]]  # k and the table of `corpo.report.tables.wide_table`
    failures: pd.DataFrame  # the table of `corpo.report.tables.failures_table`
    overview: Sequence[str]  # paragraphs that say what was run and what was found
    baselines: Sequence[str]
    threshold: float  # R_min_correct
    skill: SkillSection | None = None  # None if the records have no scores


def write_report(folder: Path, report: Report, runs: str, validation: str) -> None:
    """Write `report.md` beside the tables and figures that it includes.

    `runs` and `validation` are tables of `corpo.analysis.runs` as Markdown.
    """
    table = (folder / "table.md").read_text(encoding="utf-8")
    paragraphs = "\n\n".join(report.overview)
    images = "\n\n".join(f"![{name}](figures/{name}.png)\n\n*{caption_of(name)}*" for name in report.figures)
    text = f"""# {folder.name}

{paragraphs}

{table}
{INTERVALS_NOTE}

## Claims
{claims_table(report.findings)}

{reasons_list(report.findings)}

{CLAIMS_NOTE}
`differences.csv` has the differences from GRPO on each split; `aggregates.csv` has interquartile means and
the probability that a run is better than a run of GRPO.

### Single seeds
{seeds_table(report.findings, report.seeds)}

{_skill(report.skill)}## Figures
{images}

{_failures(report.failures)}## Single runs
{runs}

{RUNS_NOTE}

## Validation of single runs
{validation}

{VALIDATION_NOTE}

## Reanalysis of the published table
{section()}

## Accuracy, calibration and consistency
{_summary(folder)}

{SUMMARY_NOTE}

## Warnings during training
{_warnings(report.warnings)}

## Provenance
{markdown_table(("field", "value"), list(report.facts.items()))}
"""
    write_text(folder / "report.md", text)


def _skill(skill: SkillSection | None) -> str:
    return f"## {TITLE}\n{skill.markdown()}\n\n" if skill is not None else ""


def _summary(folder: Path) -> str:
    """Return the means of `summary.csv` as Markdown."""
    means = summary_means(pd.read_csv(folder / "summary.csv"))
    cells = means.round(3).astype(object).where(means.notna(), "–")
    return markdown_table(list(cells.columns), cells.to_numpy().tolist())


def _failures(table: pd.DataFrame) -> str:
    """Return the section about failures by verdict; it is empty if they were not counted."""
    if table.empty:
        return ""
    cells = markdown_table(list(table.columns), table.to_numpy().tolist())
    return f"## Failures of training by verdict\n{cells}\n\n{FAILURES_NOTE}\n\n"


def _warnings(warnings: Sequence[Mapping[str, Any]]) -> str:
    if not warnings:
        return "None."
    columns = ("run", "step", "name", "text")
    rows = []
    for warning in warnings:
        rows.append([warning[column] for column in columns])
    return markdown_table(columns, rows)


def write_page(
    folder: Path,
    report: Report,
    examples: Sequence[Mapping[str, Any]],
    config: str,
    stages: Mapping[str, Any],
) -> None:
    """Write `report.html`, a self-contained page with the results and with example rollouts.

    `examples` come from `corpo.report.explorer`, `config` is YAML, and `stages` are provenance by title.
    """
    figures = []
    for name in report.figures:
        text = (folder / f"figures/{name}.svg").read_text(encoding="utf-8")
        spec = spec_of(name)
        svg = inline_svg(text, name, spec.description, PAGE_COLOURS)
        figures.append({"title": spec.title, "caption": spec.caption, "svg": svg})
    text = render(
        "page.html",
        explorer_data(examples, report.baselines, report.threshold),
        name=folder.name,
        overview=report.overview,
        claims=_claims(report.findings),
        symbols=SYMBOLS,
        claims_note=_without_markup(CLAIMS_NOTE),
        reasons=reasons(report.findings),
        tables=[_table(k, table) for k, table in report.tables],
        floor_columns=FLOOR_COLUMNS,
        floors_note=FLOORS_NOTE,
        warnings=report.warnings,
        skill_title=TITLE,
        skill=report.skill,
        figures=figures,
        figure_colours=_figure_colours(),
        failures=report.failures,
        failures_note=FAILURES_NOTE,
        has_training=any(example["split"] == TRAIN for example in examples),
        facts={field: _without_markup(str(value)) for field, value in report.facts.items()},
        config=config,
        records=stages,
    )
    write_text(folder / PAGE, text)


def _figure_colours() -> list[tuple[str, str, str]]:
    """Return the variable of each colour of the figures, with its values on a light and on a dark page."""
    return [(colour_variable(light), light, dark) for light, dark in PAGE_COLOURS.items()]


def _claims(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return each claim with its statement, its tests, and the number of tests with each verdict."""
    by_claim: dict[str, list[Finding]] = {}
    for finding in findings:
        by_claim.setdefault(finding.claim, []).append(finding)
    claims = []
    for name, tests in by_claim.items():
        verdicts = Counter(finding.verdict for finding in tests)
        claim = {"name": name, "title": CLAIM_TITLES[name], "statement": STATEMENTS[name]}
        claims.append({**claim, "findings": tests, "verdicts": verdicts})
    return claims


def _table(k: int, table: pd.DataFrame) -> dict[str, Any]:
    """Return the results at one k, with the splits of the paper apart from the other ones."""
    paper: list[list[Any]] = []
    others: list[list[Any]] = []
    for row in table.to_numpy().tolist():
        part = paper if row[0].startswith(PAPER_ROWS) else others
        part.append(row)
    columns = [label_of(column) for column in table.columns]
    return {"k": k, "columns": columns, "parts": [part for part in (paper, others) if part]}


def _without_markup(text: str) -> str:
    return text.replace("*", "").replace("`", "")
