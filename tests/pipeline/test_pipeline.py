"""The whole pipeline on a tiny setting, run as a user runs it: from nothing to the report, killed, resumed, swept."""

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

from corpo.analysis.study import read_study
from corpo.pipeline.merge import merge
from corpo.utils.errors import DataError
from tests.command import ROOT, command, run


def test_it_leaves_tables_figures_and_a_report(results: Path) -> None:
    table = pd.read_csv(results / "table.csv")
    assert set(table["policy"]) == {"base", "grpo", "static", "corpo"}
    assert len(set(table["split"])) == 8 + 3, "and three means over both orders"
    assert {
        "table.md",
        "table.tex",
        "report.md",
        "data_card.md",
        "config.yaml",
        "provenance.json",
        "differences.csv",
        "summary.csv",
    } <= {p.name for p in results.iterdir()}
    assert len(read_study(results)[0].runs) == 3
    report = (results / "report.md").read_text()
    for claim in ("C1", "C2", "C3", "C4", "C5", "C6"):
        assert f"| {claim} |" in report
    for figure in re.findall(r"\((figures/\w+\.png)\)", report):
        assert (results / figure).read_bytes().startswith(b"\x89PNG")
    for record in json.loads((results / "provenance.json").read_text()).values():
        assert {"commit", "cpu", "wall_seconds", "key"} <= set(record)


def test_again_it_does_nothing(where: list[str], results: Path) -> None:
    written = (results / "report.md").stat().st_mtime_ns
    said = run("reproduce", *where).stderr
    assert "done before" in said
    assert not re.search(r": in /", said)
    assert (results / "report.md").stat().st_mtime_ns == written
    run("report", *where, "evaluate.ks=[1]")
    assert (results / "report.md").stat().st_mtime_ns > written
    run("reproduce", *where)
    assert set(pd.read_csv(results / "table.csv")["k"]) == {1, 2, 4}, (
        "written again, for the config had changed"
    )
    planned = run("reproduce", *where, "dry_run=true").stdout
    assert "to run" not in planned
    assert "code_families: 10" in planned


