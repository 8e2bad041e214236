"""Variants of an experiment: their options, choice by validation, ablations, and several warm starts."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from corpo.analysis.study import read_records
from corpo.cli.compose import load_config
from corpo.config import Config, StudyConfig
from corpo.pipeline.ablation import ablation_stages
from corpo.pipeline.stage import graph
from corpo.pipeline.study import study_stages
from corpo.pipeline.tuning import best_variants, tuning_stages
from corpo.pipeline.variants import variants, with_options
from corpo.task import ConfidenceReward, TextReward
from corpo.utils.resources import conf_folder
from tests.command import ROOT, run

EXPERIMENTS = conf_folder() / "experiment"


def test_options_change_by_their_dotted_names_and_together() -> None:
    options = {"seed": 3, "train.loss.kl": 0.5, "reward.levels": 2, "reward.threshold": 0.9}
    config = with_options(Config(), options)
    assert config.seed == 3
    assert config.train.loss.kl == 0.5
    assert (config.reward.levels, config.reward.threshold) == (2, 0.9), "valid together, not one by one"
    assert config.train.steps == Config().train.steps
    assert with_options(Config(), {}) == Config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train.speed": 1}, "no option 'speed'"),
        ({"seed.x": 1}, "no option 'seed'"),
        ({"train.lr": -1}, "train.lr=-1"),
    ],
)
def test_a_wrong_option_is_refused_with_the_name_of_its_variant(
    options: dict[str, object], message: str
) -> None:
    config = Config(study=StudyConfig(variants={"mine": options}))
    with pytest.raises(ValueError, match=rf"study.variants.mine: .*{message}"):
        variants(config)


def test_titles_name_the_variant_of_stages_that_are_not_shared() -> None:
    config = load_config(["+study.variants={low: {train.lr: 1.0e-5}, high: {train.lr: 1.0e-3}}"])
    titles = [stage.title for stage in graph(ablation_stages(config))]
    assert titles.count("data") == 1
    assert titles.count("evaluate base") == 1, "both variants start from the same policy"
    for name in ("low", "high"):
        assert f"{name}: train grpo seed 0" in titles
        assert f"{name}: evaluate corpo seed 0" in titles
    assert "low: train grpo seed 0" in [stage.title for stage in tuning_stages(config)]


@pytest.mark.parametrize("prefix", ["ablate", "contrast"])
def test_every_ablation_and_contrast_composes_and_has_a_comment(prefix: str) -> None:
    files = sorted(EXPERIMENTS.glob(f"{prefix}_*.yaml"))
    assert len(files) >= 4
    for path in files:
        assert path.read_text().splitlines()[1].startswith("# "), path.name
        config = load_config([f"experiment={path.stem}"])
        assert config.name == path.stem
        assert config.study.seeds == [0, 1, 2, 3]
        assert (prefix == "ablate") is bool(variants(config))


def test_contrasts_differ_from_the_study_in_what_they_are_named_after() -> None:
    names = ("blocks", "reward", "traces", "epochs", "sgd", "hard")
    blocks, reward, traces, epochs, sgd, hard = (
        load_config([f"experiment=contrast_{name}"]) for name in names
    )
    assert blocks.rollout.separate_prompts
    assert isinstance(reward.reward.build(), ConfidenceReward)
    assert isinstance(traces.reward.build(), TextReward)
    assert (epochs.train.updates_per_step, epochs.train.loss.ppo_clip) == (8, 0.2)
    assert (sgd.train.optimizer, sgd.train.max_grad_norm) == ("sgd", None)
    assert (hard.model.path, hard.model.warm_start, hard.study.warm_starts) == ("nano_base", True, 0)
    assert "both_wrong: 0.25" in run("study", "experiment=ablate_kinds", "dry_run=true").stdout


def test_best_variant_has_the_highest_mean_and_the_first_of_equals_wins() -> None:
    rows = [
        ("grpo", "slow", 0, 0.5),
        ("grpo", "slow", 1, 0.7),
        ("grpo", "fast", 0, 0.9),
        ("grpo", "fast", 1, 0.2),
        ("corpo", "slow", 0, 0.5),
        ("corpo", "fast", 0, 0.5),
    ]
    scores = pd.DataFrame(rows, columns=["baseline", "variant", "seed", "score"])
    assert best_variants(scores) == {"grpo": "slow", "corpo": "slow"}


def test_the_study_uses_the_learning_rates_that_tuning_chose() -> None:
    chosen = ROOT / "results/tune_lr/chosen.json"
    if not chosen.exists():
        pytest.skip("results/tune_lr is not there: the learning rates have not been tuned yet")
    tried = yaml.safe_load((EXPERIMENTS / "tune_lr.yaml").read_text())["study"]["variants"]
    config = load_config(["experiment=study"])
    for baseline, variant in json.loads(chosen.read_text()).items():
        assert config.study.lr.get(baseline, config.train.lr) == tried[variant]["train.lr"]


VARIANTS = "+study.variants={low: {train.lr: 0.0001}, high: {train.lr: 0.01, train.group_size: 4}}"


@pytest.fixture(scope="module")
def two_variants(where: list[str]) -> list[str]:
    return [*where, VARIANTS, "study.baselines=[grpo,corpo]", "train.steps=2", "train.validate_every=1"]


def test_selection_on_validation_chooses_a_variant_per_baseline(
    two_variants: list[str], results: Path
) -> None:
    output = run("study", *two_variants, "study.select_on_validation=true", "name=tuned").stdout
    folder = results.parent / "tuned"
    assert set(pd.read_csv(folder / "scores.csv")["variant"]) == {"low", "high"}
    assert set(json.loads((folder / "chosen.json").read_text())) == {"grpo", "corpo"}
    assert "grpo: " in output
    assert "high: train corpo seed 0" in json.loads((folder / "provenance.json").read_text())


@pytest.fixture(scope="module")
def ablated(two_variants: list[str], results: Path) -> Path:
    run("study", *two_variants, "name=ablated")
    return results.parent / "ablated"


def test_ablation_tables_and_draws_every_variant(ablated: Path, two_variants: list[str]) -> None:
    table = pd.read_csv(ablated / "measured.csv")
    assert len(table) == 2 * 3, "two variants of the base and two baselines"
    assert {"in domain", "out of domain", "failures rewarded"} <= set(table.columns)
    assert (ablated / "figures/ablation.png").read_bytes().startswith(b"\x89PNG")
    report = (ablated / "report.md").read_bytes()
    assert b"| high | corpo |" in report
    assert "done before" in run("study", *two_variants, "name=ablated").stderr
    assert (ablated / "report.md").read_bytes() == report


def test_claims_rebuild_an_ablation_from_its_records(ablated: Path, results: Path, tmp_path: Path) -> None:
    for folder in (ablated, results):
        shutil.copytree(folder, tmp_path / folder.name)
    copy = tmp_path / "ablated"
    derived = ("measured.csv", "report.md", "figures/ablation.png")
    for name in derived:
        (copy / name).unlink()
    run("report", "--claims", str(tmp_path))
    for name in derived:
        assert (copy / name).read_bytes() == (ablated / name).read_bytes(), name
    assert (tmp_path / "ablations.png").read_bytes().startswith(b"\x89PNG")
    (copy / "provenance.json").write_text("{")
    assert "ablated/provenance.json" in run("report", "--claims", str(tmp_path), code=2).stderr


def test_seeds_can_share_several_warm_starts(where: list[str], results: Path) -> None:
    shared = ["model=nano_new", "study.warm_starts=2", "study.seeds=[0,1,2]", "study.baselines=[grpo]"]
    run("reproduce", *where[:3], *shared, "+study.lr.grpo=0.001", "name=shared")
    folder = results.parent / "shared"
    provenance = json.loads((folder / "provenance.json").read_text())
    assert sorted(title for title in provenance if title.startswith(("warm start", "evaluate base"))) == [
        "evaluate base 0",
        "evaluate base 0 without thought",
        "evaluate base 1",
        "evaluate base 1 without thought",
        "warm start 0",
        "warm start 1",
    ]
    study = read_records(folder).study
    assert study.groups == [0, 1, 0]
    assert not study.bases[0].equals(study.bases[1])
    last = study.of("grpo")[1].metrics.iloc[-1]
    assert last["lr"] == pytest.approx(0.001 * 3 / 5), "its own learning rate, at step 3 of 5 of the warmup"
    assert "validation/pass@1/both_wrong" in last
    both_orders = (last["validation/pass@1/first_correct"] + last["validation/pass@1/second_correct"]) / 2
    assert last["validation/pass@1"] == pytest.approx(both_orders)


def test_warm_starts_need_a_model_with_a_warm_start(where: list[str]) -> None:
    error = run("reproduce", *where, "study.warm_starts=2", code=2).stderr
    assert "study.warm_starts=2: model.warm_start is false" in error


def test_study_evaluates_a_base_once_per_warm_start() -> None:
    config = load_config(["experiment=study", "dry_run=true"])
    stages = graph(study_stages(config))
    for stage in stages:
        if stage.name == "train":
            seed = int(stage.title.split()[-1])
            assert f"warm start {seed % 4}" in [before.title for before in stage.inputs]
    titles = [stage.title for stage in stages]
    kinds = Counter(re.sub(r"\d+", "N", title) for title in titles)
    assert kinds["warm start N"] == kinds["evaluate base N"] == kinds["evaluate base N without thought"] == 4
    assert sum(count for kind, count in kinds.items() if kind.startswith("train")) == 24
    assert len(titles) == 1 + 3 * 4 + 2 * 24
