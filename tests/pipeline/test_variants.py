"""Variants of an experiment: their options, tuning by validation alone, ablations, and warm starts of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from corpo.analysis.study import read_study
from corpo.config import Config, StudyConfig
from corpo.pipeline.tune import chosen
from corpo.pipeline.variants import variants, with_options
from corpo.utils.paths import CONF, ROOT
from tests.command import run


def test_options_change_at_their_place_and_together() -> None:
    config = with_options(
        Config(), {"seed": 3, "train.loss.kl": 0.5, "reward.levels": 2, "reward.threshold": 0.9}
    )
    assert (config.seed, config.train.loss.kl, config.reward.levels, config.reward.threshold) == (
        3,
        0.5,
        2,
        0.9,
    )
    assert config.train.steps == Config().train.steps
    assert with_options(Config(), {}) == Config()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"train.speed": 1}, "no option 'speed'"),
        ({"seed.x": 1}, "no option 'seed'"),
        ({"train.lr": -1}, "train.lr=-1"),
    ],
)
def test_a_wrong_option_names_its_variant(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=rf"study.variants.mine: .*{said}"):
        variants(Config(study=StudyConfig(variants={"mine": options})))


def test_every_ablation_composes_and_says_what_it_is() -> None:
    files = sorted(Path(CONF, "experiment").glob("ablate_*.yaml"))
    assert len(files) >= 8
    for path in files:
        assert path.read_text().splitlines()[1].startswith("# "), path.name
        assert yaml.safe_load(path.read_text())["name"] == path.stem
    planned = run("ablate", "experiment=ablate_kinds", "dry_run=true").stdout
    assert "both_wrong: 0.5" in planned


def test_the_best_mean_is_chosen_and_the_first_of_equals() -> None:
    rows = [
        ("grpo", "slow", 0, 0.5),
        ("grpo", "slow", 1, 0.7),
        ("grpo", "fast", 0, 0.9),
        ("grpo", "fast", 1, 0.2),
    ]
    rows += [("corpo", "slow", 0, 0.5), ("corpo", "fast", 0, 0.5)]
    assert chosen(pd.DataFrame(rows, columns=["baseline", "variant", "seed", "score"])) == {
        "grpo": "slow",
        "corpo": "slow",
    }


def test_the_study_takes_what_tuning_found() -> None:
    found = ROOT / "results/tune_lr/chosen.json"
    if not found.exists():
        pytest.skip("results/tune_lr is not there: the learning rates have not been tuned yet")
    tried = yaml.safe_load(Path(CONF, "experiment/tune_lr.yaml").read_text())["study"]["variants"]
    taken = yaml.safe_load(Path(CONF, "experiment/study.yaml").read_text())["study"]["lr"]
    assert taken == {
        baseline: tried[name]["train.lr"] for baseline, name in json.loads(found.read_text()).items()
    }


VARIANTS = "+study.variants={low: {train.lr: 0.0001}, high: {train.lr: 0.01, train.group_size: 4}}"


def test_tuning_and_ablating_what_is_swept(where: list[str], results: Path, tmp_path: Path) -> None:
    small = [*where, VARIANTS, "study.baselines=[grpo,corpo]", "train.steps=2", "train.validate_every=1"]
    said = run("tune", *small, "name=tuned").stdout
    folder = results.parent / "tuned"
    assert set(pd.read_csv(folder / "scores.csv")["variant"]) == {"low", "high"}
    assert set(json.loads((folder / "chosen.json").read_text())) == {"grpo", "corpo"}
    assert "grpo: " in said
    assert "high: train corpo seed 0" in json.loads((folder / "provenance.json").read_text())

    run("ablate", *small, "name=ablated")
    folder = results.parent / "ablated"
    table = pd.read_csv(folder / "measured.csv")
    assert len(table) == 2 * 3, "two variants of the base and two baselines"
    assert {"in domain", "out of domain", "failures rewarded"} <= set(table.columns)
    assert (folder / "figures/ablation.png").read_bytes().startswith(b"\x89PNG")
    before = (folder / "report.md").read_bytes()
    assert b"| high | corpo |" in before
    again = run("ablate", *small, "name=ablated").stderr
    assert "done before" in again
    assert (folder / "report.md").read_bytes() == before

    drawn = ("measured.csv", "report.md", "figures/ablation.png")
    for kept in (folder, results):
        shutil.copytree(kept, tmp_path / kept.name)
    for made in drawn:
        (tmp_path / "ablated" / made).unlink()
    run("claims", str(tmp_path))
    for made in drawn:
        assert (tmp_path / "ablated" / made).read_bytes() == (folder / made).read_bytes()
    assert "| [ablated](ablated/report.md) | high |" in (tmp_path / "claims.md").read_text()
    assert (tmp_path / "ablations.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "ablated/provenance.json").write_text("{")
    assert "ablated/provenance.json" in run("claims", str(tmp_path), code=2).stderr


def test_every_seed_can_have_a_warm_start_of_its_own(where: list[str], results: Path) -> None:
    own = [
        *where[:3],
        "model=nano_new",
        "study.own_warm_starts=true",
        "study.seeds=[0,1]",
        "study.baselines=[grpo]",
        "+study.lr.grpo=0.001",
        "name=own",
    ]
    run("reproduce", *own)
    folder = results.parent / "own"
    titles = set(json.loads((folder / "provenance.json").read_text()))
    assert {
        "warm start seed 0",
        "warm start seed 1",
        "evaluate base seed 0",
        "evaluate base seed 1",
    } <= titles
    study, _ = read_study(folder)
    assert not study.bases[0]["reward"].equals(study.bases[1]["reward"])
    metrics = study.of("grpo")[1].metrics.to_dict("records")
    assert metrics[-1]["lr"] == pytest.approx(0.001 * 3 / 5), (
        "its own learning rate, at step 3 of 5 of the warmup"
    )
    assert {"validation/pass@1/both_wrong", "validation/pass@1/second_correct"} <= set(metrics[-1])
    mean = (
        metrics[-1]["validation/pass@1/first_correct"] + metrics[-1]["validation/pass@1/second_correct"]
    ) / 2
    assert metrics[-1]["validation/pass@1"] == pytest.approx(mean), (
        "of pairs with exactly one correct candidate, in both orders"
    )
    refused = run("reproduce", *where, "study.own_warm_starts=true", code=2).stderr
    assert "model.warm_start is false" in refused
