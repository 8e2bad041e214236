"""The whole pipeline on a tiny setting, run as a user runs it: complete, killed, resumed and merged."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from corpo.analysis.study import read_records
from corpo.pipeline.merge import merge
from corpo.train.run_log import KEPT_ROLLOUTS
from corpo.utils.errors import DataError
from tests.command import ROOT, command, run


def test_reproduce_writes_tables_figures_and_a_report(results: Path) -> None:
    table = pd.read_csv(results / "table.csv")
    assert set(table["policy"]) == {"base", "grpo", "static", "corpo"}
    assert len(set(table["split"])) == 10 + 3, "and three means over both orders"
    written = {path.name for path in results.iterdir()}
    assert {"table.md", "report.md", "data_card.md", "config.yaml", "provenance.json"} <= written
    report = (results / "report.md").read_text()
    for claim in ("C1", "C2", "C3", "C4", "C5", "C6"):
        assert f"| {claim} |" in report
    figures = re.findall(r"\((figures/\w+\.png)\)", report)
    assert figures
    for figure in figures:
        assert (results / figure).read_bytes().startswith(b"\x89PNG")
    for record in json.loads((results / "provenance.json").read_text()).values():
        assert {"commit", "cpu", "wall_seconds", "key"} <= set(record)


def test_reproduce_again_does_nothing_until_the_config_changes(where: list[str], results: Path) -> None:
    written = (results / "report.md").stat().st_mtime_ns
    log = run("reproduce", *where).stderr
    assert "done before: " in log
    assert not re.search(r": in /", log)
    assert (results / "report.md").stat().st_mtime_ns == written
    run("report", *where, "evaluate.ks=[1]")
    assert (results / "report.md").stat().st_mtime_ns > written
    run("reproduce", *where)
    assert set(pd.read_csv(results / "table.csv")["k"]) == {1, 2, 4}, "written again for the other config"


def test_dry_run_of_a_finished_study_lists_nothing_to_run(where: list[str], results: Path) -> None:
    plan = run("reproduce", *where, "dry_run=true").stdout
    assert "to run" not in plan
    assert "stage 9 of 9" in plan
    assert "problems: pipelines" in plan


def test_killed_training_continues_to_the_same_end(where: list[str], results: Path, tmp_path: Path) -> None:
    steps = ["train.steps=8", "train.keep_rollouts_every=2", "seed=3", "rollout.max_new_tokens=112"]
    whole = _trained_folder(run("train", *where, *steps))
    elsewhere = [option for option in where if not option.startswith("outputs=")] + [f"outputs={tmp_path}"]
    process = subprocess.Popen(
        command("train", *elsewhere, *steps),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.time() + 240
    while not list(tmp_path.glob("train/*/step-000002.json")) and process.poll() is None:
        assert time.time() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.glob("train/*/done.json")), "killed before the end"
    resumed = _trained_folder(run("train", *elsewhere, *steps))
    kept = sorted(path.name for path in (whole / KEPT_ROLLOUTS).iterdir())
    assert kept == [f"step-{step:06d}.parquet" for step in (1, 2, 4, 6, 8)]
    assert sorted(path.name for path in (resumed / KEPT_ROLLOUTS).iterdir()) == kept
    names = [f"{KEPT_ROLLOUTS}/{name}" for name in kept]
    for name in ("policy/model.safetensors", "groups.jsonl", *names):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


def _trained_folder(process: subprocess.CompletedProcess[str]) -> Path:
    match = re.search(r"policy: (\S+)/policy", process.stdout)
    assert match
    return Path(match[1])


BEST = """from corpo import register_baseline


@register_baseline("best")
def best(rewards_PG, threshold):
    return rewards_PG - 1.0
