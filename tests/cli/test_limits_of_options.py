"""Every number of every option is finite and bounded, and every YAML file in conf/ is read or refused."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from corpo.cli import compose, conf_files
from corpo.config import MAXIMA, Config, SourceConfig
from corpo.utils.errors import ConfigError
from corpo.utils.resources import conf_folder
from corpo.utils.validate import check_values


def _numbers(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of each numeric option, with a value for those that may be null."""
    for field in fields(config):
        value = getattr(config, field.name)
        is_optional_number = value is None and ("int" in str(field.type) or "float" in str(field.type))
        if is_dataclass(value):
            yield from _numbers(value, f"{prefix}{field.name}.")
        elif (isinstance(value, int | float) and not isinstance(value, bool)) or is_optional_number:
            yield f"{prefix}{field.name}", 1.0 if value is None else value


def _with(config: Any, name: str, value: Any) -> Any:
    part, dot, rest = name.partition(".")
    return replace(config, **{part: _with(getattr(config, part), rest, value) if dot else value})


NUMBERS = dict(_numbers(Config()))


@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_is_nan_or_infinite_or_beyond_its_maximum(name: str) -> None:
    too_large = [10**30, MAXIMA.get(name, 2**32) + 1]
    if isinstance(NUMBERS[name], int):
        too_large.append(10**400)
    for value in (float("nan"), float("inf"), float("-inf"), *too_large):
        with pytest.raises(ValueError, match=re.escape(name.rpartition(".")[2])):
            _with(Config(), name, value)


def test_every_maximum_belongs_to_an_option() -> None:
    sources = {f"data.sources.*.{field.name}" for field in fields(SourceConfig)}
    known = {*NUMBERS, *sources, "evaluate.ks"}
    assert [name for name in MAXIMA if name not in known and "architecture" not in name] == []


def test_the_shipped_defaults_are_within_their_limits() -> None:
    for choice in conf_files.choices("experiment"):
        compose.load_config([f"experiment={choice}"])


def test_names_of_sources_and_policies_are_checked() -> None:
    config = Config()
    for name in ("../x", "a/b", "a\nb", "", "..", "\udcff"):
        evaluate = replace(config.evaluate, policies={name: "folder"})
        with pytest.raises(ValueError, match=r"evaluate\.policies"):
            replace(config, evaluate=evaluate)
        with pytest.raises(ValueError, match=r"data\.sources"):
            replace(config, data=replace(config.data, sources={name: SourceConfig()}))
        with pytest.raises(ValueError, match=r"data\.sources\.own\.splits"):
            replace(config, data=replace(config.data, sources={"own": SourceConfig(splits=name)}))


def test_a_value_that_contains_itself_is_refused() -> None:
    options: dict[str, Any] = {}
    options["own"] = [options]
    config = Config()
    config.baseline.options = options
    with pytest.raises(ValueError, match="in a cycle"):
        check_values(config, MAXIMA)


SWEEPS = {
    "a range": ["seed=range(0,1000000000000)"],
    "a shuffled range": ["seed=shuffle(range(0,1000000000000))"],
    "a range of fractions": ["train.lr=range(0,1,1e-12)"],
    "an endless range": ["train.lr=range(0,inf)"],
    "a product": ["seed=range(0,100)", "train.steps=range(1,101)"],
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_with_too_many_jobs_is_refused_at_once(name: str) -> None:
    with pytest.raises(ConfigError, match="more than 1000 jobs"):
        compose.load_jobs(["--multirun", *SWEEPS[name]])


@pytest.mark.parametrize("sweep", ["seed=range(0,5,0)", "train.lr=range(0,1.0,0)", "train.lr=range(0,nan)"])
def test_a_range_that_is_none_is_refused(sweep: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose.load_jobs(["--multirun", sweep])
    assert "\n" not in str(error.value)


def test_a_sweep_of_a_thousand_jobs_is_listed() -> None:
    assert len(compose.job_overrides(["--multirun", "seed=range(0,1000)"])) == 1000


YAML = {
    "a tab": "seed:\t- 1\n",
    "a key twice": "seed: 1\nseed: 2\n",
    "an alias of itself": "study: &a\n  variants: *a\n",
    "a list in itself": "study:\n  seeds: &a [*a]\n",
    "a tag of Python": 'seed: !!python/object/apply:os.system ["touch ran"]\n',
    "an unknown tag": "seed: !mine 3\n",
    "deep": "baseline: {options: {a: " + "[" * 400 + "]" * 400 + "}}\n",
    "NUL": "seed: \0\n",
    "not UTF-8": "name: \udcff\n",
    "a list": "- 1\n",
    "a key that is a list": "? [1]\n: 2\n",
    "a default that is itself": "defaults: [mine]\n",
}


@pytest.mark.parametrize("case", YAML)
def test_a_damaged_file_of_options_gets_one_line(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = Path(shutil.copytree(conf_folder(), tmp_path / "conf"))
    text = f"# @package _global_\n{YAML[case]}"
    (conf / "experiment/mine.yaml").write_bytes(text.encode(errors="surrogateescape"))
    for module in (compose, conf_files):
        monkeypatch.setattr(module, "conf_folder", lambda: conf)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        compose.load_config(["experiment=mine"])
    assert "\n" not in str(error.value)
    with suppress(ConfigError):  # help reads what it can
        conf_files.settings("experiment", "mine")
    assert not (tmp_path / "ran").exists()
