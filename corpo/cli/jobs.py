"""The Hydra commands: what each does with a config, over `corpo.pipeline`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from corpo.cli.hydra_app import Job
from corpo.config import Config
from corpo.utils import ranks

if TYPE_CHECKING:
    from corpo.pipeline.stage import Stage


def _data_stages(config: Config) -> list[Stage]:
    from corpo.pipeline.data import data_stage

    return [data_stage(config)]


def _build_data(config: Config) -> None:
    from corpo.pipeline.data import data_files, data_stage
    from corpo.pipeline.policies import write_data_card
    from corpo.pipeline.study import results_folder

    folder = data_stage(config).run()
    files = data_files(config)
    width = max(map(len, files)) + 1
    for name, file in files.items():
        print(f"{name + ':':{width}s} {folder / file}")
    results = results_folder(config)
    is_evaluation = (results / "table.md").exists()  # which has a configuration and provenance of its own
    if config.data.sources and not is_evaluation:
        write_data_card(config, results)


def _warm_start_stages(config: Config) -> list[Stage]:
    from corpo.pipeline.warm_start import warm_start_stage

    return [warm_start_stage(config)]


def _warm_start(config: Config) -> None:
    from corpo.pipeline.warm_start import POLICY, warm_start_stage

    policy = warm_start_stage(config).run() / POLICY
    print(f"policy: {policy}\nuse it with model.path={policy}")


def _train_stages(config: Config) -> list[Stage]:
    from corpo.pipeline.train import train_stage

    return [train_stage(config)]


def _train(config: Config) -> None:
    from corpo.pipeline.train import train_stage
    from corpo.pipeline.warm_start import POLICY

    print(f"policy: {train_stage(config).run() / POLICY}")


def _evaluate_stages(config: Config) -> list[Stage]:
    from corpo.pipeline.policies import evaluation_stages

    return evaluation_stages(config)


def _evaluate(config: Config) -> None:
    from corpo.evaluate.metrics import summarise
    from corpo.pipeline.evaluate import ROLLOUTS
    from corpo.pipeline.policies import evaluation_stages, read_rollouts, write_evaluation, writes_results
    from corpo.pipeline.stage import run_stages

    stages = evaluation_stages(config)
    run_stages(stages)
    tables = read_rollouts(config)
    columns = ["split", "prompts", *(f"pass@{k}" for k in config.evaluate.ks), "unparseable"]
    for stage, table in zip(stages, tables.values(), strict=True):
        print(f"\n{stage.title}: {stage.folder / ROLLOUTS}")
        print(summarise(table, config.evaluate.ks)[columns].round(3).to_string(index=False))
    if writes_results(config):
        print(f"\ntable: {write_evaluation(config, tables) / 'table.md'}")


def _study_stages(config: Config) -> Sequence[Stage]:
    from corpo.pipeline.ablation import ablation_stages
    from corpo.pipeline.study import study_stages
    from corpo.pipeline.tuning import tuning_stages

    if not config.study.variants:
        return study_stages(config)
    return tuning_stages(config) if config.study.select_on_validation else ablation_stages(config)


def _study(config: Config) -> None:
    from corpo.pipeline.ablation import run_ablation
    from corpo.pipeline.study import run_study
    from corpo.pipeline.tuning import run_tuning

    if config.study.variants:
        folder = run_tuning(config) if config.study.select_on_validation else run_ablation(config)
        print(f"report: {folder / 'report.md'}")
        return
    folder = run_study(config)
    if ranks.rank() == 0:
        from rich.console import Console

        from corpo.report.closing_card import WIDTH, closing_card

        Console(width=WIDTH).print(closing_card(folder))


def _report(config: Config) -> None:
    from corpo.pipeline.study import require_done, study_stages, write_results

    require_done(study_stages(config))
    print(write_results(config) / "report.md")


def _track(config: Config) -> None:
    from corpo.pipeline.study import track_finished_study

    print(f"tracked in {track_finished_study(config)}")


def _export_pairs(config: Config) -> None:
    from corpo.pipeline.export import export_pairs

    for path in export_pairs(config):
        print(path)


def _always(config: Config) -> bool:
    return True


def _on_real_problems(config: Config) -> bool:
    from corpo.pipeline.policies import writes_results

    return writes_results(config)


# A study trains every baseline with every seed. The options of a single training have no effect alone.
_STUDY_SETS = {
    "seed": "study.seeds=[0,1]",
    "baseline": "study.baselines=[grpo,corpo]",
    "baseline.name": "study.baselines=[grpo,corpo]",
}
DATA = Job("data", _build_data, _data_stages, writes_results=_on_real_problems)
WARM_START = Job("warm-start", _warm_start, _warm_start_stages)
TRAIN = Job("train", _train, _train_stages)
EVALUATE = Job("evaluate", _evaluate, _evaluate_stages, writes_results=_on_real_problems)
REPRODUCE = Job("reproduce", _study, _study_stages, _STUDY_SETS, _always)
STUDY = Job("study", _study, _study_stages, _STUDY_SETS, _always)
REPORT = Job("report", _report, _study_stages, writes_results=_always)
TRACK = Job("report", _track, _study_stages)
EXPORT_PAIRS = Job("publish", _export_pairs, _data_stages)