"""


# These figures are of GRPO, or of the reward, whatever the baselines of the study are.
SAME_FOR_ALL = ("regraded_failures", "predicted_failed_positive", "reward_map")


def test_a_baseline_of_ones_own_is_swept_tabled_and_drawn(
    where: list[str], results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(BEST.splitlines()) <= 10
    (tmp_path / "mine.py").write_text(BEST)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    options = [*where, "plugins=[mine]"]
    sweep = run("train", "-m", *options, "baseline.name=corpo,best", "train.steps=1").stderr
    assert "2 done" in sweep
    assert re.search(r"baseline.name=best +done", sweep)

    run("reproduce", *options, "study.baselines=[grpo,best]", "name=outside")
    folder = results.parent / "outside"
    assert set(pd.read_csv(folder / "table.csv")["policy"]) == {"base", "grpo", "best"}
    assert "best" in (folder / "table.md").read_text().splitlines()[2]
    [trained] = read_records(folder).study.of("best")
    assert trained.metrics["positive_count"].iloc[-1] == 0, "no reward is above the best possible one"

    other = results.parent.parent / "alone"
    run("reproduce", *options, "study.baselines=[grpo]", "name=outside", f"results={other}")
    for figure in sorted((folder / "figures").glob("*.png")):
        without = other / "outside/figures" / figure.name
        if without.exists() and figure.stem not in SAME_FOR_ALL:
            assert figure.read_bytes() != without.read_bytes(), f"{figure.name} does not show the baseline"


OWN_PAIR = {
    "split": "mine",
    "problem_id": "p",
    "domain": "code",
    "family": "f",
    "topic": "t",
    "statement": "Return x + 1.",
    "a_text": "def f(x):\n    return x + 1",
    "a_correct": True,
    "a_origin": "human",
    "a_line": 0,
    "b_text": "def f(x):\n    return x",
    "b_correct": False,
    "b_origin": "human",
    "b_line": 2,
}


def test_evaluate_reads_pairs_from_a_file_and_names_a_missing_field(
    where: list[str], results: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(OWN_PAIR) + "\n")
    assert "mine" in run("evaluate", *where, f"data.file={path}").stdout
    incomplete = {key: value for key, value in OWN_PAIR.items() if key != "b_text"}
    path.write_text(json.dumps(incomplete) + "\n")
    error = run("evaluate", *where, f"data.file={path}", code=2).stderr
    assert "field 'b_text' is missing" in error.splitlines()[-1]


def test_a_damaged_or_missing_model_is_refused_in_one_line_before_any_stage(
    where: list[str], results: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(where[-1].removeprefix("model.path="), damaged)
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    for path in (str(damaged), "no/such-model"):
        error = run("train", *where[:-1], f"model.path={path}", code=2).stderr
        assert error.startswith(f"corpo: model.path={path}")
        assert error.count("\n") == 1


def test_a_pretrained_model_is_taught_before_training(where: list[str]) -> None:
    teach = ["model.path=nano_base", "model.warm_start=true", "warm_start.rationale=rewrite"]
    options = [*where[:3], *teach, "warm_start.prompt_steps=2"]
    process = run("train", *options)
    assert "stage 2 of 3, warm start: done in " in process.stderr
    folder = _trained_folder(process)
    assert (folder / "policy/model.safetensors").is_file()
    records = []
    for path in folder.parents[1].glob("warm_start/*/policy/provenance.json"):
        records.append(json.loads(path.read_text()))
    [record] = [record for record in records if "model" in record]
    assert record["command"].startswith("corpo warm-start experiment=tiny")
    assert record["warm_start"]["rationale"] == "rewrite"
    assert record["curve"][-1]["step"] == 4
    assert "done before: 2 of 3 stages (data, warm start)" in run("train", *options, "seed=1").stderr


# --- merging ------------------------------------------------------------------------------------------------

# They name the command or the folders of the study.
DIFFERS_BY_DESIGN = ("study.json", "report.md", "report.html", "config.yaml")


@pytest.fixture(scope="module")
def parts(where: list[str], results: Path) -> dict[str, Path]:
    """Run a study of seeds 0 and 1, and the same in two parts."""
    run("reproduce", *where, "study.seeds=[1]", "name=apart")
    run("reproduce", *where, "study.seeds=[0,1]", "name=whole")
    return {"seed 0": results, "seed 1": results.parent / "apart", "whole": results.parent / "whole"}


def _files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_merged_parts_equal_the_whole_study(parts: dict[str, Path], tmp_path: Path) -> None:
    whole, merged = parts["whole"], tmp_path / "whole"
    run("report", "--merge", str(parts["seed 0"]), str(parts["seed 1"]), str(merged))
    assert _files(merged) == _files(whole)
    for path in _files(whole):
        if path.name not in DIFFERS_BY_DESIGN:
            assert (merged / path).read_bytes() == (whole / path).read_bytes(), path
    assert len(read_records(merged).command.split("` and `")) == 2


def test_a_part_can_grow_by_another(parts: dict[str, Path], tmp_path: Path) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(parts["seed 0"], grown)
    merge([grown, parts["seed 1"]], grown)
    for path in (parts["whole"] / "records").glob("*.parquet"):
        assert (grown / "records" / path.name).read_bytes() == path.read_bytes(), path.name


def test_parts_that_do_not_fit_are_refused(parts: dict[str, Path], tmp_path: Path) -> None:
    first = parts["seed 0"]

    def refuse(part: Path, message: str) -> None:
        with pytest.raises(DataError, match=message):
            merge([first, part], tmp_path / "refused")

    refuse(parts["whole"], "grpo-seed0 is in two of the parts")
    refuse(tmp_path, "study.json: is not there")

    lacking = tmp_path / "lacking"
    shutil.copytree(parts["seed 1"], lacking)
    description = json.loads((lacking / "records/study.json").read_text())
    description["runs"] = [run for run in description["runs"] if run["baseline"] != "static"]
    (lacking / "records/study.json").write_text(json.dumps(description))
    refuse(lacking, "together without static-seed1")

    other = tmp_path / "other"
    shutil.copytree(parts["seed 1"], other)
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("levels: 10", "levels: 5"))
    refuse(other, "reward is not as in")
