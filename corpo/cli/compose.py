"""Compose and validate the config that the options on the command line name.

Every mistake is a ConfigError with one line.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import re
import traceback
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from corpo.cli import conf_files
from corpo.cli.nearest import nearest
from corpo.cli.options import option_names
from corpo.config import VERIFY, Config
from corpo.utils import ranks
from corpo.utils.errors import ConfigError
from corpo.utils.resources import conf_folder

ConfigStore.instance().store(name="schema", node=Config)

MULTIRUN = {"-m", "--multirun"}
MAX_JOBS = 1000  # of a sweep
# What composing raises if an option or a file in `conf/` is wrong.
_COMPOSE_ERRORS = (HydraException, OmegaConfBaseException, YAMLError, RecursionError)
# Lines of Hydra's messages that explain Hydra and not the mistake begin with one of these.
_HYDRA_NOISE = (
    "full_key",
    "object_type",
    "reference_type",
    "To append",
    "Set the env",
    "Config search path",
    "provider=",
    "See https://hydra.cc",
)
# Messages of Hydra, and how they read here.
_PLAIN_MESSAGES = (
    (r"^Could not override '([^']+)'\.?", r"\1: no such option"),
    (r"^Error merging override ([^:]+): ", r"\1: "),
    (
        r"^([^:]+): (?:Error parsing override|LexerNoViableAltException).*$",
        r"\1: not an option; write NAME=VALUE, such as seed=3",
    ),
)


def load_config(overrides: Sequence[str]) -> Config:
    """Return the validated config for some options, such as `["experiment=tiny", "seed=1"]`.

    Raises ConfigError.
    """
    try:
        return validated(compose(overrides))
    except (*_COMPOSE_ERRORS, ValueError, ImportError) as error:
        raise ConfigError(_one_line(error)) from error


def compose(overrides: Sequence[str], return_hydra_config: bool = False) -> DictConfig:
    """Return the config that Hydra composes. Raises the errors of Hydra and OmegaConf."""
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return hydra.compose("config", overrides=list(overrides), return_hydra_config=return_hydra_config)


def validated(composed: DictConfig) -> Config:
    """Return the typed config. Raises ValueError if values are out of range or do not go together."""
    for module in composed.plugins:  # imported first, because the config may name what they register
        _import_plugin(module)
    try:
        config: Any = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        raise (error.__cause__ if isinstance(error.__cause__, ValueError) else error) from None
    for option in _unknown_options(config):
        raise ValueError(f"{option}: no such option")
    _check_baselines(config)
    _check_task(config)
    if config.train.prompts_per_step % ranks.world_size():
        raise ValueError(
            f"train.prompts_per_step={config.train.prompts_per_step}: must be a multiple of the "
            f"{ranks.world_size()} processes that torchrun started"
        )
    return config


def _import_plugin(module: Any) -> None:
    """Import a module that the user names. Raises ValueError if that fails, also if its own code fails."""
    if not all(part.isidentifier() for part in str(module).split(".")):
        raise ValueError(f"plugins=[{module}]: give names of Python modules, such as my_rewards")
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever the code of the plugin raises
        if isinstance(error, ModuleNotFoundError) and error.name == module.split(".")[0]:
            raise ValueError(
                f"plugins=[{module}]: no module of that name; put it into this folder or on PYTHONPATH"
            ) from None
        place = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{place.filename}, line {place.lineno}"
        raise ValueError(f"plugins=[{module}]: {type(error).__name__} in {line}: {error}") from error


def _check_task(config: Config) -> None:
    """Raise ValueError if there is no such task, or if its options are wrong. The paper's task has none."""
    if config.task.name != VERIFY:
        from corpo.tasks import task_of

        task_of(config)


def _check_baselines(config: Config) -> None:
    from corpo.baselines import check_baseline
    from corpo.pipeline.variants import variants

    for variant in (config, *variants(config).values()):
        baseline = variant.baseline
        for name in (baseline.name, *variant.study.baselines):
            options = baseline.options if name == baseline.name else {}
            check_baseline(name, options, variant.train.group_size)


def _unknown_options(config: Any, prefix: str = "") -> Iterator[str]:
    """Yield options that `+name=value` added although the schema has no such field.

    OmegaConf turns them into attributes, which nothing would read.
    """
    known = {field.name for field in dataclasses.fields(config)} if dataclasses.is_dataclass(config) else None
    values = config if isinstance(config, dict) else vars(config)
    for name, value in values.items():
        if known is not None and name not in known:
            yield f"{prefix}{name}"
        elif dataclasses.is_dataclass(value) or isinstance(value, dict):
            yield from _unknown_options(value, f"{prefix}{name}.")


# --- sweeps -------------------------------------------------------------------------------------------------


def is_multirun(arguments: Sequence[str]) -> bool:
    """Return whether the arguments ask for a sweep."""
    return bool(MULTIRUN & set(arguments))


