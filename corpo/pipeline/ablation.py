"""An ablation: every baseline under every variant, trained and evaluated, with one table and one figure.

It answers which settings make an effect appear or vanish. The options of the variants are in
`study.variants`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpo.config import Config
from corpo.pipeline.stage import Stage, graph, run_stages
from corpo.pipeline.study import config_yaml, read_runs, results_folder, stage_records, study_stages
from corpo.pipeline.variants import name_variants, variants
from corpo.utils.files import write_json, write_text


def ablation_stages(config: Config) -> list[Stage]:
    """Return the stages of the studies of all variants."""
    return name_variants({name: study_stages(variant) for name, variant in variants(config).items()})


def run_ablation(config: Config) -> Path:
    """Run what is not done of all variants and write the results folder. Return that folder."""
    run_stages(ablation_stages(config))
    return write_results(config)


def write_results(config: Config) -> Path:
    """Write the records of a finished ablation, then its table, figure and report."""
    from corpo.analysis.study import CONFIG, PROVENANCE, VARIANTS, write_variants
    from corpo.report.ablation_page import write_ablation

    folder = results_folder(config)
    # Written last: it marks that all other records belong to this ablation.
    (folder / VARIANTS).unlink(missing_ok=True)
    write_text(folder / CONFIG, config_yaml(config))
    write_json(folder / PROVENANCE, _provenance(config))
    studies = {name: read_runs(variant) for name, variant in variants(config).items()}
    write_variants(studies, folder)
    write_ablation(folder)
    return folder


def _provenance(config: Config) -> dict[str, dict[str, Any]]:
    """Return the records of all stages, with the name of the variant in front of each title."""
    records = {}
    for name, variant in variants(config).items():
        for title, record in stage_records(graph(study_stages(variant))).items():
            records[f"{name}: {title}"] = record
    return records
