"""The example of a task of one's own, run as a user runs it: the whole pipeline on a tiny setting."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from corpo.analysis.study import read_records
from corpo.evaluate.columns import QUESTION_COLUMNS
from corpo.train.metrics import (
    GENERAL_METRICS,
    GENERAL_WARM_START_METRICS,
    QUESTION_WARM_START_METRICS,
    question_metrics,
)
from corpo.utils.files import read_jsonl
from tests.command import ROOT, run

EXAMPLE = ROOT / "examples/own_task.py"
# Enough steps for a policy that answers with numbers, of which few are right.
SETTINGS = (
    "experiment=tiny",
    "model=nano_new",
    "plugins=[own_task]",
    "task.name=sums",
    "warm_start.steps=120",
    "warm_start.pairs=16",
    "warm_start.evaluate_every=60",
    "rollout.max_new_tokens=6",
    "evaluate.ks=[1,4]",
    "study.baselines=[grpo,corpo]",
)
# Words about pairs of programs, which have no place in a report on sums.
OF_PAIRS = r"candidates?|pairs?|both orders|programs?|verif\w+|AUC|published|calibration|exactly one"


class Sums(NamedTuple):
    """The folders of the finished study."""

    outputs: Path
    results: Path

    def read(self, name: str) -> str:
        """Return a file of the results."""
        return (self.results / name).read_text(encoding="utf-8")

    def outputs_of(self, pattern: str) -> list[Path]:
        """Return files of the stages."""
        return sorted(self.outputs.glob(pattern))


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sums]:
    """Run the whole pipeline once."""
    folder = tmp_path_factory.mktemp("sums")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{EXAMPLE.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        run("reproduce", *SETTINGS, f"outputs={folder}/outputs", f"results={folder}/results", "name=sums")
        yield Sums(folder / "outputs", folder / "results/sums")


def test_example_is_short() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 80


def test_table_has_the_splits_and_the_floor_of_the_task(sums: Sums) -> None:
    table = pd.read_csv(sums.results / "table.csv")
    assert table["split"].unique().tolist() == ["addition", "subtraction"]
    assert table["policy"].unique().tolist() == ["base", "grpo", "corpo"]
    assert set(table["prompts"]) == {20}
    assert set(table["frequent answer_floor"]) == {0, 5}
    assert "| split | base | grpo | corpo | frequent answer |" in sums.read("table.md")


def test_records_name_the_task(sums: Sums) -> None:
    study = read_records(sums.results).study
    assert (study.task, study.threshold) == ("sums", 0.0)
    assert (study.in_domain, study.out_of_domain) == (("addition",), ("subtraction",))
    assert {"prompt_id", "problem_id", "parsed", "correct"} <= set(study.base.columns)
    assert not study.has_pairs
    answered = study.base["parsed"].mean()
    assert answered > 0.5, "the warm start teaches to answer with numbers"
    assert study.base["reward"].nunique() > 3, "rewards are ordinal"


def test_failures_that_are_close_are_rewarded_by_grpo_and_never_by_corpo(sums: Sums) -> None:
    runs = pd.read_csv(sums.results / "runs.csv").set_index("policy")
    assert runs.loc["grpo", "rewarded_close_first"] > 0
    assert runs.loc["corpo", "failed_close_first"] > 0
    assert runs.loc["corpo", ["rewarded_close_first", "rewarded_far_first"]].tolist() == [0, 0]
    header = (
        "| baseline | steps | failures per run | close | far | unparseable | rewarded | rewarded, close |"
    )
    assert header in sums.read("report.md")


def test_report_tests_generalisation_to_subtraction(sums: Sums) -> None:
    report = sums.read("report.md")
    assert "| out of domain, pass@1: corpo - GRPO |" in report
    assert re.search(r"Out of domain, pass@1 was [\d.]+% before training", report)
    assert "| seed | policy | pass@1 | subtraction |" in report
    figures = set(re.findall(r"!\[(\w+)\]", report))
    assert {"scoreboard", "learning_curves", "frontier", "rewarded_failures", "update_size"} <= figures
    assert not {"skill", "score_maps", "reward_map", "calibration", "accuracy_by_kind"} & figures


def test_report_and_cards_say_nothing_about_pairs(sums: Sums) -> None:
    report = sums.read("report.md").partition("## Provenance")[0]
    assert re.findall(rf".*\b(?:{OF_PAIRS})\b.*", report) == []
    cards = [path.read_text(encoding="utf-8") for path in sums.outputs_of("train/*/policy/README.md")]
    for card in (sums.read("data_card.md"), *cards):
        assert "sums" in card
        assert re.findall(rf".*\b(?:{OF_PAIRS})\b.*", card) == []
    page = unescape(sums.read("report.html")).partition('<h2 id="provenance"')[0]
    visible = re.sub(r"(?s)<(style|svg)\b.*?</\1>", "", page)
    assert re.findall(rf".*\b(?:{OF_PAIRS})\b.*", visible) == []


def test_page_shows_questions_with_their_answers_and_responses(sums: Sums) -> None:
    match = re.search(r'<script id="data" type="application/json">(.*?)</script>', sums.read("report.html"))
    assert match
    data: dict[str, Any] = json.loads(match[1])
    assert {prompt["split"] for prompt in data["prompts"]} == {"addition", "subtraction", "train"}
    for prompt in data["prompts"]:
        statement = re.fullmatch(r"(\d+)([+-])(\d+)=", prompt["statement"])
        assert statement
        a, sign, b = statement.groups()
        assert int(prompt["answer"]) == (int(a) + int(b) if sign == "+" else int(a) - int(b))
    for group in data["groups"]:
        assert sum(row[4] for row in group["rows"]) == 4


def test_stages_log_exactly_the_listed_metrics_and_columns(sums: Sums) -> None:
    task_metrics = question_metrics(("close", "far", "unparseable"), ("no_answer",), ("subtraction",))
    listed = {metric.name for metric in (*GENERAL_METRICS, *task_metrics)}
    for path in sums.outputs_of("train/*/metrics.jsonl"):
        assert set(read_jsonl(path)[0]) == listed
    [path] = sums.outputs_of("warm_start/*/metrics.jsonl")
    general = {metric.name for metric in GENERAL_WARM_START_METRICS}
    [by_domain] = {metric.name for metric in QUESTION_WARM_START_METRICS} - general
    domains = {by_domain.replace("DOMAIN", domain) for domain in ("addition", "subtraction")}
    assert set(read_jsonl(path)[-1]) == general | domains
    for path in sums.outputs_of("evaluate/*/rollouts.parquet"):
        assert list(pd.read_parquet(path).columns) == [name for name, _, _ in QUESTION_COLUMNS]
