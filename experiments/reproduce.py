"""The main job: data, three baselines, evaluation, tables and figures. `python -m experiments.reproduce`"""

from __future__ import annotations

from corpo.config import Config
from experiments.app import app, for_baseline
from experiments.pipeline import build_data, data_stage, evaluate_policy, evaluate_stage, train_policy, train_stage
from experiments.plan import plan
from experiments.report import write_results


def run(config: Config) -> None:
    runs = [for_baseline(config, name, seed) for seed in config.study.seeds for name in config.study.baselines]
    stages = [data_stage(config), evaluate_stage(config, trained=False)]
    stages += [stage for one in runs for stage in (train_stage(one), evaluate_stage(one, trained=True))]
    if plan(config, stages):
        return
    build_data(config)
    evaluate_policy(config, trained=False)
    for one in runs:
        train_policy(one)
        evaluate_policy(one, trained=True)
    folder = write_results(config, runs)
    print(f"\n{(folder / 'table.md').read_text()}\nreport: {folder / 'report.md'}")


if __name__ == "__main__":
    app(run)