def test_a_killed_run_goes_on_to_the_same_end(where: list[str], results: Path, tmp_path: Path) -> None:
    steps = ["train.steps=8", "seed=3"]
    whole = _trained(run("train", *where, *steps))
    elsewhere = [o if not o.startswith("outputs=") else f"outputs={tmp_path}" for o in where]
    started = subprocess.Popen(
        command("train", *elsewhere, *steps),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.time() + 240
    while (
        not list(tmp_path.glob("train/*/step-000002.json"))
        and started.poll() is None
        and time.time() < deadline
    ):
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert not list(tmp_path.glob("train/*/done.json")), "killed before the end"
    resumed = _trained(run("train", *elsewhere, *steps))
    assert (resumed / "policy/model.safetensors").read_bytes() == (
        whole / "policy/model.safetensors"
    ).read_bytes()
    assert (resumed / "groups.jsonl").read_text() == (whole / "groups.jsonl").read_text()


def _trained(done: subprocess.CompletedProcess[str]) -> Path:
    match = re.search(r"policy: (\S+)/policy", done.stdout)
    assert match
    return Path(match[1])


def test_a_baseline_from_outside_is_swept_tabled_and_drawn(
    where: list[str], results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = "from corpo.baselines import register_baseline\n\n\n@register_baseline('best')\ndef best(rewards_PG, threshold):\n    return rewards_PG - 1.0\n"
    assert len(plugin.splitlines()) <= 10
    (tmp_path / "mine.py").write_text(plugin)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    swept = run(
        "train", "-m", *where, "plugins=[mine]", "baseline.name=corpo,best", "seed=0,1", "train.steps=1"
    ).stderr
    assert "4 done" in swept
    assert re.search(r"baseline.name=best seed=1 +done", swept)

    run("reproduce", *where, "plugins=[mine]", "study.baselines=[grpo,best]", "name=outside")
    folder = results.parent / "outside"
    assert set(pd.read_csv(folder / "table.csv")["policy"]) == {"base", "grpo", "best"}
    assert "best" in (folder / "table.md").read_text().splitlines()[2]
    [measured] = (folder / "metrics").glob("best-*.jsonl")
    last = json.loads(measured.read_text().splitlines()[-1])
    assert last["positive_count"] == 0, "no reward is above the best there is"
    alone = results.parent.parent / "alone"
    run("reproduce", *where, "plugins=[mine]", "study.baselines=[grpo]", "name=outside", f"results={alone}")
    for figure in (
        "advantage_ratio",
        "failed_positive",
        "learning",
        "distributions",
        "calibration",
        "conservatism",
    ):
        drawn, without = ((f / f"figures/{figure}.png").read_bytes() for f in (folder, alone / "outside"))
        assert drawn != without, f"{figure} shows it"


def test_evaluating_your_own_pairs(where: list[str], results: Path, tmp_path: Path) -> None:
    row = {
        "split": "mine",
        "problem_id": "p",
        "domain": "code",
        "family": "f",
        "topic": "t",
        "statement": "Return x + 1.",
    }
    row |= {"a_text": "def f(x):\n    return x + 1", "a_correct": True, "a_origin": "human", "a_line": 0}
    row |= {"b_text": "def f(x):\n    return x", "b_correct": False, "b_origin": "human", "b_line": 2}
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert "mine" in run("evaluate", *where, f"data.file={path}").stdout
    path.write_text(json.dumps({key: value for key, value in row.items() if key != "b_text"}) + "\n")
    error = run("evaluate", *where, f"data.file={path}", code=2).stderr
    assert "field 'b_text' is missing" in error.splitlines()[-1]


def test_a_corrupt_or_missing_model_is_one_line(where: list[str], results: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    source = Path(where[-1].removeprefix("model.path="))
    for file in source.iterdir():
        (broken / file.name).write_bytes(
            file.read_bytes()[:1000] if file.suffix == ".safetensors" else file.read_bytes()
        )
    for path in (str(broken), "no/such-model"):
        error = run("train", *where[:-1], f"model.path={path}", code=2).stderr
        assert error.startswith(f"corpo: model.path={path}")
        assert error.count("\n") == 1, "known before any stage"


def test_a_pretrained_model_is_taught_first(where: list[str]) -> None:
    options = [
        *where[:3],
        "model.path=data/nano_base",
        "model.warm_start=true",
        "warm_start.rationale=rewrite",
        "warm_start.prompt_steps=2",
    ]
    said = run("train", *options)
    assert "warm start: 4/4" in said.stderr
    policy = Path(said.stdout.split("policy: ")[1].strip())
    assert (policy / "model.safetensors").is_file()
    taught = [
        json.loads(path.read_text()) for path in policy.parents[2].glob("warm_start/*/policy/provenance.json")
    ]
    [record] = [record for record in taught if "model" in record]
    assert record["command"].startswith("python -m experiments.warm_start experiment=tiny")
    assert record["warm_start"]["rationale"] == "rewrite"
    assert record["curve"][-1]["step"] == 4
    again = run("train", *options, "seed=1")
    assert "warm start: done before" in again.stderr


def test_parts_that_ran_apart_are_one_study(where: list[str], results: Path, tmp_path: Path) -> None:
    apart, whole = results.parent / "apart", results.parent / "whole"
    run("reproduce", *where, "study.seeds=[1]", "name=apart")
    run("reproduce", *where, "study.seeds=[0,1]", "name=whole")
    merged = tmp_path / "whole"
    run("merge", str(results), str(apart), str(merged))
    relative = lambda folder: {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert relative(merged) == relative(whole)
    told = (
        "study.json",
        "report.md",
        "report.html",
        "config.yaml",
    )  # they name the command, or the study's folders
    for path in relative(whole):
        assert path.name in told or (merged / path).read_bytes() == (whole / path).read_bytes(), path
    commands = json.loads((merged / "records/study.json").read_text())["command"].split("` and `")
    assert len(commands) == 2
    grown = tmp_path / "grown"
    shutil.copytree(results, grown)
    merge([grown, apart], grown)
    for path in (merged / "records").iterdir():
        assert (grown / "records" / path.name).read_bytes() == path.read_bytes(), path
    lacking = tmp_path / "lacking"
    shutil.copytree(apart, lacking)
    about = json.loads((lacking / "records/study.json").read_text())
    (lacking / "records/study.json").write_text(
        json.dumps(about | {"runs": [one for one in about["runs"] if one["baseline"] != "static"]})
    )
    with pytest.raises(DataError, match="together without static-seed1"):
        merge([results, lacking], tmp_path / "no")
    config = (apart / "config.yaml").read_text()
    (apart / "config.yaml").write_text(config.replace("levels: 10", "levels: 5"))
    for other, said in (
        (whole, "grpo-seed0 is in two of the parts"),
        (tmp_path, "study.json: is not there"),
        (apart, "reward is not as in"),
    ):
        with pytest.raises(DataError, match=said):
            merge([results, other], tmp_path / "no")
