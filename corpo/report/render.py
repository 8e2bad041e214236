"""A results folder out of its own records: tables, comparisons, figures, claims and report, alike every time and wherever it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from corpo.analysis.claims import Finding, findings
from corpo.analysis.compare import write_comparisons
from corpo.analysis.regrade import write_regraded
from corpo.analysis.runs import write_runs
from corpo.analysis.study import CONFIG, PROVENANCE, Study, read_records, reading
from corpo.report.figures import write_figures
from corpo.report.page import write_page, write_report
from corpo.report.tables import wide, write_tables
from corpo.utils.files import read_json


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
