"""Walk from a folder in many layouts to an evaluated model, by the commands of docs/how_to/data.md."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.command import run
from tests.data.test_label_checks import write_problems

pytestmark = pytest.mark.kind("the commands verify, evaluate and publish")


@pytest.fixture(scope="module")
def options(where: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the overrides of the tiny experiment on a folder of own problems."""
    root = tmp_path_factory.mktemp("walk")
    write_problems(root)
    return [*where, "data=own", f"data.sources.own.path={root}", "name=walk"]


def _results(options: list[str]) -> Path:
    [folder] = [option for option in options if option.startswith("results=")]
    return Path(folder.removeprefix("results=")) / "walk"


def test_a_folder_becomes_pairs_and_the_screen_names_what_is_suspicious(options: list[str]) -> None:
    process = run("data", *options)
    for part in (
        "own/reference is left out: its reference fails",
        "every candidate fails with 'NameError' in 1 problem (own/names)",
        "1 candidate is left out: needs pandas",
        "1 of 3 labels differ from those of the source",
        "left out candidates/b.py: it is empty",
    ):
        assert part in process.stderr
    [line] = [line for line in process.stdout.splitlines() if line.strip().startswith("pairs:")]
    folder = Path(line.partition(":")[2].strip()).parent
    card = (folder / "card.md").read_text()
    assert "| read |" in card
    assert "| paired | 6 | 13 |" in card
    assert len((folder / "disagreements.jsonl").read_text().splitlines()) == 1


def test_a_model_is_evaluated_alone(options: list[str]) -> None:
    run("evaluate", *options)
    folder = _results(options)
    assert set(pd.read_csv(folder / "table.csv")["policy"]) == {"base"}
    names = {path.name for path in folder.iterdir()}
    assert {"report.md", "table.md", "data_card.md", "pairs.html", "config.yaml", "provenance.json"} <= names


def test_the_shipped_policy_is_refused_before_any_work(options: list[str]) -> None:
    without_model = [option for option in options if not option.startswith("model.path=")]
    error = run("evaluate", *without_model, code=2).stderr.splitlines()[-1]
    assert "the shipped policy knows its own problems only; choose a model" in error
