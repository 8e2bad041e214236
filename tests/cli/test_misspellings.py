"""Misspelt commands, flags, choices and options: the answer is one line that names what was meant."""

from __future__ import annotations

import pytest

from corpo.cli.compose import load_config
from corpo.cli.conf_files import groups, overridden_choices, settings
from corpo.cli.main import main

# What is typed behind `corpo`, and a part of the answer.
ANSWERS = {
    "trian": "no command 'trian' (did you mean train?)",
    "reproduse": "no command 'reproduse' (did you mean reproduce?)",
    "ablate": "no command 'ablate'; it is now `corpo study`",
    "help evalute": "no command 'evalute' (did you mean evaluate?)",
    "--verison": "no flag '--verison' (did you mean --version?)",
    "train --seed 3": "--seed: options have no dashes; write seed=3",
    "train --seed=3": "--seed: options have no dashes; write seed=3",
    "train --dry-run": "--dry-run: options have no dashes; write dry_run=...",
    "train --baseline grpo": "--baseline: options have no dashes; write baseline=grpo",
    "train --train.stpes 3": "such as train.stpes=3 (did you mean train.steps?)",
    "train --multi-run seed=0,1": "--multi-run: no such flag (did you mean --multirun?)",
    "train baseline=corp": "baseline=corp: no such choice (did you mean corpo?); choose one of corpo, ",
    "train experiment=studdy": "experiment=studdy: no such choice (did you mean study?)",
    "train data=humanevl": "data=humanevl: no such choice (did you mean humaneval?)",
    "train -m hydra/launcher=core": "hydra/launcher=core: no such choice (did you mean cores?)",
    "train modell=nano": "modell: no such option (did you mean model?)",
    "train sead=1": "sead: no such option (did you mean seed?)",
    "train train.learning_rate=1": "train.learning_rate: no such option",
    "train data.pair_per_split=4": "data.pair_per_split: no such option (did you mean data.pairs_per_split?)",
    "train dryrun=true": "dryrun: no such option (did you mean dry_run?)",
    "train lr=1e-5": "lr: no such option (did you mean warm_start.lr or train.lr or study.lr?)",
    "train seed 3": "seed: not an option; write NAME=VALUE, such as seed=3",
    "demo --htm demo.html": "demo --htm: no such flag (did you mean --html?)",
    "report --claim": "report --claim: no such flag (did you mean --claims?)",
    "publish pair": "publish pair: no such action (did you mean pairs?)",
    "publish upload a b --pubic": "unrecognized arguments: --pubic (did you mean --public?)",
    "verify p.md a.py b.py --polcy=x": "unrecognized arguments: --polcy=x (did you mean --policy?)",
    "completion bsh": "no completion for 'bsh' (did you mean bash?)",
}


@pytest.mark.parametrize("typed", ANSWERS)
def test_answer_names_what_was_meant(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(typed.split())
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("corpo: ")
    assert error.count("\n") == 1
    assert ANSWERS[typed] in error


# --- an experiment that overrides a choice ---


def test_settings_of_a_file_are_those_that_hydra_composes() -> None:
    for choice in ("pipelines", "tiny"):
        config = load_config([f"data={choice}"])
        for name, value in settings("data", choice).items():
            *parts, last = name.split(".")
            section = config
            for part in parts:
                section = getattr(section, part)
            assert getattr(section, last) == value


def test_settings_include_those_of_the_extended_file() -> None:
    assert (
        settings("experiment", "ablate_levels")["study.seeds"]
        == settings("experiment", "ablation")["study.seeds"]
    )
    assert "2 levels" in settings("experiment", "ablate_levels")["study.variants"]


def test_an_experiment_that_overrides_a_choice_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "experiment=reproduce", "data=tiny", "data.train_pairs=20", "dry_run=true"])
    output = capsys.readouterr()
    line = output.err.splitlines()[0]
    wanted = settings("experiment", "reproduce")["data.pairs_per_split"]
    tiny = settings("data", "tiny")["data.pairs_per_split"]
    assert line.startswith("corpo: experiment=reproduce overrides data=tiny: ")
    assert f"data.pairs_per_split={wanted} (not {tiny})" in line
    assert "data.train_pairs" not in line, "the command line sets it"
    assert f"pairs_per_split: {wanted}" in output.out


def test_a_choice_that_an_experiment_leaves_alone_is_not_mentioned() -> None:
    assert overridden_choices(["experiment=tiny", "data=tiny", "baseline=grpo"]) == []
    assert overridden_choices(["data=tiny"]) == []
    assert "experiment" in groups()
