"""What makes the paper's effect appear or vanish? Every baseline under every variant, trained and evaluated: `python -m experiments.ablate`.

`results/<name>/` gets a table and a figure: in domain, out of domain, and failures rewarded, by variant.
"""

from __future__ import annotations

from pathlib import Path

from corpo.config import Config
from corpo.files import write_json, write_text
from corpo.report.records import CONFIG, PROVENANCE, VARIANTS
from corpo.stages import Stage, distinct
from experiments.app import app
from experiments.report import dump, read_runs, records_of, results_folder, study_runs, study_stages
from experiments.reproduce import run_study
from experiments.variants import variants


def stages(config: Config) -> list[Stage]:
    return distinct(stage for variant in variants(config).values() for stage in study_stages(variant))


def run(config: Config) -> None:
    for variant in variants(config).values():
        run_study(variant)
    print(write(config) / "report.md")


def write(config: Config) -> Path:
    from corpo.report.ablation import write_ablation
    from corpo.report.records import write_variants

    folder = results_folder(config)
    (folder / VARIANTS).unlink(missing_ok=True)  # written last, it says that all other records are of this ablation
    write_text(folder / CONFIG, dump(config))
    write_json(folder / PROVENANCE, records_of_variants(config))
    write_variants({name: read_runs(variant, study_runs(variant)) for name, variant in variants(config).items()}, folder)
    write_ablation(folder)
    return folder


def records_of_variants(config: Config) -> dict[str, dict[str, object]]:
    return {f"{name}: {title}": record for name, variant in variants(config).items() for title, record in records_of(study_stages(variant)).items()}


if __name__ == "__main__":
    app(run, stages)
