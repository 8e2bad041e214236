"""Hydra in front: compose, validate, run. Bad input gets one line and exit code 2, before any work."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import logging
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from corpo import ranks
from corpo.config import Config

ROOT = Path(__file__).resolve().parent.parent
CONF = str(ROOT / "conf")

os.environ.setdefault("TQDM_DISABLE", "1")  # other libraries' bars for loading a file; ours show what takes long

ConfigStore.instance().store(name="schema", node=Config)


def app(run: Callable[[Config], None]) -> None:
    """The body of every entry point: check each job of the command line, then hand over to Hydra."""
    arguments = sys.argv[1:]
    if not any(argument in ("--help", "-h", "--hydra-help", "--version", "--info", "-i", "--cfg", "-c") for argument in arguments):
        for overrides in _jobs(arguments):
            try:
                validated(_compose(overrides))
            except (HydraException, OmegaConfBaseException, ValueError, ImportError) as error:
                _refuse(error)

    @hydra.main(version_base="1.3", config_path=CONF, config_name="config")
    def main(composed: DictConfig) -> None:
        logging.basicConfig(level=logging.WARNING if ranks.rank() else logging.INFO, format="%(message)s")
        if ranks.rank() > 0:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 only the first process speaks
        for chatty in ("httpx", "datasets", "matplotlib"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        try:
            run(validated(composed))
        except tuple(_errors_for_users()) as error:
            _refuse(error)
        except KeyboardInterrupt:
            print("\nstopped; run the same command again to go on", file=sys.stderr)
            sys.exit(130)

    main()


def validated(composed: DictConfig) -> Config:
    """The typed config; ValueError where fields are out of range or do not go together."""
    try:
        config: Any = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        raise (error.__cause__ if isinstance(error.__cause__, ValueError) else error) from None
    for module in config.plugins:
        importlib.import_module(module)
    from corpo.baselines import check_baseline

    check_baseline(config.baseline.name, config.baseline.options, config.train.group)
    if config.train.prompts % ranks.size():
        raise ValueError(f"train.prompts={config.train.prompts}: must be a multiple of the {ranks.size()} processes that torchrun started")
    for name in config.study.baselines:
        check_baseline(name, {}, config.train.group)
    return config


def command(module: str) -> str:
    """What to type to run an entry point with the options of now."""
    return shlex.join(["python", "-m", module, *HydraConfig.get().overrides.task])


def for_baseline(config: Config, name: str, seed: int) -> Config:
    """This config with another baseline (at its default options, unless it is the configured one) and seed."""
    options = config.baseline.options if name == config.baseline.name else {}
    return dataclasses.replace(config, seed=seed, baseline=dataclasses.replace(config.baseline, name=name, options=options))


def _compose(overrides: list[str]) -> DictConfig:
    with hydra.initialize_config_dir(CONF, version_base="1.3"):
        return hydra.compose("config", overrides=overrides)


def _jobs(arguments: list[str]) -> list[list[str]]:
    """The overrides of every job: one, or the product that `--multirun` asks for."""
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    if not {"-m", "--multirun"} & set(arguments):
        return [overrides]
    try:
        parsed = OverridesParser.create().parse_overrides([o for o in overrides if not o.startswith("hydra")])
    except HydraException as error:
        _refuse(error)
    return [list(job) for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def _errors_for_users() -> list[type[Exception]]:
    from corpo.data.label import LabelError
    from corpo.data.sandbox import SandboxError
    from corpo.data.store import DataError
    from corpo.policy.load import ModelError
    from corpo.rollout import EngineError

    return [DataError, EngineError, LabelError, ModelError, SandboxError]


def _refuse(error: BaseException) -> Any:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(line for line in lines if not line.startswith(("full_key", "object_type", "reference_type", "To append", "Set the env")))
    print(f"corpo: {text}{_suggestion(text)}", file=sys.stderr)
    sys.exit(2)


def _suggestion(text: str) -> str:
    """The nearest real option where a key is misspelt."""
    words = [word.strip("'\".,") for word in text.split() if word.startswith("'")]
    known = {field.name for config in _config_classes(Config) for field in dataclasses.fields(config)}
    for word in words:
        leaf = word.split(".")[-1]
        if leaf not in known and (close := difflib.get_close_matches(leaf, sorted(known), n=1)):
            return f" (did you mean {close[0]!r}?)"
    return ""


def _config_classes(config: Any) -> list[Any]:
    inner = [field.default_factory for field in dataclasses.fields(config) if dataclasses.is_dataclass(field.default_factory)]
    return [config, *(found for sub in inner for found in _config_classes(sub))]
