"""A results folder out of its own records: tables, comparisons, figures, claims and report, alike every time and wherever it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from corpo.analysis.ablation import K as ABLATION_K
from corpo.analysis.claims import AMENDED, STATEMENTS, Finding, findings
from corpo.analysis.compare import write_comparisons
from corpo.analysis.regrade import write_regraded
from corpo.analysis.runs import write_runs
from corpo.analysis.study import CONFIG, PROVENANCE, Study, read_records, reading
from corpo.report import ablation_page
from corpo.report.figures import write_figures
from corpo.report.page import CLAIMS_NOTE, claims_table, write_page, write_report
from corpo.report.tables import wide, write_tables
from corpo.utils.files import read_json
from corpo.utils.markdown import table as markdown_table


@dataclass(frozen=True)
class Rendered:
    """What was drawn, for a tracker and for the claims of all studies together."""

    study: Study
    examples: list[dict[str, Any]]
    tables: list[tuple[int, pd.DataFrame]]  # wide, by k
    found: list[Finding]
    facts: dict[str, object]


def render_results(folder: Path) -> Rendered:
    """Everything beside `records/`, the data card, config and provenance; the page last. Raises DataError where they are damaged."""
    records = read_records(folder)
    study, examples = records.study, records.examples
    with reading(folder / PROVENANCE) as path:
        stages = read_json(path)
    with reading(folder / CONFIG) as path:
        config = path.read_text(encoding="utf-8")
    table = write_tables(study, folder)
    write_comparisons(study, folder)
    runs = write_runs(study, folder)
    write_regraded(study, folder)
    figures = write_figures(study, folder / "figures")
    found = findings(study)
    facts = facts_of(stages, records.command, list(dict.fromkeys(run.seed for run in study.runs)))
    tables = [(k, wide(table, k)) for k in dict.fromkeys((min(study.ks), max(study.ks)))]
    write_report(folder, found, figures, runs, facts, records.warnings)
    write_page(folder, found, figures, tables, examples, facts, config, stages, records.warnings)
    return Rendered(study, examples, tables, found, facts)


def facts_of(stages: Mapping[str, Mapping[str, Any]], command: str, seeds: list[int]) -> dict[str, object]:
    """Where a report comes from: the command that was typed, and what its stages recorded."""
    distinct = lambda tell: "; ".join(dict.fromkeys(tell(record) for record in stages.values()))
    resumed = [title for title, record in stages.items() if record.get("resumed")]
    late = f"; resumed, so counted from their last start: {', '.join(resumed)}" if resumed else ""
    return {
        "command": f"`{command}`",
        "configuration": f"`{CONFIG}`",
        "seeds": ", ".join(map(str, seeds)),
        "commits of the stages": ", ".join(sorted({str(record["commit"]) for record in stages.values()})),
        "hardware": distinct(
            lambda record: f"{record['cpu']}, {record['cores']} cores, {record.get('gpu', 'no GPU')}"
        ),
        "software": distinct(
            lambda record: (
                f"torch {record['torch']}, transformers {record['transformers']}, Python {record['python']}"
            )
        ),
        "wall time of all stages": f"{sum(float(str(record['wall_seconds'])) for record in stages.values()) / 60:.1f} min (by stage: `{PROVENANCE}`{late})",
    }


def claims_page(studies: Mapping[str, Rendered], ablations: Mapping[str, pd.DataFrame]) -> str:
    """`results/claims.md`: the verdicts of all studies side by side, what ablations change, then each study's estimates."""
    verdicts: dict[tuple[str, str], dict[str, str]] = {}
    for name, one in studies.items():
        for finding in one.found:
            verdicts.setdefault((finding.claim, finding.quantity), {})[name] = finding.verdict
    rows = [
        (*test, *(by_study.get(name, "–") for name in studies))
        for test, by_study in sorted(verdicts.items(), key=lambda item: item[0][0])
    ]
    statements = "\n".join(f"- **{claim}** {text}" for claim, text in STATEMENTS.items())
    sections = "\n\n".join(
        f"## {name}\n[Report]({name}/report.md): {one.facts['command']}, seeds {one.facts['seeds']}, commits {one.facts['commits of the stages']}, "
        f"{one.facts['hardware']}.\n\n{claims_table(one.found)}"
        for name, one in studies.items()
    )
    changed = f"""
## What changes it

Accuracy out of domain against GRPO, pass@{ABLATION_K} in points, with {ablation_page.SHOWN}; not corrected for their number.

![All ablations]({ablation_page.OVERVIEW})

{ablation_page.summary(ablations)}
"""
    return f"""# The claims, tested

Written by `make claims` from the records in `results/`; nothing in it is written by hand.

{statements}

{CLAIMS_NOTE} What the published table itself can tell: `notebooks/05_power.ipynb`.

{AMENDED}

## Verdicts
{markdown_table(("claim", "quantity", *studies), rows)}
{changed if ablations else ""}
{sections}
"""