def load_jobs(arguments: Sequence[str]) -> list[tuple[list[str], Config]]:
    """Return the options and the config of every job of a command line.

    Raises ConfigError if one of them is wrong.
    """
    try:
        return [(overrides, load_config(overrides)) for overrides in job_overrides(arguments)]
    except _COMPOSE_ERRORS as error:
        raise ConfigError(_one_line(error)) from error


def job_overrides(arguments: Sequence[str]) -> list[list[str]]:
    """Return the options of every job: one job, or the product that `--multirun` asks for.

    A sweeper that searches has yet to choose its jobs. Then the result is one job with the options that all
    jobs share.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    if not is_multirun(arguments):
        return [overrides]
    parsed = OverridesParser.create().parse_overrides(overrides)
    shared = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    sweeper = compose(shared, return_hydra_config=True).hydra.sweeper._target_
    if not sweeper.endswith("BasicSweeper"):
        return [[override for override in shared if not override.startswith("hydra")]]
    swept = [override for override in parsed if not str(override.input_line).startswith("hydra")]
    _check_num_jobs(swept)
    jobs = []
    for batch in BasicSweeper.split_arguments(swept, None):
        jobs += [list(job) for job in batch]
    return jobs


def _check_num_jobs(overrides: Sequence[Override]) -> None:
    """Raise ConfigError if a sweep has too many jobs, without listing them."""
    num_jobs = 1
    for override in overrides:
        if not override.is_discrete_sweep():
            continue
        value = override.value()
        try:
            choices = value.range() if isinstance(value, RangeSweep) else override.sweep_iterator()
            num_jobs *= sum(1 for _ in islice(choices, MAX_JOBS + 1))
        except (ValueError, ArithmeticError) as error:  # a step of 0, or a number that is none
            raise ConfigError(f"{override.input_line}: not a range ({error})") from None
        if num_jobs > MAX_JOBS:
            raise ConfigError(f"{override.input_line}: the sweep has more than {MAX_JOBS} jobs; narrow it")


# --- messages -----------------------------------------------------------------------------------------------


def _one_line(error: BaseException) -> str:
    """Return the message in one line, without Hydra's explanations, with a hint for a misspelt name."""
    if isinstance(error, RecursionError):
        return "an option, or a YAML file in conf/, contains itself or is nested too deep"
    message = _full_message(error)
    if choice := re.search(r"Could not find '(\S+)/([^/']+)'", message):
        group, name = choice.groups()
        known = conf_files.choices(group)
        return f"{group}={name}: no such choice{nearest(name, known)}; choose one of {', '.join(known)}"
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    text = " ".join(line for line in lines if not line.startswith(_HYDRA_NOISE))
    for pattern, replacement in _PLAIN_MESSAGES:
        text = re.sub(pattern, replacement, text)
    return text + _suggestion(message)


def _full_message(error: BaseException) -> str:
    """Return the message with the option or the reason that Hydra leaves out of it."""
    if isinstance(error, OverrideParseException):
        return f"{error.override}: {error}"
    cause = error.__cause__
    if isinstance(error, HydraException) and isinstance(cause, OmegaConfBaseException | ValueError):
        reason = str(cause)
        return str(error) if reason.splitlines()[0] in str(error) else f"{error}: {reason}"
    return str(error)


def _suggestion(message: str) -> str:
    """Return a hint if the message names an option that does not exist."""
    pattern = r"full_key: (\S+)|^(\S+): no such option|(?:Could not override|Key) '([^']+)'"
    for match in re.findall(pattern, message):
        if hint := suggestion("".join(match).split("[")[0]):
            return hint
    return ""


def suggestion(name: str) -> str:
    """Return a hint for an option or a group that does not exist, or "" if it exists or none is alike.

    The hint says how to add an option that may be added, or which existing names end alike or are spelt most
    alike.
    """
    declared = option_names(Config())
    parts = dict.fromkeys(option.rpartition(".")[0] for option in declared if "." in option)
    known = [*declared, *parts, *conf_files.groups()]
    if name.rpartition(".")[0] in declared:  # an option that holds names of the user's choice
        return f" (with a + before it, as in +{name}=..., it is added)"
    if name not in known and (similar := _similar_names(name, known)):
        return f" (did you mean {' or '.join(similar)}?)"
    return ""


def _similar_names(name: str, known: Sequence[str]) -> list[str]:
    last = name.split(".")[-1]
    same_ending = [option for option in known if option.split(".")[-1] == last]
    if same_ending:
        return same_ending
    if close := difflib.get_close_matches(name, known, n=1):
        return close
    endings = [option.split(".")[-1] for option in known]
    closest = difflib.get_close_matches(last, endings, n=1)
    return [option for option in known if option.split(".")[-1] in closest]
