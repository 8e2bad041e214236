"""A study: every baseline with every seed, from data to evaluation, and its results folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from corpo.config import PIPELINES, Config
from corpo.pipeline.data import CARD, TAUGHT, data_stage, evaluated_items, evaluated_pairs, split_items
from corpo.pipeline.evaluate import ROLLOUTS, evaluate_stage
from corpo.pipeline.provenance import typed_command
from corpo.pipeline.questions import question_task, read_questions
from corpo.pipeline.stage import Stage, graph, run_stages
from corpo.pipeline.train import trackers_of, train_stage
from corpo.tasks import Item, Question, is_verify, task_of
from corpo.utils import ranks
from corpo.utils.errors import DataError
from corpo.utils.files import hash_of, read_json, read_jsonl, shown_path, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

    from corpo.analysis.study import Run, Study

log = logging.getLogger(__name__)


def study_bases(config: Config) -> list[Config]:
    """Return one config per policy that runs start from: one per warm start, or one for all seeds.

    The seed of such a config is the number of the warm start.
    """
    num_warm_starts = config.study.warm_starts
    if not num_warm_starts:
        return [config]
    numbers = sorted({seed % num_warm_starts for seed in config.study.seeds})
    return [replace(config, seed=number) for number in numbers]


def study_runs(config: Config) -> list[Config]:
    """Return one config per run: every baseline of the study with every seed."""
    runs = []
    for seed in config.study.seeds:
        for baseline in config.study.baselines:
            runs.append(_with_baseline(replace(config, seed=seed), baseline))
    return runs


def _with_baseline(config: Config, name: str) -> Config:
    """Return the config with another baseline, at its own learning rate and with default options.

    The configured baseline keeps its configured options.
    """
    options = config.baseline.options if name == config.baseline.name else {}
    baseline = replace(config.baseline, name=name, options=options)
    train = replace(config.train, lr=config.study.lr.get(name, config.train.lr))
    return replace(config, baseline=baseline, train=train)


def study_stages(config: Config) -> list[Stage]:
    """Return the stages whose results a study consists of, in the order in which they are reported."""
    stages = [data_stage(config)]
    stages += [evaluate_stage(base, trained=False) for base in study_bases(config)]
    if has_floors(config):
        stages += [_without_thought(base) for base in study_bases(config)]
    for run in study_runs(config):
        stages += [train_stage(run), evaluate_stage(run, trained=True)]
    return stages


def has_floors(config: Config) -> bool:
    """Return whether a study measures `Study.floors`: policies whose evaluated pairs have traces."""
    data = config.data
    return is_verify(config) and data.problems == PIPELINES and not data.sources and data.file is None


def _without_thought(base: Config) -> Stage:
    return evaluate_stage(base, trained=False, with_thought=False)


def run_study(config: Config) -> Path:
    """Run every stage that is not done and write the results folder unless it is current.

    Return that folder.
    """
    run_stages(study_stages(config))
    folder = results_folder(config)
    if ranks.rank() == 0 and not is_written(config):  # one process is enough for the report
        write_results(config)
    return folder


def results_folder(config: Config) -> Path:
    """Return the folder of tables and figures, below the current folder unless `results` is absolute."""
    return Path.cwd() / config.results / config.name


def is_written(config: Config) -> bool:
    """Return whether the results folder holds the report of exactly these stages under this config."""
    from corpo.analysis.study import CONFIG, PAGE, PROVENANCE

    folder = results_folder(config)
    for name in (PROVENANCE, CONFIG, PAGE):
        if not (folder / name).exists():
            return False
    try:
        is_same_config = (folder / CONFIG).read_text(encoding="utf-8") == config_yaml(config)
        return is_same_config and read_json(folder / PROVENANCE) == stage_records(graph(study_stages(config)))
    except ValueError:  # a damaged file, which is written again
        return False


def stage_records(stages: Sequence[Stage]) -> dict[str, dict[str, Any]]:
    """Return key, commit, machine and wall time of every finished stage, by title."""
    records = {}
    for stage in stages:
        if stage.done:  # an input of a finished stage may be gone
            records[stage.title] = {"key": stage.key, **stage.record}
    return records


def config_yaml(config: Config) -> str:
    """Return the whole config as YAML."""
    return yaml.safe_dump(asdict(config), sort_keys=False)


def require_done(stages: Sequence[Stage]) -> None:
    """Raise DataError unless all stages are done."""
    missing = [stage.title for stage in stages if not stage.done]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(stages)} stages are not finished, first {missing[0]!r}; "
            "run `corpo study` with the same options first, "
            "or `corpo report --claims` to rebuild the committed results"
        )


def write_results(config: Config) -> Path:
    """Write `results/<name>/`: the records of finished stages, then what is made of them."""
    from corpo.analysis.study import PAGE
    from corpo.report.render import render_results
    from corpo.report.track_study import track_study

    folder = results_folder(config)
    log.info("writing tables, figures and report: %s", shown_path(folder))
    (folder / PAGE).unlink(missing_ok=True)  # written last: it marks the folder as complete
    gather(config, folder)
    rendered = render_results(folder)
    if config.track.trackers:
        key = hash_of(stage_records(graph(study_stages(config))))
        trackers = trackers_of(config, "study", key)
        track_study(rendered.study, trackers, rendered.tables, rendered.examples)
        trackers.close()
    return folder


def gather(config: Config, folder: Path) -> None:
    """Collect the records of a study from the folders of its stages."""
    import shutil

    from corpo.analysis.study import CONFIG, PROVENANCE, write_study
    from corpo.evaluate.rollouts import prompt_id
    from corpo.report.explorer import examples, training_examples

    study = read_runs(config)
    items = {}
    for number, (_, item) in enumerate(evaluated_items(config)):
        items[prompt_id(number)] = _for_readers(config, item)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data_stage(config).checked(CARD), folder / "data_card.md")
    write_text(folder / CONFIG, config_yaml(config))
    write_json(folder / PROVENANCE, stage_records(graph(study_stages(config))))
    rollouts = examples(study, items)
    rollouts += training_examples(_kept_rollouts(config), _train_items(config), study)
    write_study(study, rollouts, _warnings(config), typed_command("reproduce"), folder)


def _train_items(config: Config) -> list[Item]:
    from corpo.data.pairing.splits import TRAIN

    return [_for_readers(config, item) for split, item in split_items(config) if split == TRAIN]


def _for_readers(config: Config, item: Item) -> Item:
    """Return an item as pages show it: the answer to a question may be in a form for the grader only."""
    if isinstance(item, Question):
        return replace(item, answer=question_task(config).shown_answer(item))
    return item


def _kept_rollouts(config: Config) -> dict[str, pd.DataFrame]:
    """Return the responses that the training of the first seed has kept, by baseline."""
    import pandas as pd

    from corpo.train.run_log import KEPT_ROLLOUTS

    tables = {}
    for run in study_runs(config):
        if run.seed == config.study.seeds[0]:
            paths = sorted(train_stage(run).checked(KEPT_ROLLOUTS).glob("*.parquet"))
            if paths:  # a training of an earlier version has kept none
                tables[run.baseline.name] = pd.concat([pd.read_parquet(path) for path in paths])
    return tables


def _warnings(config: Config) -> list[dict[str, object]]:
    """Return the warnings of all runs, each with the name of its run."""
    warnings = []
    for run in study_runs(config):
        for record in read_jsonl(train_stage(run).checked("warnings.jsonl")):
            warnings.append({"run": f"{run.baseline.name}-seed{run.seed}", **record})
    return warnings


def read_runs(config: Config) -> Study:
    """Read a study from the folders of its stages."""
    from corpo.analysis.study import Study

    bases = {base.seed: _read_rollouts(evaluate_stage(base, trained=False)) for base in study_bases(config)}
    return Study(
        bases,
        runs=[_read_run(run) for run in study_runs(config)],
        threshold=task_of(config).threshold,
        ks=list(config.evaluate.ks),
        shortcuts=shortcuts(config),
        floors=_read_floors(config) if has_floors(config) else {},
        num_warm_starts=config.study.warm_starts,
        updates_scale_with_gradient=config.train.updates_scale_with_gradient,
        **task_fields(config),
    )


def task_fields(config: Config) -> dict[str, Any]:
    """Return the fields of a `Study` that describe its task."""
    task = task_of(config)
    return {
        "task": task.name,
        "in_domain": tuple(task.in_domain),
        "out_of_domain": tuple(task.out_of_domain),
        "failures": tuple(task.failures),
    }


def shortcuts(config: Config) -> pd.DataFrame:
    """Return the accuracies on each evaluation split of answers that need no understanding."""
    from corpo.evaluate.shortcut_floors import shortcut_floors

    if is_verify(config):
        return shortcut_floors(evaluated_pairs(config))
    return question_task(config).floors(read_questions(config))


def _read_floors(config: Config) -> dict[str, pd.DataFrame]:
    """Return the rollouts of policies that do not verify, by name. Several bases count as one policy."""
    import pandas as pd

    from corpo.analysis.study import EXACTLY_ONE, MEMORY, NO_TRACE
    from corpo.evaluate.skill_floors import exactly_one_rollouts, memory_rollouts

    taught = pd.read_parquet(data_stage(config).checked(TAUGHT))
    without_thought = [_read_rollouts(_without_thought(base)) for base in study_bases(config)]
    pairs, reward = evaluated_pairs(config), config.reward.build()
    return {
        MEMORY: memory_rollouts(pairs, taught, reward),
        NO_TRACE: pd.concat(without_thought, ignore_index=True),
        EXACTLY_ONE: exactly_one_rollouts(pairs, reward),
    }


def _read_rollouts(stage: Stage) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(stage.checked(ROLLOUTS))


def _read_run(config: Config) -> Run:
    import numpy as np
    import pandas as pd

    from corpo.analysis.study import Run

    stage = train_stage(config)
    rewards, lengths = {}, {}
    for record in read_jsonl(stage.checked("groups.jsonl")):
        rewards[record["step"]] = np.array(record["rewards"])
        lengths[record["step"]] = np.array(record["lengths"])
    # A metric that is not defined at some step is null in the file, which pandas would keep as an object.
    metrics = pd.DataFrame(read_jsonl(stage.checked("metrics.jsonl"))).apply(pd.to_numeric)
    rollouts = _read_rollouts(evaluate_stage(config, trained=True))
    return Run(
        config.baseline.name,
        config.seed,
        metrics=metrics,
        rewards=rewards,
        rollouts=rollouts,
        lengths=lengths,
        options=config.baseline.options,
    )


def track_finished_study(config: Config) -> Path:
    """Send the records of a finished study to the configured trackers.

    Return the folder of local trackers.
    """
    from corpo.pipeline.models import outputs

    if not config.track.trackers:
        raise DataError(
            "track.trackers is empty; choose track=tensorboard, track=wandb or track=wandb_offline"
        )
    require_done(study_stages(config))
    for run in study_runs(config):
        stage = train_stage(run)
        trackers = trackers_of(run, f"{run.baseline.name}-seed{run.seed}", stage.key)
        for record in read_jsonl(stage.checked("metrics.jsonl")):
            trackers.log_step(record)
        trackers.close()
    write_results(config)
    return outputs(config) / "tracking"
