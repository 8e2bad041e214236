"""Bad options: one line, exit code 2, before any work."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from corpo.cli import jobs
from corpo.cli.compose import load_config
from corpo.cli.hydra_app import Job, run_job
from corpo.cli.main import main
from corpo.config import Config
from corpo.utils.errors import ConfigError
from corpo.utils.resources import conf_folder

BAD = {
    "unknown baseline file": (["baseline=reinforce"], "reinforce"),
    "unknown baseline name": (["baseline.name=reinforce"], "choose one of corpo, corpo_loo, grpo"),
    "unknown study baseline": (["study.baselines=[grpo,mean]"], "'mean' is unknown"),
    "unknown baseline option": (["baseline=static", "+baseline.options.std=true"], "no option 'std'"),
    "baseline option that its file does not set": (
        ["baseline=grpo", "baseline.options.std=true"],
        "as in +baseline.options.std=..., it is added",
    ),
    "misspelt key": (["train.stpes=3"], "did you mean train.steps?"),
    "misspelt key, added": (["+train.stpes=3"], "train.stpes: no such option (did you mean train.steps?)"),
    "unknown key in a source": (
        ["data=gsm8k", "+data.sources.gsm8k.pth=x"],
        "data.sources.gsm8k.pth: no such option",
    ),
    "key without its group": (["lr=1e-5"], "did you mean warm_start.lr or train.lr"),
    "misspelt group": (["trian=nano"], "trian"),
    "unknown experiment": (["experiment=nope"], "nope"),
    "flag instead of an option": (["--seed=3"], "options have no dashes; write seed=3"),
    "option without a value": (["train.steps"], "train.steps: not an option; write NAME=VALUE"),
    "unknown choice": (["reward=nope"], "reward=nope: no such choice; choose one of binary"),
    "wrong type": (["train.steps=many"], "many"),
    "threshold above a success": (["reward.threshold=0.5"], "reward.threshold=0.5"),
    "threshold below a failure": (["reward.threshold=-0.9"], "every failure"),
    "unknown reward": (["reward.name=brier"], "choose one of confidence, ordinal"),
    "unknown reward option": (["+reward.options.x=1"], "'ordinal' does not take them"),
    "group of a variant": (
        ["study.baselines=[pass_at_k]", "+study.variants={small: {train.group_size: 2}}"],
        "k 4 and group size 2",
    ),
    "style of a new nano": (["model=nano_new", "model.style=instruct"], "compact"),
    "one level": (["reward.levels=1"], "at least 2"),
    "a lone rollout for GRPO": (["baseline=grpo", "train.group_size=1"], "group size 1"),
    "k above n": (["evaluate.num_rollouts=8"], "pass@16 needs"),
    "odd number of prompts": (["train.prompts_per_step=5"], "must be even"),
    "rationale": (["warm_start.rationale=guess"], "trace, rewrite"),
    "devices": (["budget.devices=0"], "at least 1"),
    "adapters": (["train.lora.rank=-1"], "at least 0"),
    "no steps": (["train.steps=0"], "at least 1"),
    "negative learning rate": (["train.lr=-1"], "must be positive"),
    "aggregation": (["train.loss.aggregation=mean"], "token_sum"),
    "clip range": (["train.loss.ppo_clip=2"], "between 0 and 1"),
    "importance cap": (["train.loss.importance_ratio_cap=0.5"], "at least 1"),
    "two corrections": (["rollout=vllm", "train.loss.ppo_clip=0.2"], "not both"),
    "engine": (["rollout.engine=sglang"], "transformers, vllm"),
    "temperature": (["rollout.temperature=0"], "must be positive"),
    "isolation": (["data.isolation=jail"], "process, namespaces"),
    "dtype": (["model.dtype=int8"], "bfloat16"),
    "plugin": (["plugins=[no_such_module]"], "put it into this folder or on PYTHONPATH"),
    "one bad job of a sweep": (["-m", "baseline=grpo,reinforce"], "reinforce"),
    "bad value in a sweep": (["-m", "reward.threshold=0,0.7"], "0.7"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_refused_in_one_line_before_any_work(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, expected = BAD[case]
    monkeypatch.setattr("corpo.cli.jobs.TRAIN", NO_WORK)
    with pytest.raises(SystemExit) as stopped:
        main(["train", *arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("corpo: ")
    assert error.count("\n") == 1
    assert expected in error
    if "key" not in case and "misspelt" not in case:
        assert "did you mean" not in error, "names are suggested, values are not"


def _fail(config: Config) -> None:
    pytest.fail("work was started")


NO_WORK = Job("train", _fail, lambda config: [])


def test_a_study_gives_the_configured_baseline_its_options() -> None:
    baseline = ["baseline=pass_at_k", "baseline.options.k=2", "study.baselines=[pass_at_k]"]
    assert load_config([*baseline, "train.group_size=4"]).train.group_size == 4


def test_dry_run_of_a_search_shows_what_its_trials_share(capsys: pytest.CaptureFixture[str]) -> None:
    run_job(NO_WORK, ["-m", "experiment=tune", "baseline=corpo", "dry_run=true"])
    assert capsys.readouterr().out.count("A training step of") == 1


def test_prompts_must_be_a_multiple_of_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(
        ConfigError, match=r"train.prompts_per_step=32: must be a multiple of the 3 processes"
    ):
        load_config(["train.prompts_per_step=32"])


@pytest.mark.parametrize(
    "path", sorted(conf_folder().glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}={path.stem}"
)
def test_every_config_file_composes(path: Path) -> None:
    choice = f"{path.parent.name}={path.stem}"
    others = ["data=solve"] if choice == "task=solve" else []  # a task of real problems needs sources
    assert isinstance(load_config([choice, *others]), Config)


def test_folders_that_are_not_writable_are_refused_in_one_line_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir(), elsewhere.mkdir()
    monkeypatch.chdir(here)
    has_access = os.access  # which allows root everything

    def access(path: Path, mode: int) -> bool:
        return Path(path) != here and has_access(path, mode)

    monkeypatch.setattr(os, "access", access)
    configs: list[Config] = []
    monkeypatch.setattr(jobs, "DATA", replace(jobs.DATA, run=configs.append))
    monkeypatch.setattr(jobs, "REPRODUCE", replace(jobs.REPRODUCE, run=configs.append))
    (elsewhere / "file").touch()
    refused = {
        (
            "data",
            "experiment=tiny",
        ): f"{here} is not writable; make the folder writable, or",
        (
            "reproduce",
            "experiment=tiny",
            f"outputs={elsewhere}",
        ): f"{here}/outputs/results: cannot be written",
        ("data", "experiment=tiny", f"outputs={elsewhere}/file"): f"{elsewhere}/file is not a folder; choose",
    }
    for arguments, message in refused.items():
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not configs
    main(["data", "experiment=tiny", f"outputs={elsewhere}"])
    assert len(configs) == 1
    assert not list(here.iterdir()), "Hydra leaves nothing in the current folder"
