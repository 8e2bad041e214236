"""Rebuild everything in a results folder from its records.

This is the path from records to pages: `corpo.analysis` reads the records and computes tables, this module
calls it, and `tables`, `figures`, `page` and `claims` of this package write the numbers as text and
figures. The result depends on the records only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from corpo.analysis.claims import Finding, findings
from corpo.analysis.compare import write_comparisons
from corpo.analysis.regrade import write_regraded
from corpo.analysis.runs import (
    runs_markdown,
    runs_table,
    validation_columns,
    validation_markdown,
    validation_table,
    write_runs,
)
from corpo.analysis.study import CONFIG, PROVENANCE, Study, read_records, reading
from corpo.analysis.verification import write_skill
from corpo.report.figures import write_figures
from corpo.report.notes import notes_of
from corpo.report.overview import overview
from corpo.report.page import Report, write_page, write_report
from corpo.report.published_section import section
from corpo.report.skill import SkillSection, skill_section
from corpo.report.tables import failures_table, floor_titles, floors_note, wide_table, write_tables
from corpo.utils.files import read_json


@dataclass(frozen=True)
class Rendered:
    """The contents of a rendered results folder that trackers and the page of claims use."""

    study: Study
    examples: list[dict[str, Any]]
    tables: list[tuple[int, pd.DataFrame]]  # k and the table of `wide_table`
    findings: list[Finding]
    facts: dict[str, object]
    skill: SkillSection | None


def render_results(folder: Path) -> Rendered:
    """Write tables, comparisons, figures, `report.md` and, last, `report.html` from the records in a folder.

    Raises DataError if a record is missing or damaged.
    """
    records = read_records(folder)
    study = records.study
    with reading(folder / PROVENANCE) as path:
        stages = read_json(path)
    with reading(folder / CONFIG) as path:
        config = path.read_text(encoding="utf-8")
    table = write_tables(study, folder)
    write_comparisons(study, folder)
    write_runs(study, folder)
    write_regraded(study, folder)
    write_skill(study, folder)
    results = findings(study)
    ks = dict.fromkeys((min(study.ks), max(study.ks)))
    report = Report(
        figures=write_figures(study, folder / "figures"),
        findings=results,
        seeds=study.seeds,
        facts=facts_of(stages, records.command, list(dict.fromkeys(run.seed for run in study.runs))),
        warnings=records.warnings,
        tables=[(k, wide_table(table, k)) for k in ks],
        floor_titles=floor_titles(table),
        floors_note=floors_note(table),
        failures=failures_table(study),
        overview=overview(study, results),
        baselines=study.baselines,
        threshold=study.threshold,
        notes=notes_of(study),
        published=section() if study.has_pairs else "",
        skill=skill_section(study),
    )
    runs = runs_markdown(runs_table(study))
    validation = validation_markdown(validation_table(study), validation_columns(study))
    write_report(folder, report, runs, validation)
    write_page(folder, report, records.examples, config, stages)
    return Rendered(study, records.examples, report.tables, report.findings, report.facts, report.skill)


def facts_of(stages: Mapping[str, Mapping[str, Any]], command: str, seeds: list[int]) -> dict[str, object]:
    """Return the provenance of a report: the command as typed, the seeds, and what its stages recorded."""
    commits, hardware, software, resumed, seconds = [], [], [], [], 0.0
    for title, record in stages.items():
        commits.append(str(record["commit"]))
        hardware.append(f"{record['cpu']}, {record['cores']} cores, {record.get('gpu', 'no GPU')}")
        versions = (
            f"torch {record['torch']}, transformers {record['transformers']}, Python {record['python']}"
        )
        software.append(versions)
        seconds += float(str(record["wall_seconds"]))
        if record.get("resumed"):
            resumed.append(title)
    note = f"; resumed stages count from their last start: {', '.join(resumed)}" if resumed else ""
    return {
        "command": f"`{command}`",
        "configuration": f"`{CONFIG}`",
        "seeds": ", ".join(map(str, seeds)),
        "commits of the stages": ", ".join(sorted(set(commits))),
        "hardware": "; ".join(dict.fromkeys(hardware)),
        "software": "; ".join(dict.fromkeys(software)),
        "wall time of all stages": f"{seconds / 60:.1f} min (by stage: `{PROVENANCE}`{note})",
    }
