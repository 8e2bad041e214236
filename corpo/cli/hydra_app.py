"""Hydra in front: compose, validate, run. Bad input gets one line and exit code 2, before any work."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from corpo.cli.main import options
from corpo.cli.sweep import new_sweep, note, run_job, watch
from corpo.config import Config
from corpo.pipeline.plan import plan
from corpo.pipeline.stage import Stage
from corpo.pipeline.variants import variants
from corpo.utils import ranks
from corpo.utils.paths import CONF, ROOT

os.environ.setdefault(
    "TQDM_DISABLE", "1"
)  # other libraries' bars for loading a file; ours show what takes long

ConfigStore.instance().store(name="schema", node=Config)


def app(run: Callable[[Config], None], stages: Callable[[Config], Sequence[Stage]]) -> None:
    """The body of every entry point: check each job of the command line, then hand over to Hydra.

    `stages` are what `run` does: with `dry_run=true` they are printed instead, and a sweep is watched by them.
    """
    arguments = sys.argv[1:]
    sweep = None
    if not any(
        argument in ("--help", "-h", "--hydra-help", "--version", "--info", "-i", "--cfg", "-c")
        for argument in arguments
    ):
        jobs = checked(arguments)
        try:
            if _is_sweep(arguments) and any(config.dry_run for _, config in jobs):
                print(*(plan(config, stages(config)) for _, config in jobs), sep="\n\n")
                return
            if _is_sweep(arguments):
                sweep = new_sweep(ROOT / jobs[0][1].outputs, arguments)
                for overrides, config in jobs if len(jobs) > 1 else []:
                    note(sweep, overrides, config, stages(config))
        except tuple(_errors_for_users()) as error:
            refuse(error)
    module, where = f"experiments.{Path(run.__code__.co_filename).stem}", Path.cwd()

    @hydra.main(version_base="1.3", config_path=CONF, config_name="config")
    def main(composed: DictConfig) -> float | None:
        logging.basicConfig(level=logging.WARNING if ranks.rank() else logging.INFO, format="%(message)s")
        if ranks.rank() > 0:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 only the first process speaks
        for chatty in ("httpx", "datasets", "matplotlib"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        try:
            config = validated(composed)
            parts = stages(config)
            if config.dry_run:
                print(plan(config, parts))
            elif sweep is not None:
                overrides = list(HydraConfig.get().overrides.task)
                note(sweep, overrides, config, parts)
                return run_job(module, overrides, parts, where)
            else:
                run(config)
        except tuple(_errors_for_users()) as error:
            refuse(error)
        except KeyboardInterrupt as stop:
            print("\nstopped; run the same command again to go on", file=sys.stderr)
            sys.exit(getattr(stop, "exit_code", 130))
        return None

    with watch(sweep) if sweep else nullcontext():
        main()


def _is_sweep(arguments: Sequence[str]) -> bool:
    return bool({"-m", "--multirun"} & set(arguments))


def checked(arguments: list[str]) -> list[tuple[list[str], Config]]:
    """The overrides and the config of every job; one line and exit code 2 where one of them is refused."""
    try:
        return [(overrides, validated(compose(overrides))) for overrides in _jobs(arguments)]
    except (HydraException, OmegaConfBaseException, ValueError, ImportError) as error:
        return refuse(error)


def validated(composed: DictConfig) -> Config:
    """The typed config; ValueError where fields are out of range or do not go together."""
    for module in composed.plugins:  # first, for a config may name what they register
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module.split(".")[0]:
                raise
            raise ValueError(
                f"plugins=[{module}]: no module of that name; put it into this folder or on PYTHONPATH"
            ) from None
    try:
        config: Any = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        raise (error.__cause__ if isinstance(error.__cause__, ValueError) else error) from None
    for option in _unknown(config):
        raise ValueError(f"{option}: no such option")
    from corpo.baselines import check_baseline

    for one in (config, *(variants(config).values() if config.study.variants else ())):
        for name in (one.baseline.name, *one.study.baselines):
            check_baseline(
                name, one.baseline.options if name == one.baseline.name else {}, one.train.group_size
            )
    if config.train.prompts_per_step % ranks.world_size():
        raise ValueError(
            f"train.prompts_per_step={config.train.prompts_per_step}: must be a multiple of the {ranks.world_size()} processes that torchrun started"
        )
    return config


def _unknown(config: Any, prefix: str = "") -> Iterator[str]:
    """What `+name=value` has put where the schema has no such field: OmegaConf makes it an attribute, which nobody would read."""
    known = (
        {field.name for field in dataclasses.fields(config)}
        if dataclasses.is_dataclass(config)
        else set(config)
    )
    for name, value in (config if isinstance(config, dict) else vars(config)).items():
        if name not in known:
            yield f"{prefix}{name}"
        elif dataclasses.is_dataclass(value) or isinstance(value, dict):
            yield from _unknown(value, f"{prefix}{name}.")


def compose(overrides: list[str], return_hydra_config: bool = False) -> DictConfig:
    with hydra.initialize_config_dir(CONF, version_base="1.3"):
        return hydra.compose("config", overrides=overrides, return_hydra_config=return_hydra_config)


def _jobs(arguments: list[str]) -> list[list[str]]:
    """The overrides of every job: one, or the product that `--multirun` asks for. A sweeper that searches has yet to choose: of its jobs, what they share."""
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    if not _is_sweep(arguments):
        return [overrides]
    parsed = OverridesParser.create().parse_overrides(overrides)
    shared = [str(one.input_line) for one in parsed if not one.is_sweep_override()]
    if not compose(shared, return_hydra_config=True).hydra.sweeper._target_.endswith("BasicSweeper"):
        return [[override for override in shared if not override.startswith("hydra")]]
    tasks = [one for one in parsed if not str(one.input_line).startswith("hydra")]
    return [list(job) for batch in BasicSweeper.split_arguments(tasks, None) for job in batch]


def _errors_for_users() -> list[type[Exception]]:
    from corpo.utils.errors import (
        DataError,
        EngineError,
        ModelError,
        NonFiniteError,
        SandboxError,
        StorageError,
    )

    return [DataError, EngineError, DataError, ModelError, NonFiniteError, SandboxError, StorageError]


def refuse(error: BaseException) -> Any:
    lines = [line.strip() for line in _whole(error).splitlines() if line.strip()]
    idle = (
        "full_key",
        "object_type",
        "reference_type",
        "To append",
        "Set the env",
        "Config search path",
        "provider=",
    )  # Hydra's talk of itself
    text = " ".join(line for line in lines if not line.startswith(idle))
    print(f"corpo: {text}{_suggestion(_whole(error))}", file=sys.stderr)
    sys.exit(2)


def _whole(error: BaseException) -> str:
    """With what Hydra leaves out of its message: which option it could not read, or why a value does not fit."""
    if isinstance(error, OverrideParseException):
        return f"{error.override}: {error}"
    if isinstance(error, HydraException) and isinstance(error.__cause__, OmegaConfBaseException | ValueError):
        reason = str(error.__cause__)
        return str(error) if reason.splitlines()[0] in str(error) else f"{error}: {reason}"
    return str(error)


def _suggestion(text: str) -> str:
    """Where no option has that name: how to add it, if it may be, else those that end in it, else the one that is spelt most like it."""
    known = options(Config)
    declared = set(known)
    known += dict.fromkeys(option.rpartition(".")[0] for option in known if "." in option)
    for key in re.findall(
        r"full_key: (\S+)|^(\S+): no such option|(?:Could not override|Key) '([^']+)'", text
    ):
        name = "".join(key).split("[")[0]
        if name.rpartition(".")[0] in declared:  # an option that holds names of the user's
            return f" (with a + before it, as in +{name}=..., it is added)"
        same = [option for option in known if option.split(".")[-1] == name.split(".")[-1]]
        if name not in known and (
            close := same or difflib.get_close_matches(name, known, n=1) or _leaf_like(name, known)
        ):
            return f" (did you mean {' or '.join(close)}?)"
    return ""


def _leaf_like(name: str, known: Sequence[str]) -> list[str]:
    leaf = difflib.get_close_matches(name.split(".")[-1], [option.split(".")[-1] for option in known], n=1)
    return [option for option in known if option.split(".")[-1] in leaf]
