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
from corpo.analysis.study import PAGE
from corpo.analysis.summary import summary_means
from corpo.data.pairing.splits import TRAIN
from corpo.report.claims import claims_table, reasons, reasons_list, seeds_table
from corpo.report.explorer import explorer_data
from corpo.report.figures import FigureSpec
from corpo.report.figures.style import DARK_COLOURS
from corpo.report.html import render
from corpo.report.names import label_of
from corpo.report.notes import Notes
from corpo.report.skill import TITLE, SkillSection
from corpo.report.svg import colour_variable, inline_svg
from corpo.utils.files import write_text
from corpo.utils.markdown import table as markdown_table

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

    figures: Sequence[FigureSpec]  # in the folder `figures`
    findings: list[Finding]
    seeds: list[int]  # of training
    facts: dict[str, object]  # provenance
    warnings: Sequence[Mapping[str, Any]]  # of training (`corpo.train.health`), with the names of their runs
    tables: list[tuple[int, pd.DataFrame]]  # k and the table of `corpo.report.tables.wide_table`
    floor_titles: Sequence[str]  # of the columns of these tables with floors
    floors_note: str
    failures: pd.DataFrame  # the table of `corpo.report.tables.failures_table`
    overview: Sequence[str]  # paragraphs that say what was run and what was found
    baselines: Sequence[str]
    threshold: float  # R_min_correct
    notes: Notes  # on the tables
    published: str  # the section on the published table as Markdown; empty if the task is not the paper's
    skill: SkillSection | None = None  # None if the records have no scores


def write_report(folder: Path, report: Report, runs: str, validation: str) -> None:
    """Write `report.md` beside the tables and figures that it includes.

    `runs` and `validation` are tables of `corpo.analysis.runs` as Markdown.
    """
    table = (folder / "table.md").read_text(encoding="utf-8")
    paragraphs = "\n\n".join(report.overview)
    images = "\n\n".join(
        f"![{spec.name}](figures/{spec.name}.png)\n\n*{spec.caption}*" for spec in report.figures
    )
    text = f"""# {folder.name}

{paragraphs}

{table}
{report.notes.intervals}

## Claims
{claims_table(report.findings)}

{reasons_list(report.findings)}

{report.notes.claims}
`differences.csv` has the differences from GRPO on each split; `aggregates.csv` has interquartile means and
the probability that a run is better than a run of GRPO.

### Single seeds
{seeds_table(report.findings, report.seeds)}

{_skill(report.skill)}## Figures
{images}

{_failures(report)}## Single runs
{runs}

{report.notes.runs}

## Validation of single runs
{validation}

{report.notes.validation}

{_published(report.published)}## {report.notes.summary_title}
{_summary(folder)}

{report.notes.summary}

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


def _published(section: str) -> str:
    return f"## Reanalysis of the published table\n{section}\n\n" if section else ""


def _failures(report: Report) -> str:
    """Return the section about failures by kind; it is empty if they were not counted."""
    table = report.failures
    if table.empty:
        return ""
    cells = markdown_table(list(table.columns), table.to_numpy().tolist())
    return f"## {report.notes.failures_title}\n{cells}\n\n{report.notes.failures}\n\n"


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
    for spec in report.figures:
        text = (folder / f"figures/{spec.name}.svg").read_text(encoding="utf-8")
        svg = inline_svg(text, spec.name, spec.description, PAGE_COLOURS)
        figures.append({"title": spec.title, "caption": spec.caption, "svg": svg})
    text = render(
        "page.html",
        explorer_data(examples, report.baselines, report.threshold),
        name=folder.name,
        overview=report.overview,
        claims=_claims(report.findings),
        symbols=SYMBOLS,
        claims_note=_without_markup(report.notes.claims),
        reasons=reasons(report.findings),
        tables=[_table(k, table) for k, table in report.tables],
        floor_columns=report.floor_titles,
        floors_note=report.floors_note,
        warnings=report.warnings,
        skill_title=TITLE,
        skill=report.skill,
        figures=figures,
        figure_colours=_figure_colours(),
        failures=report.failures,
        failures_title=report.notes.failures_title,
        failures_note=report.notes.failures,
        item=report.notes.item,
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
