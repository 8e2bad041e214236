"""Run a Hydra command: compose and check every job of the command line first, then run, plan or sweep."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from corpo.cli import conf_files
from corpo.cli.compose import MULTIRUN, is_multirun, load_jobs, suggestion, validated
from corpo.cli.failure import exit_with
from corpo.cli.nearest import nearest
from corpo.cli.options import option_names
from corpo.config import Config
from corpo.pipeline.plan import plan
from corpo.pipeline.stage import Stage, unfinished
from corpo.utils import ranks
from corpo.utils.errors import ConfigError, CorpoError, StorageError
from corpo.utils.files import check_writable
from corpo.utils.progress import ConsoleHandler
from corpo.utils.resources import conf_folder

# Other libraries show bars for loading a file. Ours show what takes long.
os.environ.setdefault("TQDM_DISABLE", "1")

# With one of these Hydra only prints something.
_HYDRA_FLAGS = ("--hydra-help", "--info", "-i", "--cfg", "-c")
_KNOWN_FLAGS = (
    *_HYDRA_FLAGS,
    *("--multirun", "-m", "--run", "-r", "--package", "-p", "--resolve", "--shell-completion", "-sc"),
    *("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd", "--experimental-rerun"),
)


def _never(config: Config) -> bool:
    return False


@dataclass(frozen=True)
class Job:
    """A Hydra command: it can `run` a config, or list its `stages` for a dry run or a sweep.

    `refused` are options that have no effect alone, each with an example of the option to set instead.
    `writes_results` checks that the command has a folder of results besides those of its stages.
    """

    command: str
    run: Callable[[Config], None]
    stages: Callable[[Config], Sequence[Stage]]
    refused: dict[str, str] = field(default_factory=dict)
    writes_results: Callable[[Config], bool] = _never


def run_job(job: Job, arguments: Sequence[str]) -> None:
    """Check every job of the command line, then run it.

    Raises CorpoError before any work if an option is wrong.
    """
    from corpo.cli import sweep

    # Hydra wants its flags in front of the options.
    arguments = sorted(arguments, key=lambda argument: argument not in MULTIRUN)
    folder = None
    _refuse_unknown_flags(arguments)
    _refuse_options(job, arguments)
    if not any(argument in _HYDRA_FLAGS for argument in arguments):
        jobs = load_jobs(arguments)
        _tell_overridden_choices([overrides for overrides, _ in jobs])
        for _, config in jobs:
            _check_folders(job, config)
        if is_multirun(arguments):
            if any(config.dry_run for _, config in jobs):
                print(*(plan(config, job.stages(config)) for _, config in jobs), sep="\n\n")
                return
            folder = sweep.new_sweep(Path.cwd() / jobs[0][1].outputs, arguments)
            if len(jobs) > 1:
                for overrides, config in jobs:
                    sweep.add_job(folder, overrides, config, job.stages(config))
    sys.argv = [sys.argv[0], *arguments]  # Hydra reads its arguments from here
    with sweep.watch(folder) if folder else nullcontext():
        _hydra_main(job, folder)()


def _refuse_unknown_flags(arguments: Sequence[str]) -> None:
    """Raise ConfigError for a flag that Hydra does not know, because options are written without dashes."""
    for position, argument in enumerate(arguments):
        flag, _, value = argument.partition("=")
        if not flag.startswith("-") or flag in _KNOWN_FLAGS:
            continue
        if not value and position + 1 < len(arguments) and "=" not in arguments[position + 1]:
            value = arguments[position + 1]  # as in --seed 3
        raise ConfigError(_explain_flag(flag, value))


def _explain_flag(flag: str, value: str) -> str:
    """Return how an option is written that was given as a flag, or which flag is spelt most alike."""
    name = flag.lstrip("-").replace("-", "_")
    options = option_names(Config())
    if name in options or name in conf_files.groups():
        return f"{flag}: options have no dashes; write {name}={value or '...'}"
    if like_flag := nearest(flag, (*_KNOWN_FLAGS, "--help", "--help-all")):
        return f"{flag}: no such flag{like_flag}"
    hint = suggestion(name)
    return f"{flag}: no such flag; write options as NAME=VALUE, such as {name}={value or '...'}{hint}"


def _refuse_options(job: Job, arguments: Sequence[str]) -> None:
    """Raise ConfigError for an option that has no effect, unless the option to use is set, too."""
    names = {argument.lstrip("+").partition("=")[0] for argument in arguments}
    for name, example in job.refused.items():
        if name in names and example.partition("=")[0] not in names:
            raise ConfigError(f"{name}: `corpo {job.command}` does not use it alone; set {example}")


def _check_folders(job: Job, config: Config) -> None:
    """Raise StorageError if a folder that a job writes to is not writable, before any work is spent."""
    if config.dry_run:
        return
    try:
        check_writable(Path.cwd() / config.outputs)
    except StorageError:
        if unfinished(job.stages(config)):
            raise
    if job.writes_results(config):
        check_writable(Path.cwd() / config.results)


def _tell_overridden_choices(jobs: Sequence[Sequence[str]]) -> None:
    """Print a line for each group of options whose choice on the command line an experiment overrides."""
    sentences: dict[str, None] = {}
    for overrides in jobs:
        sentences |= dict.fromkeys(conf_files.overridden_choices(overrides))
    if ranks.rank() == 0:
        for sentence in sentences:
            print(f"corpo: {sentence}", file=sys.stderr)


def _hydra_main(job: Job, sweep_folder: Path | None) -> Any:
    """Return the function that Hydra calls for each job."""
    current_folder = Path.cwd()

    @hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")
    def main(composed: DictConfig) -> float | None:
        _configure_logging()
        try:
            return _run_composed(job, composed, sweep_folder, current_folder)
        except CorpoError as error:  # here and not outside, because Hydra would print a traceback
            exit_with(error)
        except KeyboardInterrupt as stop:
            print("\nstopped; run the same command again to continue", file=sys.stderr)
            sys.exit(getattr(stop, "exit_code", 130))

    return main


def _run_composed(
    job: Job, composed: DictConfig, sweep_folder: Path | None, current_folder: Path
) -> float | None:
    """Run one job. Return its objective if it belongs to a sweep."""
    from corpo.cli import sweep

    config = validated(composed)
    if config.dry_run:
        print(plan(config, job.stages(config)))
    elif sweep_folder is not None:
        overrides = list(HydraConfig.get().overrides.task)
        stages = job.stages(config)
        sweep.add_job(sweep_folder, overrides, config, stages)
        return sweep.run_in_process(job.command, overrides, stages, current_folder)
    else:
        job.run(config)
    return None


def _configure_logging() -> None:
    """Log and print in the first process only. Of other libraries, only warnings are shown."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[ConsoleHandler()])
    level = logging.WARNING if ranks.rank() else logging.INFO
    for library in ("corpo", "hydra_plugins"):
        logging.getLogger(library).setLevel(level)
    if ranks.rank() > 0:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 stays open as long as the process runs
