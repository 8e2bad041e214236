"""The main job: data, three baselines, evaluation, tables and figures. `python -m experiments.reproduce`"""

from __future__ import annotations

from corpo.cli.hydra_app import app
from corpo.config import Config
from corpo.pipeline.data import build_data
from corpo.pipeline.study import (
    is_written,
    results_folder,
    study_bases,
    study_runs,
    study_stages,
    write_results,
)
from corpo.pipeline.train import evaluate_policy, train_policy
from corpo.utils import ranks


def run_study(config: Config) -> None:
    """Every stage of a study that is not done yet."""
    build_data(config)
    for base in study_bases(config):
        evaluate_policy(base, trained=False)
    for one in study_runs(config):
        train_policy(one)
        evaluate_policy(one, trained=True)


def run(config: Config) -> None:
    run_study(config)
    if ranks.rank() > 0:
        return  # one process is enough for the report
    folder = results_folder(config) if is_written(config) else write_results(config, study_runs(config))
    print(f"\n{(folder / 'table.md').read_text()}\nreport: {folder / 'report.md'}")


if __name__ == "__main__":
    app(run, study_stages)
