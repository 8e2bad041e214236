"""What makes the paper's effect appear or vanish? Every baseline under every variant, trained and evaluated: `python -m experiments.ablate`.

`results/<name>/` gets a table and a figure: in domain, out of domain, and failures rewarded, by variant.
"""

from __future__ import annotations

from pathlib import Path

from corpo.analysis.study import CONFIG, PROVENANCE, VARIANTS
from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.stage import Stage, distinct
from corpo.pipeline.study import dump, read_runs, records_of, results_folder, study_runs, study_stages
from corpo.pipeline.variants import variants
from corpo.utils.files import write_json, write_text
from experiments.reproduce import run_study


def stages(config: Config) -> list[Stage]:
    return distinct(stage for variant in variants(config).values() for stage in study_stages(variant))


def run(config: Config) -> None:
    for variant in variants(config).values():
        run_study(variant)
    print(write(config) / "report.md")


def write(config: Config) -> Path:
    from corpo.analysis.study import write_variants
    from corpo.report.ablation_page import write_ablation

    folder = results_folder(config)
    (folder / VARIANTS).unlink(
        missing_ok=True
    )  # written last, it says that all other records are of this ablation
    write_text(folder / CONFIG, dump(config))
    write_json(folder / PROVENANCE, records_of_variants(config))
    write_variants(
        {name: read_runs(variant, study_runs(variant)) for name, variant in variants(config).items()}, folder
    )
    write_ablation(folder)
    return folder


def records_of_variants(config: Config) -> dict[str, dict[str, object]]:
    return {
        f"{name}: {title}": record
        for name, variant in variants(config).items()
        for title, record in records_of(study_stages(variant)).items()
    }


if __name__ == "__main__":
    app(run, stages)
